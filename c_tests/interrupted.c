/*
 * Opening and connecting leave nothing behind that interrupts the caller's own system calls.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `setup::probe` closes its ring on the caller's thread: the kernel ends a ring somewhat later, by work
 * for the threads that used it, and a blocking write of theirs is cut short by that.
 */
#include "harness.h"

#include <sys/wait.h>

enum { ROUNDS = 5 };

/* Takes all that is in the pipe, but not at once: the writer has to block. */
static void *read_late(void *pipe_end)
{
	static char bytes[KIB(64)];
	int fd = (int)(intptr_t)pipe_end;

	do
		usleep(2000);
	while (read(fd, bytes, sizeof(bytes)) > 0);
	return NULL;
}

int main(void)
{
	static char bytes[MIB(2)];

	begin();
	/* The driver asks the kernel only once in a process, so each round needs one of its own. */
	for (int round = 0; round < ROUNDS; round++) {
		pid_t child = fork();

		CHECK(child >= 0);
		if (child == 0) {
			struct peer peer;
			int ends[2];

			CHECK(pipe(ends) == 0);
			peer_listen(&peer, 0);
			void *dh = connected(&peer);
			pthread_t reader = start_thread(read_late, (void *)(intptr_t)ends[0]);

			CHECK_EQ(write(ends[1], bytes, sizeof(bytes)), sizeof(bytes));
			close(ends[1]);
			join_thread(reader);
			CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
			_exit(0);
		}
		int status;

		CHECK(waitpid(child, &status, 0) == child);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	return 0;
}
