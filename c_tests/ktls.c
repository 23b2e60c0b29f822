/*
 * The kernel's TLS, where the kernel has it: openssl's server is the peer, and what travels goes through this program,
 * which can hold it, cut it, and put something in between. On other kernels the same has to hold of the driver's own.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when the keys are not handed over although they could be, or are although they must not (`kernel::hand_over`);
 * when a record that is not data is taken for data or loses some (`Kernel::understand`), when half a record keeps a
 * processor busy or a poll from ending in time, or when disconnect cuts off what the kernel still has to send
 * (`Kernel::say_goodbye`).
 */
#include "harness.h"
#include "openssl.h"
#include "relay.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/wait.h>

#ifndef TCP_ULP
#define TCP_ULP 31
#endif

/* As <linux/tls.h> has it. */
struct keys {
	uint16_t version, cipher;
	unsigned char iv[12], key[32], sequence[8];
};

enum { SOL_OF_TLS = 282, TLS_RECEIVE = 2, CHACHA20_POLY1305 = 54 };

/* Asked without the driver: can the kernel do it? */
static bool kernel_can(void)
{
	struct keys keys = {.version = 0x304, .cipher = CHACHA20_POLY1305};
	struct peer peer;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool can;

	peer_listen(&peer, 0);
	address.sin_port = htons((uint16_t)peer.port);
	CHECK(connect(fd, (void *)&address, sizeof(address)) == 0);
	can = setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 3) == 0 &&
	      setsockopt(fd, SOL_OF_TLS, TLS_RECEIVE, &keys, sizeof(keys)) == 0;
	close(fd);
	peer_end(&peer);
	return can;
}

static bool tls_13;    /* the version */
static bool in_kernel; /* it can, and is allowed to */

/* Who does the TLS of the connection to this port, as the kernel tells it. */
static void check_who(int port, bool kernel)
{
	char name[16] = "";
	socklen_t size = sizeof(name);
	bool attached = getsockopt(find_socket(port), IPPROTO_TCP, TCP_ULP, name, &size) == 0 &&
			strncmp(name, "tls", sizeof(name)) == 0;

	if (attached != kernel)
		FAIL("TLS is %s the kernel", attached ? "in" : "not in");
}

/* ---- A session over the relay to the server. ---- */

/* With so large a buffer in front of the relay, 0 for the usual one. */
static void *relayed(int receive_buffer, bool kernel)
{
	char service[16];
	struct ktli_uring_config config = options();

	config.connect_timeout = 60000;
	set_options(config);
	void *dh = open_session();

	start_relay(receive_buffer);
	snprintf(service, sizeof(service), "%d", relay.peer.port);
	CHECK_EQ(uring_fns.ktli_dfns_connect(dh, "127.0.0.1", service, 1), 0);
	await_relay();
	check_who(relay.peer.port, kernel);
	return dh;
}

static void close_all(void *dh)
{
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	end_relay();
}

static int poll_session(void *dh, int timeout)
{
	return uring_fns.ktli_dfns_poll(dh, timeout);
}

/* A message from the server; tickets, which it sends first, are behind us then. */
static void get_one(void *dh)
{
	uint8_t *frame = make_frame(40, 100, 9);

	tell(frame, FRAME(40, 100));
	CHECK_EQ(poll_session(dh, 60000), 1);
	receive_frame(dh, 40, 100, 9);
	free(frame);
}

/* After an end nothing comes, and sending fails. */
static void check_dead(void *dh)
{
	double begun = now();

	while (send_bytes(dh, "x", 1) == 1) {
		CHECK_EQ(poll_session(dh, 20), 0);
		CHECK_TIME(now() - begun, 0, 20);
	}
	CHECK_EQ(poll_session(dh, 0), 0);
}

static void *disconnect(void *dh)
{
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
	return NULL;
}

/* ---- What is tested; each in a process of its own, with a server of its own. ---- */

static const uint32_t SIZES[] = {0, 1, 100, 16000, 16383, 16384, 40000, 65536, 300000, 1 << 20, 5 << 20};

/* Frames of all sizes, there and back, one after the other. */
static void sizes(void)
{
	void *dh = relayed(0, in_kernel);

	for (size_t i = 0; i < COUNT(SIZES); i++) {
		uint8_t *frame = make_frame(40, SIZES[i], i);
		size_t count = FRAME(40, SIZES[i]);

		CHECK_EQ(send_frame(dh, frame), count);
		expect_at_server(frame, count);
		tell(frame, count);
		CHECK_EQ(poll_session(dh, 60000), 1);
		receive_frame(dh, 40, SIZES[i], i);
		free(frame);
	}
	CHECK_EQ(poll_session(dh, 0), 0);
	close_all(dh);
}

/* The drive chooses another cipher: the driver's TLS. */
static void another_cipher(void)
{
	uint8_t *frame = make_frame(40, 40000, 3);
	void *dh = relayed(0, false);

	CHECK_EQ(send_frame(dh, frame), FRAME(40, 40000));
	expect_at_server(frame, FRAME(40, 40000));
	close_all(dh);
	free(frame);
}

enum { BIG = 6 << 20, MANY = 300 };

static uint8_t *big, *small;

static void *tell_big(void *argument)
{
	tell(big, FRAME(40, BIG));
	return argument;
}

static void *expect_all(void *argument)
{
	for (int i = 0; i < MANY; i++)
		expect_at_server(small, FRAME(30, 3000));
	expect_at_server(big, FRAME(40, BIG));
	return argument;
}

static void *send_all(void *dh)
{
	for (int i = 0; i < MANY; i++)
		CHECK_EQ(send_frame(dh, small), FRAME(30, 3000));
	CHECK_EQ(send_frame(dh, big), FRAME(40, BIG));
	return NULL;
}

/* Both directions at the same time, while the drive reads nothing until the driver has read all. */
static void both_directions(void)
{
	void *dh = relayed(64 << 10, in_kernel);

	big = make_frame(40, BIG, 1);
	small = make_frame(30, 3000, 2);
	get_one(dh);
	relay.deaf = true;
	pthread_t expecting = start_thread(expect_all, NULL);
	pthread_t telling = start_thread(tell_big, NULL), sending = start_thread(send_all, dh);

	CHECK_EQ(poll_session(dh, 60000), 1);
	receive_frame(dh, 40, BIG, 1);
	relay.deaf = false;
	while (relay.from_driver < BIG)
		CHECK_EQ(poll_session(dh, 20), 0);
	join_thread(sending);
	join_thread(expecting);
	join_thread(telling);
	close_all(dh);
}

/* Bytes that were accepted and are still in the driver; about, where it encrypts. */
static long waiting(void *dh)
{
	struct ktli_uring_statistics counted = {.size = sizeof(counted)};

	CHECK_EQ(ktli_uring_stats(dh, &counted), 0);
	return (long)(counted.bytes_sent - counted.sender_flushed_bytes - counted.receiver_flushed_bytes -
		      counted.other_flushed_bytes - counted.large_sent_bytes);
}

/* One thread polls and sends, into a full socket: no send waits; disconnect brings all of it, and a goodbye. */
static void one_thread(void)
{
	struct ktli_uring_config config = options();
	long sent = 0;
	double begun = now();

	config.send_buffer = MIB(1);
	config.linger = 30000;
	set_options(config);
	void *dh = relayed(16 << 10, in_kernel);

	small = make_frame(30, 3000, 2);
	get_one(dh);
	relay.deaf = true;
	for (; waiting(dh) < 300 << 10; sent++) {
		CHECK_EQ(poll_session(dh, 0), 0);
		CHECK_EQ(send_frame(dh, small), FRAME(30, 3000));
	}
	CHECK_TIME(now() - begun, 0, 20);
	pthread_t closing = start_thread(disconnect, dh);

	sleep_ms(200);
	relay.deaf = false;
	for (long i = 0; i < sent; i++)
		expect_at_server(small, FRAME(30, 3000));
	join_thread(closing);
	close_all(dh);
}

/* Half a record comes, and then nothing for a while: polls end in time and take no processor; then the rest comes. */
static void half_a_record(void)
{
	uint8_t *frame = make_frame(40, 10000, 1);
	void *dh = relayed(0, in_kernel);
	double begun, used;

	get_one(dh);
	relay.hold_after = passed() + 3000;
	tell(frame, FRAME(40, 10000));
	while (relay.from_server < relay.hold_after)
		CHECK_EQ(poll_session(dh, 1), 0);
	begun = now();
	used = process_cpu();
	for (int i = 0; i < 2; i++)
		CHECK_EQ(poll_session(dh, 500), 0);
	/* As libkinetic does. */
	while (now() - begun < 2)
		CHECK_EQ(poll_session(dh, 10), 0);
	CHECK_TIME(now() - begun, 1.9, 4);
	printf("%.3f s of CPU in 2 s\n", process_cpu() - used);
	/* Also where processors are emulated: one that is spun on is busy all the time. */
	if (process_cpu() - used > 0.8)
		FAIL("half a record keeps a processor busy: %.3f s", process_cpu() - used);
	relay.hold_after = -1;
	CHECK_EQ(poll_session(dh, 60000), 1);
	receive_frame(dh, 40, 10000, 1);
	close_all(dh);
	free(frame);
}

/* The end of TCP between messages, and inside one. */
static void tcp_end(long after)
{
	uint8_t *frame = make_frame(40, 200000, 1);
	uint8_t *body = allocate(200040);
	void *dh = relayed(0, in_kernel);

	get_one(dh);
	relay.cut_after = passed() + after;
	tell(frame, FRAME(40, 200000));
	if (after > 100000) {
		CHECK_EQ(poll_session(dh, 60000), 1);
		CHECK_EQ(receive_bytes(dh, body, PDU), PDU);
		CHECK_FAILS(receive_bytes(dh, body, 200040), ECONNRESET);
	}
	check_dead(dh);
	close_all(dh);
	free(frame);
	free(body);
}

static void end_in_value(void)
{
	tcp_end(150000);
}

static void end_in_first_record(void)
{
	tcp_end(50);
}

/* The driver says goodbye: behind the last message comes an alert. */
static void goodbye_from_driver(void)
{
	uint8_t *frame = make_frame(40, 1 << 20, 1);
	void *dh = relayed(0, in_kernel);

	CHECK_EQ(send_frame(dh, frame), FRAME(40, 1 << 20));
	CHECK_EQ(send_frame(dh, frame), FRAME(40, 1 << 20));
	expect_at_server(frame, FRAME(40, 1 << 20));
	pthread_t closing = start_thread(disconnect, dh);

	expect_at_server(frame, FRAME(40, 1 << 20));
	join_thread(closing);
	await_end_from_driver();
	/* An alert and its tag: in TLS 1.3 with another type behind it; in 1.2 with a nonce before it, but with ChaCha20. */
	int length = tls_13 ? 19 : in_kernel ? 18 : 26;
	const uint8_t *header = relay.last + sizeof(relay.last) - 5 - length;

	CHECK_EQ(header[0], tls_13 ? 23 : 21);
	CHECK_EQ(header[3] << 8 | header[4], length);
	close_all(dh);
	free(frame);
}

/* The server gets garbage, and sends a fatal alert. */
static void fatal_alert(void)
{
	static const uint8_t GARBAGE[] = {23, 3,  3,  0,  20, 1,  2,  3,  4,  5,  6,  7, 8,
					  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
	void *dh = relayed(0, in_kernel);

	relay.keep_open = true;
	write_all(relay.server, GARBAGE, sizeof(GARBAGE));
	check_dead(dh);
	close_all(dh);
}

/* The driver gets garbage: a record that cannot be decrypted, one that is too long, and no record at all. */
static int which;

static void garbage(void)
{
	static const struct {
		uint8_t bytes[40];
		size_t count;
	} GARBAGE[] = {
		{{23, 3, 3, 0, 30, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 35},
		{{23, 3, 3, 0xff, 0xff, 1}, 40},
		{"HTTP/1.1 400 Bad Request\r\n\r\n", 28},
		{{21, 3, 3, 0, 2, 1, 0}, 7},
	};
	uint8_t *frame = make_frame(40, 100, 1);
	void *dh = relayed(0, in_kernel);

	tell(frame, FRAME(40, 100));
	CHECK_EQ(poll_session(dh, 60000), 1);
	/* The tickets, too, have passed. */
	pthread_mutex_lock(&relay.to_driver);
	write_all(relay.peer.fd, GARBAGE[which].bytes, GARBAGE[which].count);
	pthread_mutex_unlock(&relay.to_driver);
	receive_frame(dh, 40, 100, 1);
	check_dead(dh);
	close_all(dh);
	free(frame);
}

/* The server changes its keys: the kernel's TLS cannot, and the connection ends; the driver's own goes on. */
static void new_keys(void)
{
	uint8_t *frame = make_frame(40, 100, 1);
	void *dh = relayed(0, in_kernel);

	tell("k\n", 2);
	if (in_kernel) {
		check_dead(dh);
	} else {
		sleep_ms(200);
		CHECK_EQ(poll_session(dh, 100), 0);
		CHECK_EQ(send_frame(dh, frame), FRAME(40, 100));
		CHECK_EQ(poll_session(dh, 100), 0);
	}
	close_all(dh);
	free(frame);
}

static void run(const char *name, void (*test)(void), const char *arguments)
{
	int status;

	tls_13 = strstr(arguments, "1_3") != NULL;
	start_server(arguments);
	fflush(stdout);
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		begin();
		test();
		exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	stop_server();
	if (status != 0)
		FAIL("%s, %s, %d: status %#x", name, arguments, which, status);
	printf("%s %s %d\n", name, arguments, which);
}

#define RUN(test, arguments) run(#test, test, arguments)

int main(void)
{
	static const char *const VERSIONS[] = {DRIVE "-tls1_2", DRIVE "-tls1_3"};
	const char *off = getenv("KTLI_URING_FEATURES");

	begin();
	if (getenv("KTLI_TEST_KTLS") != NULL)
		CHECK(kernel_can());
	prepare_openssl();
	in_kernel =
		kernel_can() && (off == NULL || strstr(off, "-ktls") == NULL) && getenv("KTLI_URING_SQPOLL") == NULL;
	for (int twice = 0; twice < 2; twice++) {
		printf("TLS in the %s\n", in_kernel ? "kernel" : "driver");
		for (size_t i = 0; i < COUNT(VERSIONS); i++) {
			RUN(sizes, VERSIONS[i]);
			RUN(both_directions, VERSIONS[i]);
			RUN(one_thread, VERSIONS[i]);
			RUN(half_a_record, VERSIONS[i]);
			RUN(end_in_value, VERSIONS[i]);
			RUN(end_in_first_record, VERSIONS[i]);
			RUN(goodbye_from_driver, VERSIONS[i]);
			RUN(fatal_alert, VERSIONS[i]);
			for (which = 0; which < 4; which++)
				RUN(garbage, VERSIONS[i]);
			which = 0;
		}
		RUN(another_cipher, DRIVE "-tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384");
		RUN(another_cipher, DRIVE "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256");
		RUN(new_keys, DRIVE COMMANDS " -tls1_3");
		/* Again without it. */
		if (!in_kernel)
			break;
		in_kernel = false;
		setenv("KTLI_URING_FEATURES", "-ktls", 1);
	}
	end_openssl();
	return 0;
}
