/*
 * openssl's server as a peer: its standard input and output are what it sends and gets. And a relay in front of it,
 * which can hold what travels, cut it, and put something in between.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENSSL_H
#define OPENSSL_H

#include "harness.h"

/* With this argument the server takes what it is told for commands where it looks like one, and prints more. */
#define COMMANDS "-msg"

extern int to_server, from_server;
extern bool tls_13; /* the version */

void prepare_openssl(void); /* first: the certificate; skips the test where openssl is not there */
void end_openssl(void);
/* Starts one for one connection, with more arguments, and returns when it listens. */
void start_server(const char *more);
int connect_server(void);
void stop_server(void);

/* What the server is to send. */
void tell(const void *bytes, size_t count);
/* Waits until the server has got this. */
void expect_at_server(const void *bytes, size_t count);

/* ---- The relay, between driver and server. ---- */

struct relay {
	struct peer peer; /* the driver's end */
	int server;
	pthread_t accepting, threads[2];
	atomic_long from_driver, from_server; /* bytes so far */
	atomic_long hold_after;               /* passes no more to the driver than so many bytes; -1: all */
	atomic_long cut_after; /* ends the connection to the driver after so many bytes from the server; -1: never */
	atomic_bool deaf;      /* passes nothing to the server */
	atomic_bool keep_open; /* the end of the server's is not passed on */
	atomic_bool ended, driver_ended;
	pthread_mutex_t to_driver;
	/* The last bytes from the driver. */
	uint8_t last[32];
};

extern struct relay relay;

void start_relay(int receive_buffer); /* SO_RCVBUF, 0 for the kernel's choice; the driver connects to relay.peer.port */
void await_relay(void);               /* until the driver's connection has come */
void await_end_from_driver(void);     /* until the driver has ended the connection */
long passed(void); /* how many bytes have come from the server, those included that the driver has got just now */
void end_relay(void);
/* Writes all to a socket, or what it takes before it breaks. */
void write_all(int fd, const uint8_t *bytes, size_t count);

#endif
