/*
 * Messages of all sizes and shapes arrive byte for byte, in both directions, with and without a thread
 * that polls, and with a peer that takes them in small bits. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when transmit.rs does not go on after a short transmission (`send_all`), or sends a message before those that
 * are staged (`begin_flush`, `idle_wire`); when iovec.rs trips over an empty entry.
 */
#include "harness.h"

enum { MESSAGE = 100, MANY = 3000 };

/* A value that makes a message of so many bytes in all. */
#define IN_ALL(bytes) ((bytes)-FRAME(MESSAGE, 0))

/* Values around every border there is: staging, direct receives, the read-ahead buffer. */
static const uint32_t VALUES[] = {
	0,      1,       512,           4096,          IN_ALL(12287), IN_ALL(12288),  49151,
	49152,  65536,   IN_ALL(67584), IN_ALL(67585), 131072,        IN_ALL(262144), IN_ALL(262145),
	262144, 1 << 20, 4 << 20,       16 << 20,
};

/* How the value's bytes are cut into entries. */
enum shape { WHOLE, WITH_EMPTY, PIECES, SHAPES };

static atomic_bool quiet;

static int cut(struct kiovec *vector, uint8_t *bytes, size_t count, enum shape shape)
{
	int entries = 0;
	size_t piece = shape == PIECES ? count / (MANY - 10) + 1 : count / 2 + 1;

	if (shape == WHOLE) {
		vector[0] = (struct kiovec){bytes, count};
		return 1;
	}
	for (size_t done = 0; done < count; done += piece) {
		vector[entries++] = (struct kiovec){bytes + done, count - done < piece ? count - done : piece};
		if (shape == WITH_EMPTY) {
			vector[entries++] = (struct kiovec){NULL, 0};
			vector[entries++] = (struct kiovec){bytes, 0};
		}
	}
	return entries;
}

static void *poll_until_quiet(void *dh)
{
	while (!quiet)
		CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 10), 0);
	return NULL;
}

/* The peer reads what VALUES says, each in every shape. */
static void read_all(struct peer *peer)
{
	uint8_t *bytes = allocate(FRAME(MESSAGE, 16 << 20));

	for (size_t i = 0; i < COUNT(VALUES) * SHAPES; i++) {
		uint32_t message, value, wanted = VALUES[i / SHAPES];

		peer_read(peer, bytes, FRAME(MESSAGE, wanted));
		get_pdu(bytes, &message, &value);
		CHECK_EQ(value, wanted);
		check_pattern(bytes + PDU, MESSAGE + (size_t)wanted, i, 0);
	}
	free(bytes);
}

static void send_all(bool polled)
{
	struct kiovec vector[MANY + 2];
	struct peer peer;
	pthread_t poller = 0;
	void *dh = open_session();

	peer_listen(&peer, 0);
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, read_all, NULL);
	quiet = false;
	if (polled)
		poller = start_thread(poll_until_quiet, dh);
	for (size_t i = 0; i < COUNT(VALUES) * SHAPES; i++) {
		uint32_t value = VALUES[i / SHAPES];
		uint8_t *frame = make_frame(MESSAGE, value, i);
		int entries = 2;

		vector[0] = (struct kiovec){frame, PDU};
		vector[1] = (struct kiovec){frame + PDU, MESSAGE};
		entries += cut(vector + 2, frame + PDU + MESSAGE, value, i % SHAPES);
		CHECK_EQ(uring_fns.ktli_dfns_send(dh, vector, entries), FRAME(MESSAGE, value));
		free(frame);
	}
	peer_join(&peer);
	quiet = true;
	if (polled)
		join_thread(poller);
	peer_end(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

static void write_all(struct peer *peer)
{
	for (size_t i = 0; i < COUNT(VALUES) * SHAPES; i++) {
		uint8_t *frame = make_frame(MESSAGE, VALUES[i / SHAPES], i);

		peer_write(peer, frame, FRAME(MESSAGE, VALUES[i / SHAPES]));
		free(frame);
	}
}

static void receive_all(void)
{
	struct kiovec vector[MANY + 1];
	struct peer peer;
	void *dh = open_session();
	uint8_t *bytes = allocate(MESSAGE + (16 << 20));

	peer_listen(&peer, 0);
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, write_all, NULL);
	for (size_t i = 0; i < COUNT(VALUES) * SHAPES; i++) {
		uint32_t value = VALUES[i / SHAPES];
		uint8_t pdu[PDU];

		CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 5000), 1);
		CHECK_EQ(receive_bytes(dh, pdu, PDU), PDU);
		vector[0] = (struct kiovec){bytes, MESSAGE};
		int entries = 1 + cut(vector + 1, bytes + MESSAGE, value, i % SHAPES);

		CHECK_EQ(uring_fns.ktli_dfns_receive(dh, vector, entries), MESSAGE + value);
		check_pattern(bytes, MESSAGE + (size_t)value, i, 0);
	}
	peer_join(&peer);
	free(bytes);
	peer_end(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

/* A small receive buffer and small bites: every transmission is cut short many times. */
static void read_in_bites(struct peer *peer)
{
	enum { BITE = 10007 };
	uint8_t *bytes = allocate(FRAME(MESSAGE, 4 << 20));

	for (size_t done = 0; done < FRAME(MESSAGE, 4 << 20); done += BITE) {
		size_t left = FRAME(MESSAGE, 4 << 20) - done;

		peer_read(peer, bytes + done, left < BITE ? left : BITE);
		if (done / BITE % 16 == 0)
			sleep_ms(5);
	}
	check_pattern(bytes + PDU, MESSAGE + (4 << 20), 7, 0);
	free(bytes);
}

static void slow_peer(void)
{
	uint8_t *frame = make_frame(MESSAGE, 4 << 20, 7);
	struct peer peer;
	void *dh = open_session();

	peer_listen(&peer, 16 << 10);
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, read_in_bites, NULL);
	CHECK_EQ(send_frame(dh, frame), FRAME(MESSAGE, 4 << 20));
	peer_join(&peer);
	peer_end(&peer);
	free(frame);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

int main(void)
{
	begin();
	send_all(false);
	send_all(true);
	receive_all();
	slow_peer();
	return 0;
}
