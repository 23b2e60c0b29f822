/*
 * A drive that stops reading for seconds while 64 MiB wait to be sent, as one large request and as many small ones, or
 * as much as the socket takes and some more, which waits for the receiver alone: the client waits, and costs next to no
 * CPU time all the while, sender and receiver; when the drive goes on everything arrives, whole and in order. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when a sender or a receiver looks at a full socket again and again (`waiting::wait` without its wait for room,
 * `socket::transmit::send_all` without its poll), or when what a full socket has cut is sent again or left out.
 */
#include "harness.h"

enum { MESSAGE = 40, STOPPED = 2000, PIECE = 16 << 10 };

static struct peer peer;
static void *dh;
static atomic_bool goes_on, over;
static atomic_int sent;

struct request {
	uint32_t value;
	int count;
	uint8_t *frame;
	bool until_full; /* so many, or until the receiver waits for room */
};

static struct ktli_uring_statistics statistics(void)
{
	struct ktli_uring_statistics counted = {.size = sizeof(counted)};

	CHECK_EQ(ktli_uring_stats(dh, &counted), 0);
	return counted;
}

static void *poll_until_over(void *argument)
{
	while (!over)
		CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 10), 0);
	return argument;
}

static void *send_all(void *argument)
{
	const struct request *request = argument;

	while (sent < request->count && !(request->until_full && statistics().socket_full_waits > 0)) {
		CHECK_EQ(send_frame(dh, request->frame), FRAME(MESSAGE, request->value));
		sent++;
		/* The receiver is to flush it. */
		if (request->until_full)
			usleep(500);
	}
	/* Its CPU time is known as long as it lives. */
	while (!goes_on)
		sleep_ms(50);
	return NULL;
}

static double cpu_of(clockid_t clock)
{
	struct timespec time;

	CHECK(clock_gettime(clock, &time) == 0);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void stop(const char *name, struct request request, bool polled)
{
	uint8_t *bytes = allocate(FRAME(MESSAGE, request.value));
	/* The sender's and the receiver's. */
	pthread_t threads[2] = {0, 0};
	clockid_t clocks[2];
	double cpu[2] = {0, 0}, before, begun = now();
	uint64_t calls;

	request.frame = make_frame(MESSAGE, request.value, 1);
	peer_listen(&peer, KIB(64));
	dh = connected(&peer);
	goes_on = false;
	over = false;
	sent = 0;
	if (polled) {
		threads[1] = start_thread(poll_until_over, NULL);
		CHECK(pthread_getcpuclockid(threads[1], &clocks[1]) == 0);
		sleep_ms(20);
	}
	threads[0] = start_thread(send_all, &request);
	CHECK(pthread_getcpuclockid(threads[0], &clocks[0]) == 0);
	/* Until the socket is full and everybody waits. */
	while (statistics().socket_full_waits == 0) {
		CHECK_TIME(now() - begun, 0, 20);
		sleep_ms(20);
	}
	sleep_ms(100);
	calls = statistics().system_calls;
	before = process_cpu();
	for (int i = 0; i <= polled; i++)
		cpu[i] = cpu_of(clocks[i]);
	sleep_ms(STOPPED);
	for (int i = 0; i <= polled; i++)
		cpu[i] = cpu_of(clocks[i]) - cpu[i];
	before = process_cpu() - before;
	calls = statistics().system_calls - calls;
	printf("%s%s: %.2f ms of CPU by the sender, %.2f ms by the receiver, %.2f ms in all, %llu system calls "
	       "in %d ms\n",
	       name, polled ? "" : ", no receiver", cpu[0] * 1e3, cpu[1] * 1e3, before * 1e3, (unsigned long long)calls,
	       STOPPED);
	fflush(stdout);
	/* Five per cent each; a look every 40 ms and a poll every 10 ms cost a tenth of that. */
	CHECK_CPU(cpu[0], 0.05e-3 * STOPPED);
	CHECK_CPU(cpu[1], 0.05e-3 * STOPPED);
	/* With SQPOLL the kernel's thread is the process's, too, and may look as long as it is told to. */
	if (options().sqpoll == 0)
		CHECK_CPU(before, 0.1e-3 * STOPPED);
	/* The polls of 10 ms, with some calls each, the sender's looks and the sweeper's. */
	if (!slow())
		COMPARE(calls, <=, 10 * STOPPED / 10);
	goes_on = true;
	for (int i = 0; i < request.count && (!request.until_full || i < sent); i++) {
		uint32_t message, value;

		peer_read(&peer, bytes, FRAME(MESSAGE, request.value));
		get_pdu(bytes, &message, &value);
		CHECK_EQ(message, MESSAGE);
		CHECK_EQ(value, request.value);
		check_pattern(bytes + PDU, (size_t)message + value, 1, 0);
	}
	join_thread(threads[0]);
	over = true;
	if (polled)
		join_thread(threads[1]);
	CHECK_EQ(peer_peek(&peer, 1), 0);
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh) + uring_fns.ktli_dfns_close(dh), 0);
	CHECK_EQ(peer_read_to_end(&peer, bytes, 1), 0);
	peer_end(&peer);
	free(bytes);
	free(request.frame);
}

int main(void)
{
	struct request large = {MIB(64), 1, NULL, false}, small = {PIECE, MIB(64) / PIECE, NULL, false};
	struct ktli_uring_config config;

	begin();
	config = options();
	config.linger = 100; /* the drive closes later */
	config.send_buffer = MIB(1);
	set_options(config);
	if (on_valgrind()) {
		large.value = MIB(16);
		small.count = 600;
	}
	stop("one of 64 MiB", large, true);
	stop("small ones", small, true);
	stop("one of 64 MiB", large, false);
	small.until_full = true;
	stop("as many as the socket takes", small, true);
	return 0;
}
