/*
 * With a receiver asleep in poll, send has returned before the message is complete at the peer: an
 * unmodified libkinetic still writes to its request then. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `Transmit::send` sends a staged message or the tail of a large one itself.
 *
 * The receiver is held up inside poll by a signal handler, so that it cannot send what it is woken
 * for; what the peer has when send returns is then what send itself has sent.
 */
#include "harness.h"

#include <semaphore.h>

enum { ROUNDS = 20 };

static struct peer peer;
static void *dh;
static sem_t held, release;
static atomic_bool stop;

static void hold_up(int number)
{
	(void)number;
	sem_post(&held);
	while (sem_wait(&release) == -1)
		;
}

static void *poll_on(void *argument)
{
	while (!stop)
		CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 1000), 0);
	return argument;
}

static void *read_frame(void *bytes)
{
	uint32_t message, value;

	peer_read(&peer, bytes, PDU);
	get_pdu(bytes, &message, &value);
	peer_read(&peer, (uint8_t *)bytes + PDU, (size_t)message + value);
	return NULL;
}

/* In how many rounds was the message complete at the peer when send returned? */
static int count_early(pthread_t poller, uint32_t value)
{
	uint8_t *frame = make_frame(50, value, 1), *bytes = allocate(FRAME(50, value));
	int early = 0;

	for (int i = 0; i < ROUNDS; i++) {
		/* The signal interrupts a poll that sleeps; should it come between two, that is no harm. */
		sleep_ms(5);
		CHECK_EQ(pthread_kill(poller, SIGUSR1), 0);
		CHECK(sem_wait(&held) == 0);
		CHECK_EQ(send_frame(dh, frame), FRAME(50, value));
		early += peer_peek(&peer, FRAME(50, value)) == FRAME(50, value);
		sem_post(&release);
		/* And it does come. */
		join_thread(start_thread(read_frame, bytes));
		CHECK(memcmp(frame, bytes, FRAME(50, value)) == 0);
	}
	free(frame);
	free(bytes);
	return early;
}

int main(void)
{
	/* Whether poll is restarted afterwards does not matter here. */
	struct sigaction action = {.sa_handler = hold_up};
	static const uint32_t VALUES[] = {0, 4096, 64 << 10, 256 << 10, 1 << 20};

	begin();
	sem_init(&held, 0, 0);
	sem_init(&release, 0, 0);
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	/* Room for all of a message without the peer's reading. */
	peer_listen(&peer, 4 << 20);
	dh = connected(&peer);
	pthread_t poller = start_thread(poll_on, NULL);

	for (size_t i = 0; i < COUNT(VALUES); i++) {
		int early = count_early(poller, VALUES[i]);

		/* The machine may hold up the sender, too, and others may send meanwhile. */
		if (early > ROUNDS / 4)
			FAIL("value of %u bytes: complete before send returned in %d of %d rounds", VALUES[i],
			     early, ROUNDS);
	}
	stop = true;
	join_thread(poller);
	peer_end(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	return 0;
}
