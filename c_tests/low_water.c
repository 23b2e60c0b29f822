/*
 * A large value that trickles in arrives whole and in time, however small its pieces are beside what the receiver
 * waits for, and costs little; the kernel is told when a very large one is announced; afterwards small messages are
 * waited for without a mark, and heard of at once. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when the mark is left behind (`LowWater::lower`) or comes too late (`LowWater::announce`), and hangs when
 * low_water.rs waits for more than the value has left (`mark`) and for ever (`PATIENCE`): either of the two is enough
 * to get on, since the kernel caps the mark and reports a full buffer.
 */
#include "harness.h"

enum { MESSAGE = 50, PIECES = 40, ANNOUNCED = 512 << 10 };

static struct peer peer;
static void *dh;

struct trickle {
	const uint8_t *frame;
	size_t bytes;
	int pause_ms;
};

static void *write_slowly(void *argument)
{
	const struct trickle *trickle = argument;

	peer_write_slowly(&peer, trickle->frame, trickle->bytes, trickle->bytes / PIECES + 1, trickle->pause_ms);
	return NULL;
}

static int low_water(void)
{
	int mark = 0;
	socklen_t length = sizeof(mark);

	CHECK(getsockopt(find_socket(peer.port), SOL_SOCKET, SO_RCVLOWAT, &mark, &length) == 0);
	return mark;
}

static void *wait_for_message(void *argument)
{
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 5000), 1);
	return argument;
}

static void small_message(void)
{
	uint8_t *frame = make_frame(MESSAGE, 0, 2);
	pthread_t receiver = start_thread(wait_for_message, NULL);

	double begun = now();

	while (low_water() != 1 && now() - begun < 5)
		sleep_ms(1);
	CHECK_EQ(low_water(), 1);
	/* Until it waits in any case. */
	sleep_ms(10);
	begun = now();

	peer_write(&peer, frame, FRAME(MESSAGE, 0));
	join_thread(receiver);
	receive_frame(dh, MESSAGE, 0, 2);
	CHECK_TIME(now() - begun, 0, 0.5);
	free(frame);
}

static void receive_value(uint32_t value, int pause_ms)
{
	uint8_t *frame = make_frame(MESSAGE, value, 1), pdu[PDU], *bytes = allocate(MESSAGE + value);
	struct trickle trickle = {frame, FRAME(MESSAGE, value), pause_ms};
	pthread_t writer = start_thread(write_slowly, &trickle);
	double begun = now(), used, all = PIECES * pause_ms / 1e3;

	/* What the first touch of a page costs depends on the machine, and can be more than all the rest. */
	memset(bytes, 0, MESSAGE + value);
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 5000), 1);
	/* As much as the kernel takes for a mark. */
	CHECK(value < ANNOUNCED ? low_water() == 1 : low_water() >= ANNOUNCED);
	CHECK_EQ(receive_bytes(dh, pdu, PDU), PDU);
	used = thread_cpu();
	CHECK_EQ(receive_bytes(dh, bytes, MESSAGE + value), MESSAGE + value);
	used = thread_cpu() - used;
	/* The last piece is waited for, but no longer than the patience lasts. */
	CHECK_TIME(now() - begun, all * 0.8, all * 1.5 + 0.5);
	/* 2 % of a core beside what copying takes, of which 1 MiB a ms is little. */
	CHECK_CPU(used, 0.02 * all + 0.01 + (value >> 20) * 0.001);
	printf("%u bytes, pauses of %d ms: %.1f ms of CPU in %.0f ms\n", value, pause_ms, used * 1e3,
	       (now() - begun) * 1e3);
	fflush(stdout);
	check_pattern(bytes, MESSAGE + value, 1, 0);
	join_thread(writer);
	free(frame);
	free(bytes);
}

int main(void)
{
	static const uint32_t VALUES[] = {64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20};
	static const int PAUSES[] = {3, 30};

	begin();
	setenv("KTLI_URING_RCVBUF", "1048576", 1);

	struct ktli_uring_config config = options();

	/* The receiver looks, and waits for messages on the ring. */
	config.spin = 1;
	set_options(config);
	peer_listen(&peer, 0);
	dh = connected(&peer);
	receive_value(1 << 20, 3);
	small_message();
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_end(&peer);

	config.spin = KTLI_URING_SPIN_AUTO;
	set_options(config);
	peer_listen(&peer, 0);
	dh = connected(&peer);
	CHECK_EQ(low_water(), 1);
	for (size_t i = 0; i < COUNT(VALUES); i++) {
		for (size_t j = 0; j < COUNT(PAUSES); j++) {
			receive_value(VALUES[i], PAUSES[j]);
			small_message();
			small_message();
		}
	}
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_end(&peer);
	return 0;
}
