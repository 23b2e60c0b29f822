/*
 * An answer is not announced before `send` has returned and its caller has run on: an unmodified libkinetic still
 * writes to its request then, which the receiver frees once the answer is there. SPDX-License-Identifier: MIT OR
 * Apache-2.0
 * Fails when poll announces an answer without waiting for the sender (hold.rs), when `Transmit::send` sends a
 * small message itself although the receiver sleeps and requests enough are outstanding to gather them, or when it
 * takes requests that want no answer for outstanding ones for ever (outstanding.rs).
 */
#include "harness.h"

#include <sched.h>
#include <semaphore.h>

enum { MESSAGE = 50, ROUNDS = 4000, STAGED_ROUNDS = 20 };

static struct peer peer;
static void *dh;
static atomic_bool stop;

/* ---- Messages that leave before send returns. ----
 *
 * The sender shares a processor with a thread that is always busy, and with the peer, which the arriving request
 * wakes up there: so the sender is often preempted on its way out of the kernel, and stays so when the peer has
 * answered. The receiver is elsewhere and gets the answer meanwhile.
 */

static int here, elsewhere; /* processors */
static atomic_int sent, violations;
static sem_t next;

static void pin(int processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	CHECK(sched_setaffinity(0, sizeof(set), &set) == 0);
}

/* The first and the last processor that may be used. False if there is only one. */
static bool choose_processors(void)
{
	cpu_set_t set;

	CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
	here = -1;
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &set))
			continue;
		if (here == -1)
			here = i;
		elsewhere = i;
	}
	return here != elsewhere;
}

static void *be_busy(void *argument)
{
	pin(here);
	while (!stop)
		;
	return argument;
}

static void answer_all(struct peer *drive)
{
	uint32_t value = *(uint32_t *)drive->context;
	uint8_t *frame = allocate(FRAME(MESSAGE, value)), *answer = make_frame(MESSAGE, 0, 1);

	pin(here);
	while (peer_read_to_end(drive, frame, FRAME(MESSAGE, value)) == FRAME(MESSAGE, value))
		peer_write(drive, answer, FRAME(MESSAGE, 0));
	free(frame);
	free(answer);
	peer_close(drive);
}

static void *receive_all(void *argument)
{
	int count = *(int *)argument;

	pin(elsewhere);
	for (int i = 0; i < count; i++) {
		while (uring_fns.ktli_dfns_poll(dh, 1000) == 0)
			;
		violations += sent <= i;
		receive_frame(dh, MESSAGE, 0, 1);
		sem_post(&next);
	}
	return NULL;
}

static void *send_all(void *argument)
{
	uint8_t *frame = argument;
	uint32_t message, value;
	int count = rounds(ROUNDS);

	get_pdu(frame, &message, &value);
	pin(here);
	for (int i = 0; i < count; i++) {
		CHECK_EQ(send_frame(dh, frame), FRAME(message, value));
		sent = i + 1;
		while (sem_wait(&next) == -1)
			;
	}
	return NULL;
}

static void one_outstanding(uint32_t value, bool looks)
{
	uint8_t *frame = make_frame(MESSAGE, value, 1);
	struct ktli_uring_statistics counted = {.size = sizeof(counted)};
	pthread_t receiver, sender, busy;
	int count = rounds(ROUNDS);

	peer_listen(&peer, 4 << 20);
	dh = open_session();
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, answer_all, &value);
	sem_init(&next, 0, 0);
	stop = false;
	sent = violations = 0;
	busy = start_thread(be_busy, NULL);
	receiver = start_thread(receive_all, &count);
	sender = start_thread(send_all, frame);
	join_thread(sender);
	join_thread(receiver);
	stop = true;
	join_thread(busy);
	CHECK_EQ(ktli_uring_stats(dh, &counted), 0);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_join(&peer);
	peer_end(&peer);
	free(frame);
	printf("value of %u bytes: %d of %d answers too early", value, violations, count);
	if (looks)
		printf(", %llu found while looking for them", (unsigned long long)counted.spins_paid);
	printf("\n");
	/*
	 * Without the hold it is one in 50 at least. With it none, but on a busy machine one in many thousands is left: the
	 * sender may be interrupted between leaving `send` and the next line, and no answer is held for more than 10 ms.
	 * Valgrind lets one thread run at a time, and takes turns anywhere.
	 */
	if (on_valgrind())
		return;
	COMPARE(violations, <=, count / 400);
	/* The kernel's thread wants the receiver's processor, too. */
	if (looks && !options().sqpoll)
		COMPARE(counted.spins_paid, >, (uint64_t)count / 10);
}

/* ---- Staged messages: they leave after send has returned. ----
 *
 * The receiver is held up inside poll by a signal handler, so that it cannot send what it is woken for; what the peer
 * has when send returns is then what send itself has sent. The peer never answers.
 */

static sem_t held, release;

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

/* Ends the session and its receiver. */
static void end(pthread_t poller)
{
	stop = true;
	join_thread(poller);
	peer_end(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

/* In how many rounds was the message complete at the peer when send returned? */
static int count_early(pthread_t poller, uint32_t value)
{
	uint8_t *frame = make_frame(MESSAGE, value, 1), *bytes = allocate(FRAME(MESSAGE, value));
	int early = 0;

	for (int i = 0; i < STAGED_ROUNDS; i++) {
		/* The signal interrupts a poll that sleeps; should it come between two, that is no harm. */
		sleep_ms(5);
		CHECK_EQ(pthread_kill(poller, SIGUSR1), 0);
		CHECK(sem_wait(&held) == 0);
		CHECK_EQ(send_frame(dh, frame), FRAME(MESSAGE, value));
		early += peer_peek(&peer, FRAME(MESSAGE, value)) == FRAME(MESSAGE, value);
		sem_post(&release);
		/* And it does come. */
		join_thread(start_thread(read_frame, bytes));
		CHECK(memcmp(frame, bytes, FRAME(MESSAGE, value)) == 0);
	}
	free(frame);
	free(bytes);
	return early;
}

static void staged(void)
{
	/* Whether poll is restarted afterwards does not matter here. */
	struct sigaction action = {.sa_handler = hold_up};
	static const uint32_t VALUES[] = {0, 4096, (66 << 10) - FRAME(MESSAGE, 0)};
	uint8_t *frame = make_frame(MESSAGE, 0, 1), *bytes = allocate(FRAME(MESSAGE, 0));
	pthread_t poller;

	sem_init(&held, 0, 0);
	sem_init(&release, 0, 0);
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	/* Room for all of a message without the peer's reading. */
	peer_listen(&peer, 4 << 20);
	dh = connected(&peer);
	stop = false;
	poller = start_thread(poll_on, NULL);
	/* Enough of them are outstanding from now on. */
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(send_frame(dh, frame), FRAME(MESSAGE, 0));
		join_thread(start_thread(read_frame, bytes));
	}
	for (size_t i = 0; i < COUNT(VALUES); i++) {
		int early = count_early(poller, VALUES[i]);

		/* The machine may hold up the sender, too, and others may send meanwhile. */
		if (early > STAGED_ROUNDS / 4)
			FAIL("value of %u bytes: complete before send returned in %d of %d rounds", VALUES[i], early,
			     STAGED_ROUNDS);
	}
	end(poller);
	free(frame);
	free(bytes);
}

/* ---- Requests that want no answer, as those of Kinetic's batches. ----
 *
 * After them few are outstanding again, so that what is sent to a receiver that sleeps is sent at once.
 */

static void *poll_and_receive(void *argument)
{
	while (!stop) {
		if (uring_fns.ktli_dfns_poll(dh, 10) == 0)
			continue;
		receive_frame(dh, MESSAGE, 0, 1);
		sem_post(&next);
	}
	return argument;
}

static void one_way(void)
{
	uint8_t *frame = make_frame(MESSAGE, 0, 1), *bytes = allocate(FRAME(MESSAGE, 0));
	pthread_t poller;
	int early = 0;

	/* The kernel's thread sends what is staged, always. */
	if (options().sqpoll)
		return;
	sem_init(&next, 0, 0);
	peer_listen(&peer, 0);
	dh = connected(&peer);
	stop = false;
	poller = start_thread(poll_and_receive, NULL);
	for (int i = 0; i < 16; i++) {
		CHECK_EQ(send_frame(dh, frame), FRAME(MESSAGE, 0));
		read_frame(bytes);
	}
	/* Nothing more comes. */
	sleep_ms(1200);
	for (int i = 0; i < STAGED_ROUNDS; i++) {
		sleep_ms(5);
		CHECK_EQ(pthread_kill(poller, SIGUSR1), 0);
		CHECK(sem_wait(&held) == 0);
		CHECK_EQ(send_frame(dh, frame), FRAME(MESSAGE, 0));
		early += peer_peek(&peer, FRAME(MESSAGE, 0)) == FRAME(MESSAGE, 0);
		sem_post(&release);
		read_frame(bytes);
		/* This one has its answer. */
		peer_write(&peer, frame, FRAME(MESSAGE, 0));
		while (sem_wait(&next) == -1)
			;
	}
	end(poller);
	free(frame);
	free(bytes);
	/* The signal may come between two polls. */
	printf("after requests without an answer: sent at once in %d of %d rounds\n", early, STAGED_ROUNDS);
	if (early < STAGED_ROUNDS * 3 / 4)
		FAIL("sent at once in %d of %d rounds only", early, STAGED_ROUNDS);
}

int main(void)
{
	static const uint32_t VALUES[] = {0, 4096, 64 << 10, 256 << 10};
	struct ktli_uring_config config;

	begin();
	if (emulated())
		skip("this is about what processors do in the same microsecond");
	staged();
	one_way();
	if (!choose_processors())
		skip("the sender can only be overtaken on two processors");
	for (size_t i = 0; i < COUNT(VALUES); i++)
		one_outstanding(VALUES[i], false);
	/* A receiver that looks finds an answer sooner. */
	config = options();
	config.spin = 1000;
	set_options(config);
	for (size_t i = 0; i < COUNT(VALUES); i++)
		one_outstanding(VALUES[i], true);
	return 0;
}
