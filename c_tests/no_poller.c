/*
 * A session that nobody polls, or that somebody has polled and then left, gets its bytes out all the
 * same. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `Transmit::send` takes no notice of `Staged::Unattended`, when the sweeper does not
 * look, or sleeps and is not called again, or when nobody sends where no thread for it can be started.
 */
#include "harness.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

FORKS_WITH_THREADS

static struct peer peer;
static void *dh;

/* Sends, and the peer has all of it within a second (in truth: 20 ms). */
static void check_arrives(uint32_t value)
{
	uint8_t *frame = make_frame(30, value, 1), *bytes = allocate(FRAME(30, value));
	double begun = now();

	CHECK_EQ(send_frame(dh, frame), FRAME(30, value));
	for (size_t got = 0; got < FRAME(30, value);) {
		struct pollfd wait = {.fd = peer.fd, .events = POLLIN};

		CHECK(poll(&wait, 1, 1000) == 1);
		ssize_t count = recv(peer.fd, bytes + got, FRAME(30, value) - got, 0);

		CHECK(count > 0);
		got += (size_t)count;
	}
	CHECK_TIME(now() - begun, 0, 1);
	CHECK(memcmp(frame, bytes, FRAME(30, value)) == 0);
	free(frame);
	free(bytes);
}

static void check_all(void)
{
	static const int PAUSES[] = {0, 0, 5, 15, 50, 700, 0, 700};

	for (size_t i = 0; i < COUNT(PAUSES); i++) {
		/* After 700 ms whoever looks after lost messages has gone to sleep. */
		sleep_ms(PAUSES[i]);
		check_arrives(0);
		check_arrives(500);
		check_arrives(1 << 20);
	}
}

static void *poll_once(void *argument)
{
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 20), 0);
	return argument;
}

/* A receiver that was there just now, and much to send at once: the sender does not wait for the sweeper. */
static void sends_for_itself(void)
{
	struct ktli_uring_statistics counted = {.size = sizeof(counted)};
	uint8_t *frame = make_frame(30, 20000, 1), *bytes = allocate(FRAME(30, 20000));

	poll_once(NULL);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(send_frame(dh, frame), FRAME(30, 20000));
	CHECK_EQ(ktli_uring_stats(dh, &counted), 0);
	CHECK(counted.sender_flushed_bytes + counted.large_sent_bytes > 0);
	for (int i = 0; i < 20; i++)
		peer_read(&peer, bytes, FRAME(30, 20000));
	free(frame);
	free(bytes);
}

/* In a process that can have no more threads, so no sweeper either. */
static void without_threads(void)
{
	struct rlimit none = {0, 0};
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		begin();
		peer_listen(&peer, 4 << 20);
		CHECK(setrlimit(RLIMIT_NPROC, &none) == 0);
		/* The limit does not hold for root. */
		if (geteuid() == 0)
			CHECK(setresuid(65534, 65534, 65534) == 0);
		dh = connected(&peer);
		poll_once(NULL);
		for (int i = 0; i < 5; i++)
			check_arrives(500);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
}

int main(void)
{
	begin();
	without_threads();
	peer_listen(&peer, 4 << 20);
	dh = connected(&peer);
	/* With SQPOLL the kernel's thread is to do that. */
	if (options().sqpoll == 0)
		sends_for_itself();
	check_all();
	/* Polled once, by this thread, by one that ends, and by none from then on. */
	poll_once(NULL);
	check_all();
	for (int i = 0; i < 5; i++) {
		join_thread(start_thread(poll_once, NULL));
		check_arrives(0);
		check_arrives(1 << 20);
	}
	peer_end(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	return 0;
}
