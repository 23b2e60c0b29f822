/*
 * A send that does not get through gives up after its time-out, without burning a core meanwhile, and
 * the connection is dead from then on. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `Transmit::send_all` does not look at its deadline, or when its failure leaves the
 * connection in use.
 */
#include "harness.h"

static struct peer peer;
static void *dh;
static atomic_bool stop;

static void *poll_on(void *argument)
{
	while (!stop)
		CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 10), 0);
	return argument;
}

/* The peer reads nothing. One send takes the time-out, all before it next to none. */
static void stuck(uint32_t value, bool polled)
{
	uint8_t *frame = make_frame(40, value, 1);
	pthread_t poller = 0;
	double begun, used;
	int result, error;

	peer_listen(&peer, 64 << 10);
	dh = connected(&peer);
	stop = false;
	if (polled)
		poller = start_thread(poll_on, NULL);
	sleep_ms(20);
	do {
		begun = now();
		used = process_cpu();
		errno = 0;
		result = send_frame(dh, frame);
		error = errno;
	} while (result == (int)FRAME(40, value));
	CHECK_EQ(result, -1);
	CHECK_EQ(error, ETIMEDOUT);
	CHECK_TIME(now() - begun, 0.9, 3);
	/* Of the whole process: with SQPOLL that is also the kernel's thread, which may spin. */
	if (options().sqpoll == 0)
		CHECK_CPU(process_cpu() - used, 0.3);
	begun = now();
	CHECK_FAILS(send_frame(dh, frame), ETIMEDOUT);
	CHECK_TIME(now() - begun, 0, 0.5);
	stop = true;
	if (polled)
		join_thread(poller);
	begun = now();
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 50), 0);
	CHECK_TIME(now() - begun, 0.05, 1);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_end(&peer);
	free(frame);
}

int main(void)
{
	begin();
	setenv("KTLI_URING_SEND_TIMEOUT", "1000", 1);
	stuck(64 << 20, false);
	stuck(64 << 20, true);
	stuck(60 << 10, false);
	stuck(60 << 10, true);
	return 0;
}
