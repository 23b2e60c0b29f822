/* See traced.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "traced.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* Linux 5.19 */
#endif

static bool is_counted(const struct seccomp_data *call)
{
	int clock = (int)call->args[0];

	switch (call->nr) {
	case __NR_clock_gettime:
		/* All other clocks are read without the kernel, where there is a vDSO. */
		return clock == CLOCK_THREAD_CPUTIME_ID || clock < 0;
	case __NR_madvise:
		/* The other one belongs to the making of a ring. */
		return call->args[2] != MADV_DONTFORK;
	default:
		return true;
	}
}

static void *count_calls(void *argument)
{
	struct traced *traced = argument;

	while (!traced->started)
		sleep_ms(1);
	for (;;) {
		struct pollfd waiting = {traced->listener, POLLIN, 0};
		struct seccomp_notif call;
		struct seccomp_notif_resp go_on = {.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
		atomic_long *count;

		if (poll(&waiting, 1, 100) < 1 || !(waiting.revents & POLLIN)) {
			if (traced->ended)
				return NULL;
			continue;
		}
		memset(&call, 0, sizeof(call));
		if (ioctl(traced->listener, SECCOMP_IOCTL_NOTIF_RECV, &call) == -1)
			continue;
		count = &traced->calls[(unsigned)call.data.nr < CALLS ? call.data.nr : 0];
		/* Before it goes on: when the thread looks, all its calls have been counted. */
		if (!traced->ended && is_counted(&call.data))
			++*count;
		go_on.id = call.id;
		if (ioctl(traced->listener, SECCOMP_IOCTL_NOTIF_SEND, &go_on) == 0)
			continue;
		/* It was interrupted before it began, and is reported again. */
		CHECK(errno == ENOENT);
		if (!traced->ended && is_counted(&call.data))
			--*count;
	}
}

void trace_begin(struct traced *traced)
{
	memset(traced, 0, sizeof(*traced));
	traced->counter = start_thread(count_calls, traced);
}

static int install(const struct sock_fprog *program, unsigned long flags)
{
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | flags, program);
}

void trace_me(struct traced *traced, int ignored)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)ignored, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {COUNT(code), code};
	int listener;

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	/* So that work which the kernel does on this thread does not interrupt a call that is being counted. */
	listener = install(&program, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	if (listener == -1 && errno == EINVAL)
		listener = install(&program, 0);
	if (listener == -1)
		skip("no seccomp filter can be had");
	traced->listener = listener;
	traced->started = true;
}

void trace_anew(struct traced *traced)
{
	for (int i = 0; i < CALLS; i++)
		traced->calls[i] = 0;
}

void trace_no_more(struct traced *traced)
{
	traced->ended = true;
}

void trace_end(struct traced *traced)
{
	traced->ended = true;
	join_thread(traced->counter);
	close(traced->listener);
}

long traced_calls(const struct traced *traced)
{
	long sum = 0;

	for (int i = 0; i < CALLS; i++)
		sum += traced->calls[i];
	return sum;
}
