/*
 * A forked child has no use of its parent's sessions, may open its own, and its end does the parent's
 * no harm. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `Handle::find` does not look at the process, when the child waits for a lock that a thread
 * of its parent held, or when its exit acts on the parent's connections.
 */
#include "upper.h"

#include <sys/wait.h>

FORKS_WITH_THREADS

static struct upper upper;
static struct peer second; /* what the child connects to */

static void check_not_mine(void *dh)
{
	char byte = 0, host[] = "127.0.0.1", port[] = "1";
	struct kiovec vector = {&byte, 1};

	CHECK_FAILS(uring_fns.ktli_dfns_send(dh, &vector, 1), EBADF);
	CHECK_FAILS(uring_fns.ktli_dfns_receive(dh, &vector, 1), EBADF);
	CHECK_FAILS(uring_fns.ktli_dfns_connect(dh, host, port, 0), EBADF);
	CHECK_FAILS(uring_fns.ktli_dfns_disconnect(dh), EBADF);
	CHECK_FAILS(uring_fns.ktli_dfns_close(dh), EBADF);
	/* As on any handle that was good once: it waits and says 0. */
	double begun = now();

	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 20), 0);
	CHECK_TIME(now() - begun, 0.02, 1);
}

/* Sends and ends without a disconnect: what it has accepted must arrive. */
static void own_session(void)
{
	uint8_t *frame = make_frame(20, 30, 1);
	void *dh = open_session();

	CHECK_EQ(connect_to(dh, second.port), 0);
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 1), 0);
	CHECK_EQ(send_frame(dh, frame), FRAME(20, 30));
	free(frame);
}

static void one_child(void *dh, bool with_session)
{
	uint8_t bytes[FRAME(20, 30)];
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		begin();
		check_not_mine(dh);
		if (with_session)
			own_session();
		exit(0);
	}
	if (with_session) {
		peer_accept(&second);
		peer_read(&second, bytes, sizeof(bytes));
		check_pattern(bytes + PDU, 50, 1, 0);
		CHECK_EQ(peer_read_to_end(&second, bytes, 1), 0);
		peer_close(&second);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
}

int main(void)
{
	struct peer peer;
	uint32_t state = 99;
	void *dh;

	begin();
	peer_listen(&peer, 0);
	peer_listen(&second, 0);
	dh = open_session();
	upper_start(&upper, dh, 30);
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, answer_requests, NULL);
	/* In the midst of traffic, so that the children find every lock held now and then. */
	for (int i = 0; i < rounds(20); i++) {
		for (int j = 0; j < OUTSTANDING; j++)
			upper_submit(&upper, dice(&state, 200 << 10), dice(&state, 200 << 10));
		one_child(dh, i % 2 == 0);
		CHECK_EQ(upper.outcomes[REFUSED], 0);
	}
	upper_wait_all(&upper);
	CHECK_EQ(upper.outcomes[ANSWERED], rounds(20) * OUTSTANDING);
	upper_close(&upper);
	peer_join(&peer);
	peer_end(&peer);
	peer_end(&second);
	return 0;
}
