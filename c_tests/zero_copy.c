/*
 * KTLI_URING_ZC: send waits until the drive has acknowledged, gives up sending without a copy where the kernel
 * copies all the same, says so once, and copies where no memory may be pinned. SPDX-License-Identifier: MIT OR
 * Apache-2.0
 * Fails when ring/zerocopy.rs returns before the notification, when zerocopy.rs does not count what was in vain,
 * stops too soon or too late or says it for each connection, or when a shortage of pinned memory fails a send.
 */
#include "harness.h"

#include <sys/resource.h>
#include <sys/wait.h>

FORKS_WITH_THREADS

enum { LARGE = 1 << 20 };

static atomic_int usual, pinned;

static void note(int level, const char *text, void *context)
{
	(void)level, (void)context;
	usual += strstr(text, "in the usual way") != NULL;
	pinned += strstr(text, "too much memory is pinned") != NULL;
}

static void read_large(struct peer *peer)
{
	int count = *(int *)peer->context;
	uint8_t *bytes = allocate(LARGE);

	for (int i = 0; i < count; i++) {
		peer_read(peer, bytes, LARGE);
		check_pattern(bytes, LARGE, (uint64_t)i, 0);
	}
	free(bytes);
}

/* How many sends were tried without a copy, the first ones. */
static int send_large(int count)
{
	struct ktli_uring_statistics counted = {.size = sizeof(counted)};
	struct peer peer;
	uint8_t *bytes = allocate(LARGE);
	void *dh = open_session();

	peer_listen(&peer, 0);
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, read_large, &count);
	for (int i = 0; i < count; i++) {
		pattern(bytes, LARGE, (uint64_t)i, 0);
		CHECK_EQ(send_bytes(dh, bytes, LARGE), LARGE);
		memset(bytes, 0xee, LARGE);
	}
	CHECK_EQ(ktli_uring_stats(dh, &counted), 0);
	CHECK_EQ(counted.large_sent_bytes, (size_t)count * LARGE);
	CHECK_EQ(counted.zero_copy_copied, counted.zero_copy_sends);
	peer_join(&peer);
	peer_end(&peer);
	free(bytes);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	return (int)counted.zero_copy_sends;
}

/* Loopback always copies, and after eight in vain it is over. */
static void gives_up(void)
{
	CHECK_EQ(send_large(7), 7);
	CHECK_EQ(usual, 0);
	CHECK_EQ(send_large(20), 8);
	CHECK_EQ(usual, 1);
	CHECK_EQ(send_large(20), 8);
	CHECK_EQ(usual, 1);
}

/* The peer reads only after a while: that is when send returns. */
static void read_late(struct peer *peer)
{
	int one = 1;

	sleep_ms(300);
	peer->context = &one;
	read_large(peer);
}

static void waits(void)
{
	struct peer peer;
	uint8_t *bytes = allocate(LARGE);
	void *dh = open_session();
	double begun;

	peer_listen(&peer, 64 << 10);
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, read_late, NULL);
	pattern(bytes, LARGE, 0, 0);
	begun = now();
	CHECK_EQ(send_bytes(dh, bytes, LARGE), LARGE);
	CHECK_TIME(now() - begun, 0.2, 5);
	peer_join(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_end(&peer);
	free(bytes);
}

/* Disconnecting while a send waits: what it has sent is delivered if the drive reads within the linger time, even
 * if the drive has to get rid of its answers first. */
static void *send_one(void *dh)
{
	uint8_t *bytes = allocate(LARGE);

	pattern(bytes, LARGE, 0, 0);
	if (send_bytes(dh, bytes, LARGE) == -1)
		CHECK(errno == ECONNABORTED || errno == ENOTCONN);
	memset(bytes, 0xee, LARGE);
	free(bytes);
	return NULL;
}

/* Writes more answers than all buffers hold, then reads. */
static void answer_first(struct peer *peer)
{
	size_t count = (size_t)32 << 20;
	uint8_t *bytes = allocate(count);

	memset(bytes, 0, count);
	peer_write(peer, bytes, count);
	count = peer_read_to_end(peer, bytes, LARGE);
	check_pattern(bytes, count, 0, 0);
	CHECK_EQ(count, LARGE);
	free(bytes);
	peer_close(peer);
}

static void disconnect_reads_answers(void)
{
	struct peer peer;
	void *dh = open_session();
	pthread_t sender;
	double begun;

	peer_listen(&peer, 64 << 10);
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, answer_first, NULL);
	sender = start_thread(send_one, dh);
	sleep_ms(200);
	begun = now();
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
	CHECK_TIME(now() - begun, 0, 6);
	join_thread(sender);
	peer_join(&peer);
	peer_end(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

static void no_memory(void)
{
	struct rlimit limit = {64 << 10, 64 << 10};

	CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
	/* Root may lock what it likes. */
	if (geteuid() == 0 && (setgid(65534) == -1 || setuid(65534) == -1))
		skip("the privilege to lock memory cannot be given up");
	int without = send_large(20);

	if (without == 8 && pinned == 0)
		skip("the kernel does not count what SENDMSG_ZC pins");
	CHECK_EQ(without, 0);
	CHECK_EQ(pinned, 20);
	CHECK_EQ(usual, 0);
}

static bool run(void (*test)(void))
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		struct ktli_uring_config config;

		begin();
		ktli_uring_set_log(note, NULL);
		config = options();
		config.zero_copy = LARGE;
		config.send_buffer = MIB(4);
		config.linger = 5000;
		set_options(config);
		test();
		exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		return false;
	CHECK_EQ(status, 0);
	return true;
}

int main(void)
{
	char text[512];

	begin();
	setenv("KTLI_URING_LOG", "debug", 1);
	ktli_uring_describe(text, sizeof(text));
	if (options().backend == KTLI_URING_BACKEND_SOCKET || strstr(text, "SENDMSG_ZC") == NULL)
		skip("there is no sending without a copy here");
	run(gives_up);
	run(waits);
	run(disconnect_reads_answers);
	run(no_memory);
	return 0;
}
