/*
 * Names with several addresses, of which some are dead: one refuses, one is silent (its listener's queue is full), one
 * cannot be used at all; IPv6 and IPv4. connect takes the first that answers, gives each its share of the time and not
 * more, fails with the last one's errno when none does, and costs no CPU time while it waits; disconnect ends it at
 * once; and the handle can be connected afterwards. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `connect::connect` stops at the first address that fails, gives one all of the time, or looks at it again
 * and again while it waits.
 *
 * getaddrinfo(3) is the one below.
 */
#include "harness.h"

#include <arpa/inet.h>
#include <netdb.h>

enum kind { LIVE, REFUSED_4, REFUSED_6, SILENT_4, SILENT_6, NO_SCOPE, NO_INTERNET, KINDS };
enum { MOST = 20, LIMIT = 1200 };

static struct kinds {
	int fd;
	struct sockaddr_storage address;
	socklen_t length;
} kinds[KINDS];

#define FOUR_DEAD REFUSED_4, REFUSED_6, REFUSED_4, REFUSED_6

/* What the name stands for, and what is to come of it after how many seconds. */
static const struct name {
	const char *text;
	enum kind addresses[MOST];
	int count, error;
	double least, most;
} NAMES[] = {
	{"a dead IPv6 address and a live IPv4 one", {REFUSED_6, LIVE}, 2, 0, 0, 1},
	{"a silent IPv6 address and a live IPv4 one", {SILENT_6, LIVE}, 2, 0, 0.59, 1.1},
	{"a live one and a silent one", {LIVE, SILENT_6}, 2, 0, 0, 0.5},
	{"one without its scope and a live one", {NO_SCOPE, LIVE}, 2, 0, 0, 1},
	{"something that is no Internet address and a live one", {NO_INTERNET, LIVE}, 2, 0, 0, 1},
	{"three silent ones and a live one", {SILENT_4, SILENT_6, SILENT_4, LIVE}, 4, 0, 0.89, 1.15},
	{"sixteen that refuse and a live one", {FOUR_DEAD, FOUR_DEAD, FOUR_DEAD, FOUR_DEAD, LIVE}, 17, 0, 0, 1},
	{"one that refuses", {REFUSED_4}, 1, ECONNREFUSED, 0, 1},
	{"two that refuse", {REFUSED_6, REFUSED_4}, 2, ECONNREFUSED, 0, 1},
	{"a silent one and one that refuses", {SILENT_6, REFUSED_4}, 2, ECONNREFUSED, 0.59, 1.1},
	{"one that refuses and a silent one", {REFUSED_6, SILENT_4}, 2, ETIMEDOUT, 1.19, 5},
	{"a silent one", {SILENT_4}, 1, ETIMEDOUT, 1.19, 5},
	{"no address", {LIVE}, 0, EHOSTUNREACH, 0, 1},
	{"nothing that is an Internet address", {NO_INTERNET}, 1, EHOSTUNREACH, 0, 1},
};

static const struct name *asked; /* the name that is resolved now */
static struct addrinfo list[MOST];
static int lists; /* that were handed out and not given back */

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **result)
{
	CHECK(strcmp(host, "drive") == 0 && strcmp(port, "8123") == 0);
	CHECK_EQ(hints->ai_socktype, SOCK_STREAM);
	lists++;
	*result = asked->count > 0 ? list : NULL;
	for (int i = 0; i < asked->count; i++) {
		struct kinds *kind = &kinds[asked->addresses[i]];

		list[i] = (struct addrinfo){
			.ai_family = kind->address.ss_family,
			.ai_socktype = SOCK_STREAM,
			.ai_addr = (struct sockaddr *)&kind->address,
			.ai_addrlen = kind->length,
			.ai_next = i + 1 < asked->count ? &list[i + 1] : NULL,
		};
	}
	return 0;
}

void freeaddrinfo(struct addrinfo *result)
{
	CHECK(result == (asked->count > 0 ? list : NULL));
	lists--;
}

/* A socket on a free port; with `backlog` below 0 it does not listen. False where there is no IPv6. */
static bool make(enum kind which, int family, int backlog)
{
	struct kinds *kind = &kinds[which];
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	kind->length = sizeof(kind->address);
	kind->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (kind->fd == -1 || bind(kind->fd, family == AF_INET ? (void *)&four : (void *)&six,
				   family == AF_INET ? sizeof(four) : sizeof(six)) == -1)
		return false;
	if (backlog >= 0)
		CHECK(listen(kind->fd, backlog) == 0);
	CHECK(getsockname(kind->fd, (struct sockaddr *)&kind->address, &kind->length) == 0);
	return true;
}

/* Fills the queue, so that no further attempt is answered. */
static void silence(enum kind which)
{
	struct kinds *kind = &kinds[which];

	for (int i = 0; i < 4; i++) {
		int fd = socket(kind->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		CHECK(fd >= 0);
		CHECK(connect(fd, (struct sockaddr *)&kind->address, kind->length) == 0 || errno == EINPROGRESS);
	}
}

static int connect_to_name(void *dh, const struct name *name)
{
	char host[] = "drive", port[] = "8123";

	asked = name;
	return uring_fns.ktli_dfns_connect(dh, host, port, 0);
}

static void accept_and_try(void *dh)
{
	int fd = accept4(kinds[LIVE].fd, NULL, NULL, SOCK_CLOEXEC);
	char byte;

	CHECK(fd >= 0);
	CHECK_EQ(send_bytes(dh, "6", 1), 1);
	CHECK(recv(fd, &byte, 1, 0) == 1 && byte == '6');
	close(fd);
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
}

static void resolve(const struct name *name)
{
	void *dh = open_session();
	double begun = now(), used = thread_cpu(), took;
	int result, error;

	errno = 0;
	result = connect_to_name(dh, name);
	error = errno;
	took = now() - begun;
	used = thread_cpu() - used;
	printf("%s: %d (%s) after %.0f ms, %.2f ms of CPU\n", name->text, result,
	       result == 0 ? "connected" : strerror(error), took * 1e3, used * 1e3);
	fflush(stdout);
	CHECK_EQ(result, name->error == 0 ? 0 : -1);
	CHECK(result == 0 || error == name->error);
	/* A machine that is busy elsewhere is late, but what shares the time well still connects within all of it. */
	CHECK_TIME(took, name->least, name->most + 3);
	CHECK_CPU(used, 0.02);
	CHECK_EQ(lists, 0);
	if (result == 0) {
		accept_and_try(dh);
	} else {
		/* Nothing has happened to the handle. */
		CHECK_FAILS(send_bytes(dh, "x", 1), ENOTCONN);
		begun = now();
		CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 10), 0);
		CHECK_TIME(now() - begun, 0.01, 5);
		CHECK_EQ(connect_to_name(dh, &NAMES[2]), 0);
		accept_and_try(dh);
	}
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

static void *disconnect_soon(void *dh)
{
	sleep_ms(200);
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
	return NULL;
}

/* While it waits for a silent one. */
static void disconnect_meanwhile(void)
{
	static const struct name SILENT = {"", {SILENT_4}, 1, 0, 0, 0};
	struct ktli_uring_config before = options(), config = before;
	void *dh = open_session();
	pthread_t other;
	double begun = now();

	config.connect_timeout = 60000;
	set_options(config);
	other = start_thread(disconnect_soon, dh);
	CHECK_FAILS(connect_to_name(dh, &SILENT), ECONNABORTED);
	CHECK_TIME(now() - begun, 0.15, 5);
	join_thread(other);
	set_options(before);
	CHECK_EQ(connect_to_name(dh, &NAMES[2]), 0);
	accept_and_try(dh);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

int main(void)
{
	struct ktli_uring_config config;

	begin();
	setenv("KTLI_URING_LOG", "error", 1);
	config = options();
	config.connect_timeout = LIMIT;
	config.linger = 100;
	set_options(config);
	CHECK(make(LIVE, AF_INET, 10) && make(REFUSED_4, AF_INET, -1) && make(SILENT_4, AF_INET, 0));
	silence(SILENT_4);
	if (!make(REFUSED_6, AF_INET6, -1) || !make(SILENT_6, AF_INET6, 0))
		skip("there is no IPv6");
	silence(SILENT_6);
	kinds[NO_SCOPE] = kinds[REFUSED_6];
	CHECK_EQ(inet_pton(AF_INET6, "fe80::1", &((struct sockaddr_in6 *)&kinds[NO_SCOPE].address)->sin6_addr), 1);
	kinds[NO_INTERNET].address.ss_family = AF_UNIX;
	kinds[NO_INTERNET].length = sizeof(sa_family_t);
	sleep_ms(50);
	for (size_t i = 0; i < COUNT(NAMES); i++)
		resolve(&NAMES[i]);
	disconnect_meanwhile();
	return 0;
}
