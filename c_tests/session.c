/*
 * The stand-in for libkinetic's upper half works through 20,000 requests, and survives its drive's
 * death and its own close. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when a byte is lost, doubled or moved anywhere; when `Session::poll` returns 1 or -1 on a dead
 * or closed handle, or returns 0 before its time-out; when a send on a dead connection succeeds.
 */
#include "upper.h"

static uint32_t any_size(uint32_t *state)
{
	uint32_t kind = dice(state, 100);

	if (kind < 90)
		return dice(state, 4097);
	return kind < 98 ? dice(state, 128 << 10) : dice(state, LARGEST + 1);
}

static void exchange(void)
{
	uint32_t state = 20000;
	struct peer peer;
	struct upper upper;
	void *dh = open_session();
	long requests = rounds(20000);

	peer_listen(&peer, 0);
	/* As ktli_open does: the threads are there before the connection is. */
	upper_start(&upper, dh, 30);
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, answer_requests, NULL);
	for (long i = 0; i < requests; i++)
		upper_submit(&upper, any_size(&state), any_size(&state));
	upper_wait_all(&upper);
	CHECK_EQ(upper.outcomes[ANSWERED], requests);
	/* Polls on while the session is closed, and for a moment longer. */
	upper_close(&upper);
	peer_join(&peer);
	peer_end(&peer);
}

/* Answers ten requests, swallows five, and is gone. */
static void die_early(struct peer *peer)
{
	uint8_t *scratch = allocate(FRAME(sizeof(struct header), LARGEST));

	for (int i = 0; i < 10; i++)
		CHECK(answer_one(peer, scratch));
	peer_read(peer, scratch, 5 * FRAME(sizeof(struct header), 300));
	free(scratch);
	if (peer->context != NULL)
		peer_reset(peer);
	else
		peer_close(peer);
}

static void death(bool reset)
{
	struct peer peer;
	struct upper upper;
	void *dh = open_session();

	peer_listen(&peer, 0);
	upper_start(&upper, dh, 2);
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, die_early, reset ? &peer : NULL);
	double begun = now();

	for (int i = 0; i < 15; i++)
		upper_submit(&upper, 300, 1000);
	peer_join(&peer);
	upper_wait_all(&upper);
	/* The five end by the stand-in's own time-out, as libkinetic's would after 30 s. */
	CHECK_TIME(now() - begun, 1.9, 6);
	CHECK_EQ(upper.outcomes[ANSWERED], 10);
	CHECK_EQ(upper.outcomes[TIMED_OUT], 5);
	/* 2 s of poll(10) are 200 polls; a receiver that spins makes many thousands. */
	CHECK(upper.polls < 600);
	/* The connection is known to be dead by now: sends fail. */
	upper_submit(&upper, 300, 0);
	upper_wait_all(&upper);
	CHECK_EQ(upper.outcomes[REFUSED], 1);
	CHECK(upper.send_errno > 0);
	upper_close(&upper);
	CHECK_CPU(upper.receiver_cpu, 0.3);
	peer_end(&peer);
}

int main(void)
{
	begin();
	exchange();
	death(false);
	death(true);
	return 0;
}
