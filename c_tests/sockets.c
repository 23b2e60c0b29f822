/*
 * The sockets: their options, refusals, time-outs for each address, names and IPv6.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when connect.rs leaves an option out, leaves the socket non-blocking, gives the first address
 * all of the time, or asks for buffers where that is a loss, or so late that the window's scale is agreed on already.
 */
#include "harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif

enum { DESCRIPTORS = 256 };

static bool inherited[DESCRIPTORS]; /* was open when the program began */

static int get(int fd, int level, int name)
{
	int value = -1;
	socklen_t length = sizeof(value);

	CHECK(getsockopt(fd, level, name, &value, &length) == 0);
	return value;
}

/* The number in place `index` of a file in /proc/sys/net. */
static long setting(const char *name, int index)
{
	char path[64];
	long numbers[3] = {-1, -1, -1};

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	FILE *file = fopen(path, "r");

	CHECK(file != NULL);
	CHECK(fscanf(file, "%ld %ld %ld", &numbers[0], &numbers[1], &numbers[2]) > index);
	fclose(file);
	return numbers[index];
}

static void check_buffer(int fd, bool sending, long wanted)
{
	long cap = setting(sending ? "core/wmem_max" : "core/rmem_max", 0);
	long tuning = setting(sending ? "ipv4/tcp_wmem" : "ipv4/tcp_rmem", 2);
	int size = get(fd, SOL_SOCKET, sending ? SO_SNDBUF : SO_RCVBUF);
	int locked = get(fd, SOL_SOCKET, SO_BUF_LOCK) & (sending ? 1 : 2);

	/* The kernel doubles what it is asked for, after capping it. */
	if (wanted <= cap) {
		CHECK(locked);
		CHECK_EQ(size, 2 * wanted);
	} else if (2 * cap < tuning) {
		CHECK(!locked); /* auto-tuning reaches further */
	} else {
		CHECK_EQ(size, 2 * cap);
	}
}

/* How far the receive window can be scaled up: agreed on when a connection is made. */
static int window_scale(int fd)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	CHECK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
	return info.tcpi_rcv_wscale;
}

/* Of a socket whose size was set before it was connected, or not at all. */
static int right_scale(int port, bool set, int receive_buffer)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), scale;

	address.sin_port = htons((uint16_t)port);
	CHECK(fd >= 0);
	if (set)
		CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer)) == 0);
	CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	scale = window_scale(fd);
	close(fd);
	return scale;
}

static void socket_options(long send_buffer, long receive_buffer)
{
	struct ktli_uring_config before = options(), config = before;
	struct peer peer;

	if (send_buffer > 0) {
		config.send_buffer = (uint32_t)send_buffer;
		config.receive_buffer = (uint32_t)receive_buffer;
		set_options(config);
	} else {
		send_buffer = receive_buffer = 5 << 20;
	}
	peer_listen(&peer, 0);
	void *dh = connected(&peer);
	int fd = find_socket(peer.port);

	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 1), 0); /* rings are made at the first use */
	CHECK(get(fd, IPPROTO_TCP, TCP_NODELAY) != 0);
	CHECK(get(fd, SOL_SOCKET, SO_KEEPALIVE) != 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	check_buffer(fd, true, send_buffer);
	check_buffer(fd, false, receive_buffer);
	bool set = get(fd, SOL_SOCKET, SO_BUF_LOCK) & 2;

	CHECK_EQ(window_scale(fd), right_scale(peer.port, set, (int)receive_buffer));
	/* Whatever the session has opened is not handed on to programs that are executed. */
	for (int other = 3; other < DESCRIPTORS; other++) {
		int flags = fcntl(other, F_GETFD);

		if (flags != -1 && !inherited[other] && !(flags & FD_CLOEXEC))
			FAIL("descriptor %d is not close-on-exec", other);
	}
	peer_end(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	set_options(before);
}

static void refusals(void)
{
	struct peer peer;
	void *dh = open_session();
	char host[] = "127.0.0.1", name[] = "no.such.name.invalid", port[16];
	double begun = now();

	peer_listen(&peer, 0);
	snprintf(port, sizeof(port), "%d", peer.port);
	peer_end(&peer);
	CHECK_FAILS(uring_fns.ktli_dfns_connect(dh, host, port, 0), ECONNREFUSED);
	CHECK_TIME(now() - begun, 0, 1);
	CHECK_FAILS(uring_fns.ktli_dfns_connect(dh, name, port, 0), EHOSTUNREACH);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

/* ---- A listener that does not answer: its queue is full. ---- */

static int listen_on(int family, int port, int backlog)
{
	struct sockaddr_in6 six = {
		.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in four = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd == -1)
		return -1;
	if (family == AF_INET6)
		CHECK(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == 0);
	if (bind(fd, family == AF_INET ? (void *)&four : (void *)&six,
		 family == AF_INET ? sizeof(four) : sizeof(six)) == -1 ||
	    listen(fd, backlog) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

static int port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	CHECK(getsockname(fd, (struct sockaddr *)&address, &length) == 0);
	return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

/* Fills the queue of a listener with backlog 0, so that it answers no further attempt. */
static void fill_queue(int listener)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
	for (int i = 0; i < 4; i++) {
		int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		CHECK(fd >= 0);
		CHECK(connect(fd, (struct sockaddr *)&address, length) == 0 || errno == EINPROGRESS);
	}
	sleep_ms(50);
}

static void time_out(void)
{
	struct ktli_uring_config before = options(), config = before;
	int listener = listen_on(AF_INET, 0, 0);
	void *dh = open_session();

	CHECK(listener >= 0);
	fill_queue(listener);
	config.connect_timeout = 500;
	set_options(config);
	double begun = now(), used = process_cpu();

	CHECK_FAILS(connect_to(dh, port_of(listener)), ETIMEDOUT);
	CHECK_TIME(now() - begun, 0.45, 3);
	CHECK_CPU(process_cpu() - used, 0.1);
	close(listener);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	set_options(before);
}

/* "localhost" is ::1 and 127.0.0.1; the first does not answer (or refuses), the second does. */
static void dead_first_address(bool silent)
{
	struct ktli_uring_config before = options(), config = before;
	char host[] = "localhost", port[16];
	int four = listen_on(AF_INET, 0, 10), six = -1;
	void *dh = open_session();

	CHECK(four >= 0);
	snprintf(port, sizeof(port), "%d", port_of(four));
	if (silent && (six = listen_on(AF_INET6, port_of(four), 0)) >= 0)
		fill_queue(six);
	config.connect_timeout = 2000;
	set_options(config);
	double begun = now();

	CHECK_EQ(uring_fns.ktli_dfns_connect(dh, host, port, 0), 0);
	CHECK_TIME(now() - begun, 0, 2.5);
	close(four);
	if (six >= 0)
		close(six);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	set_options(before);
}

static void version_six(void)
{
	char host[] = "::1", port[16];
	int six = listen_on(AF_INET6, 0, 10);
	void *dh = open_session();

	if (six >= 0) {
		snprintf(port, sizeof(port), "%d", port_of(six));
		CHECK_EQ(uring_fns.ktli_dfns_connect(dh, host, port, 0), 0);
		int fd = accept4(six, NULL, NULL, SOCK_CLOEXEC);
		char byte;

		CHECK(fd >= 0);
		CHECK_EQ(send_bytes(dh, "6", 1), 1);
		CHECK(recv(fd, &byte, 1, 0) == 1 && byte == '6');
		close(fd);
		close(six);
	}
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

int main(void)
{
	begin();
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		inherited[fd] = fcntl(fd, F_GETFD) != -1;
	socket_options(0, 0);
	socket_options(1 << 20, 2 << 20);
	socket_options(16 << 20, 16 << 20);
	refusals();
	time_out();
	dead_first_address(false);
	dead_first_address(true);
	version_six();
	return 0;
}
