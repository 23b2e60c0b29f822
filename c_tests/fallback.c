/*
 * Where the kernel or a seccomp filter refuses io_uring, everything goes over plain calls, with one log
 * line that says so; KTLI_URING_BACKEND=uring fails instead. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `engine::ring` gives an error back for a refusal, says it for each connection, or falls
 * back where that is forbidden.
 */
#include "harness.h"

#include <sys/syscall.h>
#include <sys/wait.h>

static atomic_int lines; /* log lines so far */
static char last[1024];  /* the last one */

static void note(int level, const char *text, void *context)
{
	(void)context;
	if (level > KTLI_URING_LOG_WARN)
		return;
	snprintf(last, sizeof(last), "%s", text);
	lines++;
}

static void *poll_until_one(void *dh)
{
	for (double begun = now(); uring_fns.ktli_dfns_poll(dh, 10) != 1;)
		CHECK_TIME(now() - begun, 0, 5);
	return NULL;
}

static void exchange(uint32_t value)
{
	uint8_t *frame = make_frame(50, value, 1), *bytes = allocate(FRAME(50, value));
	struct peer peer;

	/* All of it fits into the buffers: one thread plays both ends. */
	peer_listen(&peer, 4 << 20);
	void *dh = connected(&peer);

	/* So short a wait is one on the ring. */
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 1), 0);
	pthread_t receiver = start_thread(poll_until_one, dh);

	CHECK_EQ(send_frame(dh, frame), FRAME(50, value));
	peer_read(&peer, bytes, FRAME(50, value));
	CHECK(memcmp(bytes, frame, FRAME(50, value)) == 0);
	peer_write(&peer, frame, FRAME(50, value));
	join_thread(receiver);
	receive_frame(dh, 50, value, 1);
	peer_end(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	free(frame);
	free(bytes);
}

static void use(void)
{
	exchange(300);
	exchange(1 << 20);
}

/* ---- Each case runs in a process of its own: what a process has learnt of its kernel stays. ---- */

static void refused_with(int error)
{
	refuse_call(SYS_io_uring_setup, error);
	use();
	use();
	CHECK_EQ(lines, 1);
	if (strstr(last, strerror(error)) == NULL || strstr(last, "seccomp") == NULL)
		FAIL("the log line does not tell the reason: %s", last);
	CHECK(ktli_uring_describe(last, sizeof(last)) > 0);
	CHECK(strstr(last, "plain system calls") != NULL);
}

static void refused_later(int error)
{
	use();
	CHECK_EQ(lines, 0);
	refuse_call(SYS_io_uring_setup, error);
	use();
	use();
	CHECK_EQ(lines, 1);
}

static void forbidden(int error)
{
	setenv("KTLI_URING_BACKEND", "uring", 1);
	refuse_call(SYS_io_uring_setup, error);
	for (int i = 0; i < 2; i++) {
		errno = 0;
		void *dh = uring_fns.ktli_dfns_open();
		int its_errno = errno;

		CHECK(dh == NULL);
		CHECK_EQ(its_errno, error);
	}
	CHECK(lines > 0 && strstr(last, "KTLI_URING_BACKEND") != NULL);
}

static void not_asked_for(int error)
{
	setenv("KTLI_URING_BACKEND", "socket", 1);
	refuse_call(SYS_io_uring_setup, error);
	use();
	CHECK_EQ(lines, 0);
}

static void run(const char *name, void (*test)(int), int error)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		begin();
		setenv("KTLI_URING_BACKEND", "auto", 1);
		ktli_uring_set_log(note, NULL);
		test(error);
		exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		_exit(77);
	if (status != 0)
		FAIL("%s, %s: status %#x", name, strerror(error), status);
}

int main(void)
{
	begin();
	run("refused", refused_with, EPERM);
	run("refused", refused_with, ENOSYS);
	if (!on_valgrind()) /* which does not see what a ring writes */
		run("refused later", refused_later, EPERM);
	run("forbidden", forbidden, EPERM);
	run("forbidden", forbidden, ENOSYS);
	run("not asked for", not_asked_for, EPERM);
	return 0;
}
