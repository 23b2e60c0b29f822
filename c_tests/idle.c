/*
 * A session with nothing to do costs no more than the stock driver's hundred polls a second do.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `waiting::wait` does not sleep, or naps its time-out away in pieces.
 */
#include "harness.h"

#include <poll.h>

enum { POLLS = 200 }; /* of 10 ms: 2 s */

static double driver_cost(void *dh)
{
	double used = thread_cpu();

	for (int i = 0; i < POLLS; i++)
		CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 10), 0);
	return thread_cpu() - used;
}

static double stock_cost(int fd)
{
	double used = thread_cpu();

	for (int i = 0; i < POLLS; i++) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};

		CHECK(poll(&wait, 1, 10) == 0);
	}
	return thread_cpu() - used;
}

int main(void)
{
	struct peer peer;
	void *dh;

	begin();
	peer_listen(&peer, 0);
	dh = connected(&peer);
	double stock = stock_cost(find_socket(peer.port)), begun = now(), driver = driver_cost(dh);

	/* It does sleep its time. */
	CHECK_TIME(now() - begun, 0.01 * POLLS, 0.02 * POLLS);
	printf("%d polls: %.2f ms of CPU; poll(2): %.2f ms\n", POLLS, driver * 1e3, stock * 1e3);
	/* 2 % of a core is allowed on any machine. */
	if (driver > 0.02 * 0.01 * POLLS && driver > 3 * stock && !slow())
		FAIL("%d polls cost %.2f ms of CPU, with poll(2) %.2f ms", POLLS, driver * 1e3, stock * 1e3);
	peer_end(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	return 0;
}
