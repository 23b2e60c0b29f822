/*
 * poll: when it says 1, when it says 0, and how long it takes. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `Framing::need` asks for a byte too few (poll says 1 for a part) or too many (it waits for
 * ever), when `Receive::poll` announces what a dead connection cannot bring any more, when `Session::poll` does not
 * wait on one, or when garbage is let through.
 */
#include "harness.h"

#include <sys/ioctl.h>

#define POLL(timeout) uring_fns.ktli_dfns_poll(dh, timeout)

enum { DIRECT = 48 << 10 };

static struct peer peer;
static void *dh;

static void start(void)
{
	peer_listen(&peer, 0);
	dh = connected(&peer);
}

static void stop(void)
{
	peer_end(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

/* poll returns `result` after at least and at most so many seconds. */
static void check_poll(int timeout, int result, double least, double most)
{
	double begun = now();

	CHECK_EQ(POLL(timeout), result);
	CHECK_TIME(now() - begun, least, most);
}

/* Sending fails; over TLS when the end has made its way through the program in between. */
static void check_dead(const uint8_t *frame)
{
	double begun = now();

	while (send_frame(dh, frame) != -1) {
		CHECK(over_tls());
		CHECK_TIME(now() - begun, 0, 20);
		CHECK_EQ(POLL(5), 0);
	}
}

/* Waits until the driver's socket has so many bytes, none of which have been read yet. */
static void await_arrival(size_t bytes)
{
	double begun = now();
	int fd = find_socket(peer.port), there = 0;

	while (there < (int)bytes) {
		CHECK(ioctl(fd, FIONREAD, &there) == 0);
		CHECK_TIME(now() - begun, 0, 20);
		sleep_ms(1);
	}
}

static void *write_late(void *frame)
{
	sleep_ms(300);
	peer_write(&peer, frame, FRAME(20, 30));
	return NULL;
}

static void timeouts(void)
{
	uint8_t *frame = make_frame(20, 30, 1);

	start();
	check_poll(0, 0, 0, 1);
	check_poll(50, 0, 0.05, 1);
	pthread_t writer = start_thread(write_late, frame);

	check_poll(-1, 1, 0.2, 2);
	join_thread(writer);
	/* It stays ready until it is received. */
	check_poll(0, 1, 0, 1);
	receive_frame(dh, 20, 30, 1);
	check_poll(20, 0, 0.02, 1);
	stop();
	free(frame);
}

static void split_everywhere(void)
{
	uint8_t *frame = make_frame(20, 30, 2);

	start();
	for (size_t at = 1; at < FRAME(20, 30); at++) {
		peer_write(&peer, frame, at);
		CHECK_EQ(POLL(3), 0);
		peer_write(&peer, frame + at, FRAME(20, 30) - at);
		CHECK_EQ(POLL(5000), 1);
		receive_frame(dh, 20, 30, 2);
	}
	stop();
	free(frame);
}

/* A value is waited for up to the size from which it goes straight to the caller's memory. */
static void value_border(uint32_t value, bool waited_for)
{
	uint8_t *frame = make_frame(20, value, 3);

	start();
	peer_write(&peer, frame, FRAME(20, 0) - 1);
	CHECK_EQ(POLL(30), 0);
	peer_write(&peer, frame + FRAME(20, 0) - 1, 1);
	CHECK_EQ(POLL(waited_for ? 30 : 5000), waited_for ? 0 : 1);
	peer_write(&peer, frame + FRAME(20, 0), value - 1);
	CHECK_EQ(POLL(waited_for ? 30 : 5000), waited_for ? 0 : 1);
	peer_write(&peer, frame + FRAME(20, value) - 1, 1);
	CHECK_EQ(POLL(5000), 1);
	receive_frame(dh, 20, value, 3);
	stop();
	free(frame);
}

/* Whatever part of a small answer there is when the drive dies: poll never says 1. */
static void death_inside(size_t part, bool reset)
{
	uint8_t *frame = make_frame(20, 30, 4);

	start();
	peer_write(&peer, frame, part);
	CHECK_EQ(POLL(5), 0);
	if (reset)
		peer_reset(&peer);
	else
		peer_close(&peer);
	check_poll(50, 0, 0.05, 1);
	check_poll(50, 0, 0.05, 1);
	check_dead(frame);
	stop();
	free(frame);
}

/* What arrived whole before the drive died can still be had. */
static void death_behind(void)
{
	uint8_t *frame = make_frame(20, 30, 5);

	start();
	peer_write(&peer, frame, FRAME(20, 30));
	peer_write(&peer, frame, FRAME(20, 30));
	peer_close(&peer);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(POLL(1000), 1);
		receive_frame(dh, 20, 30, 5);
	}
	check_poll(50, 0, 0.05, 1);
	stop();
	free(frame);
}

static void *read_nothing(void *argument)
{
	uint8_t *frame = make_frame(20, 64 << 20, 6);

	CHECK_FAILS(send_frame(dh, frame), ETIMEDOUT);
	free(frame);
	return argument;
}

/*
 * A message with a large value, or one too large to be buffered, of which a part was read ahead when the sender's half
 * gave the connection up: receive could only fail, so poll never says 1. One that is there as a whole can be had.
 */
static void death_by_sender(uint32_t message, uint32_t value, size_t part)
{
	struct ktli_uring_config before = options(), config = before;
	uint8_t *small = make_frame(20, 30, 6), *frame = make_frame(message, value, 7);
	bool whole = part == FRAME(message, value);

	config.send_timeout = 100;
	set_options(config);
	peer_listen(&peer, 64 << 10);
	dh = connected(&peer);
	peer_write(&peer, small, FRAME(20, 30));
	peer_write(&peer, frame, part);
	await_arrival(FRAME(20, 30) + part);
	CHECK_EQ(POLL(5000), 1);
	receive_frame(dh, 20, 30, 6);
	join_thread(start_thread(read_nothing, NULL));
	if (whole) {
		CHECK_EQ(POLL(1000), 1);
		receive_frame(dh, message, value, 7);
	}
	check_poll(50, 0, 0.05, 1);
	check_poll(50, 0, 0.05, 1);
	stop();
	set_options(before);
	free(small);
	free(frame);
}

static void garbage(const char *bytes, size_t count)
{
	uint8_t *frame = make_frame(20, 30, 6);

	start();
	peer_write(&peer, bytes, count);
	check_poll(50, 0, 0.05, 1);
	check_poll(50, 0, 0.05, 1);
	check_dead(frame);
	CHECK_FAILS(receive_bytes(dh, frame, PDU), EPROTO);
	stop();
	free(frame);
}

/* libkinetic receives the body of an empty message, too, which must not fail for the garbage behind it. */
static void empty_before_garbage(void)
{
	uint8_t bytes[PDU + 4], pdu[PDU];
	struct kiovec body[] = {{pdu, 0}, {pdu, 0}};

	start();
	put_pdu(bytes, 0, 0);
	memcpy(bytes + PDU, "HTTP", 4);
	peer_write(&peer, bytes, sizeof(bytes));
	CHECK_EQ(POLL(5000), 1);
	CHECK_EQ(receive_bytes(dh, pdu, PDU), PDU);
	CHECK_EQ(uring_fns.ktli_dfns_receive(dh, body, 2), 0);
	check_poll(50, 0, 0.05, 1);
	CHECK_FAILS(receive_bytes(dh, pdu, PDU), EPROTO);
	stop();
}

static void any_framing(void)
{
	struct ktli_uring_config before = options(), config = before;
	char bytes[3];

	config.framing = KTLI_URING_FRAMING_NONE;
	set_options(config);
	start();
	peer_write(&peer, "xyz", 3);
	CHECK_EQ(POLL(1000), 1);
	CHECK_EQ(receive_bytes(dh, bytes, 3), 3);
	CHECK(memcmp(bytes, "xyz", 3) == 0);
	check_poll(20, 0, 0.02, 1);
	stop();
	set_options(before);
}

static void reported_hangup(void)
{
	struct ktli_uring_config before = options(), config = before;
	char byte;

	config.hangup = KTLI_URING_HANGUP_REPORT;
	set_options(config);
	start();
	check_poll(20, 0, 0.02, 1);
	peer_close(&peer);
	check_poll(5000, 1, 0, 1);
	CHECK_FAILS(receive_bytes(dh, &byte, 1), ECONNRESET);
	check_poll(5000, 1, 0, 1);
	stop();
	set_options(before);
}

int main(void)
{
	static const size_t PARTS[] = {0, 1, 8, 9, 10, 29, 58};

	begin();
	timeouts();
	split_everywhere();
	value_border(DIRECT - 1, true);
	value_border(DIRECT, false);
	for (size_t i = 0; i < COUNT(PARTS); i++) {
		death_inside(PARTS[i], false);
		death_inside(PARTS[i], true);
	}
	death_behind();
	death_by_sender(20, 100 << 10, FRAME(20, 100 << 10));
	death_by_sender(20, 100 << 10, FRAME(20, 100 << 10) - 1);
	death_by_sender(20, 100 << 10, FRAME(20, 0));
	death_by_sender(300 << 10, 0, PDU + 1000);
	garbage("HTTP/1.1 400 Bad Request", 24);
	garbage("G", 1);
	garbage("F\x80\0\0\0\0\0\0\0", PDU);
	garbage("F\0\0\0\x01\xff\xff\xff\xff", PDU);
	empty_before_garbage();
	any_framing();
	reported_hangup();
	return 0;
}
