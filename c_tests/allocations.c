/*
 * Sending, polling and receiving allocate nothing, whatever the size of the messages, once a connection is warm. The
 * receiver's thread is a new one for each load: the ring that it makes when it first has to wait allocates nothing, either.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when anything on the way of a message allocates: a vector for its pieces, a buffer that was given away, a text
 * for a log line that nobody reads.
 *
 * The program has its own malloc, which the library uses, too, and counts the calls of the two threads.
 */
#include "harness.h"
#include "own_malloc.h"

enum { MESSAGE = 40, LARGEST = 1 << 20 };

static __thread bool watched;
static atomic_long calls;

static bool allocating(size_t size)
{
	(void)size;
	calls += watched;
	return true;
}

static void freeing(void)
{
	calls += watched;
}

static struct peer peer;
static void *dh;

/* Sends back what comes, as it comes. At first it lets the sender meet a full socket, for which that makes a ring. */
static void echo(struct peer *drive)
{
	uint8_t *bytes = allocate(LARGEST);
	ssize_t count;

	sleep_ms(300);
	while ((count = recv(drive->fd, bytes, LARGEST, 0)) > 0)
		peer_write(drive, bytes, (size_t)count);
	free(bytes);
	peer_close(drive);
}

struct load {
	uint32_t value;
	int count, outstanding;
	bool watched;
};

static atomic_int received;
static uint8_t *into;

static void *receive_all(void *argument)
{
	const struct load *load = argument;
	uint8_t pdu[PDU];
	struct kiovec vector[] = {{into, MESSAGE}, {into + MESSAGE, load->value}};

	watched = load->watched;
	for (int i = 0; i < load->count; i++) {
		while (uring_fns.ktli_dfns_poll(dh, 10) == 0)
			;
		CHECK_EQ(receive_bytes(dh, pdu, PDU), PDU);
		CHECK_EQ(uring_fns.ktli_dfns_receive(dh, vector, 2), MESSAGE + load->value);
		received++;
	}
	watched = false;
	return NULL;
}

static void run(struct load load, const uint8_t *frame)
{
	pthread_t receiver;

	received = 0;
	receiver = start_thread(receive_all, &load);
	watched = load.watched;
	for (int i = 0; i < load.count; i++) {
		struct timespec moment = {0, 20000};

		while (i - received >= load.outstanding)
			nanosleep(&moment, NULL);
		CHECK_EQ(send_frame(dh, frame), FRAME(MESSAGE, load.value));
	}
	watched = false;
	join_thread(receiver);
}

int main(void)
{
	static const uint32_t VALUES[] = {0, 512, 4096, 65536, LARGEST};
	static const int OUTSTANDING[] = {1, 32};

	begin();
	if (!OWN_MALLOC || on_valgrind())
		skip("the sanitizer and valgrind have a malloc of their own");
	/* That the counting counts. */
	watched = true;
	free(allocate(1));
	watched = false;
	CHECK_EQ(calls, 2);
	into = allocate(MESSAGE + LARGEST);
	uint8_t *largest = make_frame(MESSAGE, LARGEST, 1);

	peer_listen(&peer, 0);
	dh = open_session();
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, echo, NULL);
	run((struct load){LARGEST, 100, 32, false}, largest);
	free(largest);
	/* The first message that is staged starts the sweeper's thread. With one outstanding that comes by chance. */
	uint8_t *small = make_frame(MESSAGE, 0, 1);

	run((struct load){0, 1000, 32, false}, small);
	free(small);
	for (size_t i = 0; i < COUNT(VALUES); i++) {
		uint8_t *frame = make_frame(MESSAGE, VALUES[i], 1);

		for (size_t j = 0; j < COUNT(OUTSTANDING); j++) {
			int count = rounds(VALUES[i] > 65536 ? 1000 : 2000);
			struct load load = {VALUES[i], count, OUTSTANDING[j], true};

			calls = 0;
			run(load, frame);
			printf("values of %u bytes, %d outstanding: %ld calls of malloc and free in %d messages\n",
			       VALUES[i], OUTSTANDING[j], (long)calls, count);
			fflush(stdout);
			CHECK_EQ(calls, 0);
		}
		free(frame);
	}
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_join(&peer);
	peer_end(&peer);
	free(into);
	return 0;
}
