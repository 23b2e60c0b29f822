/*
 * What was accepted arrives, however the process or the session ends: return from main, exit() from
 * another thread or from a signal handler inside send, a forked child's exit, disconnect and close; all
 * with answers waiting that nobody reads. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `exit::run` is not reached or does not await the peers (the close resets the connection),
 * when it acts in a forked child, or when `disconnect` does not discard what is unread.
 */
#include "harness.h"

#include <sys/mman.h>
#include <sys/wait.h>

FORKS_WITH_THREADS

enum { VALUE = 64 << 10, LARGE = 64 << 20 };
#define WHOLE FRAME(100, VALUE)

static struct peer peer;
struct shared {
	atomic_long accepted;  /* messages */
	_Atomic double ending; /* when the end began; 0: not yet */
};
static struct shared *shared;
static void *dh;
static uint8_t *frame, *large, *answer;

static void send_some(long count)
{
	for (long i = 0; i < count; i++) {
		CHECK_EQ(send_frame(dh, frame), WHOLE);
		shared->accepted++;
	}
}

static void *poll_once_and_stay(void *argument)
{
	(void)argument;
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 5000), 1);
	for (;;)
		pause();
	return NULL;
}

static void *end_process(void *argument)
{
	(void)argument;
	shared->ending = now();
	exit(0);
}

static void on_signal(int number)
{
	(void)number;
	shared->ending = now();
	exit(0);
}

/* ---- Ways to end; each runs in a child process with a connected session. ---- */

static void from_main(void)
{
	send_some(64);
	shared->ending = now();
}

static void with_receiver(void)
{
	start_thread(poll_once_and_stay, NULL);
	sleep_ms(50);
	from_main();
}

static void from_thread(void)
{
	send_some(64);
	start_thread(end_process, NULL);
	for (;;)
		pause();
}

static void signal_in_large_send(void)
{
	large = make_frame(100, LARGE, 1);
	signal(SIGALRM, on_signal);
	send_some(16);
	alarm(1);
	/* The peer does not read: this cannot end. */
	send_frame(dh, large);
	FAIL("a send of 64 MiB ended while the peer did not read");
}

static void signal_in_small_sends(void)
{
	signal(SIGALRM, on_signal);
	ualarm(200000, 0);
	shared->ending = now(); /* the peer reads from now on */
	for (;;)
		send_some(1);
}

static void fork_and_go_on(void)
{
	send_some(64);
	pid_t child = fork();

	if (child == 0)
		exit(0);
	CHECK(child > 0 && waitpid(child, NULL, 0) == child);
	shared->ending = now(); /* the peer reads from now on */
	send_some(64);
}

static void by_disconnect(void)
{
	send_some(64);
	shared->ending = now();
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
	_exit(0);
}

static void by_close(void)
{
	send_some(64);
	shared->ending = now();
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	_exit(0);
}

/* ---- The peer's side. ---- */

static void child(void (*way)(void))
{
	begin();
	dh = open_session();
	CHECK_EQ(connect_to(dh, peer.port), 0);
	sleep_ms(100); /* the answers arrive */
	way();
	exit(0);
}

/* Reads to the end: whole messages, as many as were accepted, and perhaps a part of one that was not. */
static void check_stream(void)
{
	uint8_t *bytes = allocate(WHOLE);
	long got = 0;

	while (peer_read_to_end(&peer, bytes, WHOLE) == WHOLE) {
		if (memcmp(bytes, frame, WHOLE) != 0) {
			/* The beginning of the large message whose send was interrupted. */
			CHECK_EQ(got, shared->accepted);
			while (peer_read_to_end(&peer, bytes, WHOLE) > 0)
				;
			break;
		}
		got++;
	}
	free(bytes);
	/* One may have been taken whose send had not returned to be counted. */
	if (got != shared->accepted && got != shared->accepted + 1)
		FAIL("%ld messages arrived, %ld were accepted", got, shared->accepted);
}

/* Waits for the end to begin. Should the kernel's buffers be too small for all, reads a bit earlier. */
static void await_ending(void)
{
	long seen = -1;

	for (int idle = 0; shared->ending == 0 && idle < 3000; idle += 5) {
		if (seen != shared->accepted)
			idle = 0;
		seen = shared->accepted;
		sleep_ms(5);
	}
	sleep_ms(100);
}

static void try(const char *name, void (*way)(void), bool unread)
{
	int status;
	pid_t pid;

	peer_listen(&peer, 0);
	memset(shared, 0, sizeof(*shared));
	fflush(NULL);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		child(way);
	peer_accept(&peer);
	if (unread)
		peer_write(&peer, answer, 600 << 10);
	await_ending();
	check_stream();
	peer_close(&peer);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (status != 0)
		FAIL("%s: status %#x", name, status);
	CHECK_TIME(now() - shared->ending, 0, 4);
	peer_end(&peer);
}

int main(void)
{
	begin();
	frame = make_frame(100, VALUE, 1);
	answer = make_frame(100, 1 << 20, 9);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	for (int unread = 0; unread < 2; unread++) {
		try("return from main", from_main, unread);
		try("exit from a thread", from_thread, unread);
		try("exit from a signal in a large send", signal_in_large_send, unread);
		try("exit from a signal in small sends", signal_in_small_sends, unread);
		try("exit of a forked child", fork_and_go_on, unread);
		try("disconnect", by_disconnect, unread);
		try("close", by_close, unread);
	}
	try("with a receiver that stays away", with_receiver, true);
	return 0;
}
