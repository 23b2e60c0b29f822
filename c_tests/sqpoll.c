/*
 * With SQPOLL a thread that sends small messages makes no system calls: the kernel's thread wakes the receiver. And
 * the receiver is woken every time, also when the kernel's thread sleeps, and when senders take turns.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when the sender writes to the eventfd or sends by itself while the kernel's thread is awake (ring/wake.rs,
 * `stage` in transmit.rs), or when that thread is not woken. A wake-up lost with the sender's ring (`wake_after_all`)
 * cannot be made to happen at will.
 */
#include "traced.h"

#include <sys/wait.h>
#include <time.h>

FORKS_WITH_THREADS

enum { MESSAGE = 40, VALUE = 512, WARM_UP = 200, COUNTED = 2000 };

static struct peer peer;
static struct traced traced; /* the sender */
static void *dh;
static atomic_int answered;
static atomic_bool stop;

/* ---- A drive that answers everything, and a receiver. ---- */

static void answer_all(struct peer *drive)
{
	uint8_t *frame = make_frame(MESSAGE, VALUE, 1), *answer = make_frame(MESSAGE, 0, 1);

	while (peer_read_to_end(drive, frame, FRAME(MESSAGE, VALUE)) == FRAME(MESSAGE, VALUE)) {
		check_pattern(frame + PDU, MESSAGE + VALUE, 1, 0);
		peer_write(drive, answer, FRAME(MESSAGE, 0));
	}
	free(frame);
	free(answer);
	peer_close(drive);
}

static void *receive_all(void *argument)
{
	while (!stop) {
		if (uring_fns.ktli_dfns_poll(dh, 1000) != 1)
			continue;
		receive_frame(dh, MESSAGE, 0, 1);
		answered++;
	}
	return argument;
}

/* Sends, with so many outstanding at most; between two sends it sleeps so many microseconds. */
static void send_many(int messages, int outstanding, int pause_us)
{
	uint8_t *frame = make_frame(MESSAGE, VALUE, 1);
	struct timespec short_time = {0, 50000}, pause = {0, pause_us * 1000L};
	int begun = answered;

	for (int i = 0; i < messages; i++) {
		CHECK_EQ(send_frame(dh, frame), FRAME(MESSAGE, VALUE));
		while (i + 1 - (answered - begun) >= outstanding)
			clock_nanosleep(CLOCK_MONOTONIC, 0, &short_time, NULL);
		if (pause_us > 0)
			clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	while (answered - begun < messages)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &short_time, NULL);
	free(frame);
}

static void connect_all(bool sqpoll, uint32_t idle)
{
	struct ktli_uring_config config = options();

	config.sqpoll = sqpoll;
	config.sqpoll_idle = idle;
	set_options(config);
	peer_listen(&peer, 0);
	dh = open_session();
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, answer_all, NULL);
	stop = false;
	answered = 0;
}

static void disconnect_all(pthread_t receiver)
{
	stop = true;
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
	join_thread(receiver);
	peer_join(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_end(&peer);
}

/* ---- The tests, each in a process of its own: all rings of a process share the kernel's thread. ---- */

static void *send_counted(void *argument)
{
	int outstanding = *(int *)argument;

	/* But for the test's own waiting. */
	trace_me(&traced, __NR_clock_nanosleep);
	send_many(WARM_UP, outstanding, 0);
	trace_anew(&traced);
	send_many(COUNTED, outstanding, 0);
	trace_no_more(&traced);
	printf("%d outstanding: %ld calls: %ld write, %ld sendmsg, %ld io_uring_enter, %ld futex\n", outstanding,
	       traced_calls(&traced), traced.calls[__NR_write], traced.calls[__NR_sendmsg],
	       traced.calls[__NR_io_uring_enter], traced.calls[__NR_futex]);
	return NULL;
}

static void run_counted(bool sqpoll, int outstanding)
{
	pthread_t receiver;

	/* An idle time that is never over here. */
	connect_all(sqpoll, 30000);
	receiver = start_thread(receive_all, NULL);
	sleep_ms(50);
	/* The driver's own thread, before the filter is there. */
	send_many(1, 1, 0);
	trace_begin(&traced);
	join_thread(start_thread(send_counted, &outstanding));
	trace_end(&traced);
	disconnect_all(receiver);
}

static void no_calls(void)
{
	static const int OUTSTANDING[] = {1, 32};

	for (size_t i = 0; i < COUNT(OUTSTANDING); i++) {
		run_counted(true, OUTSTANDING[i]);
		CHECK_EQ(traced.calls[__NR_write], 0);
		CHECK_EQ(traced.calls[__NR_sendmsg], 0);
		CHECK_EQ(traced.calls[__NR_io_uring_enter], 0);
		/* A lock that the receiver holds at this moment, or the sweeper who slept: seldom. */
		COMPARE(traced_calls(&traced), <, COUNTED / 50);
	}
}

/* That the counting counts: without SQPOLL a message that finds the receiver asleep is sent by the sender. */
static void calls_without(void)
{
	run_counted(false, 1);
	COMPARE(traced.calls[__NR_sendmsg], >, COUNTED / 10);
}

/* The kernel's thread sleeps between the messages: it is called, and the receiver sends each, not the sweeper. */
static void wakes_the_kernel(void)
{
	struct ktli_uring_statistics counted = {.size = sizeof(counted)};
	pthread_t receiver;
	int messages = rounds(50);

	connect_all(true, 1);
	receiver = start_thread(receive_all, NULL);
	send_many(1, 1, 0);
	/* The kernel counts the idle time in ticks, of up to 10 ms. */
	send_many(messages, 1, 30000);
	CHECK_EQ(ktli_uring_stats(dh, &counted), 0);
	printf("%d messages: %d calls of the sender's, %d sent by the receiver, %d by the sweeper\n", messages,
	       (int)counted.sender_enters, (int)counted.receiver_flushed_messages, (int)counted.other_flushed_messages);
	disconnect_all(receiver);
	/* A receiver that is not woken leaves all of them to the sweeper; one that waits for a processor, some. */
	COMPARE(counted.other_flushed_messages, <, messages / 2);
}

/* Each message from another thread, which makes the ring anew, just after the other has put a wake-up in it. */
static void *send_one(void *argument)
{
	uint8_t *frame = make_frame(MESSAGE, VALUE, 1);

	CHECK_EQ(send_frame(dh, frame), FRAME(MESSAGE, VALUE));
	free(frame);
	return argument;
}

static void changes_threads(void)
{
	pthread_t receiver;
	int messages = rounds(200);

	connect_all(true, 1);
	receiver = start_thread(receive_all, NULL);
	for (int i = 0; i < messages; i++)
		join_thread(start_thread(send_one, NULL));
	while (answered < messages)
		sleep_ms(1);
	disconnect_all(receiver);
}

static void run(void (*test)(void))
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		begin();
		test();
		exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		_exit(77);
	CHECK_EQ(status, 0);
}

int main(void)
{
	begin();
	unsetenv("KTLI_URING_SQPOLL");
	if (getenv("KTLI_URING_BACKEND") && strcmp(getenv("KTLI_URING_BACKEND"), "socket") == 0)
		skip("this is about io_uring");
	run(wakes_the_kernel);
	run(changes_threads);
	if (!slow()) {
		run(no_calls);
		run(calls_without);
	}
	return 0;
}
