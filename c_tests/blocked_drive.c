/*
 * A drive that reads no requests while it cannot get rid of its answers, and a full socket in front of it: the receiver
 * never waits for the flush, whichever thread does what, and what is staged leaves as soon as there is room, also when
 * nobody polls any more, or polls are served from memory. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails (mostly by hanging) when a flush waits for room or for the wire (`RingReceiving::send_now`, `calls::send`,
 * `Handoff::flush`), when a poll on a full socket spins, or when the sweeper does not look at what a full socket has
 * left on the wire (`Handoff::is_neglected`).
 */
#include "harness.h"

#define POLL(timeout) uring_fns.ktli_dfns_poll(dh, timeout)

enum { MESSAGE = 40, VALUE = 4000, LEFT = 300 << 10 };
enum { ANSWERS = 128, ANSWER = 128 << 10, SMALL_ANSWERS = 200 };

static struct peer peer;
static void *dh;
static uint8_t *frame, *large, *answer, *small_answer;
static uint32_t large_value;
static long sent; /* frames */
static atomic_bool done;

/* Bytes that were accepted and are still in the driver. */
static long waiting(void)
{
	struct ktli_uring_statistics counted = {.size = sizeof(counted)};

	CHECK_EQ(ktli_uring_stats(dh, &counted), 0);
	return (long)(counted.bytes_sent - counted.sender_flushed_bytes - counted.receiver_flushed_bytes -
		      counted.other_flushed_bytes - counted.large_sent_bytes);
}

/* Sends until the socket is full and LEFT bytes wait in the driver. One thread polls and sends. */
static void fill(bool answered)
{
	CHECK_EQ(POLL(0), answered); /* now there is a receiver, for whom messages are staged */
	for (sent = 0; waiting() < LEFT; sent++) {
		CHECK_EQ(send_frame(dh, frame), FRAME(MESSAGE, VALUE));
		CHECK_EQ(POLL(0), answered);
	}
}

static void read_requests(void)
{
	uint8_t *bytes = allocate(FRAME(MESSAGE, VALUE));

	for (long i = 0; i < sent; i++) {
		peer_read(&peer, bytes, FRAME(MESSAGE, VALUE));
		if (memcmp(bytes, frame, FRAME(MESSAGE, VALUE)) != 0)
			FAIL("request %ld is not what was sent", i);
		/* Room comes in pieces, so that the wire is left with something now and then. */
		if (i % 16 == 0)
			sleep_ms(3);
	}
	free(bytes);
	done = true;
	peer_write(&peer, small_answer, FRAME(MESSAGE, 0));
}

static void *answer_then_read(void *argument)
{
	for (int i = 0; i < rounds(ANSWERS); i++)
		peer_write(&peer, answer, FRAME(MESSAGE, ANSWER));
	if (argument != NULL) {
		uint8_t *bytes = allocate(FRAME(MESSAGE, large_value));

		peer_read(&peer, bytes, FRAME(MESSAGE, large_value));
		CHECK(memcmp(bytes, large, FRAME(MESSAGE, large_value)) == 0);
		free(bytes);
	}
	read_requests();
	return NULL;
}

static void *only_read(void *argument)
{
	read_requests();
	return argument;
}

static void receive_answers(void)
{
	for (int i = 0; i < rounds(ANSWERS); i++) {
		CHECK_EQ(POLL(20000), 1);
		receive_frame(dh, MESSAGE, ANSWER, 9);
	}
}

static void start(void)
{
	peer_listen(&peer, 64 << 10);
	dh = connected(&peer);
	done = false;
}

static void stop(void)
{
	peer_end(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

/* ---- One thread sends, polls and receives. ---- */

static void one_thread(void)
{
	start();
	fill(false);
	double used = thread_cpu();

	/* Room is waited for, not looked for. */
	CHECK_EQ(POLL(500), 0);
	CHECK_CPU(thread_cpu() - used, 0.1);
	pthread_t drive = start_thread(answer_then_read, NULL);

	receive_answers();
	/* A single poll that lasts, so that nothing but room in the socket makes the receiver go on. */
	CHECK_EQ(POLL(20000), 1);
	CHECK(done);
	join_thread(drive);
	stop();
}

/* ---- The sender is inside a large send, and has the wire. ---- */

static void *send_large(void *argument)
{
	CHECK_EQ(send_frame(dh, large), FRAME(MESSAGE, large_value));
	return argument;
}

static void two_threads(void)
{
	start();
	sent = 0;
	CHECK_EQ(POLL(0), 0);
	pthread_t sender = start_thread(send_large, NULL);

	sleep_ms(50);
	CHECK_EQ(POLL(50), 0);
	pthread_t drive = start_thread(answer_then_read, large);

	receive_answers();
	join_thread(sender);
	join_thread(drive);
	CHECK(done);
	stop();
}

/* ---- The receiver stops, or does not come by the kernel any more. ---- */

static void *write_answers(void *argument)
{
	for (int i = 0; i < SMALL_ANSWERS; i++)
		peer_write(&peer, small_answer, FRAME(MESSAGE, 0));
	return argument;
}

static void receiver_stops(bool answered)
{
	start();
	if (answered) {
		write_answers(NULL);
		CHECK_EQ(POLL(5000), 1);
	}
	fill(answered);
	pthread_t drive = start_thread(only_read, NULL);

	for (int i = 0; answered && i < SMALL_ANSWERS; i++) {
		CHECK_EQ(POLL(0), 1);
		receive_frame(dh, MESSAGE, 0, 8);
		sleep_ms(2);
	}
	/* Nobody polls: the sweeper alone. */
	join_thread(drive);
	CHECK(done);
	stop();
}

int main(void)
{
	struct ktli_uring_config config;

	begin();
	if (on_valgrind())
		skip("a sender stages nothing for a receiver that stays away for as long as valgrind takes");
	config = options();
	config.send_buffer = MIB(1);
	config.receive_buffer = MIB(1);
	config.linger = 50;
	set_options(config);
	/* More than the kernel's buffers hold; on valgrind it goes at 2 MiB a second. */
	large_value = slow() ? MIB(8) : MIB(32);
	frame = make_frame(MESSAGE, VALUE, 1);
	large = make_frame(MESSAGE, large_value, 2);
	answer = make_frame(MESSAGE, ANSWER, 9);
	small_answer = make_frame(MESSAGE, 0, 8);
	one_thread();
	two_threads();
	receiver_stops(false);
	receiver_stops(true);
	free(frame);
	free(large);
	free(answer);
	free(small_answer);
	return 0;
}
