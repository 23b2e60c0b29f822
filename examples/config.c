/*
 * Options from C: a session that carries any bytes, not only Kinetic's messages, gives up connecting
 * after two seconds, and reports the end of the connection. Sends a line to a TCP service and prints
 * what comes back until it closes. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 *   cc config.c -o config $(pkg-config --cflags --libs ktli-uring)
 *   ./config 127.0.0.1 7 'hello'
 */
#define KTLI_URING_DEFINE_TYPES
#include <ktli_uring.h>

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct ktli_uring_config config = {.size = sizeof config};
	char description[256], byte;
	struct kiovec line[2], one = {&byte, 1};
	void *dh;

	if (argc != 4) {
		fprintf(stderr, "usage: %s HOST PORT LINE\n", argv[0]);
		return 2;
	}
	/* The values in force first: the members that stay as they are. */
	ktli_uring_get_config(&config);
	config.framing = KTLI_URING_FRAMING_NONE;
	config.hangup = KTLI_URING_HANGUP_REPORT;
	config.connect_timeout = 2000;
	if (ktli_uring_configure(&config) != 0) {
		perror("configure"); /* the log names the member */
		return 1;
	}
	ktli_uring_describe(description, sizeof description);
	fprintf(stderr, "%s\n", description);

	dh = ktli_uring_open();
	if (dh == NULL || ktli_uring_connect(dh, argv[1], argv[2], 0) != 0) {
		perror(argv[1]);
		return 1;
	}
	line[0] = (struct kiovec){argv[3], strlen(argv[3])};
	line[1] = (struct kiovec){"\n", 1};
	if (ktli_uring_send(dh, line, 2) < 0) {
		perror("send");
		return 1;
	}
	/* Bytes are read ahead: most of these calls make no system call. */
	while (ktli_uring_poll(dh, 2000) == 1 && ktli_uring_receive(dh, &one, 1) == 1)
		putchar(byte);
	return ktli_uring_close(dh) != 0;
}
