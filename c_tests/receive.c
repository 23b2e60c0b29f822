/*
 * receive fills the whole vector or fails with the right errno, waits without burning a core, and never
 * changes the vector; what is too large is refused. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when receive.rs waits in a loop without sleeping, takes an end of the stream for an empty
 * receive (`conclude`), or when `ffi::types::vector` looks at memory or overflows.
 */
#include "harness.h"

#include <limits.h>
#include <sys/mman.h>

static struct peer peer;
static void *dh;

static void start(void)
{
	peer_listen(&peer, 0);
	dh = connected(&peer);
}

static void stop(void)
{
	peer_end(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

static void *write_slowly(void *frame)
{
	peer_write_slowly(&peer, frame, FRAME(50, 1 << 20), 32 << 10, 30);
	return NULL;
}

static void slow_value(void)
{
	uint8_t *frame = make_frame(50, 1 << 20, 1);

	start();
	pthread_t writer = start_thread(write_slowly, frame);

	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 5000), 1);
	double begun = now(), used = thread_cpu();

	receive_frame(dh, 50, 1 << 20, 1);
	/* 33 pieces, 30 ms each: a receive that spins would use all of the second. */
	CHECK_TIME(now() - begun, 0.5, 5);
	CHECK_CPU(thread_cpu() - used, 0.15);
	join_thread(writer);
	stop();
	free(frame);
}

static void *write_half_and_close(void *frame)
{
	peer_write(&peer, frame, FRAME(50, 512 << 10));
	sleep_ms(100);
	peer_close(&peer);
	return NULL;
}

static void end_inside(void)
{
	uint8_t *frame = make_frame(50, 1 << 20, 2), *bytes = allocate(50 + (1 << 20));

	start();
	pthread_t writer = start_thread(write_half_and_close, frame);

	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 5000), 1);
	CHECK_EQ(receive_bytes(dh, bytes, PDU), PDU);
	CHECK_FAILS(receive_bytes(dh, bytes, 50 + (1 << 20)), ECONNRESET);
	CHECK_FAILS(receive_bytes(dh, bytes, 1), ECONNRESET);
	join_thread(writer);
	stop();
	/* And between two messages, without a poll before. */
	start();
	peer_close(&peer);
	CHECK_FAILS(receive_bytes(dh, bytes, PDU), ECONNRESET);
	stop();
	free(frame);
	free(bytes);
}

static void wrong_vectors(void)
{
	char small[8] = "unmoved", got[8];
	struct kiovec huge[] = {{small, (size_t)1 << 30}, {small, (size_t)1 << 30}, {small, 1}};
	struct kiovec wrapping[] = {{small, SIZE_MAX}, {small, 2}};
	struct kiovec missing = {NULL, 5};

	start();
	peer_write(&peer, "F\0\0\0\x01\0\0\0\x02", PDU);
	for (int receiving = 0; receiving < 2; receiving++) {
		int (*call)(void *, struct kiovec *, int) =
			receiving ? uring_fns.ktli_dfns_receive : uring_fns.ktli_dfns_send;

		CHECK_FAILS(call(dh, huge, 3), EMSGSIZE);
		CHECK_FAILS(call(dh, huge, 2), EMSGSIZE);
		CHECK_FAILS(call(dh, wrapping, 2), EMSGSIZE);
		CHECK_FAILS(call(dh, NULL, 1), EINVAL);
		CHECK_FAILS(call(dh, huge, -1), EINVAL);
		CHECK_FAILS(call(dh, huge, INT_MIN), EINVAL);
		CHECK_FAILS(call(dh, &missing, 1), EFAULT);
		CHECK_EQ(call(dh, huge, 0), 0);
	}
	CHECK(strcmp(small, "unmoved") == 0);
	/* None of that has cost the stream a byte, in either direction. */
	CHECK_EQ(send_bytes(dh, "whole", 6), 6);
	peer_read(&peer, got, 6);
	CHECK(strcmp(got, "whole") == 0);
	peer_write(&peer, "abc", 3);
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 5000), 1);
	CHECK_EQ(receive_bytes(dh, small, 3), 3);
	CHECK_EQ(small[0], 'F');
	stop();
}

static void missing_memory(void)
{
	enum { LARGE = 1 << 20 };
	uint8_t *frame = make_frame(50, LARGE, 3), pdu[PDU], message[50];
	void *nowhere = mmap(NULL, LARGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(nowhere != MAP_FAILED);
	start();
	struct kiovec sent[] = {{frame, PDU}, {frame + PDU, 50}, {nowhere, LARGE}};

	CHECK_FAILS(uring_fns.ktli_dfns_send(dh, sent, 3), EFAULT);
	stop();
	start();
	/* What is read ahead is copied, where missing memory kills any program: so the value comes last. */
	peer_write(&peer, frame, FRAME(50, 0));
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 5000), 1);
	CHECK_EQ(receive_bytes(dh, pdu, PDU), PDU);
	CHECK_EQ(receive_bytes(dh, message, 50), 50);
	peer_write(&peer, frame + FRAME(50, 0), 100 << 10);
	CHECK_FAILS(receive_bytes(dh, nowhere, LARGE), EFAULT);
	stop();
	munmap(nowhere, LARGE);
	free(frame);
}

static void *write_whole(void *frame)
{
	peer_write(&peer, frame, FRAME(50, 1 << 20));
	return NULL;
}

static void *read_whole(void *argument)
{
	uint8_t *bytes = allocate(FRAME(50, 1 << 20));

	peer_read(&peer, bytes, FRAME(50, 1 << 20));
	free(bytes);
	return argument;
}

static void unchanged_vectors(void)
{
	uint8_t *frame = make_frame(50, 1 << 20, 4), *bytes = allocate(FRAME(50, 1 << 20));
	struct kiovec vector[] = {{frame, PDU}, {frame + PDU, 50}, {NULL, 0}, {frame + PDU + 50, 1 << 20}};
	struct kiovec into[] = {{bytes, PDU}, {bytes + PDU, 50}, {NULL, 0}, {bytes + PDU + 50, 1 << 20}};
	struct kiovec copy[4];

	start();
	pthread_t reader = start_thread(read_whole, NULL);

	memcpy(copy, vector, sizeof(copy));
	CHECK_EQ(uring_fns.ktli_dfns_send(dh, vector, 4), FRAME(50, 1 << 20));
	CHECK(memcmp(copy, vector, sizeof(copy)) == 0);
	join_thread(reader);
	pthread_t writer = start_thread(write_whole, frame);

	memcpy(copy, into, sizeof(copy));
	CHECK_EQ(uring_fns.ktli_dfns_receive(dh, into, 4), FRAME(50, 1 << 20));
	CHECK(memcmp(copy, into, sizeof(copy)) == 0);
	CHECK(memcmp(frame, bytes, FRAME(50, 1 << 20)) == 0);
	join_thread(writer);
	stop();
	free(frame);
	free(bytes);
}

int main(void)
{
	begin();
	slow_value();
	end_inside();
	wrong_vectors();
	if (!on_valgrind()) /* to which such a vector is an error */
		missing_memory();
	unchanged_vectors();
	return 0;
}
