/*
 * The counters of a connection: what a hundred small messages cost in system calls, from which a
 * program can tell whether they left in company. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 *   cc statistics.c -o statistics $(pkg-config --cflags --libs ktli-uring)
 *   ./statistics 127.0.0.1 8123
 */
#define KTLI_URING_DEFINE_TYPES
#include <ktli_uring.h>

#include <inttypes.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct ktli_uring_statistics done = {.size = sizeof done};
	unsigned char pdu[9] = {'F', 0, 0, 0, 16}, message[16] = {0}; /* no request: the drive refuses it */
	struct kiovec request[2] = {{pdu, sizeof pdu}, {message, sizeof message}};
	void *dh;
	int i;

	if (argc != 3) {
		fprintf(stderr, "usage: %s HOST PORT\n", argv[0]);
		return 2;
	}
	dh = ktli_uring_open();
	if (dh == NULL || ktli_uring_connect(dh, argv[1], argv[2], 0) != 0) {
		perror(argv[1]);
		return 1;
	}
	for (i = 0; i < 100; i++) {
		if (ktli_uring_send(dh, request, 2) < 0) {
			perror("send"); /* the drive may have closed the connection by now */
			break;
		}
	}
	/* The counters outlive the connection, not the session. */
	if (ktli_uring_disconnect(dh) != 0 || ktli_uring_stats(dh, &done) != 0) {
		perror("statistics");
		return 1;
	}
	printf("%" PRIu64 " messages, %" PRIu64 " bytes, %" PRIu64 " system calls\n", done.messages_sent,
	       done.bytes_sent, done.system_calls);
	return ktli_uring_close(dh) != 0;
}
