/*
 * Handles that are NULL, closed, stale or made up fail as the contract says and do nothing else; a
 * session's life from connect to connect. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `Handle::find` takes a place without looking at the generation, when poll on a closed
 * handle returns before its time-out, or when `disconnect` fails on a session that is not connected.
 */
#include "harness.h"

static char host[] = "127.0.0.1", port[] = "1";

static void check_refused(void *dh, int error)
{
	char byte = 0;
	struct kiovec vector = {&byte, 1};

	CHECK_FAILS(uring_fns.ktli_dfns_connect(dh, host, port, 0), error);
	CHECK_FAILS(uring_fns.ktli_dfns_send(dh, &vector, 1), error);
	CHECK_FAILS(uring_fns.ktli_dfns_receive(dh, &vector, 1), error);
	CHECK_FAILS(uring_fns.ktli_dfns_disconnect(dh), error);
	CHECK_FAILS(uring_fns.ktli_dfns_close(dh), error);
}

static void check_polls_0(void *dh)
{
	double begun = now();

	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 50), 0);
	CHECK_TIME(now() - begun, 0.05, 1);
	begun = now();
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 0), 0);
	CHECK_TIME(now() - begun, 0, 0.5);
	/* Without a limit, but nothing can come: it ends. */
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, -1), 0);
}

static void bad_handles(void)
{
	void *dh = open_session(), *memory = allocate(64);
	/* clang-format off */
	void *made_up[] = {(void *)1, (void *)0x1234, (void *)-1, (char *)dh + 1, (char *)dh - 1,
			   (char *)dh + ((uintptr_t)1 << 40), memory, &dh, (void *)bad_handles};
	/* clang-format on */

	check_refused(NULL, EINVAL);
	CHECK_FAILS(uring_fns.ktli_dfns_poll(NULL, 10), EINVAL);
	for (size_t i = 0; i < COUNT(made_up); i++) {
		check_refused(made_up[i], EBADF);
		CHECK_FAILS(uring_fns.ktli_dfns_poll(made_up[i], 10), EBADF);
	}
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	check_refused(dh, EBADF);
	check_polls_0(dh);
	free(memory);
}

static void unconnected(void)
{
	char byte = 0;
	void *dh = open_session();

	CHECK_FAILS(send_bytes(dh, &byte, 1), ENOTCONN);
	CHECK_FAILS(receive_bytes(dh, &byte, 1), ENOTCONN);
	check_polls_0(dh);
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
	CHECK_FAILS(uring_fns.ktli_dfns_connect(dh, NULL, port, 0), EINVAL);
	CHECK_FAILS(uring_fns.ktli_dfns_connect(dh, host, NULL, 0), EINVAL);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

static atomic_int ready; /* what the polling thread got */
static atomic_bool stop;

static void *poll_on(void *dh)
{
	while (!stop) {
		/* Longer than the time in which the session is connected again. */
		int result = uring_fns.ktli_dfns_poll(dh, 400);

		CHECK(result == 0 || result == 1);
		if (result == 1) {
			receive_frame(dh, 30, 2000, 3);
			ready++;
		}
	}
	return NULL;
}

static void exchange(struct peer *peer, void *dh)
{
	uint8_t *frame = make_frame(30, 2000, 3), got[FRAME(30, 2000)];
	int before = ready;

	CHECK_EQ(send_frame(dh, frame), FRAME(30, 2000));
	peer_read(peer, got, sizeof(got));
	CHECK(memcmp(got, frame, sizeof(got)) == 0);
	peer_write(peer, frame, sizeof(got));
	for (double begun = now(); ready == before; sleep_ms(1))
		CHECK_TIME(now() - begun, 0, 3);
	free(frame);
}

static void *close_after_the_end(void *argument)
{
	char byte;

	CHECK_EQ(peer_read_to_end(argument, &byte, 1), 0);
	peer_close(argument);
	return NULL;
}

static void connected_again(void)
{
	struct peer peer;
	void *dh = open_session();
	pthread_t poller = start_thread(poll_on, dh);
	char byte = 0;

	peer_listen(&peer, 0);
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(connect_to(dh, peer.port), 0);
		CHECK_FAILS(connect_to(dh, peer.port), EISCONN);
		peer_accept(&peer);
		exchange(&peer, dh);
		pthread_t ending = start_thread(close_after_the_end, &peer);
		double begun = now();

		CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
		CHECK_TIME(now() - begun, 0, 3);
		CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
		CHECK_FAILS(send_bytes(dh, &byte, 1), ENOTCONN);
		join_thread(ending);
	}
	stop = true;
	join_thread(poller);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	CHECK_FAILS(uring_fns.ktli_dfns_close(dh), EBADF);
	peer_end(&peer);
}

static void places_are_used_again(void)
{
	enum { HANDLES = 4000 };
	static void *old[HANDLES];
	char byte = 0;

	for (int i = 0; i < HANDLES; i++) {
		old[i] = open_session();
		CHECK_EQ(uring_fns.ktli_dfns_close(old[i]), 0);
	}
	void *dh = open_session();

	for (int i = 0; i < HANDLES; i++) {
		CHECK(old[i] != dh && (i == 0 || old[i] != old[i - 1]));
		CHECK_FAILS(send_bytes(old[i], &byte, 1), EBADF);
		CHECK_FAILS(uring_fns.ktli_dfns_close(old[i]), EBADF);
	}
	CHECK_FAILS(send_bytes(dh, &byte, 1), ENOTCONN);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

int main(void)
{
	begin();
	bad_handles();
	unconnected();
	connected_again();
	places_are_used_again();
	return 0;
}
