/*
 * Thousands of sessions, ended in every way, leave nothing behind: no descriptor, no thread, no memory, no
 * mapping of a ring. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when anything keeps a reference to a connection after its end, when a ring is not dropped with its half, when a
 * connection that could not be made keeps its socket, or when every session loses eight bytes.
 */
#include "harness.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum {
	SESSIONS = 10000,
	SQPOLL_SESSIONS = 4000, /* the kernel's thread takes a core all the while */
	WARM_UP = 400,
	MESSAGE = 40,
	LARGE = 200 << 10,
	/* What may be more at the end. An allocation that every session loses is above the first, however small, and
	 * so is one of 40 bytes that only one way to end loses. */
	HEAP_BYTES = 32 << 10,
	RESIDENT_KIB = 4 << 10,
};

/* What the drive does with a request: its message is longer by that many bytes. */
enum order { ECHO, SILENCE, HALF, CLOSE, RESET, ORDERS };

/* How a session ends. */
enum ending {
	DISCONNECTED,
	CLOSED,
	REFUSED,     /* there was no connection */
	UNCONNECTED, /* nor the attempt at one */
	RECONNECTED,
	UNREAD, /* an answer is there */
	UNANSWERED,
	HALVED,    /* a part of an answer is there */
	LEFT,      /* the drive has closed */
	TORN,      /* the drive has reset */
	POLLING,   /* a thread is inside poll */
	RECEIVING, /* inside receive */
	ENDINGS
};

static const uint32_t VALUES[] = {0, 100, 5000, LARGE};
static uint8_t *frames[COUNT(VALUES)][ORDERS];
static int drive_port, refusing_port;
static bool threads = true; /* where two of them can be inside the library */

struct life {
	void *dh;
	size_t value;
	int requests;
};

/* ---- The drive, a process of its own, so that nothing of it is counted. ---- */

static bool write_some(int fd, const uint8_t *from, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t count = send(fd, from + done, bytes - done, MSG_NOSIGNAL);

		if (count > 0)
			done += (size_t)count;
		else if (errno != EINTR)
			return false;
	}
	return true;
}

static void serve(struct peer *peer, uint8_t *frame)
{
	while (peer_read_to_end(peer, frame, PDU) == PDU) {
		uint32_t message, value;
		size_t rest;

		get_pdu(frame, &message, &value);
		rest = message + value;
		if (peer_read_to_end(peer, frame + PDU, rest) < rest)
			return;
		switch (message - MESSAGE) {
		case ECHO:
			if (!write_some(peer->fd, frame, PDU + rest))
				return;
			break;
		case HALF:
			if (!write_some(peer->fd, frame, (PDU + rest) / 2))
				return;
			break;
		case CLOSE:
			return;
		case RESET:
			peer_reset(peer);
			return;
		}
	}
}

static _Noreturn void drive(struct peer *peer)
{
	uint8_t *frame = allocate(FRAME(MESSAGE + ORDERS, LARGE));

	CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
	alarm(0);
	for (;;) {
		peer_accept(peer);
		serve(peer, frame);
		peer_close(peer);
	}
}

/* ---- A session. ---- */

static void order(struct life *life, enum order order)
{
	const uint8_t *frame = frames[life->value][order];

	CHECK_EQ(send_frame(life->dh, frame), FRAME(MESSAGE + order, VALUES[life->value]));
}

static void *send_requests(void *argument)
{
	struct life *life = argument;

	for (int i = 0; i < life->requests; i++)
		order(life, ECHO);
	return NULL;
}

static void *receive_answers(void *argument)
{
	struct life *life = argument;

	for (int i = 0; i < life->requests; i++) {
		while (uring_fns.ktli_dfns_poll(life->dh, 10) == 0)
			;
		receive_frame(life->dh, MESSAGE, VALUES[life->value], 1);
	}
	return NULL;
}

static void request(struct life *life, bool by_others)
{
	if (by_others) {
		pthread_t sender = start_thread(send_requests, life);

		join_thread(start_thread(receive_answers, life));
		join_thread(sender);
		return;
	}
	send_requests(life);
	receive_answers(life);
}

static void *be_inside_poll(void *argument)
{
	struct life *life = argument;

	CHECK_EQ(uring_fns.ktli_dfns_poll(life->dh, 4), 0);
	return NULL;
}

static void *be_inside_receive(void *argument)
{
	struct life *life = argument;
	uint8_t pdu[PDU];

	/* Connected, being disconnected, closed. */
	CHECK_EQ(receive_bytes(life->dh, pdu, PDU), -1);
	CHECK(errno == ECONNABORTED || errno == ENOTCONN || errno == EBADF);
	return NULL;
}

static void choose_options(uint32_t *state)
{
	struct ktli_uring_config config = options();

	config.sqpoll_idle = 1;
	config.spin = dice(state, 8) == 0 ? 50 : KTLI_URING_SPIN_AUTO;
	config.zero_copy = dice(state, 8) == 0 ? KIB(64) : 0;
	config.send_strategy = dice(state, 2) == 0 ? KTLI_URING_SEND_AUTO : (int32_t)dice(state, 4);
	set_options(config);
}

/* Waits until the drive's end has been seen, which poll does not tell. */
static void await_end(struct life *life)
{
	uint8_t byte = 0;

	CHECK_EQ(uring_fns.ktli_dfns_poll(life->dh, 1), 0);
	for (int i = 0; i < 5000 && send_bytes(life->dh, &byte, 1) == 1; i++)
		CHECK_EQ(uring_fns.ktli_dfns_poll(life->dh, 1), 0);
	CHECK_EQ(send_bytes(life->dh, &byte, 1), -1);
}

/* Up to where it is to be closed. Returns a thread that is inside the library, or 0. */
static pthread_t live(struct life *life, enum ending ending, uint32_t *state)
{
	switch (ending) {
	case REFUSED:
		CHECK_FAILS(connect_to(life->dh, refusing_port), ECONNREFUSED);
		return 0;
	case UNCONNECTED:
		return 0;
	default:
		CHECK_EQ(connect_to(life->dh, drive_port), 0);
	}
	life->value = dice(state, COUNT(VALUES));
	life->requests = (int)dice(state, life->value == 3 ? 2 : 6);
	request(life, threads && dice(state, 4) == 0);
	switch (ending) {
	case DISCONNECTED:
		CHECK_EQ(uring_fns.ktli_dfns_disconnect(life->dh), 0);
		return 0;
	case RECONNECTED:
		CHECK_EQ(uring_fns.ktli_dfns_disconnect(life->dh), 0);
		CHECK_EQ(connect_to(life->dh, drive_port), 0);
		request(life, false);
		return 0;
	case UNREAD:
		order(life, ECHO);
		CHECK_EQ(uring_fns.ktli_dfns_poll(life->dh, 20000), 1);
		return 0;
	case UNANSWERED:
		order(life, SILENCE);
		CHECK_EQ(uring_fns.ktli_dfns_poll(life->dh, 1), 0);
		return 0;
	case HALVED:
		life->value = 1;
		order(life, HALF);
		CHECK_EQ(uring_fns.ktli_dfns_poll(life->dh, 1), 0);
		return 0;
	case LEFT:
		order(life, CLOSE);
		await_end(life);
		return 0;
	case TORN:
		order(life, RESET);
		await_end(life);
		return 0;
	case POLLING:
	case RECEIVING:
		if (threads)
			return start_thread(ending == POLLING ? be_inside_poll : be_inside_receive, life);
		return 0;
	default:
		return 0;
	}
}

static void one_session(enum ending ending, uint32_t *state)
{
	struct life life = {.dh = open_session()};

	choose_options(state);
	pthread_t inside = live(&life, ending, state);

	if (inside != 0 && dice(state, 2) == 0)
		usleep(dice(state, 500));
	CHECK_EQ(uring_fns.ktli_dfns_close(life.dh), 0);
	if (inside != 0)
		join_thread(inside);
}

/* ---- What there is. ---- */

struct count {
	long descriptors, threads, mappings, heap, resident;
};

static long entries(const char *path)
{
	DIR *directory = opendir(path);
	long count = 0;

	CHECK(directory != NULL);
	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count;
}

static struct count take_count(void)
{
	struct count count = {0};
	char line[1024];
	FILE *file = fopen("/proc/self/maps", "r");

	CHECK(file != NULL);
	while (fgets(line, sizeof(line), file) != NULL)
		count.mappings += strstr(line, "[io_uring]") != NULL;
	fclose(file);
	file = fopen("/proc/self/status", "r");
	CHECK(file != NULL);
	while (fgets(line, sizeof(line), file) != NULL)
		sscanf(line, "VmRSS: %ld kB", &count.resident);
	fclose(file);
	count.descriptors = entries("/proc/self/fd");
	count.threads = entries("/proc/self/task");
	/* Chunks in the caches of threads count as in use, but are few. */
	struct mallinfo2 heap = mallinfo2();

	count.heap = (long)(heap.uordblks + heap.hblkhd);
	return count;
}

static bool is_back(struct count before, struct count after)
{
	/* Of the heap and the pages the checkers keep their own books, in the same memory. */
	bool memory =
		slow() || (after.heap <= before.heap + HEAP_BYTES && after.resident <= before.resident + RESIDENT_KIB);

	return memory && after.descriptors <= before.descriptors && after.threads <= before.threads &&
	       after.mappings <= before.mappings;
}

static void run_sessions(int count, uint32_t *state)
{
	/* In turns, so that each ending comes after each other one in the end. */
	for (int i = 0; i < count; i++)
		one_session(dice(state, 4) == 0 ? dice(state, ENDINGS) : (uint32_t)i % ENDINGS, state);
}

static void print(const char *when, struct count count)
{
	printf("%s: %ld descriptors, %ld threads, %ld mappings of rings, %ld bytes of heap, %ld KiB resident\n", when,
	       count.descriptors, count.threads, count.mappings, count.heap, count.resident);
	fflush(stdout);
}

/* A port at which nobody listens and that no other socket gets; one that is free a connection could get for its own. */
static int take_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&address, &length) == 0);
	return ntohs(address.sin_port);
}

int main(void)
{
	struct peer peer;
	struct count before, after;
	uint32_t state = 815;
	int sessions;
	pid_t pid;

	begin();
	setenv("KTLI_URING_LOG", "error", 1);
	/* Nothing here depends on time, and there may be little of it. */
	alarm(emulated() ? 360 : 110);
	sessions = on_valgrind() || emulated() ? 200 : rounds(options().sqpoll ? SQPOLL_SESSIONS : SESSIONS);
	peer_listen(&peer, 0);
	drive_port = peer.port;
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		drive(&peer);
	peer_end(&peer);
	refusing_port = take_port();
	for (size_t i = 0; i < COUNT(VALUES); i++)
		for (uint32_t order = 0; order < ORDERS; order++)
			frames[i][order] = make_frame(MESSAGE + order, VALUES[i], 1);
	/* Valgrind keeps its one lock while a thread waits in a ring. */
	threads = !on_valgrind() || options().backend == KTLI_URING_BACKEND_SOCKET;

	run_sessions(sessions < WARM_UP ? sessions / 4 : WARM_UP, &state);
	/* The sweeper has started, and the kernel's SQPOLL thread has had the time to end. */
	sleep_ms(1500);
	before = take_count();
	print("before", before);
	run_sessions(sessions, &state);
	double until = now() + 10;

	do {
		sleep_ms(100);
		after = take_count();
	} while (!is_back(before, after) && now() < until);
	print("after", after);
	CHECK(is_back(before, after));

	for (size_t i = 0; i < COUNT(VALUES); i++)
		for (uint32_t order = 0; order < ORDERS; order++)
			free(frames[i][order]);
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK(waitpid(pid, NULL, 0) == pid);
	return 0;
}
