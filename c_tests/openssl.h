/*
 * openssl's server as a peer: its standard input and output are what it sends and gets. And the certificates.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef OPENSSL_H
#define OPENSSL_H

#include "harness.h"

/* With this argument the server takes what it is told for commands where it looks like one, and prints more. */
#define COMMANDS "-msg"
/* The arguments for a certificate and its key. */
#define SHOWS(name) "-cert " name ".pem -key " name ".key "
#define DRIVE SHOWS("drive")

extern int to_server, from_server, server_port;

/* First: makes a directory and the certificate `drive`; skips the test where openssl is not there. */
void prepare_openssl(void);
void end_openssl(void);
/* Runs a shell command in that directory; the first word that it prints is in `output`. */
__attribute__((format(printf, 1, 2))) void shell(const char *format, ...);
extern char output[256];
/* One of four texts: the path of a file there. */
const char *path(const char *name);
/* One that vouches for itself. `constraints` is CA:FALSE or CA:TRUE, `subject` as in IP:127.0.0.1. */
void make_certificate(const char *name, const char *constraints, const char *subject);

/* Starts one for one connection, with more arguments (DRIVE among them), and returns when it listens. */
void start_server(const char *more);
int connect_server(void);
void stop_server(void);

/* What the server is to send. */
void tell(const void *bytes, size_t count);
/* Waits until the server has got this. */
void expect_at_server(const void *bytes, size_t count);

#endif
