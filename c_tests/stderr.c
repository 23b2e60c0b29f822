/*
 * What the library prints to stderr neither kills the program nor holds it up where nobody reads it: no SIGPIPE from a
 * closed pipe, no waiting for a full one. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `calls::write_to_stderr` writes without blocking SIGPIPE, leaves one behind or takes one that was there
 * before, or waits for room without a limit, or anew for each text; or when logger.rs or report.rs write past it.
 */
#include "harness.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

enum { CONNECTIONS = 20 };

static struct peer peer;

/* Prints log lines (a variable of TLS that cannot be used is an error, garbage a warning) and a table for each connection. */
static void print_much(void)
{
	char host[] = "127.0.0.1", port[] = "1";

	setenv("KTLI_URING_TLS_VERIFY", "all", 1);
	for (int i = 0; i < CONNECTIONS; i++) {
		void *dh = open_session();

		CHECK_FAILS(uring_fns.ktli_dfns_connect(dh, host, port, 1), EINVAL);
		CHECK_EQ(connect_to(dh, peer.port), 0);
		peer_accept(&peer);
		peer_write(&peer, "garbage", 7);
		CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 20), 0);
		/* The last one is left to the end of the process. */
		if (i < CONNECTIONS - 1)
			CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
		peer_close(&peer);
	}
}

/* stderr becomes a pipe; returns its other end. */
static int redirect(void)
{
	int pipes[2];

	CHECK(pipe(pipes) == 0);
	CHECK(dup2(pipes[1], STDERR_FILENO) == STDERR_FILENO);
	close(pipes[1]);
	return pipes[0];
}

static int readable(int pipe)
{
	int bytes;

	CHECK(ioctl(pipe, FIONREAD, &bytes) == 0);
	return bytes;
}

static bool is_pending(void)
{
	sigset_t pending;

	CHECK(sigpending(&pending) == 0);
	return sigismember(&pending, SIGPIPE);
}

static void block(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	CHECK_EQ(pthread_sigmask(how, &set, NULL), 0);
}

static void closed(void)
{
	close(redirect());
	print_much();
	CHECK(!is_pending());
	/* It would be heard of. */
	block(SIG_BLOCK);
	CHECK(write(STDERR_FILENO, "", 1) == -1 && is_pending());
	signal(SIGPIPE, SIG_IGN);
	block(SIG_UNBLOCK);
	signal(SIGPIPE, SIG_DFL);
}

/* A program that has blocked the signal finds none that the library has caused, and keeps its own. */
static void closed_and_blocked(void)
{
	close(redirect());
	block(SIG_BLOCK);
	print_much();
	CHECK(!is_pending());
	CHECK_EQ(raise(SIGPIPE), 0);
	print_much();
	CHECK(is_pending());
}

static void full(void)
{
	int pipe = redirect(), flags = fcntl(STDERR_FILENO, F_GETFL);
	char some[4096] = "";

	CHECK(fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK) == 0);
	while (write(STDERR_FILENO, some, sizeof(some)) > 0)
		;
	CHECK(errno == EAGAIN);
	CHECK(fcntl(STDERR_FILENO, F_SETFL, flags) == 0);
	print_much();
	/* Where there is room again, what is printed arrives. */
	while (readable(pipe) > 0)
		CHECK(read(pipe, some, sizeof(some)) > 0);
	print_much();
	COMPARE(readable(pipe), >=, CONNECTIONS * 100);
}

static void run(const char *name, void (*test)(void))
{
	double begun = now();
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		begin();
		setenv("KTLI_URING_STATS", "1", 1);
		setenv("KTLI_URING_LOG", "warn", 1);
		test();
		exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	if (status != 0)
		FAIL("%s: status %#x", name, status);
	/* Each connection polls for 20 ms, and full pipes are waited for once. */
	CHECK_TIME(now() - begun, 0, CONNECTIONS * 2 * 0.03 + 1);
}

int main(void)
{
	begin();
	peer_listen(&peer, 0);
	run("closed", closed);
	run("closed, the signal blocked", closed_and_blocked);
	run("full", full);
	peer_end(&peer);
	return 0;
}
