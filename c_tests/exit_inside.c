/*
 * exit() in the middle of things: by a signal handler, at any moment; by the log callback inside a call; beside a thread
 * that goes on sending; with drives that take nothing. The process ends in time, and what was accepted has arrived. Only
 * where the signal has interrupted a call on the same thread, which may have a lock for ever then, the last messages may
 * be missing; what has arrived is a beginning, nothing twice. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when anything on the way of `exit::run` waits for a lock (`Handoff::flush`), when a send is accepted after the
 * exit handler has looked for the last time (`Handoff::close`), or when the time limit is not one for all connections.
 */
#include "harness.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>

FORKS_WITH_THREADS

enum { MESSAGE = 40, VALUE = 12000, STUCK = 8, LARGE = 64 << 20 };
#define WHOLE FRAME(MESSAGE, VALUE)

static struct peer peer;
struct shared {
	atomic_long accepted;  /* messages */
	_Atomic double ending; /* when the end began */
	atomic_bool inside;    /* of a call, on the same thread */
};
static struct shared *shared;
static void *dh;
static uint8_t *frame, *large, *answer;
static __thread volatile bool inside;

/* False when another thread ends the process. */
static bool send_one(void)
{
	inside = true;
	bool accepted = send_frame(dh, frame) == WHOLE;

	inside = false;
	shared->accepted += accepted;
	return accepted;
}

static void receive_some(int timeout)
{
	uint8_t bytes[FRAME(MESSAGE, 0)];

	inside = true;
	/* Another thread may end the process between the two calls. */
	while (uring_fns.ktli_dfns_poll(dh, timeout) == 1)
		if (receive_bytes(dh, bytes, sizeof(bytes)) == sizeof(bytes))
			check_pattern(bytes + PDU, MESSAGE, 9, 0);
		else
			CHECK(shared->ending > 0);
	inside = false;
}

_Noreturn static void end_process(void)
{
	shared->inside = inside;
	shared->ending = now();
	exit(0);
}

_Noreturn static void wait_for_the_end(void)
{
	for (;;)
		pause();
}

/* What a program does between two calls. */
static void compute(void)
{
	for (volatile int i = 0; i < 50000; i++)
		;
}

/* ---- Ways to end; each runs in a child process. `seed` varies with the round. ---- */

static void on_signal(int number)
{
	(void)number;
	end_process();
}

static void *signal_later(void *microseconds)
{
	sigset_t signals;

	/* Not to this thread. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	CHECK(pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0);
	usleep((useconds_t)(intptr_t)microseconds);
	CHECK(kill(getpid(), SIGUSR1) == 0);
	return NULL;
}

/* SIGALRM stays the watchdog's. */
static void end_after(uint32_t microseconds)
{
	CHECK(signal(SIGUSR1, on_signal) != SIG_ERR);
	start_thread(signal_later, (void *)(intptr_t)microseconds);
}

static void by_signal(uint32_t seed)
{
	end_after(1000 + dice(&seed, 20000));
	for (;;) {
		if (dice(&seed, 3) == 0)
			receive_some(0);
		CHECK(send_one());
		compute();
	}
}

static void *receive_all(void *argument)
{
	for (;;) {
		receive_some(10);
		compute();
	}
	return argument;
}

/* The signal comes to either thread. */
static void by_signal_beside_receiver(uint32_t seed)
{
	start_thread(receive_all, NULL);
	end_after(1000 + dice(&seed, 20000));
	while (send_one())
		compute();
	wait_for_the_end();
}

static void *send_until_refused(void *argument)
{
	(void)argument;
	while (send_one())
		;
	wait_for_the_end();
}

static void beside_sender(uint32_t seed)
{
	start_thread(receive_all, NULL);
	start_thread(send_until_refused, NULL);
	usleep(1000 + dice(&seed, 10000));
	end_process();
}

static void on_line(int level, const char *text, void *context)
{
	(void)text;
	(void)context;
	if (level == KTLI_URING_LOG_WARN)
		end_process();
}

/* Stages some messages in the first session, and then makes a call on another one complain. */
static void by_callback(uint32_t seed)
{
	struct ktli_uring_config config = options();
	struct peer other;
	void *second = open_session();

	peer_listen(&other, 64 << 10);
	config.send_timeout = 50;
	set_options(config);
	ktli_uring_set_log(on_line, NULL);
	if (seed % 3 > 0) {
		CHECK_EQ(connect_to(second, other.port), 0);
		peer_accept(&other);
	}
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 0), 0);
	for (int i = 0; i < 4; i++)
		CHECK(send_one());
	switch (seed % 3) {
	case 0: /* inside connect: the queue is closed */
		peer_end(&other);
		connect_to(second, other.port);
		break;
	case 1: /* inside poll */
		peer_close(&other);
		for (;;)
			uring_fns.ktli_dfns_poll(second, 10);
	default: /* inside send, which has the wire */
		large = make_frame(MESSAGE, LARGE, 2);
		send_frame(second, large);
	}
	FAIL("way %u has logged nothing", seed % 3);
}

/* Drives that do not let go, and a linger time that is too long for one, let alone for all of them in turn. */
static void stuck(uint32_t seed)
{
	struct ktli_uring_config config = options();
	struct peer others[STUCK];

	(void)seed;
	config.linger = 60000;
	set_options(config);
	for (int i = 0; i < STUCK; i++) {
		peer_listen(&others[i], 64 << 10);
		dh = connected(&others[i]);
		CHECK(send_one());
	}
	shared->accepted = 0;
	end_process();
}

/* ---- The parent's side. ---- */

static void child(void (*way)(uint32_t), uint32_t seed)
{
	struct ktli_uring_config config = options();

	begin();
	config.linger = 500;
	set_options(config);
	dh = open_session();
	CHECK_EQ(connect_to(dh, peer.port), 0);
	way(seed);
	FAIL("this does not end");
}

/* Reads whole messages to the end, answers each, and closes. */
static long serve(void)
{
	static uint8_t bytes[WHOLE];
	long got = 0;
	size_t count;

	while ((count = peer_read_to_end(&peer, bytes, WHOLE)) == WHOLE) {
		CHECK(memcmp(bytes, frame, WHOLE) == 0);
		got++;
		send(peer.fd, answer, FRAME(MESSAGE, 0), MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	if (count > 0 && !shared->inside)
		FAIL("a message was cut after %zu bytes", count);
	peer_close(&peer);
	return got;
}

static void try(const char *name, void (*way)(uint32_t), uint32_t seed, double limit)
{
	int status;

	memset(shared, 0, sizeof(*shared));
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		child(way, seed);
	peer_accept(&peer);
	long got = serve();

	CHECK(waitpid(pid, &status, 0) == pid);
	if (status != 0)
		FAIL("%s, %u: status %#x", name, seed, status);
	CHECK_TIME(now() - shared->ending, 0, limit);
	/* One may have been taken that its sender did not live to count. */
	if (got > shared->accepted + 1 || (got < shared->accepted && !shared->inside))
		FAIL("%s, %u: %ld messages arrived, %ld were accepted", name, seed, got, shared->accepted);
}

int main(void)
{
	begin();
	frame = make_frame(MESSAGE, VALUE, 1);
	answer = make_frame(MESSAGE, 0, 9);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	peer_listen(&peer, 0);
	for (int i = 1; i <= rounds(8); i++) {
		try("a signal", by_signal, i, 5);
		try("a signal beside a receiver", by_signal_beside_receiver, i, 5);
		try("beside a sender", beside_sender, i, 5);
	}
	for (int i = 0; i < 3; i++)
		try("the log callback", by_callback, i, 5);
	try("stuck", stuck, 1, 8);
	return 0;
}
