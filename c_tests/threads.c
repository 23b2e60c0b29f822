/*
 * The halves of a session go from thread to thread, one thread may do everything, and two at once in
 * one half are refused; memory of a call that has returned is the caller's again.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `make_engine` does not look at `is_mine`, when somebody who returns keeps the wire (a single
 * thread then waits for itself), or when a receive is not cancelled before its call returns.
 */
#include "harness.h"

#define POLL(timeout) uring_fns.ktli_dfns_poll(dh, timeout)

enum { LARGE = 1 << 20 };

static struct peer peer;
static void *dh;
static uint8_t *frame, *large;

static void *echo_both(void *argument)
{
	uint8_t *bytes = allocate(FRAME(20, LARGE));

	/* A staged message, then one that goes out from the caller's memory. */
	CHECK_EQ(send_frame(dh, frame), FRAME(20, 300));
	peer_read(&peer, bytes, FRAME(20, 300));
	peer_write(&peer, frame, FRAME(20, 300));
	CHECK_EQ(POLL(5000), 1);
	receive_frame(dh, 20, 300, 1);
	CHECK_EQ(send_frame(dh, large), FRAME(20, LARGE));
	peer_read(&peer, bytes, FRAME(20, LARGE));
	CHECK(memcmp(bytes, large, FRAME(20, LARGE)) == 0);
	CHECK_EQ(POLL(5), 0);
	free(bytes);
	return argument;
}

static void changing_threads(void)
{
	/* The large message and both socket buffers: the peer reads after the send. */
	peer_listen(&peer, 4 << 20);
	dh = connected(&peer);
	for (int i = 0; i < 10; i++) {
		/* This thread lives on, the other one ends. */
		echo_both(NULL);
		join_thread(start_thread(echo_both, NULL));
	}
	peer_end(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

/* ---- Senders that take turns, each with a message that waits in the kernel. ---- */

enum { HUGE_VALUE = 16 << 20, TURNS = 6 };

static uint8_t *huge;

static void *send_huge(void *argument)
{
	CHECK_EQ(send_frame(dh, huge), FRAME(20, HUGE_VALUE));
	return argument;
}

/* Not before the socket is full. */
static void *read_huge(void *argument)
{
	uint8_t *bytes = allocate(FRAME(20, HUGE_VALUE));

	for (int i = 0; i < TURNS; i++) {
		size_t last = 0, waiting;

		while ((waiting = peer_peek(&peer, MIB(1))) == 0 || waiting != last) {
			last = waiting;
			sleep_ms(10);
		}
		peer_read(&peer, bytes, FRAME(20, HUGE_VALUE));
		CHECK(memcmp(bytes, huge, FRAME(20, HUGE_VALUE)) == 0);
	}
	free(bytes);
	return argument;
}

static void changing_senders(void)
{
	huge = make_frame(20, HUGE_VALUE, 4);
	peer_listen(&peer, 64 << 10);
	dh = connected(&peer);
	pthread_t drive = start_thread(read_huge, NULL);

	for (int i = 0; i < TURNS; i++) {
		if (i % 2 == 0)
			send_huge(NULL);
		else
			join_thread(start_thread(send_huge, NULL));
	}
	join_thread(drive);
	peer_end(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	free(huge);
}

/* ---- One thread for everything, against a socket that is full. ---- */

static atomic_bool may_read;
static atomic_long progress; /* messages that were sent */

/* Reads when the caller polls, or when a send has been stuck for half a second; then answers. */
static void read_late(struct peer *self)
{
	long seen = -1, total = *(long *)self->context;
	uint8_t *bytes = allocate(FRAME(20, 4096));

	for (int idle = 0; !may_read && idle < 500; idle++) {
		if (progress != seen)
			idle = 0;
		seen = progress;
		sleep_ms(1);
	}
	for (long i = 0; i < total; i++) {
		peer_read(self, bytes, FRAME(20, 4096));
		check_pattern(bytes + PDU, 20 + 4096, 2, 0);
	}
	peer_write(self, frame, FRAME(20, 300));
	free(bytes);
}

static void single_thread(long total)
{
	uint8_t *message = make_frame(20, 4096, 2);

	may_read = false;
	progress = 0;
	peer_listen(&peer, 64 << 10);
	dh = open_session();
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, read_late, &total);
	CHECK_EQ(POLL(0), 0); /* now there is a receiver, for whom messages are staged */
	for (; progress < total; progress++)
		CHECK_EQ(send_frame(dh, message), FRAME(20, 4096));
	may_read = true;
	CHECK_EQ(POLL(10000), 1);
	receive_frame(dh, 20, 300, 1);
	peer_join(&peer);
	peer_end(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	free(message);
}

/* Some of these totals fill the socket and leave messages staged. */
static void single_threads(void)
{
	struct ktli_uring_config before = options(), config = before;

	config.send_buffer = 1 << 20;
	set_options(config);
	for (long total = 128; total <= 1024; total += 64)
		single_thread(total);
	set_options(before);
}

/* ---- Two threads in one half. ---- */

static void *poll_long(void *argument)
{
	CHECK_EQ(POLL(600), 0);
	return argument;
}

static void *send_much(void *much)
{
	CHECK_EQ(send_frame(dh, much), FRAME(20, 32 << 20));
	return NULL;
}

static void two_at_once(void)
{
	uint8_t *much = make_frame(20, 32 << 20, 3), *bytes = allocate(FRAME(20, 32 << 20));
	char byte = 0;

	peer_listen(&peer, 64 << 10);
	dh = connected(&peer);
	pthread_t other = start_thread(poll_long, NULL);

	sleep_ms(200);
	CHECK_FAILS(POLL(10), EBUSY);
	CHECK_FAILS(receive_bytes(dh, &byte, 1), EBUSY);
	join_thread(other);
	other = start_thread(send_much, much);
	sleep_ms(200);
	CHECK_FAILS(send_bytes(dh, &byte, 1), EBUSY);
	CHECK_EQ(POLL(10), 0);
	peer_read(&peer, bytes, FRAME(20, 32 << 20));
	CHECK(memcmp(bytes, much, FRAME(20, 32 << 20)) == 0);
	join_thread(other);
	peer_end(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	free(much);
	free(bytes);
}

/* ---- Memory of a receive that failed. ---- */

static void *disconnect_soon(void *argument)
{
	sleep_ms(100);
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
	return argument;
}

static void no_late_writes(void)
{
	uint8_t *bytes = allocate(20 + LARGE), *mine = allocate(20 + LARGE);

	memset(mine, 0xa5, 20 + LARGE);
	peer_listen(&peer, 0);
	dh = connected(&peer);
	peer_write(&peer, large, FRAME(20, 1000));
	CHECK_EQ(receive_bytes(dh, bytes, PDU), PDU);
	pthread_t other = start_thread(disconnect_soon, NULL);

	CHECK_EQ(receive_bytes(dh, bytes, 20 + LARGE), -1);
	/* The memory is the caller's again; what arrives now must not go there. */
	memset(bytes, 0xa5, 20 + LARGE);
	send(peer.fd, large + FRAME(20, 1000), LARGE - 1000, MSG_NOSIGNAL | MSG_DONTWAIT);
	sleep_ms(50);
	CHECK(memcmp(bytes, mine, 20 + LARGE) == 0);
	free(bytes);
	free(mine);
	peer_end(&peer);
	join_thread(other);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

int main(void)
{
	begin();
	frame = make_frame(20, 300, 1);
	large = make_frame(20, LARGE, 2);
	changing_threads();
	changing_senders();
	single_threads();
	two_at_once();
	no_late_writes();
	free(frame);
	free(large);
	return 0;
}
