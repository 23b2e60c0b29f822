/*
 * What a connection has done is counted right and told by ktli_uring_stats, and with KTLI_URING_STATS=1 by one table
 * on stderr at its end, however that comes. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when a message is not counted, or counted twice (transmit.rs, receive.rs); when small messages do not share
 * system calls, or the wrong ones do (`is_better_at_once`, `STAGED`); when ffi/sized.rs writes beyond `size`; or when
 * report.rs prints twice, not at all, or waits.
 */
#include "harness.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { MESSAGE = 40 };

/* Of the connection made last. */
static struct peer *peer;
static void *dh;

static struct ktli_uring_statistics statistics(void)
{
	struct ktli_uring_statistics counted = {.size = sizeof(counted)};

	CHECK_EQ(ktli_uring_stats(dh, &counted), 0);
	CHECK_EQ(counted.size, sizeof(counted));
	return counted;
}

/* Those that move bytes or wait. */
static uint64_t moving_calls(const struct ktli_uring_statistics *counted)
{
	return counted->sender_enters + counted->sender_sendmsgs + counted->sender_polls + counted->sender_wake_writes +
	       counted->receiver_enters + counted->receiver_sendmsgs + counted->receiver_recvmsgs +
	       counted->receiver_polls + counted->receiver_wake_reads + counted->other_sendmsgs +
	       counted->other_recvmsgs + counted->other_polls + counted->other_wake_writes;
}

/* All. That each of them is true, shows calls.c. */
static uint64_t system_calls(const struct ktli_uring_statistics *counted)
{
	return moving_calls(counted) + counted->sender_pauses + counted->receiver_setsockopts +
	       counted->receiver_pauses + counted->receiver_rare_calls + counted->other_pauses +
	       counted->other_rare_calls;
}

/* Sends back what comes, as it comes. */
static void echo(struct peer *drive)
{
	uint8_t *bytes = allocate(MIB(1));
	ssize_t count;

	while ((count = recv(drive->fd, bytes, MIB(1), 0)) > 0)
		peer_write(drive, bytes, (size_t)count);
	free(bytes);
	peer_close(drive);
}

/* A peer that is not freed: its thread may outlive what the test does with it. */
static void new_peer(int receive_buffer)
{
	peer = allocate(sizeof(*peer));
	peer_listen(peer, receive_buffer);
}

static void start(void)
{
	new_peer(0);
	dh = open_session();
	CHECK_EQ(connect_to(dh, peer->port), 0);
	peer_run(peer, echo, NULL);
}

static void stop(void)
{
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_join(peer);
	peer_end(peer);
	free(peer);
}

/* ---- A receiver, and a sender that waits while so many are outstanding. ---- */

struct load {
	uint32_t value;
	int count, outstanding;
};

static atomic_int received;

static void *receive_all(void *argument)
{
	const struct load *load = argument;

	for (int i = 0; i < load->count; i++) {
		while (uring_fns.ktli_dfns_poll(dh, 1000) == 0)
			;
		receive_frame(dh, MESSAGE, load->value, 1);
		received++;
	}
	return NULL;
}

static void run_load(struct load load)
{
	uint8_t *frame = make_frame(MESSAGE, load.value, 1);
	pthread_t receiver;

	received = 0;
	receiver = start_thread(receive_all, &load);
	for (int i = 0; i < load.count; i++) {
		struct timespec moment = {0, 20000};

		while (i - received >= load.outstanding)
			nanosleep(&moment, NULL);
		CHECK_EQ(send_frame(dh, frame), FRAME(MESSAGE, load.value));
	}
	join_thread(receiver);
	free(frame);
}

static void counts(void)
{
	static const uint32_t VALUES[] = {0, 512, 4096, 65536, 1 << 20};
	uint64_t messages = 0, bytes = 0;

	start();
	for (size_t i = 0; i < COUNT(VALUES); i++) {
		struct ktli_uring_statistics before = statistics(), after;
		struct load load = {VALUES[i], rounds(VALUES[i] > 4096 ? 100 : 1000), 1};

		run_load(load);
		after = statistics();
		messages += (uint64_t)load.count;
		bytes += (uint64_t)load.count * FRAME(MESSAGE, load.value);
		CHECK_EQ(after.messages_sent, messages);
		CHECK_EQ(after.bytes_sent, bytes);
		CHECK_EQ(after.messages_received, messages);
		CHECK_EQ(after.bytes_received, bytes);
		/* Every byte left in one way, and every small message at most once. */
		CHECK_EQ(after.sender_flushed_bytes + after.receiver_flushed_bytes + after.other_flushed_bytes +
				 after.large_sent_bytes,
			 bytes);
		COMPARE(after.sender_flushed_messages + after.receiver_flushed_messages + after.other_flushed_messages,
			<=, messages);
		double each = (double)(moving_calls(&after) - moving_calls(&before)) / load.count;

		printf("values of %u bytes, 1 outstanding: %.2f system calls each, %.2f of them move bytes or wait\n",
		       VALUES[i], (double)(after.system_calls - before.system_calls) / load.count, each);
		CHECK(each > 0);
		/* Without io_uring: send, look, wait, receive. A large value may arrive bit by bit. */
		if (VALUES[i] <= 4096)
			CHECK(each < (options().backend == KTLI_URING_BACKEND_SOCKET ? 4.5 : 4));
	}
	stop();
}

static void company(uint32_t spin)
{
	struct load load = {512, rounds(20000), 32};
	struct ktli_uring_config config = options(), before = config;
	struct ktli_uring_statistics counted;
	double each;

	config.spin = spin;
	set_options(config);
	start();
	set_options(before);
	run_load(load);
	counted = statistics();
	/* How often a receiver looks before it sleeps is a matter of time; what it does besides is not. */
	if (spin == KTLI_URING_SPIN_AUTO)
		counted.system_calls -= counted.receiver_recvmsgs + counted.receiver_pauses;
	CHECK_EQ(counted.messages_sent, load.count);
	CHECK_EQ(counted.messages_received, load.count);
	each = (double)counted.system_calls / load.count;
	printf("values of 512 bytes, 32 outstanding: %.2f system calls each\n", each);
	if (!slow())
		CHECK(each <= 1);
	stop();
}

static void wrong_uses(void)
{
	struct {
		struct ktli_uring_statistics known;
		char later[64];
	} large;
	struct ktli_uring_statistics counted = {.size = sizeof(counted)};
	uint8_t *frame = make_frame(MESSAGE, 100, 1);

	CHECK_FAILS(ktli_uring_stats(NULL, &counted), EINVAL);
	dh = open_session();
	CHECK_FAILS(ktli_uring_stats(dh, &counted), ENOTCONN);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	CHECK_FAILS(ktli_uring_stats(dh, &counted), EBADF);
	CHECK_FAILS(ktli_uring_stats((void *)0x7fff00001234, &counted), EBADF);
	start();
	CHECK_FAILS(ktli_uring_stats(dh, NULL), EINVAL);
	counted.size = 0;
	CHECK_FAILS(ktli_uring_stats(dh, &counted), EINVAL);
	counted.size = sizeof(size_t);
	CHECK_FAILS(ktli_uring_stats(dh, &counted), EINVAL);
	CHECK_EQ(send_frame(dh, frame), FRAME(MESSAGE, 100));
	/* An older program, which knows the first members only. */
	memset(&counted, 0x55, sizeof(counted));
	counted.size = offsetof(struct ktli_uring_statistics, messages_received);
	CHECK_EQ(ktli_uring_stats(dh, &counted), 0);
	CHECK_EQ(counted.size, offsetof(struct ktli_uring_statistics, messages_received));
	CHECK_EQ(counted.messages_sent, 1);
	CHECK_EQ(counted.bytes_sent, FRAME(MESSAGE, 100));
	CHECK_EQ(counted.messages_received, 0x5555555555555555);
	/* A newer one, which knows more than there is. */
	memset(&large, 0x55, sizeof(large));
	large.known.size = sizeof(large);
	CHECK_EQ(ktli_uring_stats(dh, &large.known), 0);
	CHECK_EQ(large.known.size, sizeof(large.known));
	CHECK_EQ(large.known.messages_sent, 1);
	CHECK_EQ(large.known.direct_received_bytes, 0);
	CHECK(large.known.system_calls > 0);
	CHECK_EQ(large.later[0], 0x55);
	/* They can still be read after the end, and the next connection begins anew. */
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
	counted = statistics();
	CHECK_EQ(counted.messages_sent, 1);
	/* Nobody counts there any more. */
	CHECK_EQ(counted.system_calls, system_calls(&counted));
	CHECK(counted.other_rare_calls > 0);
	peer_join(peer);
	CHECK_EQ(connect_to(dh, peer->port), 0);
	CHECK_EQ(statistics().messages_sent, 0);
	peer_run(peer, echo, NULL);
	stop();
	free(frame);
}

/* ---- The table. Each of these runs in a child, whose stderr is looked at afterwards. ---- */

static void some_requests(void)
{
	struct load load = {512, 20, 4};

	start();
	run_load(load);
}

static void no_disconnect(void)
{
	some_requests();
}

static void by_disconnect(void)
{
	some_requests();
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

/* One connection is disconnected, another one closed, and two are left. */
static void by_all_ways(void)
{
	some_requests();
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
	some_requests();
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	some_requests();
	some_requests();
}

static void *send_on(void *frame)
{
	while (send_frame(dh, frame) != -1)
		;
	return frame;
}

/* More is accepted than this peer takes: what the end wants to bring to it cannot be brought. */
static void accept_too_much(void)
{
	struct ktli_uring_config config = options();

	config.linger = 100;
	set_options(config);
	new_peer(KIB(16));
	dh = connected(peer);
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 0), 0);
	start_thread(send_on, make_frame(MESSAGE, 4096, 1));
	sleep_ms(500);
}

static void stuck_at_exit(void)
{
	accept_too_much();
}

static void stuck_at_disconnect(void)
{
	accept_too_much();
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
}

static void *disconnect(void *argument)
{
	uring_fns.ktli_dfns_disconnect(dh);
	return argument;
}

/* The process ends while another thread disconnects from a peer that does not close. */
static void exit_beside_disconnect(void)
{
	new_peer(0);
	dh = connected(peer);
	start_thread(disconnect, NULL);
	sleep_ms(300);
}

/* Nothing can be written there. */
static void to_a_full_disk(void)
{
	int full = open("/dev/full", O_WRONLY);

	some_requests();
	CHECK(full >= 0 && dup2(full, STDERR_FILENO) == STDERR_FILENO);
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
	some_requests();
}

/* The child's exit, too, runs the destructors, but the connection is its parent's. */
static void with_a_child(void)
{
	int status;
	pid_t pid;

	some_requests();
	pid = fork();
	if (pid == 0)
		exit(0);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
}

FORKS_WITH_THREADS

static void tables(const char *name, void (*test)(void), const char *asked, int wanted)
{
	char text[16384];
	int status, count = 0, figures = 0, file = memfd_create("stderr", 0);
	ssize_t length;
	pid_t pid;

	CHECK(file >= 0);
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		begin();
		CHECK(dup2(file, STDERR_FILENO) == STDERR_FILENO);
		setenv("KTLI_URING_STATS", asked, 1);
		setenv("KTLI_URING_LOG", "off", 1);
		test();
		exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	length = pread(file, text, sizeof(text) - 1, 0);
	CHECK(length >= 0);
	text[length] = 0;
	close(file);
	for (const char *at = text; (at = strstr(at, "the connection to 127.0.0.1:")) != NULL; at++)
		count++;
	for (const char *at = text; (at = strstr(at, "system calls per request")) != NULL; at++)
		figures++;
	if (status != 0 || count != wanted || (length > 0) != (wanted > 0))
		FAIL("%s: status %#x, %d tables instead of %d:\n%s", name, status, count, wanted, text);
	if (test == by_all_ways) {
		CHECK_EQ(figures, wanted);
		puts(text);
	}
}

/* ---- Which messages are left to the receiver, and which are sent at once. ---- */

enum { HEAVY = 12 << 10, STAGED = 66 << 10, ZERO_COPY = 20 << 10 };

/* Has the receiver come by, so that it is awake and nothing is staged, and sends a message of so many bytes in all. */
static void expect_at_once(uint32_t bytes, bool expected)
{
	uint8_t *frame = make_frame(MESSAGE, bytes - FRAME(MESSAGE, 0), 1);
	uint64_t before = statistics().large_sends;
	double begun = now();

	CHECK(uring_fns.ktli_dfns_poll(dh, 0) >= 0);
	CHECK_EQ(send_frame(dh, frame), bytes);
	/* A receiver that stays away for 10 ms is not left anything. */
	if (now() - begun < 0.005)
		CHECK_EQ(statistics().large_sends - before, expected);
	free(frame);
}

static void who_sends(void)
{
	struct ktli_uring_config config = options(), before = config;
	bool ring = config.backend != KTLI_URING_BACKEND_SOCKET;
	bool zero_copy = ring && !(config.features_off & KTLI_URING_FEATURE_SENDMSG_ZC);

	start();
	/* Few are outstanding. */
	expect_at_once(HEAVY, !config.sqpoll);
	expect_at_once(HEAVY - 1, false);
	expect_at_once(FRAME(MESSAGE, 0), false);
	expect_at_once(FRAME(MESSAGE, 0), false);
	/* From now on enough are. */
	expect_at_once(HEAVY, false);
	expect_at_once(STAGED, false);
	expect_at_once(STAGED + 1, true);
	stop();
	/* What is to leave without a copy is not staged. Where that cannot be, the first one tells. */
	config.zero_copy = ZERO_COPY;
	set_options(config);
	start();
	for (int i = 0; i < 4; i++)
		expect_at_once(FRAME(MESSAGE, 0), false);
	expect_at_once(ZERO_COPY, true);
	expect_at_once(ZERO_COPY, zero_copy);
	expect_at_once(ZERO_COPY - 1, false);
	stop();
	set_options(before);
}

int main(void)
{
	begin();
	tables("exit", no_disconnect, "1", 1);
	tables("disconnect", by_disconnect, "1", 1);
	tables("all ways", by_all_ways, "1", 4);
	tables("stuck at exit", stuck_at_exit, "1", 1);
	tables("stuck at disconnect", stuck_at_disconnect, "1", 1);
	tables("exit beside disconnect", exit_beside_disconnect, "1", 1);
	tables("to a full disk", to_a_full_disk, "1", 0);
	tables("with a child", with_a_child, "1", 1);
	tables("not asked for", by_disconnect, "0", 0);
	counts();
	who_sends();
	company(0);
	company(KTLI_URING_SPIN_AUTO);
	wrong_uses();
	return 0;
}
