/*
 * exit(3) inside each allocation of a driver call, as from a signal handler that has interrupted malloc: the process
 * ends without asking for memory or giving any back, for which it would wait for ever, and what another session has
 * accepted arrives. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when the end of the process allocates or frees anything that is not from src/ffi/last.rs.
 *
 * The program has its own malloc, as allocations.c has.
 */
#include "harness.h"
#include "own_malloc.h"

#include <sys/mman.h>
#include <sys/wait.h>

enum { MESSAGE = 40, VALUE = 300, LARGE = 200 << 10, STAGED = 4, WAITS = 42 };

struct shared {
	atomic_long calls; /* allocations inside of the driver's calls so far */
	atomic_bool whole; /* there were no more of them */
};
static struct shared *shared;

static long nth;             /* the one in which the process ends */
static __thread bool inside; /* a call of the driver's */
static __thread bool held;   /* malloc's lock, so to speak */

static bool allocating(size_t size)
{
	(void)size;
	if (held)
		_exit(WAITS);
	if (inside && ++shared->calls == nth) {
		held = true;
		exit(0);
	}
	return true;
}

static void freeing(void)
{
	if (held)
		_exit(WAITS);
}

static struct peer first, second;
static uint8_t *frame, *large;

/* Takes what comes, on one connection after the other. */
static void *swallow(void *argument)
{
	static uint8_t bytes[1 << 16];

	for (;;) {
		peer_accept(&second);
		while (recv(second.fd, bytes, sizeof(bytes), 0) > 0)
			;
		peer_close(&second);
	}
	return argument;
}

/* Leaves messages in one session, and ends inside a call on another. */
static void child(void)
{
	struct ktli_uring_config config = options();
	char port[16];
	void *dh, *other;

	begin();
	snprintf(port, sizeof(port), "%d", second.port);
	config.linger = 1000;
	set_options(config);
	dh = open_session();
	CHECK_EQ(connect_to(dh, first.port), 0);
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 0), 0);
	for (int i = 0; i < STAGED; i++)
		CHECK_EQ(send_frame(dh, frame), FRAME(MESSAGE, VALUE));
	inside = true;
	other = uring_fns.ktli_dfns_open();
	CHECK_EQ(uring_fns.ktli_dfns_connect(other, "127.0.0.1", port, 0), 0);
	for (int i = 0; i < 32; i++)
		CHECK_EQ(send_frame(other, frame), FRAME(MESSAGE, VALUE));
	CHECK_EQ(send_frame(other, large), FRAME(MESSAGE, LARGE));
	CHECK_EQ(uring_fns.ktli_dfns_poll(other, 1), 0);
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(other), 0);
	CHECK_EQ(uring_fns.ktli_dfns_close(other), 0);
	inside = false;
	shared->whole = true;
	exit(0);
}

/* Returns how many messages of the first session arrived. */
static int run(long number)
{
	static uint8_t bytes[FRAME(MESSAGE, VALUE)];
	size_t count;
	int status, got = 0;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	nth = number;
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		child();
	peer_accept(&first);
	while ((count = peer_read_to_end(&first, bytes, sizeof(bytes))) == sizeof(bytes)) {
		CHECK(memcmp(bytes, frame, sizeof(bytes)) == 0);
		got++;
	}
	CHECK_EQ(count, 0);
	peer_close(&first);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == WAITS)
		FAIL("exit in allocation %ld waits for its own lock", number);
	if (status != 0)
		FAIL("exit in allocation %ld: status %#x", number, status);
	return got;
}

int main(void)
{
	long n = 0;
	int lost = 0;

	begin();
	if (!OWN_MALLOC || on_valgrind())
		skip("the sanitizer and valgrind have a malloc of their own");
	setenv("KTLI_URING_STATS", "1", 1);
	setenv("KTLI_URING_LOG", "debug", 1);
	frame = make_frame(MESSAGE, VALUE, 1);
	large = make_frame(MESSAGE, LARGE, 2);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	peer_listen(&first, 0);
	peer_listen(&second, 0);
	start_thread(swallow, NULL);
	do {
		int got = run(++n);

		COMPARE(got, <=, STAGED);
		lost += got < STAGED;
	} while (!shared->whole);
	printf("exit in %ld allocations; in %d of them messages of the other session were lost\n", n - 1, lost);
	COMPARE(n, >, 20);
	/* Where the list of all connections grows, it cannot be looked at. */
	COMPARE(lost, <=, 1);
	return 0;
}
