/*
 * Signals with a handler that does not restart system calls, 2,000 a second to each thread: everything
 * stays exact. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when an EINTR is taken for an error or for an end anywhere: `Ring::enter`, `calls::wait`,
 * `calls::send`, `calls::receive`.
 */
#include "upper.h"

static struct upper upper;
static atomic_bool stop;
static atomic_long handled;

static void handle(int number)
{
	(void)number;
	handled++;
}

static void *disturb(void *main_thread)
{
	while (!stop) {
		pthread_kill(upper.sender, SIGUSR1);
		pthread_kill(upper.receiver, SIGUSR1);
		pthread_kill(*(pthread_t *)main_thread, SIGUSR1);
		usleep(500);
	}
	return NULL;
}

int main(void)
{
	struct sigaction action = {.sa_handler = handle}; /* no SA_RESTART */
	struct peer peer;
	uint32_t state = 1234;
	pthread_t self = pthread_self();

	begin();
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	/* Small buffers at the peer, so that sends wait, too. */
	peer_listen(&peer, 64 << 10);
	void *dh = open_session();

	upper_start(&upper, dh, 30);
	pthread_t disturber = start_thread(disturb, &self);

	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, answer_requests, NULL);
	long requests = rounds(2000);

	for (long i = 0; i < requests; i++)
		upper_submit(&upper, dice(&state, i % 10 ? 5000 : LARGEST), dice(&state, i % 7 ? 5000 : LARGEST));
	upper_wait_all(&upper);
	CHECK_EQ(upper.outcomes[ANSWERED], requests);
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
	stop = true;
	join_thread(disturber);
	CHECK(handled > 100);
	upper_close(&upper);
	peer_join(&peer);
	peer_end(&peer);
	return 0;
}
