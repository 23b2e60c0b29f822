/*
 * With SQPOLL a thread that sends small messages makes no system calls: the kernel's thread wakes the receiver. And
 * the receiver is woken every time, also when the kernel's thread sleeps, and when senders take turns.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when the sender writes to the eventfd or sends by itself while the kernel's thread is awake (ring/wake.rs,
 * `stage` in transmit.rs), or when that thread is not woken. A wake-up lost with the sender's ring (`wake_after_all`)
 * cannot be made to happen at will.
 */
#include "harness.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

FORKS_WITH_THREADS

enum { MESSAGE = 40, VALUE = 512, WARM_UP = 200, COUNTED = 2000, CALLS = 512 };

static struct peer peer;
static void *dh;
static atomic_int answered;
static atomic_bool stop;

/* ---- Counting a thread's system calls: a seccomp filter on that thread alone reports each to another one. ---- */

static atomic_long calls[CALLS];

/* From now on the calls of this thread are counted. The kernel waits for the counter each time. */
static int count_my_calls(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		/* The test's own waiting. */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clock_nanosleep, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {COUNT(code), code};

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static atomic_int listener;
static atomic_bool counted;

static void *count_calls(void *argument)
{
	while (listener == 0)
		sleep_ms(1);
	for (;;) {
		struct pollfd waiting = {listener, POLLIN, 0};
		struct seccomp_notif call;
		struct seccomp_notif_resp go_on = {.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

		if (poll(&waiting, 1, 100) < 1 || !(waiting.revents & POLLIN)) {
			if (counted)
				return argument;
			continue;
		}
		memset(&call, 0, sizeof(call));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) == -1)
			continue;
		calls[(unsigned)call.data.nr < CALLS ? call.data.nr : 0]++;
		go_on.id = call.id;
		CHECK(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &go_on) == 0 || errno == ENOENT);
	}
}

static long count(int nr)
{
	long sum = 0;

	if (nr >= 0)
		return calls[nr];
	for (int i = 0; i < CALLS; i++)
		sum += calls[i];
	return sum;
}

static void forget_calls(void)
{
	for (int i = 0; i < CALLS; i++)
		calls[i] = 0;
}

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

	listener = count_my_calls();
	if (listener == -1)
		skip("no seccomp filter can be had");
	send_many(WARM_UP, outstanding, 0);
	forget_calls();
	send_many(COUNTED, outstanding, 0);
	printf("%d outstanding: %ld calls: %ld write, %ld sendmsg, %ld io_uring_enter, %ld futex\n", outstanding,
	       count(-1), count(__NR_write), count(__NR_sendmsg), count(__NR_io_uring_enter), count(__NR_futex));
	return NULL;
}

static void run_counted(bool sqpoll, int outstanding)
{
	pthread_t receiver, counter;

	/* An idle time that is never over here. */
	connect_all(sqpoll, 30000);
	receiver = start_thread(receive_all, NULL);
	sleep_ms(50);
	listener = 0;
	counted = false;
	/* Before the filter is there, which threads inherit: this one, and the driver's own. */
	send_many(1, 1, 0);
	counter = start_thread(count_calls, NULL);
	join_thread(start_thread(send_counted, &outstanding));
	counted = true;
	join_thread(counter);
	close(listener);
	disconnect_all(receiver);
}

static void no_calls(void)
{
	static const int OUTSTANDING[] = {1, 32};

	for (size_t i = 0; i < COUNT(OUTSTANDING); i++) {
		run_counted(true, OUTSTANDING[i]);
		CHECK_EQ(count(__NR_write), 0);
		CHECK_EQ(count(__NR_sendmsg), 0);
		CHECK_EQ(count(__NR_io_uring_enter), 0);
		/* A lock that the receiver holds at this moment, or the sweeper who slept: seldom. */
		COMPARE(count(-1), <, COUNTED / 50);
	}
}

/* That the counting counts: without SQPOLL a message that finds the receiver asleep is sent by the sender. */
static void calls_without(void)
{
	run_counted(false, 1);
	COMPARE(count(__NR_sendmsg), >, COUNTED / 10);
}

/* The kernel's thread sleeps between the messages: it is called, and each is answered at once, not by the sweeper. */
static void wakes_the_kernel(void)
{
	pthread_t receiver;
	double begun;
	int messages = rounds(100);

	connect_all(true, 1);
	receiver = start_thread(receive_all, NULL);
	send_many(1, 1, 0);
	begun = now();
	send_many(messages, 1, 5000);
	/* The sweeper would take 10 ms and more for each, on top of the 5 ms between them. */
	CHECK_TIME(now() - begun, 0, messages * 0.014);
	disconnect_all(receiver);
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
