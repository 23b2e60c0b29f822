/*
 * The drive's answers end at every byte of the first two messages and at random later ones: it closes, closes its
 * sending direction only, resets, falls silent, or goes on late; the bytes come at once, one at a time, or in pieces.
 * Whole messages before the end are received, each once; poll never announces a small one that is not whole; the
 * receive of a large one that is cut fails, or, in a silence, ends with the session; poll takes its time, and nobody
 * spins. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `Framing::need` is a byte off, when `Receive::conclude` takes an end of stream for "nothing there", when
 * bytes that came in front of a reset are dropped, when `Session::poll` returns at once on a dead connection, or when
 * a receive that waits for the rest of a value does not look whether somebody disconnects.
 */
#include "harness.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

enum { WORKERS = 12, QUIET = 2, TIMEOUT = 10, LARGE = 48 << 10, MOST = 12 };

enum end { CLOSED, HALF_CLOSED, RESET, SILENT, LATE, ENDS };
static const char *const NAMES[ENDS] = {"closed", "half closed", "reset", "silent", "late"};

struct stream {
	const char *name;
	int count;
	struct {
		uint32_t message, value;
	} messages[MOST];
	uint8_t *bytes;
	size_t length;
};

static struct stream two = {"the first two", 2, {{20, 30}, {25, 40}}, NULL, 0};
/* On both sides of the borders: buffered and direct, below and above what is waited for at a time and read ahead. */
/* clang-format off */
static struct stream many = {
	"later ones",
	12,
	{{60, 0}, {90, 4096}, {200, LARGE - 1}, {61, LARGE}, {KIB(40), 0}, {33, 17}, {70, KIB(100)}, {80, KIB(300)},
	 {1, 0}, {50, MIB(1) + 13}, {300, KIB(64)}, {20, 30}},
	NULL,
	0,
};
/* clang-format on */

/* One connection of which the answers end after `at` bytes. `piece`: how many are written at a time, 0 for all. */
struct cut {
	const struct stream *stream;
	size_t at;
	enum end end;
	size_t piece;
	void *dh;
	atomic_int whole; /* so many messages are to be received */
	bool announced;   /* the next one is large, and enough of it comes for poll to say so */
	atomic_int received;
	atomic_bool ended;
	bool failed; /* its receive has */
	double cpu, quiet;
	uint64_t calls; /* system calls in the polls after the end */
	int polls;
};

static struct cut *cuts;
static int cut_count;
static atomic_int next_cut;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static double cpu, quiet; /* of all polls after an end: CPU time, and how long they took */
static int polls, failures;

static void make_stream(struct stream *stream)
{
	size_t at = 0;

	for (int i = 0; i < stream->count; i++)
		stream->length += FRAME(stream->messages[i].message, stream->messages[i].value);
	stream->bytes = allocate(stream->length);
	for (int i = 0; i < stream->count; i++) {
		uint32_t message = stream->messages[i].message, value = stream->messages[i].value;
		uint8_t *frame = make_frame(message, value, (uint64_t)i);

		memcpy(stream->bytes + at, frame, FRAME(message, value));
		at += FRAME(message, value);
		free(frame);
	}
}

/* How many messages are whole in the first `at` bytes, and whether the next one is to be announced all the same. */
static int whole_in(const struct stream *stream, size_t at, bool *announced)
{
	*announced = false;
	for (int i = 0; i < stream->count; i++) {
		uint32_t message = stream->messages[i].message, value = stream->messages[i].value;

		if (at < FRAME(message, value)) {
			*announced = value >= LARGE && at >= FRAME(message, 0);
			return i;
		}
		at -= FRAME(message, value);
	}
	return stream->count;
}

/* ---- The receiver, as libkinetic's. ---- */

static uint64_t system_calls(void *dh)
{
	struct ktli_uring_statistics counted = {.size = sizeof(counted)};

	CHECK_EQ(ktli_uring_stats(dh, &counted), 0);
	return counted.system_calls;
}

static void receive_cut_one(struct cut *cut)
{
	uint32_t message, value;
	uint8_t pdu[PDU];
	double begun = now(), used = thread_cpu();

	CHECK_EQ(receive_bytes(cut->dh, pdu, PDU), PDU);
	get_pdu(pdu, &message, &value);
	CHECK_EQ(value, cut->stream->messages[cut->received].value);
	struct kiovec vector[] = {{allocate(message), message}, {allocate(value), value}};

	CHECK(uring_fns.ktli_dfns_receive(cut->dh, vector, 2) == -1);
	/* Silence ends by a disconnect, which may have come before this call. */
	if (cut->end == SILENT)
		CHECK(errno == ECONNABORTED || errno == ENOTCONN);
	else
		CHECK(errno == ECONNRESET);
	CHECK_TIME(now() - begun, 0, 20);
	/* The value's bytes, and no spinning until the end comes. */
	CHECK_CPU(thread_cpu() - used, 0.05 + 0.2 * (now() - begun));
	free(vector[0].kiov_base);
	free(vector[1].kiov_base);
	cut->failed = true;
}

static void *receive_until_quiet(void *argument)
{
	struct cut *cut = argument;
	double start = now();

	while (cut->polls < QUIET) {
		bool ended = cut->ended && (cut->received == cut->whole || cut->failed);
		uint64_t calls = ended ? system_calls(cut->dh) : 0;
		double begun = now(), used = thread_cpu();
		int ready = uring_fns.ktli_dfns_poll(cut->dh, TIMEOUT);

		if (ready == 0) {
			CHECK_TIME(now() - begun, TIMEOUT * 1e-3, 5);
			CHECK_TIME(now() - start, 0, 40);
			if (ended) {
				cut->cpu += thread_cpu() - used;
				cut->quiet += now() - begun;
				cut->calls += system_calls(cut->dh) - calls;
				cut->polls++;
			}
			continue;
		}
		CHECK_EQ(ready, 1);
		if (cut->received < cut->whole) {
			uint32_t message = cut->stream->messages[cut->received].message;

			receive_frame(cut->dh, message, cut->stream->messages[cut->received].value,
				      (uint64_t)cut->received);
			cut->received++;
		} else if (cut->end == LATE && cut->announced) {
			/* Waits for the rest. */
			receive_frame(cut->dh, cut->stream->messages[cut->received].message,
				      cut->stream->messages[cut->received].value, (uint64_t)cut->received);
			CHECK(cut->received < cut->whole);
			cut->received++;
		} else if (cut->announced && !cut->failed) {
			receive_cut_one(cut);
		} else {
			FAIL("%s, %s after %zu bytes: poll announces what cannot be received", cut->stream->name,
			     NAMES[cut->end], cut->at);
		}
	}
	return NULL;
}

/* ---- The drive. ---- */

static void write_pieces(struct peer *peer, const struct cut *cut, size_t from, size_t to)
{
	size_t piece = cut->piece > 0 ? cut->piece : to - from;

	for (size_t at = from; at < to; at += piece)
		peer_write(peer, cut->stream->bytes + at, to - at < piece ? to - at : piece);
}

static void await_received(const struct cut *cut)
{
	double begun = now();

	while (cut->received < cut->whole) {
		CHECK_TIME(now() - begun, 0, 20);
		usleep(500);
	}
}

/* On an emulated machine the end may take longer than the polls that are to find it. */
static void await_end(int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	do {
		usleep(50);
		CHECK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
	} while (info.tcpi_state == TCP_ESTABLISHED);
}

static void end_answers(struct peer *peer, struct cut *cut)
{
	int fd = find_socket(peer->port);

	switch (cut->end) {
	case CLOSED:
		peer_close(peer);
		await_end(fd);
		break;
	case HALF_CLOSED:
		CHECK(shutdown(peer->fd, SHUT_WR) == 0);
		await_end(fd);
		break;
	case RESET:
		peer_await_delivery(peer);
		peer_reset(peer);
		await_end(fd);
		break;
	case SILENT:
		if (!cut->announced)
			break;
		/* Its receive waits, until the session is disconnected. */
		await_received(cut);
		sleep_ms(3 * TIMEOUT);
		CHECK_EQ(cut->received, cut->whole);
		CHECK_EQ(uring_fns.ktli_dfns_disconnect(cut->dh), 0);
		break;
	default:
		await_received(cut);
		sleep_ms(QUIET * TIMEOUT);
		CHECK_EQ(cut->received, cut->whole);
		cut->whole = cut->stream->count;
		write_pieces(peer, cut, cut->at, cut->stream->length);
		break;
	}
	cut->ended = true;
}

static void run_cut(struct cut *cut)
{
	uint8_t *request = make_frame(20, 30, 9);
	struct peer peer;
	pthread_t receiver = 0;
	/* The receiver waits while the bytes come; or finds all of them, and as a rule the end, when it comes. */
	bool early = cut->piece > 0;

	cut->whole = whole_in(cut->stream, cut->at, &cut->announced);
	peer_listen(&peer, 0);
	cut->dh = connected(&peer);
	if (early)
		receiver = start_thread(receive_until_quiet, cut);
	/* What no socket holds has to be received meanwhile. */
	if (!early && cut->at > KIB(100)) {
		early = true;
		receiver = start_thread(receive_until_quiet, cut);
	}
	write_pieces(&peer, cut, 0, cut->at);
	if (!early && (cut->end == LATE || cut->announced)) {
		early = true;
		receiver = start_thread(receive_until_quiet, cut);
	}
	end_answers(&peer, cut);
	if (!early)
		receiver = start_thread(receive_until_quiet, cut);
	join_thread(receiver);
	CHECK_EQ(cut->received, cut->whole);
	/* Where the end is inside a large message poll may also have known it in time. */
	if (cut->failed)
		CHECK(cut->announced);
	/* What a wait of 10 ms takes, and not what looking again and again would. */
	COMPARE(cut->calls, <=, 12 * QUIET);
	int sent = send_frame(cut->dh, request), error = errno;

	bool alive = cut->end == LATE || (cut->end == SILENT && !cut->announced);

	if (sent != (alive ? (int)FRAME(20, 30) : -1))
		FAIL("%s, %s after %zu bytes: a send then returns %d (%s)", cut->stream->name, NAMES[cut->end], cut->at,
		     sent, strerror(error));
	peer_end(&peer);
	double begun = now();

	CHECK_EQ(uring_fns.ktli_dfns_close(cut->dh), 0);
	CHECK_TIME(now() - begun, 0, 5);
	free(request);
	pthread_mutex_lock(&lock);
	cpu += cut->cpu;
	quiet += cut->quiet;
	polls += cut->polls;
	failures += cut->failed;
	pthread_mutex_unlock(&lock);
}

static void *work(void *argument)
{
	int index;

	while ((index = next_cut++) < cut_count)
		run_cut(&cuts[index]);
	return argument;
}

static void add_cut(const struct stream *stream, size_t at, enum end end, size_t piece)
{
	struct cut *cut = &cuts[cut_count++];

	cut->stream = stream;
	cut->at = at;
	cut->end = end;
	cut->piece = piece;
}

int main(void)
{
	struct ktli_uring_config config;
	pthread_t workers[WORKERS];
	uint32_t state = 20261126;
	int step, random;

	begin();
	setenv("KTLI_URING_LOG", "error", 1);
	make_stream(&two);
	make_stream(&many);
	config = options();
	/* A drive that has fallen silent does not close its end either. */
	config.linger = 20;
	set_options(config);
	/* One thread of the kernel serves all rings there, on a processor that it shares with everybody. */
	step = slow() ? 7 : config.sqpoll ? 3 : 1;
	random = 60 / step;
	cuts = calloc(ENDS * (2 * (two.length + 1) + (size_t)random), sizeof(*cuts));
	CHECK(cuts != NULL);
	for (enum end end = 0; end < ENDS; end++) {
		for (size_t at = 0; at <= two.length; at += (size_t)step) {
			add_cut(&two, at, end, 0);
			add_cut(&two, at, end, 1);
		}
		for (int i = 0; i < random; i++) {
			/* Anywhere, and near the beginning of a message. */
			size_t at = dice(&state, (uint32_t)many.length + 1);

			if (i % 2 == 0) {
				int before = (int)dice(&state, (uint32_t)many.count);

				at = dice(&state, 59);
				for (int m = 0; m < before; m++)
					at += FRAME(many.messages[m].message, many.messages[m].value);
			}
			add_cut(&many, at, end, i % 3 == 0 ? 0 : 1 + dice(&state, i % 3 == 1 ? 3000 : 90000));
		}
	}
	double begun = now();

	for (int i = 0; i < WORKERS; i++)
		workers[i] = start_thread(work, NULL);
	for (int i = 0; i < WORKERS; i++)
		join_thread(workers[i]);
	printf("%d cuts in %.1f s, %d of them failed a receive; %d polls after the end took %.1f s, %.1f ms of CPU\n",
	       cut_count, now() - begun, failures, polls, quiet, cpu * 1e3);
	/* All workers spinning on two busy processors would use several times as much. */
	CHECK_CPU(cpu, 0.03 * quiet);
	return 0;
}
