/*
 * The drive goes away in the middle of requests: after every byte of the first two, and at random places of later
 * ones, by a close or a reset, with and without a receiver that polls; or it goes as soon as it has accepted.
 * What it has got is the beginning of what was sent. The sends end soon, and with the right errno, and so do all after
 * them; poll takes its time and says 0; no SIGPIPE; nobody spins; and the handle can be connected again.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `Transmit::send_all` counts wrongly what has left, when MSG_NOSIGNAL is missing somewhere, or when
 * `Session::poll` returns at once on a dead connection.
 */
#include "harness.h"

enum { WORKERS = 10, TIMEOUT = 10, REQUESTS = 14 };

static const uint32_t VALUES[REQUESTS] = {
	0, 30, 100, 4096, 20 << 10, 0, 40 << 10, 1 << 20, 500, 32 << 10, 300 << 10, 64, 3 << 20, 7,
};
enum { MESSAGE = 20 };

struct cut {
	size_t at; /* how much the drive reads */
	bool reset, polled;
	struct peer peer;
	void *dh;
	atomic_bool over;
	double sender_cpu, poll_cpu, polled_for;
	int error; /* of the first send that failed */
};

static uint8_t *requests; /* one after the other */
static size_t length;
static struct cut *cuts;
static int cut_count;
static atomic_int next_cut;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static double cpu, waited;

static void make_requests(void)
{
	size_t at = 0;

	for (int i = 0; i < REQUESTS; i++)
		length += FRAME(MESSAGE, VALUES[i]);
	requests = allocate(length);
	for (int i = 0; i < REQUESTS; i++) {
		uint8_t *frame = make_frame(MESSAGE, VALUES[i], (uint64_t)i);

		memcpy(requests + at, frame, FRAME(MESSAGE, VALUES[i]));
		at += FRAME(MESSAGE, VALUES[i]);
		free(frame);
	}
}

static void *send_until_it_fails(void *argument)
{
	struct cut *cut = argument;
	double begun = now(), used = thread_cpu();
	size_t at = 0;
	int result = 0, number = 0;

	do {
		/* After the last one the first one again, and no hurry. */
		if (number == REQUESTS) {
			at = 0;
			number = 0;
		}
		errno = 0;
		result = send_frame(cut->dh, requests + at);
		cut->error = errno;
		CHECK(result == -1 || result == (int)FRAME(MESSAGE, VALUES[number]));
		at += FRAME(MESSAGE, VALUES[number++]);
		CHECK_TIME(now() - begun, 0, 20);
	} while (result != -1);
	cut->sender_cpu = thread_cpu() - used;
	return NULL;
}

static void *poll_until_over(void *argument)
{
	struct cut *cut = argument;
	double start = now(), used = thread_cpu();

	while (!cut->over) {
		double begun = now();

		CHECK_EQ(uring_fns.ktli_dfns_poll(cut->dh, TIMEOUT), 0);
		CHECK_TIME(now() - begun, TIMEOUT * 1e-3, 5);
	}
	cut->poll_cpu = thread_cpu() - used;
	cut->polled_for = now() - start;
	return NULL;
}

static void check_end(struct cut *cut)
{
	double begun;

	if (cut->error != ECONNRESET && cut->error != EPIPE)
		FAIL("%s after %zu bytes: send fails with %s", cut->reset ? "reset" : "close", cut->at,
		     strerror(cut->error));
	CHECK_FAILS(send_frame(cut->dh, requests), cut->error);
	begun = now();
	CHECK_EQ(uring_fns.ktli_dfns_poll(cut->dh, TIMEOUT), 0);
	CHECK_TIME(now() - begun, TIMEOUT * 1e-3, 5);
	CHECK_FAILS(send_frame(cut->dh, requests), cut->error);
}

static void run_cut(struct cut *cut)
{
	uint8_t *got = allocate(length);
	pthread_t sender, receiver = 0;

	/* So that a large request is on its way for a while. */
	peer_listen(&cut->peer, KIB(64));
	cut->dh = connected(&cut->peer);
	if (cut->polled)
		receiver = start_thread(poll_until_over, cut);
	sender = start_thread(send_until_it_fails, cut);
	peer_read(&cut->peer, got, cut->at);
	if (memcmp(got, requests, cut->at) != 0)
		FAIL("the first %zu bytes are not what was sent", cut->at);
	if (cut->reset)
		peer_reset(&cut->peer);
	else
		peer_close(&cut->peer);
	join_thread(sender);
	/* On a dead connection, too. */
	sleep_ms(2 * TIMEOUT);
	cut->over = true;
	if (cut->polled)
		join_thread(receiver);
	check_end(cut);
	double begun = now();

	CHECK_EQ(uring_fns.ktli_dfns_close(cut->dh), 0);
	CHECK_TIME(now() - begun, 0, 5);
	peer_end(&cut->peer);
	free(got);
	pthread_mutex_lock(&lock);
	cpu += cut->poll_cpu;
	waited += cut->polled_for;
	pthread_mutex_unlock(&lock);
}

static void *work(void *argument)
{
	int index;

	while ((index = next_cut++) < cut_count)
		run_cut(&cuts[index]);
	return argument;
}

static void add_cut(size_t at)
{
	for (int way = 0; way < 2; way++) {
		struct cut *cut = &cuts[cut_count++];

		cut->at = at;
		cut->reset = way == 1;
		cut->polled = cut_count % 4 < 2;
	}
}

/* A drive that accepts and is gone. connect has succeeded, or it tells. Then the drive is there again. */
static void accept_and_go(bool reset, bool early)
{
	struct cut cut = {.reset = reset};
	uint8_t bytes[FRAME(MESSAGE, 30)];
	double begun = now();

	peer_listen(&cut.peer, 0);
	cut.dh = open_session();
	CHECK_EQ(connect_to(cut.dh, cut.peer.port), 0);
	peer_accept(&cut.peer);
	if (reset)
		peer_reset(&cut.peer);
	else
		peer_close(&cut.peer);
	if (early) {
		CHECK_EQ(uring_fns.ktli_dfns_poll(cut.dh, TIMEOUT), 0);
		CHECK_EQ(uring_fns.ktli_dfns_poll(cut.dh, TIMEOUT), 0);
	}
	send_until_it_fails(&cut);
	check_end(&cut);
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(cut.dh), 0);
	CHECK_TIME(now() - begun, 0, 5);
	CHECK_EQ(connect_to(cut.dh, cut.peer.port), 0);
	peer_accept(&cut.peer);
	CHECK_EQ(send_frame(cut.dh, requests + FRAME(MESSAGE, 0)), FRAME(MESSAGE, 30));
	peer_read(&cut.peer, bytes, FRAME(MESSAGE, 30));
	CHECK(memcmp(bytes, requests + FRAME(MESSAGE, 0), FRAME(MESSAGE, 30)) == 0);
	peer_write(&cut.peer, bytes, FRAME(MESSAGE, 30));
	CHECK_EQ(uring_fns.ktli_dfns_poll(cut.dh, 5000), 1);
	receive_frame(cut.dh, MESSAGE, 30, 1);
	peer_end(&cut.peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(cut.dh), 0);
}

int main(void)
{
	const size_t two = FRAME(MESSAGE, VALUES[0]) + FRAME(MESSAGE, VALUES[1]);
	pthread_t workers[WORKERS];
	uint32_t state = 20261126;
	struct ktli_uring_config config;
	int step, random;

	begin();
	setenv("KTLI_URING_LOG", "error", 1);
	make_requests();
	config = options();
	config.send_buffer = MIB(1); /* so that the large ones meet a full socket */
	set_options(config);
	step = slow() ? 5 : config.sqpoll ? 2 : 1;
	random = 100 / step;
	cuts = calloc(2 * (two + 1 + (size_t)random), sizeof(*cuts));
	CHECK(cuts != NULL);
	for (size_t at = 0; at <= two; at += (size_t)step)
		add_cut(at);
	for (int i = 0; i < random; i++)
		/* Half of them before the requests that no socket holds. */
		add_cut(dice(&state, i % 2 == 0 ? KIB(70) : (uint32_t)length + 1));
	double begun = now();

	for (int i = 0; i < WORKERS; i++)
		workers[i] = start_thread(work, NULL);
	for (int i = 0; i < WORKERS; i++)
		join_thread(workers[i]);
	printf("%d cuts in %.1f s; receivers used %.1f ms of CPU in %.1f s\n", cut_count, now() - begun, cpu * 1e3,
	       waited);
	CHECK_CPU(cpu, 0.03 * waited + 1e-3 * cut_count);
	for (int way = 0; way < 4; way++)
		accept_and_go(way % 2 == 0, way < 2);
	return 0;
}
