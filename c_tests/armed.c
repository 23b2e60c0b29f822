/*
 * What waits in the kernel when a call returns points to no memory: a receive that a poll's time-out ends loses no byte,
 * memory of a session that is closed under a waiting receiver stays as its next owner wrote it, and the memory of a send
 * that was cut is the caller's again. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `RingReceiving::settle` does not cancel, does not await the cancellation, or takes another receive's
 * completion for its own (`note`), and when `operate` in ring/transmit.rs or `Transmission::release` in ring/zerocopy.rs
 * returns before the kernel has let go of the caller's memory.
 */
#include "harness.h"

enum { MESSAGE = 40, FRAMES = 600, LARGE = 32 << 20, BLOCKS = 32, BLOCK = 256 << 10, MINE = 0xa5 };

static struct peer peer;
static void *dh;
static uint8_t *large, *kept;
static atomic_bool returned, closing;

/* ---- Time-outs of poll, and bytes that come just then. ---- */

static void *write_now_and_then(void *argument)
{
	uint32_t state = 77;

	for (int i = 0; i < rounds(FRAMES); i++) {
		uint8_t *frame = make_frame(MESSAGE, 100, (uint64_t)i);
		size_t first = 1 + dice(&state, FRAME(MESSAGE, 100) - 1);

		peer_write(&peer, frame, first);
		usleep(dice(&state, 1500));
		peer_write(&peer, frame + first, FRAME(MESSAGE, 100) - first);
		usleep(dice(&state, 1500));
		free(frame);
	}
	return argument;
}

static void time_outs(void)
{
	uint32_t state = 99;

	peer_listen(&peer, 0);
	dh = connected(&peer);
	pthread_t writer = start_thread(write_now_and_then, NULL);

	for (int i = 0; i < rounds(FRAMES); i++) {
		while (uring_fns.ktli_dfns_poll(dh, (int)dice(&state, 2)) == 0)
			;
		receive_frame(dh, MESSAGE, 100, (uint64_t)i);
	}
	join_thread(writer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_end(&peer);
}

/* ---- A session that is closed while a receive is armed. ---- */

static void *poll_long(void *argument)
{
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 300), 0);
	return argument;
}

static void *receive_long(void *argument)
{
	uint8_t bytes[100];

	CHECK_EQ(receive_bytes(dh, bytes, sizeof(bytes)), -1);
	return argument;
}

static void *close_it(void *argument)
{
	closing = true;
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	return argument;
}

/* Writes when the end of the stream has come: the session is going, the socket still open. */
static void *write_at_the_end(void *argument)
{
	char byte;

	CHECK_EQ(peer_read_to_end(&peer, &byte, 1), 0);
	for (int i = 0; i < 20; i++) {
		send(peer.fd, large, 20 << 10, MSG_NOSIGNAL | MSG_DONTWAIT);
		sleep_ms(1);
	}
	peer_close(&peer);
	return argument;
}

static void closed_while_armed(void *(*call)(void *))
{
	static uint8_t *blocks[BLOCKS], *mine;
	pthread_t receiver, closer, drive;

	mine = allocate(BLOCK);
	memset(mine, MINE, BLOCK);
	peer_listen(&peer, 0);
	dh = connected(&peer);
	closing = false;
	drive = start_thread(write_at_the_end, NULL);
	receiver = start_thread(call, NULL);
	sleep_ms(30);
	closer = start_thread(close_it, NULL);
	while (!closing)
		;
	/* Whatever is given back meanwhile is likely to be among these. */
	for (int i = 0; i < BLOCKS; i++) {
		blocks[i] = allocate(BLOCK);
		memset(blocks[i], MINE, BLOCK);
		usleep(100);
	}
	join_thread(closer);
	join_thread(receiver);
	join_thread(drive);
	for (int i = 0; i < BLOCKS; i++) {
		if (memcmp(blocks[i], mine, BLOCK) != 0)
			FAIL("block %d was written to by somebody else", i);
		free(blocks[i]);
	}
	free(mine);
	peer_end(&peer);
}

/* ---- A send that is cut. ---- */

static void *send_and_reuse(void *argument)
{
	int result = send_frame(dh, large);

	/* From now on it is somebody else's. */
	memset(large, 0xee, FRAME(MESSAGE, LARGE));
	CHECK_EQ(result, -1);
	returned = true;
	return argument;
}

/* After the send has returned the drive reads what there is: a beginning of the message, as it was. */
static void *read_afterwards(void *argument)
{
	uint8_t *bytes = allocate(FRAME(MESSAGE, LARGE));
	size_t count;

	while (!returned)
		sleep_ms(1);
	count = peer_read_to_end(&peer, bytes, FRAME(MESSAGE, LARGE));
	CHECK(count < FRAME(MESSAGE, LARGE));
	if (memcmp(bytes, kept, count) != 0)
		FAIL("of %zu bytes some were written by the next owner of the memory", count);
	peer_close(&peer);
	free(bytes);
	return argument;
}

static void cut_send(bool zero_copy, bool timed_out)
{
	struct ktli_uring_config before = options(), config = before;

	config.zero_copy = zero_copy ? MIB(1) : 0;
	config.send_timeout = timed_out ? 300 : 20000;
	set_options(config);
	memcpy(large, kept, FRAME(MESSAGE, LARGE));
	peer_listen(&peer, 64 << 10);
	dh = connected(&peer);
	returned = false;
	pthread_t drive = start_thread(read_afterwards, NULL);
	pthread_t sender = start_thread(send_and_reuse, NULL);

	if (!timed_out) {
		sleep_ms(100);
		CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
	}
	join_thread(sender);
	join_thread(drive);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_end(&peer);
	set_options(before);
}

int main(void)
{
	begin();
	kept = make_frame(MESSAGE, LARGE, 1);
	large = allocate(FRAME(MESSAGE, LARGE));
	memcpy(large, kept, FRAME(MESSAGE, LARGE));
	time_outs();
	for (int i = 0; i < 5; i++) {
		closed_while_armed(poll_long);
		closed_while_armed(receive_long);
	}
	for (int i = 0; i < 4; i++)
		cut_send(i / 2, i % 2);
	free(large);
	free(kept);
	return 0;
}
