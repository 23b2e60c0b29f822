/*
 * Only compiled: the header goes with C99 and C++, alone, with its own types, and together with the
 * program's own declarations of the two structures before or behind it.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when the header needs anything before it, or defines what the program defines, too.
 */
#ifdef DEFINED_BY_HEADER
#define KTLI_URING_DEFINE_TYPES
#endif

#ifndef PROGRAM_FIRST
#include "ktli_uring.h"
#endif

#if defined(PROGRAM_FIRST) || defined(PROGRAM_LAST)
#include <stddef.h>
/* The types as libkinetic has them. */
struct kiovec {
	void *kiov_base;
	size_t kiov_len;
};
struct ktli_driver_fns {
#ifdef __cplusplus
	void *(*ktli_dfns_open)(void);
#else
	void *(*ktli_dfns_open)();
#endif
	int (*ktli_dfns_close)(void *dh);
	int (*ktli_dfns_connect)(void *dh, char *host, char *port, int usetls);
	int (*ktli_dfns_disconnect)(void *dh);
	int (*ktli_dfns_send)(void *dh, struct kiovec *msg, int msgcnt);
	int (*ktli_dfns_receive)(void *dh, struct kiovec *msg, int msgcnt);
	int (*ktli_dfns_poll)(void *dh, int timeout);
};
#endif

#ifdef PROGRAM_FIRST
#include "ktli_uring.h"
#endif
#include "ktli_uring.h"

#if defined(PROGRAM_FIRST) || defined(PROGRAM_LAST) || defined(DEFINED_BY_HEADER)
struct ktli_driver_fns *table(void);
struct ktli_driver_fns *table(void)
{
	return uring_fns.ktli_dfns_send == ktli_uring_send ? &uring_fns : NULL;
}
#else
struct ktli_driver_fns *table(void);
struct ktli_driver_fns *table(void)
{
	return &uring_fns;
}
#endif
