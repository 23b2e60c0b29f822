/*
 * A drive that answers before the request is there as a whole: before its first byte, in the middle, or with the last
 * byte still to come; one small or large answer, or ten, which no socket holds, with the drive reading nothing until it
 * has got rid of them. Every answer arrives once and whole, and every request does, too. Or the drive has had enough and
 * closes, with the request half read, which makes a reset: the answers arrive all the same.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when a receiver waits for the sender (a lock in `Handoff::flush`, `Hold::wait` without its limits), when a
 * sender that waits for room keeps the receiver from reading, or when a send that fails with ECONNRESET ends the
 * receiver's half, too (`Transmit::give_up`).
 */
#include "harness.h"

enum { MESSAGE = 30, BUFFER = 64 << 10 };

static const uint32_t REQUESTS[] = {0, 200, 20 << 10, 300 << 10, 8 << 20};
static const uint32_t ANSWERS[] = {0, 100, 40 << 10, 1 << 20};

struct early {
	uint32_t request, answer;
	size_t before; /* how much of the request the drive has read when it answers */
	int answers;
	bool closes;
};

static struct peer peer;
static void *dh;
static int cases;

static void answer_early(struct peer *drive)
{
	const struct early *early = drive->context;
	size_t length = FRAME(MESSAGE, early->request);
	uint8_t *request = allocate(length);

	peer_read(drive, request, early->before);
	for (int i = 0; i < early->answers; i++) {
		uint8_t *answer = make_frame(MESSAGE, early->answer, (uint64_t)i);

		peer_write(drive, answer, FRAME(MESSAGE, early->answer));
		free(answer);
	}
	if (early->closes) {
		peer_await_delivery(drive);
		peer_close(drive);
	} else {
		peer_read(drive, request + early->before, length - early->before);
		check_pattern(request + PDU, length - PDU, 77, 0);
	}
	free(request);
}

static void *receive_answers(void *argument)
{
	const struct early *early = argument;
	double begun = now();

	for (int i = 0; i < early->answers; i++) {
		while (uring_fns.ktli_dfns_poll(dh, 10) == 0)
			CHECK_TIME(now() - begun, 0, 20);
		receive_frame(dh, MESSAGE, early->answer, (uint64_t)i);
	}
	begun = now();
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 5), 0);
	CHECK_TIME(now() - begun, 0.005, 5);
	return argument;
}

static void run(struct early early)
{
	uint8_t *request = make_frame(MESSAGE, early.request, 77);
	pthread_t receiver;
	double begun = now();

	peer_listen(&peer, BUFFER);
	dh = open_session();
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, answer_early, &early);
	receiver = start_thread(receive_answers, &early);
	if (cases % 2 == 0)
		sleep_ms(2);
	errno = 0;
	int sent = send_frame(dh, request), error = errno;

	if (!early.closes || sent != -1)
		CHECK_EQ(sent, FRAME(MESSAGE, early.request));
	else
		CHECK(error == ECONNRESET || error == EPIPE);
	join_thread(receiver);
	peer_join(&peer);
	CHECK_TIME(now() - begun, 0, 20);
	peer_end(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	free(request);
	cases++;
}

int main(void)
{
	double begun = now();

	begin();
	setenv("KTLI_URING_LOG", "error", 1);
	for (size_t i = 0; i < COUNT(REQUESTS); i++)
		for (size_t j = 0; j < COUNT(ANSWERS); j++) {
			size_t length = FRAME(MESSAGE, REQUESTS[i]);

			if (slow() && (i + j) % 3 > 0)
				continue;
			for (int closes = 0; closes < 2; closes++) {
				run((struct early){REQUESTS[i], ANSWERS[j], 0, 1, closes});
				run((struct early){REQUESTS[i], ANSWERS[j], 1, 1, closes});
				run((struct early){REQUESTS[i], ANSWERS[j], length / 2, 10, closes});
				run((struct early){REQUESTS[i], ANSWERS[j], length - 1, 1, closes});
			}
		}
	printf("%d early answers in %.1f s\n", cases, now() - begun);
	return 0;
}
