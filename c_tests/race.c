/*
 * One thread sends, one polls and receives, and a third connects, disconnects, connects again and closes, with no
 * regard for what the others are at, thousands of times. Every call ends in one of the ways that the header names,
 * every byte that arrives on either side is the right one, and nobody waits long.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `disconnect` leaves a half behind (`remove_halves`), or lets a call that it interrupts end in another way.
 */
#include "harness.h"

enum { ROUNDS = 3000, MESSAGE = 60, ROOM = 300 << 10 };

static _Atomic(void *) session, stale; /* the handle that is open, and one that had its place before */
static atomic_long connects;           /* how many have been begun */
static atomic_bool over;
static atomic_long sent, received, cut;

/* ---- The drive: reads whole messages, looks at them, and sends each back. ---- */

static struct peer drive;

/* False at the end of the stream, which may come anywhere. */
static bool read_frame(uint8_t *frame)
{
	uint32_t message, value;

	if (peer_read_to_end(&drive, frame, PDU) < PDU)
		return false;
	get_pdu(frame, &message, &value);
	CHECK_EQ(message, MESSAGE);
	COMPARE(value, <=, ROOM);
	size_t got = peer_read_to_end(&drive, frame + PDU, MESSAGE + value);

	check_pattern(frame + PDU, got, value, 0);
	return got == MESSAGE + value;
}

static void *drive_all(void *argument)
{
	uint8_t *frame = allocate(FRAME(MESSAGE, ROOM));

	for (;;) {
		do
			drive.fd = accept(drive.listener, NULL, NULL);
		while (drive.fd == -1 && errno == EINTR);
		if (drive.fd == -1)
			break; /* the listener was shut down */
		while (read_frame(frame)) {
			uint32_t message, value;
			size_t done = 0;
			ssize_t count;

			get_pdu(frame, &message, &value);
			while (done < FRAME(message, value) &&
			       (count = send(drive.fd, frame + done, FRAME(message, value) - done, MSG_NOSIGNAL)) > 0)
				done += (size_t)count;
			if (done < FRAME(message, value))
				break;
		}
		peer_close(&drive);
	}
	free(frame);
	return argument;
}

/* ---- The two halves. ---- */

static void check_cut(const char *who, int error)
{
	cut++;
	switch (error) {
	case ECONNABORTED:
	case ENOTCONN:
	case EBADF:
	/* The drive got the end of the stream first: of the connection that is being disconnected. */
	case ECONNRESET:
	case EPIPE:
		return;
	default:
		FAIL("%s: errno %d (%s)", who, error, strerror(error));
	}
}

static void *send_all(void *argument)
{
	static const uint32_t VALUES[] = {0, 300, 300, 4000, 40000, 300, ROOM};
	uint8_t *frames[COUNT(VALUES)];
	uint32_t state = 99;

	for (size_t i = 0; i < COUNT(VALUES); i++)
		frames[i] = make_frame(MESSAGE, VALUES[i], VALUES[i]);
	while (!over) {
		int which = (int)dice(&state, COUNT(VALUES)), result;

		if (sent - received > 200)
			usleep(200);
		errno = 0;
		result = send_frame(session, frames[which]);
		if (result == -1)
			check_cut("send", errno);
		else
			CHECK_EQ(result, FRAME(MESSAGE, VALUES[which]));
		sent += result != -1;
		if (stale != NULL && dice(&state, 16) == 0)
			CHECK_FAILS(send_frame(stale, frames[0]), EBADF);
	}
	for (size_t i = 0; i < COUNT(VALUES); i++)
		free(frames[i]);
	return argument;
}

/* False if it was cut. */
static bool receive(void *dh, void *to, size_t bytes)
{
	errno = 0;
	int result = receive_bytes(dh, to, bytes);

	if (result == -1)
		check_cut("receive", errno);
	else
		CHECK_EQ(result, bytes);
	return result != -1;
}

static void *receive_all(void *argument)
{
	uint8_t *bytes = allocate(MESSAGE + ROOM), pdu[PDU];
	long lost = -1; /* where in the stream of this connection we are is not known */

	while (!over) {
		long connection = connects;
		uint32_t message, value;
		int result = uring_fns.ktli_dfns_poll(session, 2);

		CHECK(result == 0 || result == 1);
		if (connection == lost) {
			usleep(100);
			continue;
		}
		if (result == 0 || !receive(session, pdu, PDU))
			continue;
		/* The session may have been connected anew between two calls: then this may be another stream's. */
		if (connects == connection) {
			get_pdu(pdu, &message, &value);
			CHECK_EQ(message, MESSAGE);
			COMPARE(value, <=, ROOM);
			if (!receive(session, bytes, MESSAGE + (size_t)value))
				continue;
		}
		if (connects == connection) {
			check_pattern(bytes, MESSAGE + (size_t)value, value, 0);
			received++;
		} else {
			lost = connects;
		}
	}
	free(bytes);
	return argument;
}

/* ---- The third thread. ---- */

static double longest;

/* One call by which the session changes. */
static void change(int (*call)(void))
{
	double begun = now();

	CHECK_EQ(call(), 0);
	if (now() - begun > longest)
		longest = now() - begun;
}

static int connect_it(void)
{
	connects++;
	return connect_to(session, drive.port);
}

static int disconnect_it(void)
{
	return uring_fns.ktli_dfns_disconnect(session);
}

static int close_it(void)
{
	return uring_fns.ktli_dfns_close(session);
}

int main(void)
{
	struct ktli_uring_config config = options();
	uint32_t state = 4711;
	double begun;
	int round, reconnects = 0;

	begin();
	config.linger = 200; /* for the drive that is blocked on its answers */
	set_options(config);
	peer_listen(&drive, 0);
	session = open_session();
	pthread_t driving = start_thread(drive_all, NULL);
	pthread_t sender = start_thread(send_all, NULL), receiver = start_thread(receive_all, NULL);

	begun = now();
	/* The limit is for a machine with much else to do. */
	for (round = 0; round < rounds(ROUNDS) && now() - begun < (slow() ? 60 : 30); round++) {
		change(connect_it);
		usleep(dice(&state, 3) == 0 ? dice(&state, 3000) : dice(&state, 100));
		if (dice(&state, 2) == 0) {
			change(disconnect_it);
			if (dice(&state, 2) == 0) {
				change(connect_it);
				reconnects++;
				usleep(dice(&state, 200));
			}
		}
		if (dice(&state, 4) == 0) {
			change(disconnect_it);
			continue;
		}
		change(close_it);
		stale = session;
		session = open_session();
	}
	over = true;
	join_thread(sender);
	join_thread(receiver);
	CHECK_EQ(close_it(), 0);
	CHECK(shutdown(drive.listener, SHUT_RDWR) == 0);
	join_thread(driving);
	peer_end(&drive);
	printf("%d rounds and %d connects besides: %ld messages sent, %ld received, %ld calls cut, the longest change %.0f ms\n",
	       round, reconnects, (long)sent, (long)received, (long)cut, longest * 1e3);
	CHECK(sent > round / 10 && received > 0 && cut > 0);
	CHECK_TIME(longest, 0, 5);
	return 0;
}
