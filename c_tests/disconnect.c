/*
 * Disconnecting loses nothing that was accepted, takes no longer than the drive does and never longer than the linger
 * time, whoever calls it: with answers waiting, a full socket and staged bytes; on the receiver's thread; twice at once;
 * while the drive sends without end; on a dead connection. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `disconnect` does not drain, or does not send what a full socket had left (`Drain`), does not close the
 * sending direction, reads nothing or reads without looking at the time (`Connection::discard`), lingers on a dead
 * connection (`Connection::linger`), or returns while another thread's `disconnect` is at work.
 */
#include "harness.h"

#define POLL(timeout) uring_fns.ktli_dfns_poll(dh, timeout)
#define DISCONNECT() uring_fns.ktli_dfns_disconnect(dh)

enum { MESSAGE = 40, VALUE = 4000, STAGED = 200 << 10, UNREAD = 4 << 20, LARGE = 64 << 20, FLOODS = 3 };

static struct peer peer;
static void *dh;
static uint8_t *frame, *large, *answers;
static long sent;       /* frames */
static atomic_long got; /* bytes that the drive has, in whole or in part of a frame */
static atomic_bool go, flooding, ended;

static void linger(uint32_t milliseconds)
{
	struct ktli_uring_config config = options();

	config.send_buffer = MIB(1);
	config.receive_buffer = MIB(1);
	config.linger = milliseconds;
	set_options(config);
}

static void start(uint32_t linger_ms)
{
	linger(linger_ms);
	peer_listen(&peer, 64 << 10);
	dh = connected(&peer);
	sent = got = 0;
	go = flooding = ended = false;
}

static void stop(void)
{
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_end(&peer);
}

/* Bytes that were accepted and have not left. */
static long waiting(void)
{
	struct ktli_uring_statistics counted = {.size = sizeof(counted)};

	CHECK_EQ(ktli_uring_stats(dh, &counted), 0);
	return sent * (long)FRAME(MESSAGE, VALUE) -
	       (long)(counted.sender_flushed_bytes + counted.receiver_flushed_bytes + counted.other_flushed_bytes +
		      counted.large_sent_bytes);
}

/* Fills the socket; so many bytes stay in the driver. */
static void fill(void)
{
	CHECK_EQ(POLL(0), 0);
	for (sent = 0; waiting() < STAGED; sent++) {
		CHECK_EQ(send_frame(dh, frame), FRAME(MESSAGE, VALUE));
		/* Where nobody polls for 20 ms sends are the sender's own, and wait for a full socket. */
		if (sent % 32 == 0)
			CHECK_EQ(POLL(0), 0);
	}
}

/* The drive: writes answers that nobody takes, then reads slowly, to the end, and closes. */
static void *answer_and_read(void *argument)
{
	uint8_t *bytes = allocate(FRAME(MESSAGE, VALUE));
	size_t count;

	while (!go)
		sleep_ms(1);
	if (argument != NULL)
		peer_write(&peer, answers, UNREAD);
	while ((count = peer_read_to_end(&peer, bytes, FRAME(MESSAGE, VALUE))) == FRAME(MESSAGE, VALUE)) {
		CHECK(memcmp(bytes, frame, count) == 0);
		got += (long)count;
		if (got / (long)FRAME(MESSAGE, VALUE) % 16 == 0)
			sleep_ms(1);
	}
	got += (long)count;
	free(bytes);
	ended = true;
	peer_close(&peer);
	return NULL;
}

static void check_all_arrived(void)
{
	CHECK_EQ(got, sent * (long)FRAME(MESSAGE, VALUE));
	CHECK(ended);
}

static void *disconnect_too(void *argument)
{
	CHECK_EQ(DISCONNECT(), 0);
	check_all_arrived();
	return argument;
}

/* With a linger time that cannot be reached here. */
static void full_socket(bool unread, bool twice)
{
	pthread_t other = 0, drive;

	start(60000);
	fill();
	drive = start_thread(answer_and_read, unread ? &peer : NULL);
	if (twice) {
		other = start_thread(disconnect_too, NULL);
		sleep_ms(50);
	}
	go = true;
	CHECK_EQ(DISCONNECT(), 0);
	/* Now, also where the other thread was the first. */
	check_all_arrived();
	join_thread(drive);
	if (twice)
		join_thread(other);
	stop();
}

/* ---- By the receiver's thread, while others are inside. ---- */

static void *cut_send(void *argument)
{
	int result = send_frame(dh, large), error = errno;

	CHECK_EQ(result, -1);
	CHECK(error == ECONNABORTED || error == ENOTCONN);
	return argument;
}

static void by_receiver(void)
{
	start(300);
	peer_write(&peer, answers, FRAME(MESSAGE, VALUE));
	CHECK_EQ(POLL(5000), 1);
	pthread_t sender = start_thread(cut_send, NULL);

	sleep_ms(100);
	receive_frame(dh, MESSAGE, VALUE, 1);
	double begun = now();

	CHECK_EQ(DISCONNECT(), 0);
	CHECK_TIME(now() - begun, 0, 3);
	join_thread(sender);
	/* As libkinetic's receiver goes on to do. */
	begun = now();
	CHECK_EQ(POLL(50), 0);
	CHECK_TIME(now() - begun, 0.05, 3);
	CHECK_EQ(DISCONNECT(), 0);
	stop();
}

/* ---- A drive that sends without end, and does not let go. ---- */

static void *flood(void *argument)
{
	while (flooding && send(peer.fd, answers, UNREAD, MSG_NOSIGNAL) > 0)
		;
	return argument;
}

static void flooded(void)
{
	start(300);
	flooding = true;
	pthread_t drives[FLOODS];

	for (int i = 0; i < FLOODS; i++)
		drives[i] = start_thread(flood, NULL);
	sleep_ms(50);
	double begun = now();

	CHECK_EQ(DISCONNECT(), 0);
	CHECK_TIME(now() - begun, 0.25, 5);
	flooding = false;
	for (int i = 0; i < FLOODS; i++)
		join_thread(drives[i]);
	stop();
}

/* ---- A dead connection. ---- */

static void dead_of_silence(void)
{
	start(60000);
	/* The drive reads nothing, and says nothing to the end of the stream either. */
	CHECK_FAILS(send_frame(dh, large), ETIMEDOUT);
	double begun = now();

	CHECK_EQ(DISCONNECT(), 0);
	CHECK_TIME(now() - begun, 0, 5);
	stop();
}

static void dead_by_its_end(void)
{
	start(60000);
	CHECK(shutdown(peer.fd, SHUT_WR) == 0);
	CHECK_EQ(receive_bytes(dh, large, 1), -1);
	double begun = now();

	CHECK_EQ(DISCONNECT(), 0);
	CHECK_TIME(now() - begun, 0, 5);
	stop();
}

int main(void)
{
	begin();
	if (on_valgrind())
		skip("a sender stages nothing for a receiver that stays away for as long as valgrind takes");
	setenv("KTLI_URING_SEND_TIMEOUT", emulated() ? "20000" : "1000", 1);
	frame = make_frame(MESSAGE, VALUE, 1);
	large = make_frame(MESSAGE, LARGE, 2);
	answers = allocate(UNREAD);
	memset(answers, 0, UNREAD);
	memcpy(answers, frame, FRAME(MESSAGE, VALUE));
	full_socket(false, false);
	full_socket(true, false);
	full_socket(true, true);
	by_receiver();
	flooded();
	dead_of_silence();
	dead_by_its_end();
	free(frame);
	free(large);
	free(answers);
	return 0;
}
