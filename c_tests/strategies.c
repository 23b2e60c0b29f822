/*
 * Every way to send (KTLI_URING_SEND) carries messages of all sizes whole and in order, to a fast peer and to one
 * that reads in small bites, and uses the caller's memory until it returns and not longer; it ends in time when the
 * peer dies, stops reading, or the session is disconnected. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when ring/stepwise.rs or ring/chunked.rs counts wrongly what has left, when a chain of ring/chunked.rs is
 * longer than the kernel's thread takes at once (`places`), or when a send ignores its deadline or a disconnect.
 */
#include "harness.h"

static const size_t SIZES[] = {
	0, 1, 512, 4096, KIB(64), KIB(256) - 1, KIB(256), MIB(1), MIB(4), MIB(16), 100, KIB(512) + 1, 1,
};

static struct way {
	const char *name;
	int32_t strategy;
	int32_t sqpoll;
	uint32_t zero_copy;
} WAYS[] = {
	{"auto", KTLI_URING_SEND_AUTO, 0, 0},
	{"loop", KTLI_URING_SEND_LOOP, 0, 0},
	{"whole", KTLI_URING_SEND_WHOLE, 0, 0},
	{"chunked", KTLI_URING_SEND_CHUNKED, 0, 0},
	{"chunked, SQPOLL", KTLI_URING_SEND_CHUNKED, 1, 0},
	{"auto, zero copy", KTLI_URING_SEND_AUTO, 0, KIB(16)},
	{"whole, zero copy", KTLI_URING_SEND_WHOLE, 0, KIB(16)},
};

static atomic_bool quiet;

/* How long a send may take: longer than any machine is busy elsewhere, and what is to be measured. */
enum { PATIENT = 20000, SHORT = 1000 };

static void use(const struct way *way, uint32_t send_timeout)
{
	struct ktli_uring_config config = options();

	config.send_strategy = way->strategy;
	config.sqpoll = way->sqpoll;
	config.zero_copy = way->zero_copy;
	config.send_timeout = send_timeout;
	config.linger = 300;
	config.send_buffer = MIB(1); /* so that large messages meet a full socket */
	set_options(config);
}

static void *poll_until_quiet(void *dh)
{
	while (!quiet)
		CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 10), 0);
	return NULL;
}

/* Reads all messages, in bites of that many bytes with pauses, or as they come (0). */
static void read_all(struct peer *peer)
{
	size_t bite = *(size_t *)peer->context, bites = 0;
	uint8_t *bytes = allocate(MIB(16));

	for (size_t i = 0; i < COUNT(SIZES); i++) {
		size_t piece = bite > 0 ? bite : SIZES[i];

		for (size_t done = 0; done < SIZES[i]; done += piece) {
			size_t left = SIZES[i] - done;

			peer_read(peer, bytes + done, left < piece ? left : piece);
			if (bite > 0 && ++bites % 64 == 0)
				sleep_ms(2);
		}
		check_pattern(bytes, SIZES[i], i, 0);
	}
	free(bytes);
}

/* As one piece, and as PDU, message and value are: short ones in front of a long one. */
static void send_split(void *dh, uint8_t *bytes, size_t count)
{
	size_t first = count > PDU ? PDU : 0, second = count > 64 ? 40 : 0;
	struct kiovec vector[] = {
		{bytes, first},
		{bytes + first, second},
		{bytes + first + second, count - first - second},
	};

	CHECK_EQ(uring_fns.ktli_dfns_send(dh, vector, 3), count);
}

static void intact(size_t bite, int receive_buffer)
{
	struct peer peer;
	void *dh = open_session();
	uint8_t *bytes = allocate(MIB(16));
	pthread_t poller;

	peer_listen(&peer, receive_buffer);
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, read_all, &bite);
	quiet = false;
	poller = start_thread(poll_until_quiet, dh);
	for (size_t i = 0; i < COUNT(SIZES); i++) {
		pattern(bytes, SIZES[i], i, 0);
		if (i % 2 == 0)
			CHECK_EQ(send_bytes(dh, bytes, SIZES[i]), SIZES[i]);
		else
			send_split(dh, bytes, SIZES[i]);
		/* The memory is the caller's again. */
		memset(bytes, 0xee, SIZES[i]);
	}
	peer_join(&peer);
	quiet = true;
	join_thread(poller);
	peer_end(&peer);
	free(bytes);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

/* A send that nobody reads, in a thread of its own. */
struct stuck {
	void *dh;
	size_t count;
	int result, error;
	double begun, returned, cpu;
};

static void *send_stuck(void *argument)
{
	struct stuck *stuck = argument;
	uint8_t *bytes = allocate(stuck->count);

	pattern(bytes, stuck->count, 1, 0);
	stuck->begun = now();
	stuck->cpu = thread_cpu();
	stuck->result = send_bytes(stuck->dh, bytes, stuck->count);
	stuck->error = errno;
	stuck->returned = now();
	stuck->cpu = thread_cpu() - stuck->cpu;
	/* Nobody uses the memory any more: whoever reads later must not see this. */
	memset(bytes, 0xee, stuck->count);
	free(bytes);
	return NULL;
}

enum end { DISCONNECTED, RESET, CLOSED, STOPPED, ENDS };

static void ended(enum end end, size_t count, const struct way *way)
{
	struct peer peer;
	struct stuck stuck = {.count = count};
	pthread_t thread;
	double begun;

	peer_listen(&peer, KIB(64));
	stuck.dh = connected(&peer);
	thread = start_thread(send_stuck, &stuck);
	sleep_ms(200);
	begun = now();
	switch (end) {
	case DISCONNECTED:
		CHECK_EQ(uring_fns.ktli_dfns_disconnect(stuck.dh), 0);
		CHECK_TIME(now() - begun, 0, 1);
		break;
	case RESET:
		peer_reset(&peer);
		break;
	case CLOSED:
		peer_close(&peer);
		break;
	default:
		break;
	}
	join_thread(thread);
	if ((end == RESET || end == CLOSED) && stuck.result == (int)count) {
		/* The socket had it all before the peer died; who sends next is told. */
		CHECK_TIME(stuck.returned - begun, 0, 0.5);
		stuck.error = send_bytes(stuck.dh, "x", 1) == -1 ? errno : 0;
	} else {
		CHECK_EQ(stuck.result, -1);
	}
	switch (end) {
	case DISCONNECTED:
		CHECK(stuck.error == ECONNABORTED || stuck.error == ENOTCONN);
		/* The kernel has lent memory until the linger time is over. */
		CHECK_TIME(stuck.returned - begun, 0, way->zero_copy > 0 ? 0.6 : 0.2);
		break;
	case STOPPED:
		CHECK_EQ(stuck.error, ETIMEDOUT);
		CHECK_TIME(stuck.returned - stuck.begun, 0.95, 1.7);
		/* Waiting for a full socket costs nothing. */
		CHECK_CPU(stuck.cpu, 0.3);
		break;
	default:
		CHECK(stuck.error == ECONNRESET || stuck.error == EPIPE);
		CHECK_TIME(stuck.returned - begun, 0, 0.5);
		break;
	}
	if (end != DISCONNECTED)
		CHECK_FAILS(send_bytes(stuck.dh, "x", 1), stuck.error);
	CHECK_EQ(uring_fns.ktli_dfns_close(stuck.dh), 0);
	if (peer.fd >= 0) {
		uint8_t *bytes = allocate(count);

		check_pattern(bytes, peer_read_to_end(&peer, bytes, count), 1, 0);
		free(bytes);
	}
	peer_end(&peer);
}

static bool has_zero_copy(void)
{
	char text[1024];

	CHECK(ktli_uring_describe(text, sizeof(text)) > 0);
	return strstr(text, "SENDMSG_ZC") != NULL;
}

int main(void)
{
	begin();
	for (size_t i = 0; i < COUNT(WAYS); i++) {
		double begun = now();

		printf("%s\n", WAYS[i].name);
		fflush(stdout);
		use(&WAYS[i], PATIENT);
		intact(0, 0);
		intact(10007, KIB(64));
		printf("intact: %.3f s\n", now() - begun);
		use(&WAYS[i], SHORT);
		for (enum end end = 0; end < ENDS; end++)
			ended(end, MIB(32), &WAYS[i]);
		/* All of it in the socket, and nothing acknowledged. */
		if (WAYS[i].zero_copy > 0 && has_zero_copy())
			for (enum end end = 0; end < ENDS; end++)
				ended(end, KIB(512), &WAYS[i]);
	}
	return 0;
}
