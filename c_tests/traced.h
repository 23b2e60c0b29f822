/*
 * The system calls of single threads, as the kernel sees them. A seccomp filter on such a thread, and on no other,
 * reports each call to a thread that counts it and lets it go on. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Threads inherit the filter: what the driver starts by itself must have been started before.
 */
#ifndef TRACED_H
#define TRACED_H

#include "harness.h"

#include <sys/syscall.h>

enum { CALLS = 512 };

struct traced {
	int listener; /* once it has started */
	atomic_bool started, ended;
	/* By number. Of clock_gettime only those for the CPU time of threads, of madvise none for a ring. */
	atomic_long calls[CALLS];
	pthread_t counter;
};

/* Starts the thread that counts. Not to be called by a thread that is traced itself. */
void trace_begin(struct traced *traced);
/*
 * From now on the calling thread's calls are counted, but for those of number `ignored`. Skips the test where no
 * filter can be had.
 */
void trace_me(struct traced *traced, int ignored);
/* Forgets what has been counted so far. By the traced thread. */
void trace_anew(struct traced *traced);
/* No more are counted. By the traced thread. */
void trace_no_more(struct traced *traced);
/* Ends the thread that counts; the traced thread must have ended. */
void trace_end(struct traced *traced);
/* How many calls of all kinds. */
long traced_calls(const struct traced *traced);

#endif
