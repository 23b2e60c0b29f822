/*
 * A program that is killed in the middle of sending is gone at once, and so is its connection.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `Options::read` lets SQPOLL and zero copy be on at once: then the kernel's thread turns round and round, for
 * minutes, until the drive has acknowledged what it does not read.
 */
#include "harness.h"

#include <sys/wait.h>

FORKS_WITH_THREADS

static const struct way {
	const char *name;
	int32_t sqpoll;
	uint32_t zero_copy;
} WAYS[] = {
	{"plain", 0, 0},
	{"SQPOLL", 1, 0},
	{"zero copy", 0, KIB(16)},
	{"SQPOLL and zero copy", 1, KIB(16)},
};

/* Sends until it cannot go on: nobody reads. */
_Noreturn static void be_killed(const struct way *way, int port)
{
	struct ktli_uring_config config = options();
	uint8_t *bytes = allocate(MIB(1));

	config.sqpoll = way->sqpoll;
	config.zero_copy = way->zero_copy;
	set_options(config);
	void *dh = open_session();

	CHECK_EQ(connect_to(dh, port), 0);
	pattern(bytes, MIB(1), 1, 0);
	for (;;)
		send_bytes(dh, bytes, MIB(1));
}

static void kill_in_the_middle(const struct way *way)
{
	struct peer peer;
	size_t last = 0, waiting;
	int status;

	peer_listen(&peer, 0);
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0)
		be_killed(way, peer.port);
	peer_accept(&peer);
	/* When nothing more arrives, the child hangs in the middle of a message. */
	while ((waiting = peer_peek(&peer, MIB(64))) == 0 || waiting != last) {
		last = waiting;
		sleep_ms(50);
	}
	CHECK(kill(child, SIGKILL) == 0);
	double begun = now();

	while (waitpid(child, &status, WNOHANG) == 0) {
		if (now() - begun > 10) {
			/* Not even SIGKILL ends it otherwise. */
			peer_reset(&peer);
			FAIL("%s: killed, and still there after 10 s", way->name);
		}
		sleep_ms(1);
	}
	CHECK(WIFSIGNALED(status));
	peer_end(&peer);
}

int main(void)
{
	begin();
	for (size_t i = 0; i < COUNT(WAYS); i++)
		kill_in_the_middle(&WAYS[i]);
	return 0;
}
