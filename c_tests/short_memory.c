/*
 * Where the kernel is short of memory for a moment, what was accepted leaves later and in order, the connection lives
 * on, and nobody spins meanwhile. SPDX-License-Identifier: MIT OR Apache-2.0
 * Where the shortage lasts, send ends with its time limit, and what has been accepted until then is bounded.
 * Fails when `Handoff::flush` drops what is on the wire for an error that passes, when nobody tries again, when
 * `waiting::wait` waits for a room that the socket has all the while, or when `Transmit::send_all` ends the connection
 * or returns for a shortage, be it in front of the first byte: then each message comes on top of what is on the wire.
 *
 * The library's sendmsg(2) is the one below. What goes over a ring does not pass here, so there is less to see there.
 */
#include "harness.h"

#include <sys/syscall.h>

enum { MESSAGE = 40, SMALL = 500, LARGE = 80 << 10, OUTSTANDING = 16 };

static struct peer peer;
static void *dh;
static int messages;
static atomic_int received;

/* How sendmsg fails. */
static int error;
static bool in_any_thread;                /* two times of three, and else takes one piece only */
static _Thread_local bool in_this_thread; /* always */
static atomic_bool everywhere;            /* always */
static atomic_int calls;

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct msghdr piece = *message;

	if (everywhere || in_this_thread || (in_any_thread && calls++ % 3 < 2)) {
		errno = error;
		return -1;
	}
	if (in_any_thread && piece.msg_iovlen > 1)
		piece.msg_iovlen = 1;
	return syscall(SYS_sendmsg, fd, &piece, flags);
}

/* Sends back what comes, as it comes. */
static void echo(struct peer *drive)
{
	uint8_t *bytes = allocate(MIB(1));
	ssize_t count;

	while ((count = recv(drive->fd, bytes, MIB(1), 0)) > 0)
		for (ssize_t done = 0; done < count;) {
			ssize_t more = write(drive->fd, bytes + done, (size_t)(count - done));

			CHECK(more > 0);
			done += more;
		}
	free(bytes);
	peer_close(drive);
}

static uint32_t value_of(int number)
{
	return number % 5 == 4 ? LARGE : SMALL;
}

static void *receive_all(void *argument)
{
	double begun = now(), used = thread_cpu();

	in_this_thread = !in_any_thread;
	for (int i = 0; i < messages; i++) {
		while (uring_fns.ktli_dfns_poll(dh, 10) == 0)
			CHECK_TIME(now() - begun, 0, 30);
		receive_frame(dh, MESSAGE, value_of(i), (uint64_t)i);
		received++;
	}
	used = thread_cpu() - used;
	printf("%s, %s: %.1f ms of CPU in %.0f ms\n", strerror(error),
	       in_any_thread ? "now and then" : "in the receiver's thread", used * 1e3, (now() - begun) * 1e3);
	fflush(stdout);
	/* What the messages cost (looking at their bytes is most of it), and little more. */
	CHECK_CPU(used, 0.1 * (now() - begun) + messages * 150e-6);
	return argument;
}

static void send_one(int number)
{
	uint8_t *frame = make_frame(MESSAGE, value_of(number), (uint64_t)number);
	CHECK_EQ(send_frame(dh, frame), FRAME(MESSAGE, value_of(number)));
	free(frame);
}

static void fails_with(int number, bool anywhere)
{
	pthread_t receiver;

	peer_listen(&peer, 0);
	dh = open_session();
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, echo, NULL);
	error = number;
	in_any_thread = anywhere;
	/* Two failures cost the receiver 20 ms. */
	messages = rounds(anywhere ? 200 : 800);
	received = 0;
	receiver = start_thread(receive_all, NULL);
	for (int i = 0; i < messages; i++) {
		while (i - received >= OUTSTANDING)
			usleep(100);
		send_one(i);
	}
	join_thread(receiver);
	in_any_thread = false;
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_join(&peer);
	peer_end(&peer);
}

static struct ktli_uring_statistics statistics(void)
{
	struct ktli_uring_statistics counted = {.size = sizeof(counted)};

	CHECK_EQ(ktli_uring_stats(dh, &counted), 0);
	return counted;
}

/* A message is staged, nothing can be sent for half a second, and then the message leaves by itself. */

static void *poll_long(void *argument)
{
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, slow() ? 15000 : 1500), 0);
	return argument;
}

static void short_for_a_while(int number)
{
	uint8_t *frame = make_frame(MESSAGE, 0, 1), *bytes = allocate(FRAME(MESSAGE, 0));
	struct ktli_uring_statistics before, after;
	pthread_t poller;

	error = number;
	peer_listen(&peer, 0);
	dh = connected(&peer);
	poller = start_thread(poll_long, NULL);
	sleep_ms(20);
	/* With so many outstanding the next one is left to the receiver. */
	for (int i = 0; i < 8; i++) {
		CHECK_EQ(send_frame(dh, frame), FRAME(MESSAGE, 0));
		peer_read(&peer, bytes, FRAME(MESSAGE, 0));
		sleep_ms(20);
	}
	everywhere = true;
	before = statistics();
	CHECK_EQ(send_frame(dh, frame), FRAME(MESSAGE, 0));
	sleep_ms(500);
	after = statistics();
	everywhere = false;
	uint64_t tries = after.receiver_polls + after.receiver_enters - before.receiver_polls - before.receiver_enters;

	printf("%s for half a second: %llu waits\n", strerror(error), (unsigned long long)tries);
	fflush(stdout);
	/* One in 10 ms, and some in the beginning; a receiver that spins has many thousands, on a busy machine, too. */
	if (!slow())
		COMPARE(tries, <=, 300);
	peer_read(&peer, bytes, FRAME(MESSAGE, 0));
	CHECK(memcmp(bytes, frame, FRAME(MESSAGE, 0)) == 0);
	join_thread(poller);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_end(&peer);
	free(frame);
	free(bytes);
}

/* ---- A shortage that lasts. ---- */

enum { LIMIT = 1000, STAGING = 512 << 10 };

static atomic_long got;

static void count_bytes(struct peer *drive)
{
	uint8_t *bytes = allocate(MIB(1));
	ssize_t count;

	while ((count = recv(drive->fd, bytes, MIB(1), 0)) > 0)
		got += count;
	free(bytes);
	peer_close(drive);
}

enum receiver { NEVER_THERE, GONE, THERE };

static atomic_bool over;

static void *poll_until_over(void *argument)
{
	while (!over)
		CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 10), 0);
	return argument;
}

static void lasting(int number, enum receiver receiver)
{
	static const char *const NAMES[] = {"no receiver", "a receiver that has gone", "a receiver"};
	struct ktli_uring_config before = options(), config = before;
	uint8_t *frame = make_frame(MESSAGE, SMALL, 1);
	const long length = FRAME(MESSAGE, SMALL);
	long accepted = 0;
	pthread_t poller = 0;
	int result, reason;
	double begun, used;

	config.send_timeout = LIMIT;
	set_options(config);
	error = number;
	got = 0;
	over = false;
	peer_listen(&peer, 0);
	dh = open_session();
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, count_bytes, NULL);
	if (receiver != NEVER_THERE) {
		poller = start_thread(poll_until_over, NULL);
		sleep_ms(20);
	}
	if (receiver == GONE) {
		over = true;
		join_thread(poller);
	}
	everywhere = true;
	/* Over a ring it may leave all the same. */
	do {
		begun = now();
		used = process_cpu();
		errno = 0;
		result = send_frame(dh, frame);
		reason = errno;
		accepted += result == -1 ? 0 : length;
		/* A drive on a busy machine may be late. */
		for (int i = 0; i < 500 && got == 0 && accepted > 3 * STAGING; i++)
			sleep_ms(10);
		if (got == 0 && accepted > 3 * STAGING)
			FAIL("%s, %s: %ld bytes accepted, and none has left", strerror(error), NAMES[receiver],
			     accepted);
	} while (result == length && accepted < 16 * STAGING);
	begun = now() - begun;
	used = process_cpu() - used;
	printf("%s for ever, %s: %ld KiB accepted, then %s; the last send took %.2f s, %.1f ms of CPU\n",
	       strerror(error), NAMES[receiver], accepted >> 10, result == -1 ? strerror(reason) : "enough", begun,
	       used * 1e3);
	fflush(stdout);
	if (result == -1) {
		CHECK_EQ(reason, ETIMEDOUT);
		CHECK_TIME(begun, 0.9e-3 * LIMIT, 10);
		if (options().sqpoll == 0)
			CHECK_CPU(used, 0.05 + 0.1 * begun);
		CHECK_FAILS(send_frame(dh, frame), ETIMEDOUT);
	} else {
		CHECK_EQ(result, length);
		CHECK(options().backend != KTLI_URING_BACKEND_SOCKET);
	}
	everywhere = false;
	over = true;
	if (receiver == THERE)
		join_thread(poller);
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 10), 0);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_join(&peer);
	/* Messages leave as a whole or not at all. */
	CHECK_EQ(got % length, 0);
	if (result != -1)
		CHECK_EQ(got, accepted);
	peer_end(&peer);
	free(frame);
	set_options(before);
}

int main(void)
{
	static const int ERRORS[] = {ENOBUFS, ENOMEM, EAGAIN};

	begin();
	for (size_t i = 0; i < COUNT(ERRORS); i++) {
		fails_with(ERRORS[i], false);
		fails_with(ERRORS[i], true);
		short_for_a_while(ERRORS[i]);
	}
	for (size_t i = 0; i < COUNT(ERRORS); i++)
		for (enum receiver receiver = NEVER_THERE; receiver <= THERE; receiver++)
			if (i == 0 || receiver == NEVER_THERE)
				lasting(ERRORS[i], receiver);
	/* The pretended failures did happen, but where the kernel's thread sends everything. */
	CHECK(calls > 0 || options().sqpoll);
	return 0;
}
