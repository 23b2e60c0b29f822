/*
 * The system calls that ktli_uring_stats tells are those that are made: a sender's and a receiver's thread are traced
 * by the kernel, and all numbers are equal, kind by kind. What the driver does not count has to be on a short list.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when a system call on the ways of send, poll and receive is not counted, counted twice, or in the other half.
 */
#include "traced.h"

#include <malloc.h>
#include <semaphore.h>
#include <time.h>

enum { MESSAGE = 40 };

static struct peer peer;
static void *dh;
static struct traced sending, receiving;
static sem_t places, never;

static struct ktli_uring_statistics statistics(void)
{
	struct ktli_uring_statistics counted = {.size = sizeof(counted)};

	CHECK_EQ(ktli_uring_stats(dh, &counted), 0);
	return counted;
}

/* ---- What is done. The test itself waits on semaphores: a futex is nothing that the driver counts. ---- */

struct load {
	const char *name;
	uint32_t value;
	int count, outstanding;
	int32_t strategy;
	uint32_t spin;
	int burst;    /* after so many the sender pauses, until the receiver rests */
	bool trickle; /* answers come bit by bit */
	bool idle;    /* polls on until memory has been given back */
};

static void wait_for(sem_t *semaphore)
{
	while (sem_wait(semaphore) == -1)
		CHECK(errno == EINTR);
}

static void pause_ms(int milliseconds)
{
	struct timespec until;

	CHECK(clock_gettime(CLOCK_REALTIME, &until) == 0);
	until.tv_nsec += milliseconds * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (sem_timedwait(&never, &until) == -1 && errno == EINTR)
		;
}

static void send_all(const struct load *load)
{
	uint8_t *frame = make_frame(MESSAGE, load->value, 1);

	for (int i = 0; i < load->count; i++) {
		if (load->burst > 0 && i % load->burst == 0)
			pause_ms(30);
		wait_for(&places);
		CHECK_EQ(send_frame(dh, frame), FRAME(MESSAGE, load->value));
	}
	free(frame);
}

static void receive_all(const struct load *load)
{
	for (int i = 0; i < load->count; i++) {
		while (uring_fns.ktli_dfns_poll(dh, 10) == 0)
			;
		receive_frame(dh, MESSAGE, load->value, 1);
		sem_post(&places);
	}
}

static void *send_traced(void *load)
{
	trace_me(&sending, __NR_futex);
	send_all(load);
	trace_no_more(&sending);
	return NULL;
}

static void *receive_traced(void *argument)
{
	struct load *load = argument;

	trace_me(&receiving, __NR_futex);
	receive_all(load);
	/* A second, and much more where others need the processors. */
	while (load->idle && receiving.calls[__NR_madvise] == 0)
		CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 10), 0);
	trace_no_more(&receiving);
	return NULL;
}

static void *receive_untraced(void *load)
{
	receive_all(load);
	return NULL;
}

/* Sends back what comes, as it comes. */
static void echo(struct peer *drive)
{
	const struct load *load = drive->context;
	uint8_t *bytes = allocate(MIB(1));
	ssize_t count;

	while ((count = recv(drive->fd, bytes, load->trickle ? KIB(128) : MIB(1), 0)) > 0) {
		peer_write(drive, bytes, (size_t)count);
		if (load->trickle)
			sleep_ms(5);
	}
	free(bytes);
	peer_close(drive);
}

static void connect_all(struct load *load)
{
	struct ktli_uring_config config = options();

	config.send_strategy = load->strategy;
	config.spin = load->spin;
	config.send_buffer = MIB(1); /* so that large messages meet a full socket */
	set_options(config);
	sem_init(&places, 0, (unsigned)load->outstanding);
	sem_init(&never, 0, 0);
	peer_listen(&peer, 0);
	dh = open_session();
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, echo, load);
}

static void disconnect_all(void)
{
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_join(&peer);
	peer_end(&peer);
}

/* ---- The comparison. ---- */

static int wrong;

/* One kind: what was counted, and the calls that it stands for. They are struck out. */
static void equal(const char *who, const char *what, uint64_t counted, struct traced *traced, int first, int second)
{
	long made = traced->calls[first] + (second >= 0 ? traced->calls[second] : 0);

	if (made > 0 || counted > 0)
		printf("  %-8s  %-14s  %6ld made, %6llu counted\n", who, what, made, (unsigned long long)counted);
	wrong += made != (long)counted;
	traced->calls[first] = 0;
	if (second >= 0)
		traced->calls[second] = 0;
}

/* Nothing else was done, but for getting memory and making rings. */
static void nothing_else(const char *who, struct traced *traced)
{
	static const int LEFT_OUT[] = {
		__NR_restart_syscall, __NR_brk,    __NR_mmap,           __NR_munmap,
		__NR_mprotect,        __NR_mremap, __NR_io_uring_setup, __NR_io_uring_register,
	};

	for (size_t i = 0; i < COUNT(LEFT_OUT); i++)
		traced->calls[LEFT_OUT[i]] = 0;
	for (int i = 0; i < CALLS; i++)
		if (traced->calls[i] > 0) {
			printf("  %-8s  call number %d: %ld made, none counted\n", who, i, (long)traced->calls[i]);
			wrong++;
		}
}

/* Returns what was counted, for a look at whether the load has done what it is for. */
static struct ktli_uring_statistics run(struct load load)
{
	struct ktli_uring_statistics counted;
	pthread_t sender, receiver;

	load.count = rounds(load.count);
	printf("%s: %d requests\n", load.name, load.count);
	connect_all(&load);
	trace_begin(&sending);
	trace_begin(&receiving);
	receiver = start_thread(receive_traced, &load);
	sender = start_thread(send_traced, &load);
	join_thread(sender);
	join_thread(receiver);
	trace_end(&sending);
	trace_end(&receiving);
	counted = statistics();
	CHECK_EQ(counted.messages_sent, load.count);
	CHECK_EQ(counted.messages_received, load.count);
	equal("sender", "io_uring_enter", counted.sender_enters, &sending, __NR_io_uring_enter, -1);
	equal("sender", "sendmsg", counted.sender_sendmsgs, &sending, __NR_sendmsg, -1);
	equal("sender", "ppoll", counted.sender_polls, &sending, __NR_ppoll, -1);
	equal("sender", "write", counted.sender_wake_writes, &sending, __NR_write, -1);
	equal("sender", "yields, naps", counted.sender_pauses, &sending, __NR_sched_yield, __NR_clock_nanosleep);
	nothing_else("sender", &sending);
	equal("receiver", "io_uring_enter", counted.receiver_enters, &receiving, __NR_io_uring_enter, -1);
	equal("receiver", "sendmsg", counted.receiver_sendmsgs, &receiving, __NR_sendmsg, -1);
	equal("receiver", "recvmsg", counted.receiver_recvmsgs, &receiving, __NR_recvmsg, -1);
	equal("receiver", "ppoll", counted.receiver_polls, &receiving, __NR_ppoll, -1);
	equal("receiver", "read", counted.receiver_wake_reads, &receiving, __NR_read, -1);
	equal("receiver", "setsockopt", counted.receiver_setsockopts, &receiving, __NR_setsockopt, -1);
	equal("receiver", "yields, naps", counted.receiver_pauses, &receiving, __NR_sched_yield, __NR_clock_nanosleep);
	equal("receiver", "rare ones", counted.receiver_rare_calls, &receiving, __NR_madvise, -1);
	nothing_else("receiver", &receiving);
	if (wrong > 0)
		FAIL("%s: %d differences", load.name, wrong);
	disconnect_all();
	return counted;
}

/*
 * The driver's own thread is started when something is first staged, and inherits the filter of whoever does that:
 * so nobody who is traced may be the first.
 */
static void start_the_sweeper(void)
{
	struct load load = {.value = 512, .count = 64, .outstanding = 32};
	struct ktli_uring_statistics counted;

	do {
		pthread_t receiver;

		connect_all(&load);
		receiver = start_thread(receive_untraced, &load);
		send_all(&load);
		join_thread(receiver);
		counted = statistics();
		disconnect_all();
	} while (counted.sender_flushes + counted.receiver_flushes + counted.other_flushes == 0);
}

#define LARGE_BY(NAME, STRATEGY)                                                                                       \
	{                                                                                                              \
		.name = (NAME), .value = 1 << 20, .count = 50, .outstanding = 8, .strategy = (STRATEGY),               \
	}

static const struct load
	SMALL_ALONE = {.name = "small, alone", .value = 512, .count = 1000, .outstanding = 1, .idle = true},
	SMALL = {.name = "small", .value = 512, .count = 5000, .outstanding = 32},
	BURSTS = {.name = "bursts", .value = 512, .count = 1600, .outstanding = 32, .burst = 32},
	LARGE_ALONE = {.name = "large, alone", .value = 1 << 20, .count = 50, .outstanding = 1},
	LARGE = {.name = "large", .value = 1 << 20, .count = 100, .outstanding = 32},
	TRICKLE = {.name = "trickling", .value = 1 << 20, .count = 10, .outstanding = 1, .trickle = true},
	SPINNING = {.name = "spinning", .value = 512, .count = 100, .outstanding = 1, .spin = 100},
	LOOKING = {.name = "looking", .value = 512, .count = 2000, .outstanding = 4, .spin = KTLI_URING_SPIN_AUTO},
	LOOKING_INSIDE = {.name = "looking inside",
			  .value = 1 << 20,
			  .count = 10,
			  .outstanding = 1,
			  .trickle = true,
			  .spin = KTLI_URING_SPIN_AUTO},
	LOOP = LARGE_BY("loop", KTLI_URING_SEND_LOOP), WHOLE = LARGE_BY("whole", KTLI_URING_SEND_WHOLE),
	CHUNKED = LARGE_BY("chunked", KTLI_URING_SEND_CHUNKED);

int main(void)
{
	struct ktli_uring_statistics counted;
	bool ring = options().backend != KTLI_URING_BACKEND_SOCKET, sqpoll = options().sqpoll;

	begin();
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (slow())
		skip("valgrind and AddressSanitizer make calls of their own");
	/* With more than one heap the C library, too, calls madvise. */
	CHECK(mallopt(M_ARENA_MAX, 1) == 1);
	start_the_sweeper();

	counted = run(SMALL_ALONE);
	if (sqpoll)
		CHECK(counted.receiver_enters > 0);
	else
		CHECK(counted.receiver_recvmsgs > 0);
	CHECK(counted.receiver_polls > 0);
	CHECK(counted.receiver_rare_calls > 0);
	counted = run(SMALL);
	CHECK(counted.sender_flushes + counted.receiver_flushes > 0);
	if (ring)
		CHECK(counted.receiver_enters > 0);
	else
		CHECK(counted.receiver_recvmsgs > 0);
	run(BURSTS);
	counted = run(LARGE_ALONE);
	CHECK(counted.receiver_recvmsgs > 0);
	/* Low-water marks, at least two for a value: time-outs of a receive that waits are set a few times in all. */
	COMPARE(counted.receiver_setsockopts, >, LARGE_ALONE.count);
	run(LARGE);
	run(TRICKLE);
	counted = run(SPINNING);
	CHECK(counted.spins_paid + counted.spins_lost > 0);
	counted = run(LOOKING);
	if (!sqpoll)
		CHECK(counted.spins_paid + counted.spins_lost > 0);
	counted = run(LOOKING_INSIDE);
	if (!sqpoll)
		CHECK(counted.spins_paid + counted.spins_lost > 0);
	run(LOOP);
	run(WHOLE);
	run(CHUNKED);
	return 0;
}
