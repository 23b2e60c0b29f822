/*
 * Plays the upper half with the driver that the table names: connects to 127.0.0.1 and the port that is given, makes
 * eight calls all told, and ends without disconnecting, as programs over libkinetic do; with a second argument it waits
 * to be killed. Ends with 3 if the stock driver answered. SPDX-License-Identifier: MIT OR Apache-2.0
 */
#define KTLI_URING_DEFINE_TYPES
#include "ktli_uring.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ktli_driver_fns *find_driver(int id);

static uint32_t number(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

int main(int argc, char **argv)
{
	struct ktli_driver_fns *driver = find_driver(1);
	void *dh = driver->ktli_dfns_open();
	uint8_t pdu[9], *body;
	struct kiovec header = {pdu, 9}, parts[2];

	if (!dh)
		return 3;
	if (argc < 2)
		return 0;
	if (driver->ktli_dfns_connect(dh, "127.0.0.1", argv[1], 0) != 0)
		return 4;
	/* The greeting: a PDU, then message and value. */
	if (driver->ktli_dfns_poll(dh, 10000) != 1 || driver->ktli_dfns_receive(dh, &header, 1) != 9)
		return 5;
	body = malloc(number(pdu + 1));
	parts[0] = (struct kiovec){body, number(pdu + 1)};
	parts[1] = (struct kiovec){NULL, 0};
	if (driver->ktli_dfns_receive(dh, parts, 2) != (int)number(pdu + 1))
		return 6;
	/* Nothing more comes. */
	if (driver->ktli_dfns_poll(dh, 20) != 0)
		return 7;
	/* A wrong use. */
	if (driver->ktli_dfns_send(dh, NULL, 1) != -1 || errno != EINVAL)
		return 8;
	/* A request: an empty message, which the drive refuses. */
	header.kiov_base = "F\0\0\0\0\0\0\0\0";
	if (driver->ktli_dfns_send(dh, &header, 1) != 9)
		return 9;
	printf("%u\n", number(pdu + 1));
	if (argc > 2)
		pause();
	return 0;
}
