/*
 * The driver's table: uring_fns in the main library, socket_fns in the preload library only, and a
 * program under LD_PRELOAD finds it there. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when an entry of a table is missing or swapped, when the main library defines socket_fns, or
 * when the preload library does not.
 * KTLI_TEST_PRELOAD names the preload library.
 */
#include "harness.h"

#include <dlfcn.h>

/* NULL unless a library that is linked defines it. */
extern struct ktli_driver_fns socket_fns __attribute__((weak));

static void check_traffic(const struct ktli_driver_fns *fns)
{
	uint8_t *frame = make_frame(20, 30, 1), bytes[FRAME(20, 30)];
	struct kiovec vector = {frame, FRAME(20, 30)}, into = {bytes, FRAME(20, 30)};
	struct peer peer;
	char port[16];

	peer_listen(&peer, 0);
	snprintf(port, sizeof(port), "%d", peer.port);
	void *dh = fns->ktli_dfns_open();

	CHECK(dh != NULL);
	CHECK_EQ(fns->ktli_dfns_connect(dh, "127.0.0.1", port, 0), 0);
	peer_accept(&peer);
	CHECK_EQ(fns->ktli_dfns_send(dh, &vector, 1), FRAME(20, 30));
	peer_read(&peer, bytes, FRAME(20, 30));
	CHECK(memcmp(frame, bytes, FRAME(20, 30)) == 0);
	memset(bytes, 0, sizeof(bytes));
	peer_write(&peer, frame, FRAME(20, 30));
	CHECK_EQ(fns->ktli_dfns_poll(dh, 5000), 1);
	CHECK_EQ(fns->ktli_dfns_receive(dh, &into, 1), FRAME(20, 30));
	CHECK(memcmp(frame, bytes, FRAME(20, 30)) == 0);
	peer_end(&peer);
	CHECK_EQ(fns->ktli_dfns_disconnect(dh), 0);
	CHECK_EQ(fns->ktli_dfns_close(dh), 0);
	free(frame);
}

static void check_table(void)
{
	CHECK(uring_fns.ktli_dfns_open == ktli_uring_open);
	CHECK(uring_fns.ktli_dfns_close == ktli_uring_close);
	CHECK(uring_fns.ktli_dfns_connect == ktli_uring_connect);
	CHECK(uring_fns.ktli_dfns_disconnect == ktli_uring_disconnect);
	CHECK(uring_fns.ktli_dfns_send == ktli_uring_send);
	CHECK(uring_fns.ktli_dfns_receive == ktli_uring_receive);
	CHECK(uring_fns.ktli_dfns_poll == ktli_uring_poll);
	CHECK(strspn(ktli_uring_version(), "0123456789.") == strlen(ktli_uring_version()));
}

/* As libkinetic's own relocation does, by name. */
static void check_preloaded(void)
{
	const struct ktli_driver_fns *fns = dlsym(RTLD_DEFAULT, "socket_fns");

	CHECK(fns != NULL);
	check_traffic(fns);
}

static void check_preload_library(const char *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (library == NULL)
		FAIL("%s", dlerror());
	const struct ktli_driver_fns *fns = dlsym(library, "socket_fns");

	CHECK(fns != NULL);
	CHECK(fns->ktli_dfns_open && fns->ktli_dfns_close && fns->ktli_dfns_connect);
	CHECK(fns->ktli_dfns_disconnect && fns->ktli_dfns_send && fns->ktli_dfns_receive);
	CHECK(fns->ktli_dfns_poll != NULL);
	check_traffic(fns);
}

int main(int count, char **words)
{
	const char *preload = getenv("KTLI_TEST_PRELOAD");

	begin();
	if (count > 1) {
		check_preloaded();
		return 0;
	}
	check_table();
	check_traffic(&uring_fns);
	CHECK(&socket_fns == NULL);
	CHECK(dlsym(RTLD_DEFAULT, "socket_fns") == NULL);
	if (preload == NULL)
		skip("KTLI_TEST_PRELOAD is not set");
	check_preload_library(preload);
#ifndef __SANITIZE_ADDRESS__ /* which has to be the first library itself */
	setenv("LD_PRELOAD", preload, 1);
	execl(words[0], words[0], "preloaded", (char *)NULL);
	FAIL("cannot execute itself: %s", strerror(errno));
#else
	(void)words;
	return 0;
#endif
}
