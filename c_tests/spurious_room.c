/*
 * A socket that has room, as poll(2) says, and takes nothing: what TCP does when the kernel is short of memory. For a
 * second or for ever; a large message, messages that are staged, with a receiver and without, and what disconnect is to
 * bring to the drive. Nobody tries it again and again; what was accepted arrives whole when the socket takes bytes
 * again, and else send and disconnect end with their time limits. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `socket::transmit::send_all`, `waiting::wait` or `Drain::wait` goes on without a pause where poll(2) has
 * said that there is room.
 *
 * The library's sendmsg(2) is the one below. What goes over a ring does not pass here: there the first try is refused.
 */
#include "harness.h"

#include <sys/syscall.h>

enum { MESSAGE = 40, SMALL = 500, LARGE = 1 << 20, MOMENT = 1000, FEW = 8 };

static struct peer peer;
static void *dh;
static atomic_bool refuses, over;
static atomic_int tries, got;
static int all_tries;

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (refuses) {
		tries++;
		errno = EAGAIN;
		return -1;
	}
	return syscall(SYS_sendmsg, fd, message, flags);
}

/* Reads frames with the patterns 0, 1, ... until the stream ends. */
static void read_frames(struct peer *drive)
{
	uint8_t *bytes = allocate(FRAME(MESSAGE, LARGE));
	uint32_t message, value;

	while (peer_read_to_end(drive, bytes, PDU) == PDU) {
		get_pdu(bytes, &message, &value);
		peer_read(drive, bytes, (size_t)message + value);
		check_pattern(bytes, (size_t)message + value, (uint64_t)got++, 0);
	}
	free(bytes);
	peer_close(drive);
}

static void start(void)
{
	peer_listen(&peer, 0);
	dh = open_session();
	CHECK_EQ(connect_to(dh, peer.port), 0);
	over = false;
	got = 0;
	tries = 0;
	peer_run(&peer, read_frames, NULL);
}

/* The drive has got so many. */
static void stop(int frames)
{
	refuses = false;
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_join(&peer);
	peer_end(&peer);
	CHECK_EQ(got, frames);
}

/* Hundred in a second by each who tries, and some more in the beginning; who spins makes a hundred thousand. */
static void check_tries(const char *name, double seconds, double used)
{
	printf("%s: %d tries in %.2f s, %.1f ms of CPU\n", name, tries, seconds, used * 1e3);
	fflush(stdout);
	COMPARE(tries, <=, 300 + 300 * seconds);
	if (options().sqpoll == 0)
		CHECK_CPU(used, 0.05 + 0.1 * seconds);
	all_tries += tries;
}

static void *take_again(void *argument)
{
	sleep_ms(MOMENT);
	refuses = false;
	return argument;
}

static int send_one(uint32_t value, int number)
{
	uint8_t *frame = make_frame(MESSAGE, value, (uint64_t)number);
	int result = send_frame(dh, frame);

	free(frame);
	return result;
}

static void large(const char *name, bool for_ever)
{
	int frames = for_ever ? 0 : 1;
	double begun, used;
	pthread_t other = 0;

	start();
	refuses = true;
	if (!for_ever)
		other = start_thread(take_again, NULL);
	begun = now();
	used = process_cpu();
	errno = 0;
	int result = send_one(LARGE, 0), error = errno;

	check_tries(name, now() - begun, process_cpu() - used);
	/* On a ring only the first try is refused. */
	if (for_ever && result == -1) {
		CHECK_EQ(error, ETIMEDOUT);
		CHECK_TIME(now() - begun, 1.9, 8);
	} else {
		CHECK_EQ(result, FRAME(MESSAGE, LARGE));
		frames = 1;
	}
	if (!for_ever)
		join_thread(other);
	stop(frames);
}

static void *poll_until_over(void *argument)
{
	while (!over)
		CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 10), 0);
	return argument;
}

/* Messages that are left to the receiver, or, where it has gone, to the sweeper. */
static void staged(const char *name, bool receiver_goes)
{
	int frames = 2 * FEW;
	double begun, used;
	pthread_t poller;

	start();
	poller = start_thread(poll_until_over, NULL);
	sleep_ms(20);
	/* With so many outstanding the next ones are not sent at once. */
	for (int i = 0; i < FEW; i++)
		CHECK_EQ(send_one(SMALL, i), FRAME(MESSAGE, SMALL));
	sleep_ms(50);
	refuses = true;
	for (int i = FEW; i < 2 * FEW; i++) {
		if (receiver_goes && i == FEW + 1) {
			over = true;
			join_thread(poller);
		}
		/* The last ones are the sender's own, which may wait. */
		if (i == 2 * FEW - 2)
			break;
		CHECK_EQ(send_one(SMALL, i), FRAME(MESSAGE, SMALL));
	}
	tries = 0;
	begun = now();
	used = process_cpu();
	sleep_ms(MOMENT);
	check_tries(name, now() - begun, process_cpu() - used);
	refuses = false;
	for (int i = 2 * FEW - 2; i < 2 * FEW; i++)
		CHECK_EQ(send_one(SMALL, i), FRAME(MESSAGE, SMALL));
	over = true;
	if (!receiver_goes)
		join_thread(poller);
	stop(frames);
}

/* What disconnect cannot bring to the drive in its time. */
static void disconnecting(const char *name)
{
	int frames = FEW;
	double begun, used;
	pthread_t poller;

	start();
	poller = start_thread(poll_until_over, NULL);
	sleep_ms(20);
	for (int i = 0; i < FEW; i++)
		CHECK_EQ(send_one(SMALL, i), FRAME(MESSAGE, SMALL));
	sleep_ms(50);
	over = true;
	join_thread(poller);
	/* Staged for a receiver that does not come back. */
	refuses = true;
	CHECK_EQ(send_one(SMALL, FEW), FRAME(MESSAGE, SMALL));
	tries = 0;
	begun = now();
	used = process_cpu();
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
	check_tries(name, now() - begun, process_cpu() - used);
	CHECK_TIME(now() - begun, 0.99, 5);
	stop(frames);
}

int main(void)
{
	struct ktli_uring_config config;

	begin();
	setenv("KTLI_URING_LOG", "error", 1);
	config = options();
	config.send_timeout = 2000;
	config.linger = 1000;
	set_options(config);
	large("a large message, for a second", false);
	large("a large message, for ever", true);
	staged("staged messages", false);
	staged("staged messages, the receiver gone", true);
	disconnecting("disconnecting");
	CHECK(all_tries > 0);
	return 0;
}
