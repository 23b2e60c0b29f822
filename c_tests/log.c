/*
 * The log: to stderr from the level of KTLI_URING_LOG on (default: warn), or to a callback, and nothing
 * is printed otherwise. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when logger.rs mistakes a level, when something is said about a session without a fault, or
 * when a line goes to stderr beside the callback.
 */
#include "harness.h"

#include <sys/wait.h>

static struct peer peer;
static char printed[8192]; /* what the child wrote to stdout and stderr */

static void good_session(void)
{
	uint8_t *frame = make_frame(20, 30, 1);
	void *dh = open_session();

	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_accept(&peer);
	CHECK_EQ(send_frame(dh, frame), FRAME(20, 30));
	peer_write(&peer, frame, FRAME(20, 30));
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 5000), 1);
	receive_frame(dh, 20, 30, 1);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_close(&peer);
	free(frame);
}

/* A variable of TLS that cannot be used is an error, garbage a warning, a connection a matter of debugging. */
static void bad_session(void)
{
	char host[] = "127.0.0.1", port[] = "1";
	void *dh;

	setenv("KTLI_URING_TLS_VERIFY", "all", 1);
	dh = open_session();
	CHECK_FAILS(uring_fns.ktli_dfns_connect(dh, host, port, 1), EINVAL);
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_accept(&peer);
	peer_write(&peer, "garbage", 7);
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 50), 0);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_close(&peer);
}

static int levels[8];

static void note(int level, const char *text, void *context)
{
	CHECK(context == levels);
	CHECK(level >= KTLI_URING_LOG_ERROR && level <= KTLI_URING_LOG_TRACE);
	CHECK(strlen(text) > 0 && strchr(text, '\n') == NULL);
	levels[level]++;
}

static void to_callback(void)
{
	CHECK_EQ(ktli_uring_set_log(note, levels), 0);
	bad_session();
	CHECK_EQ(levels[KTLI_URING_LOG_ERROR], 1);
	CHECK(levels[KTLI_URING_LOG_WARN] >= 1);
	CHECK_EQ(levels[KTLI_URING_LOG_DEBUG], 0);
}

static void to_callback_and_back(void)
{
	CHECK_EQ(ktli_uring_set_log(note, levels), 0);
	CHECK_EQ(ktli_uring_set_log(NULL, NULL), 0);
	bad_session();
	CHECK_EQ(levels[KTLI_URING_LOG_ERROR], 0);
}

/* Runs `test` in a process of its own with that level and keeps what it prints. */
static void run(void (*test)(void), const char *level)
{
	int pipes[2], status;
	size_t length = 0;
	ssize_t count;

	CHECK(pipe(pipes) == 0);
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		begin();
		dup2(pipes[1], STDERR_FILENO);
		dup2(pipes[1], STDOUT_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		if (level != NULL)
			setenv("KTLI_URING_LOG", level, 1);
		else
			unsetenv("KTLI_URING_LOG");
		test();
		exit(0);
	}
	close(pipes[1]);
	while ((count = read(pipes[0], printed + length, sizeof(printed) - 1 - length)) > 0)
		length += (size_t)count;
	printed[length] = 0;
	close(pipes[0]);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (status != 0)
		FAIL("status %#x: %s", status, printed);
}

static void check_printed(bool errors, bool warnings, bool debugging)
{
	if (!strstr(printed, "TLS") != !errors || !strstr(printed, "PDU") != !warnings ||
	    !strstr(printed, ": debug: ") != !debugging)
		FAIL("printed: %s", printed);
}

int main(void)
{
	begin();
	peer_listen(&peer, 0);
	run(good_session, NULL);
	CHECK_EQ(strlen(printed), 0);
	run(bad_session, NULL);
	check_printed(true, true, false);
	run(bad_session, "error");
	check_printed(true, false, false);
	run(bad_session, "debug");
	check_printed(true, true, true);
	run(bad_session, "off");
	CHECK_EQ(strlen(printed), 0);
	run(bad_session, "loud");
	check_printed(true, true, false);
	CHECK(strstr(printed, "KTLI_URING_LOG") != NULL);
	run(to_callback, NULL);
	CHECK_EQ(strlen(printed), 0);
	run(to_callback_and_back, NULL);
	check_printed(true, true, false);
	peer_end(&peer);
	return 0;
}
