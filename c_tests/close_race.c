/*
 * disconnect and close from a third thread, while others are inside send, receive and poll: they
 * return soon, and nothing is touched that is gone. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `Connection::leave` does not wake the receiver, when `Transmit::transmit` does not look
 * at `is_leaving`, or when a session is freed while a call is inside.
 */
#include "harness.h"

enum { LARGE = 64 << 20 };

static void *dh;
static uint8_t *large; /* a frame that no socket buffer holds */
static atomic_bool over;
static _Atomic double returned; /* when the blocked call did */

/* After a close the handle is stale (EBADF), before it the session is cut (the other two). */
static void check_cut(int result, int error)
{
	CHECK_EQ(result, -1);
	if (error != ECONNABORTED && error != ENOTCONN && error != EBADF)
		FAIL("a call that was cut gives errno %d (%s)", error, strerror(error));
}

static void *blocked_send(void *argument)
{
	int result;

	(void)argument;
	errno = 0;
	result = send_frame(dh, large);
	check_cut(result, errno);
	returned = now();
	return NULL;
}

static void *blocked_receive(void *argument)
{
	static uint8_t bytes[1 << 20];
	int result;

	(void)argument;
	errno = 0;
	result = receive_bytes(dh, bytes, sizeof(bytes));
	check_cut(result, errno);
	returned = now();
	return NULL;
}

static void *poll_on(void *argument)
{
	(void)argument;
	while (!over)
		CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 5), 0);
	returned = now();
	return NULL;
}

/* Reads nothing until it is told to; then to the end of the stream. */
static void *wait_and_close(void *argument)
{
	struct peer *peer = argument;
	char byte;

	if (peer->context == NULL)
		while (recv(peer->fd, &byte, 1, 0) == 1)
			;
	else
		while (!over)
			sleep_ms(1);
	peer_close(peer);
	return NULL;
}

static void one_round(int round, uint32_t *state)
{
	static void *(*const CALLS[])(void *) = {blocked_send, blocked_receive, poll_on};
	void *(*call)(void *) = CALLS[round % 3];
	bool closing = dice(state, 2) == 0, both = dice(state, 2) == 0;
	struct peer peer;
	pthread_t polling = 0;

	peer_listen(&peer, 64 << 10);
	dh = connected(&peer);
	over = false;
	returned = 0;
	peer.context = call == blocked_send ? &peer : NULL;
	pthread_t peering = start_thread(wait_and_close, &peer);
	pthread_t calling = start_thread(call, NULL);

	if (both && call == blocked_send)
		polling = start_thread(poll_on, NULL);
	usleep(dice(state, 30000));
	double begun = now();

	CHECK_EQ(closing ? uring_fns.ktli_dfns_close(dh) : uring_fns.ktli_dfns_disconnect(dh), 0);
	CHECK_TIME(now() - begun, 0, 1.5);
	over = true;
	join_thread(calling);
	/* The contract says 100 ms; a loaded machine gets more. */
	CHECK_TIME(returned - begun, -1, 1);
	if (polling != 0)
		join_thread(polling);
	join_thread(peering);
	if (!closing)
		CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_end(&peer);
}

int main(void)
{
	uint32_t state = 4711;
	struct ktli_uring_config config;

	begin();
	/* Where the peer reads nothing a disconnect takes all of this. */
	config = options();
	config.linger = 30;
	set_options(config);
	large = make_frame(100, LARGE, 1);
	for (int round = 0; round < rounds(201); round++)
		one_round(round, &state);
	free(large);
	return 0;
}
