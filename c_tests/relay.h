/*
 * Between the driver and openssl's server: what travels can be held, cut, and something put in between.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef RELAY_H
#define RELAY_H

#include "harness.h"

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
