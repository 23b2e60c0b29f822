/*
 * Each allocation of a session's life fails once, and then that one and all after it: what the driver and the C library
 * under it ask for, on whatever thread. The call fails or does without, the process lives, and a session that is opened
 * when there is memory again works. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when anything that the library allocates is not got from src/ffi/reserve.rs where malloc fails, or stays there;
 * when a list that lasts grows without looking; when a thread is started by the standard library.
 *
 * The program has its own malloc, as allocations.c has.
 */
#include "harness.h"
#include "own_malloc.h"

#include <sys/mman.h>
#include <sys/wait.h>

enum { MESSAGE = 40, LARGE = 200 << 10, SESSIONS = 60 };

struct shared {
	atomic_long calls;   /* allocations of the driver's so far */
	atomic_long refused; /* of which so many failed */
};
static struct shared *shared;

static long nth; /* the first one that fails; 0: none */
static bool from_then_on;
static size_t least; /* smaller ones do not fail */
static atomic_bool failing;
static __thread bool ours; /* this thread is the test's own, and not inside a call */

static bool allocating(size_t size)
{
	long number;

	if (ours || !failing || size < least)
		return true;
	number = ++shared->calls;
	if (nth == 0 || number < nth || (number > nth && !from_then_on))
		return true;
	shared->refused++;
	errno = ENOMEM;
	return false;
}

static void freeing(void)
{
}

/* ---- One session's life. All calls of the driver's are made through these. ---- */

static struct peer peer;

#define INSIDE(call)                                                                                                   \
	({                                                                                                             \
		ours = false;                                                                                          \
		errno = 0;                                                                                             \
		__auto_type result_ = (call);                                                                          \
		ours = true;                                                                                           \
		result_;                                                                                               \
	})

static void note(int level, const char *text, void *context)
{
	(void)level;
	(void)text;
	(void)context;
}

/* Sends back what comes, on one connection after the other. */
static void *echo(void *argument)
{
	static uint8_t bytes[1 << 20];

	ours = true;
	for (;;) {
		ssize_t count;

		peer_accept(&peer);
		while ((count = recv(peer.fd, bytes, sizeof(bytes), 0)) > 0)
			for (ssize_t done = 0, more; done < count; done += more) {
				more = send(peer.fd, bytes + done, (size_t)(count - done), MSG_NOSIGNAL);
				if (more <= 0)
					break;
			}
		peer_close(&peer);
	}
	return argument;
}

static void only_for_want_of_memory(const char *what, int error)
{
	/* The resolver tells it as one of its own errors, pthread_create as EAGAIN. */
	if (error != ENOMEM && error != EHOSTUNREACH && error != EAGAIN)
		FAIL("%s fails with errno %d (%s)", what, error, strerror(error));
}

/* False if the connection is of no more use. */
static bool exchange(void *dh, const uint8_t *frame, int count, bool must)
{
	uint32_t message, value;
	int received = 0, sent = 0;

	get_pdu(frame, &message, &value);
	uint8_t *body = allocate(message + (size_t)value), pdu[PDU];
	struct kiovec first = {pdu, PDU}, second = {body, message + (size_t)value};

	for (int i = 0; i < count; i++) {
		int result = INSIDE(send_frame(dh, frame));

		if (result == -1)
			only_for_want_of_memory("send", errno);
		else
			CHECK_EQ(result, FRAME(message, value));
		sent += result != -1;
	}
	for (; received < sent; received++) {
		int ready = 0, result;

		for (double begun = now(); ready == 0 && now() - begun < (must ? 20 : 0.2);) {
			ready = INSIDE(uring_fns.ktli_dfns_poll(dh, 10));
			CHECK(ready == 0 || ready == 1);
		}
		result = INSIDE(uring_fns.ktli_dfns_receive(dh, &first, 1));
		if (result == PDU)
			result = INSIDE(uring_fns.ktli_dfns_receive(dh, &second, 1));
		if (result == -1) {
			only_for_want_of_memory("receive", errno);
			break;
		}
		CHECK_EQ(result, second.kiov_len);
		CHECK(memcmp(body, frame + PDU, second.kiov_len) == 0);
	}
	free(body);
	if (must && received < count)
		FAIL("%d of %d messages have come back", received, count);
	return received == count;
}

/* False if anything in it has failed; `must`: nothing may. */
static bool live(bool must, bool leave_open)
{
	static uint8_t *small, *large;
	char port[16];

	if (small == NULL) {
		small = make_frame(MESSAGE, 300, 1);
		large = make_frame(MESSAGE, LARGE, 2);
	}
	snprintf(port, sizeof(port), "%d", peer.port);
	void *dh = INSIDE(uring_fns.ktli_dfns_open());

	if (dh == NULL) {
		CHECK(!must);
		only_for_want_of_memory("open", errno);
		return false;
	}
	if (INSIDE(uring_fns.ktli_dfns_connect(dh, "127.0.0.1", port, 0)) == -1) {
		only_for_want_of_memory("connect", errno);
		CHECK(!must);
		CHECK_EQ(INSIDE(uring_fns.ktli_dfns_close(dh)), 0);
		return false;
	}
	bool whole = exchange(dh, small, 1, must) && exchange(dh, small, 32, must) && exchange(dh, large, 2, must);

	CHECK(whole || !must);
	if (leave_open)
		return whole;
	CHECK_EQ(INSIDE(uring_fns.ktli_dfns_disconnect(dh)), 0);
	CHECK_EQ(INSIDE(uring_fns.ktli_dfns_close(dh)), 0);
	return whole;
}

/* Whatever a connect would leave in the reserve adds up. */
static void open_many(void)
{
	void *handles[SESSIONS];
	char port[16];

	snprintf(port, sizeof(port), "%d", peer.port);
	for (int i = 0; i < SESSIONS; i++) {
		failing = false;
		handles[i] = open_session();
		failing = true;
		if (INSIDE(uring_fns.ktli_dfns_connect(handles[i], "127.0.0.1", port, 0)) == -1)
			only_for_want_of_memory("connect", errno);
	}
	for (int i = 0; i < SESSIONS; i++)
		CHECK_EQ(INSIDE(uring_fns.ktli_dfns_close(handles[i])), 0);
	live(false, false);
}

/* A process that has not used the library. */
static void child(void)
{
	ours = true;
	begin();
	peer_listen(&peer, 0);
	start_thread(echo, NULL);
	failing = true;
	INSIDE(ktli_uring_set_log(note, NULL));
	live(nth == 0, false);
	if (from_then_on)
		open_many();
	failing = false;
	ktli_uring_set_log(note, NULL);
	live(true, false);
	live(true, true);
	failing = true;
	exit(0);
}

/* Returns how many allocations there were. */
static long run(long first, bool all_after, size_t smallest)
{
	int status;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	nth = first;
	from_then_on = all_after;
	least = smallest;
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		child();
	CHECK(waitpid(pid, &status, 0) == pid);
	if (status != 0)
		FAIL("allocation %ld%s: status %#x", first, all_after ? " and all after it" : "", status);
	if (first > 0 && all_after)
		CHECK(shared->refused > 0);
	return shared->calls;
}

int main(void)
{
	long calls, runs = 0, refused = 0;
	double begun;

	ours = true;
	begin();
	if (!OWN_MALLOC || on_valgrind())
		skip("the sanitizer and valgrind have a malloc of their own");
	setenv("KTLI_URING_LOG", "trace", 1);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	calls = run(0, false, 0);
	COMPARE(calls, >, 20);
	/* The resolver gets what it wants, and connections do not. */
	run(1, true, 256);
	begun = now();
	/* How many there are varies a little with the threads. On a busy machine every third has to do. */
	for (long n = 1; n <= calls; n += now() - begun < 15 ? 1 : 3)
		for (int all_after = 0; all_after < 2; all_after++) {
			run(n, all_after, 0);
			runs++;
			refused += shared->refused;
		}
	printf("%ld allocations, %ld runs, %ld refusals\n", calls, runs, refused);
	return 0;
}
