/*
 * The smallest session: connect to a Kinetic drive, wait for the message with which it greets, and
 * read it as libkinetic does, nine bytes of PDU first. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 *   cc minimal.c -o minimal $(pkg-config --cflags --libs ktli-uring)
 *   ./minimal 127.0.0.1 8123
 */
#define KTLI_URING_DEFINE_TYPES
#include <ktli_uring.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	unsigned char pdu[9];
	struct kiovec head = {pdu, sizeof pdu};
	struct kiovec body[2]; /* message and value */
	uint32_t lengths[2];
	void *dh;

	if (argc != 3) {
		fprintf(stderr, "usage: %s HOST PORT\n", argv[0]);
		return 2;
	}
	dh = ktli_uring_open();
	if (dh == NULL || ktli_uring_connect(dh, argv[1], argv[2], 0) != 0) {
		perror(argv[1]);
		return 1;
	}
	if (ktli_uring_poll(dh, 5000) != 1) { /* milliseconds */
		fprintf(stderr, "no greeting within five seconds\n");
		return 1;
	}
	if (ktli_uring_receive(dh, &head, 1) != sizeof pdu) {
		perror("receive");
		return 1;
	}
	memcpy(lengths, pdu + 1, sizeof lengths); /* after the 'F', big-endian */
	body[0].kiov_len = ntohl(lengths[0]);
	body[0].kiov_base = malloc(body[0].kiov_len);
	body[1].kiov_len = ntohl(lengths[1]);
	body[1].kiov_base = malloc(body[1].kiov_len);
	if (ktli_uring_receive(dh, body, 2) < 0) {
		perror("receive");
		return 1;
	}
	printf("greeted with a message of %zu bytes and a value of %zu\n", body[0].kiov_len, body[1].kiov_len);
	free(body[0].kiov_base);
	free(body[1].kiov_base);
	return ktli_uring_close(dh) != 0; /* disconnects, too */
}
