/*
 * After a transmission has failed, every send fails with the same errno, and no SIGPIPE comes; poll
 * takes its time and says 0. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `fail_send` does not keep the first errno, when MSG_NOSIGNAL is missing somewhere, or when
 * an error of staged bytes, sent by the receiver or the sweeper, is dropped.
 */
#include "harness.h"

static struct peer peer;
static void *dh;
static atomic_bool stop;

static void *poll_on(void *argument)
{
	while (!stop) {
		double begun = now();

		CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 20), 0);
		CHECK_TIME(now() - begun, 0.02, 2);
	}
	return argument;
}

/* Sends until it fails, which it must within seconds; then again and again. */
static void check_fails(uint32_t value)
{
	uint8_t *frame = make_frame(40, value, 1);
	double begun = now();
	int result, first = 0;

	do {
		errno = 0;
		result = send_frame(dh, frame);
		first = errno;
		CHECK(result == -1 || result == (int)FRAME(40, value));
		CHECK_TIME(now() - begun, 0, 5);
	} while (result != -1);
	if (first != ECONNRESET && first != EPIPE)
		FAIL("the first failure has errno %d (%s)", first, strerror(first));
	for (int i = 0; i < 10; i++) {
		CHECK_FAILS(send_frame(dh, frame), first);
		sleep_ms(5);
	}
	free(frame);
}

static void gone(bool reset, bool polled, uint32_t value)
{
	pthread_t poller = 0;

	peer_listen(&peer, 0);
	dh = connected(&peer);
	stop = false;
	if (polled)
		poller = start_thread(poll_on, NULL);
	if (reset)
		peer_reset(&peer);
	else
		peer_close(&peer);
	check_fails(value);
	stop = true;
	if (polled)
		join_thread(poller);
	/* Dead, so there is nothing to wait for. */
	double begun = now();

	CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
	CHECK_TIME(now() - begun, 0, 0.5);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_end(&peer);
}

static void *reset_soon(void *argument)
{
	sleep_ms(200);
	peer_reset(&peer);
	return argument;
}

/* In the middle of a message that no buffer holds. */
static void gone_inside(void)
{
	uint8_t *frame = make_frame(40, 32 << 20, 2);

	peer_listen(&peer, 64 << 10);
	dh = connected(&peer);
	pthread_t other = start_thread(reset_soon, NULL);

	CHECK_EQ(send_frame(dh, frame), -1);
	check_fails(100);
	join_thread(other);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_end(&peer);
	free(frame);
}

int main(void)
{
	static const uint32_t VALUES[] = {0, 4096, 1 << 20};

	begin();
	for (size_t i = 0; i < COUNT(VALUES); i++) {
		gone(true, false, VALUES[i]);
		gone(true, true, VALUES[i]);
		gone(false, false, VALUES[i]);
		gone(false, true, VALUES[i]);
	}
	gone_inside();
	return 0;
}
