/*
 * A connection that has been busy and is idle now keeps little memory. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when the receiver's half does not give the memory of read-ahead buffer, staging area and wire back after a
 * while of polls with nothing.
 */
#include "harness.h"

#include <poll.h>
#include <sys/wait.h>

enum { CONNECTIONS = 100, MESSAGE = 40, ROUNDS = 2, IDLE_MS = 1500, ALLOWED_KIB = 256 };

static void *handles[CONNECTIONS];

/* Memory of this process that is there, in KiB. */
static long resident(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	long kib = -1;

	if (file == NULL)
		skip("/proc/self/smaps_rollup cannot be read");
	while (fgets(line, sizeof(line), file) != NULL)
		sscanf(line, "Rss: %ld kB", &kib);
	fclose(file);
	CHECK(kib > 0);
	return kib;
}

/* The drive, a process of its own: sends everything back, and reads all of a burst before it does. */
static _Noreturn void echo_all(struct peer *peer)
{
	static struct pollfd waiting[CONNECTIONS];
	static uint8_t *bytes;

	bytes = allocate(MIB(8));
	for (int i = 0; i < CONNECTIONS; i++) {
		peer_accept(peer);
		waiting[i] = (struct pollfd){peer->fd, POLLIN, 0};
	}
	for (int open = CONNECTIONS; open > 0;) {
		CHECK(poll(waiting, CONNECTIONS, -1) > 0);
		for (int i = 0; i < CONNECTIONS; i++) {
			if (waiting[i].fd == -1 || waiting[i].revents == 0)
				continue;
			sleep_ms(1);
			peer->fd = waiting[i].fd;
			ssize_t count = recv(peer->fd, bytes, MIB(8), 0);

			if (count > 0) {
				peer_write(peer, bytes, (size_t)count);
				continue;
			}
			peer_close(peer);
			waiting[i].fd = -1;
			open--;
		}
	}
	_exit(0);
}

/* Sends that many messages, and then receives as many. */
static void burst(void *dh, const uint8_t *frame, int count)
{
	uint32_t message, value;

	get_pdu(frame, &message, &value);
	for (int i = 0; i < count; i++)
		CHECK_EQ(send_frame(dh, frame), FRAME(message, value));
	for (int i = 0; i < count; i++) {
		CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 5000), 1);
		receive_frame(dh, message, value, 1);
	}
}

static void be_busy(void)
{
	/* The second kind is the largest that is staged. */
	uint8_t *small = make_frame(MESSAGE, 4096, 1), *staged = make_frame(MESSAGE, (66 << 10) - FRAME(MESSAGE, 0), 1);
	uint8_t *large = make_frame(MESSAGE, 128 << 10, 1);

	for (int i = 0; i < CONNECTIONS; i++) {
		/* The receiver is there: from now on messages are staged. */
		CHECK_EQ(uring_fns.ktli_dfns_poll(handles[i], 0), 0);
		for (int round = 0; round < ROUNDS; round++) {
			burst(handles[i], small, 64);
			burst(handles[i], staged, 16);
			burst(handles[i], large, 8);
		}
	}
	free(small);
	free(staged);
	free(large);
}

/* As libkinetic does, but in one thread for all. */
static void be_idle(void)
{
	for (double end = now() + IDLE_MS / 1e3; now() < end;)
		for (int i = 0; i < CONNECTIONS; i++)
			CHECK_EQ(uring_fns.ktli_dfns_poll(handles[i], 0), 0);
}

int main(void)
{
	struct peer peer;
	long before, busy, idle;
	int status;
	pid_t drive;

	begin();
	if (on_valgrind())
		skip("what valgrind keeps is in the same count");
	peer_listen(&peer, 0);
	drive = fork();
	CHECK(drive >= 0);
	if (drive == 0)
		echo_all(&peer);
	for (int i = 0; i < CONNECTIONS; i++) {
		handles[i] = open_session();
		CHECK_EQ(connect_to(handles[i], peer.port), 0);
	}
	before = resident();
	for (int round = 0; round < 2; round++) {
		be_busy();
		busy = resident();
		be_idle();
		idle = resident();
		printf("of each connection: %ld KiB when busy, %ld KiB when idle\n", (busy - before) / CONNECTIONS,
		       (idle - before) / CONNECTIONS);
		fflush(stdout);
		if (!slow())
			COMPARE((idle - before) / CONNECTIONS, <=, ALLOWED_KIB);
	}
	for (int i = 0; i < CONNECTIONS; i++)
		CHECK_EQ(uring_fns.ktli_dfns_close(handles[i]), 0);
	CHECK(waitpid(drive, &status, 0) == drive);
	CHECK_EQ(status, 0);
	peer_end(&peer);
	return 0;
}
