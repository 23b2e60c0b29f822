/*
 * What matters of libkinetic here: a table of drivers that points to socket_fns, the stock driver's functions, and a
 * caller of whatever the table says. SPDX-License-Identifier: MIT OR Apache-2.0
 */
#define KTLI_URING_DEFINE_TYPES
#include "ktli_uring.h"

#ifdef HIDDEN
__attribute__((visibility("hidden")))
#endif
extern struct ktli_driver_fns socket_fns;

struct {
	int id;
	struct ktli_driver_fns *functions;
} drivers[] = {{1, &socket_fns}};

static void *stock_open(void)
{
	return 0;
}

/* The stock driver: it opens nothing. */
struct ktli_driver_fns socket_fns = {.ktli_dfns_open = stock_open};

struct ktli_driver_fns *find_driver(int id);
struct ktli_driver_fns *find_driver(int id)
{
	return drivers[0].id == id ? drivers[0].functions : 0;
}
