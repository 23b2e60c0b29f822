/*
 * Vectors that are wrong: memory that is not there, where only the kernel touches it; counts that are negative or huge;
 * lengths beyond what a result can tell; ports and hosts that are none. Each fails with the error that the header
 * names, and leaves the connection as it says. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when `vector` (src/ffi/types.rs) does not look at counts and lengths, when `Transmit::give_up` kills a
 * connection of which nothing was sent or lets one live in the middle of a message, or when `Receive::conclude` takes
 * EFAULT for "nothing there".
 */
#include "harness.h"

#include <limits.h>
#include <sys/mman.h>

enum { MESSAGE = 50, LARGE = 1 << 20, HUGE_COUNT = 1000000 };

static struct peer peer;
static void *dh;
static char *nowhere; /* memory that is not there, LARGE bytes of it behind LARGE bytes that are */
static int calls;

static void begin_session(void)
{
	peer_listen(&peer, 8 << 20);
	dh = connected(&peer);
}

static void end_session(void)
{
	peer_end(&peer);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

static int transfer(bool sending, struct kiovec *vector, int count)
{
	calls++;
	return sending ? uring_fns.ktli_dfns_send(dh, vector, count) : uring_fns.ktli_dfns_receive(dh, vector, count);
}

/* The connection is as good as new. */
static void still_works(void)
{
	uint8_t *frame = make_frame(MESSAGE, 3000, 1), got[FRAME(MESSAGE, 3000)];

	CHECK_EQ(send_frame(dh, frame), FRAME(MESSAGE, 3000));
	peer_read(&peer, got, sizeof(got));
	CHECK(memcmp(got, frame, sizeof(got)) == 0);
	peer_write(&peer, frame, sizeof(got));
	while (uring_fns.ktli_dfns_poll(dh, 100) == 0)
		;
	receive_frame(dh, MESSAGE, 3000, 1);
	free(frame);
}

/* The connection is dead; nobody spins on it, and closing it succeeds. */
static void is_dead(int error)
{
	char byte = 0;
	double begun = now();

	CHECK_FAILS(send_bytes(dh, &byte, 1), error);
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 30), 0);
	CHECK_TIME(now() - begun, 0.03, 5);
	CHECK_FAILS(receive_bytes(dh, &byte, 1), error);
}

/* The log names hosts of 70,000 letters. */
static void hush(int level, const char *text, void *context)
{
	(void)level;
	(void)text;
	(void)context;
}

/* ---- Counts and lengths. ---- */

static void refused_as_a_whole(bool sending)
{
	char bytes[64] = {0}, room[sizeof(struct kiovec) * 2] __attribute__((aligned(16)));
	struct kiovec one = {bytes, sizeof(bytes)}, missing[] = {{bytes, 9}, {NULL, 1}};
	struct kiovec gibibytes[] = {{nowhere, 1UL << 30}, {nowhere, 1UL << 30}};
	struct kiovec just_too_long = {nowhere, (size_t)INT_MAX + 1};
	struct kiovec around[] = {{nowhere, SIZE_MAX}, {nowhere, 2}};
	struct kiovec longest = {nowhere, SIZE_MAX};

	CHECK_FAILS(transfer(sending, &one, -1), EINVAL);
	CHECK_FAILS(transfer(sending, &one, INT_MIN), EINVAL);
	CHECK_FAILS(transfer(sending, NULL, 1), EINVAL);
	CHECK_FAILS(transfer(sending, NULL, INT_MAX), EINVAL);
	memset(room, 0, sizeof(room));
	CHECK_FAILS(transfer(sending, (struct kiovec *)(room + 1), 1), EINVAL);
	CHECK_FAILS(transfer(sending, missing, 2), EFAULT);
	CHECK_FAILS(transfer(sending, gibibytes, 2), EMSGSIZE);
	CHECK_FAILS(transfer(sending, &just_too_long, 1), EMSGSIZE);
	CHECK_FAILS(transfer(sending, around, 2), EMSGSIZE);
	CHECK_FAILS(transfer(sending, &longest, 1), EMSGSIZE);
	CHECK_EQ(transfer(sending, NULL, 0), 0);
	CHECK_EQ(transfer(sending, &one, 0), 0);
}

/* A million entries, nearly all of them empty, of which the driver has to find those that are not. */
static void huge_counts(void)
{
	struct kiovec *vector = calloc(HUGE_COUNT, sizeof(*vector));
	uint8_t *frame = make_frame(MESSAGE, 3000, 1), got[FRAME(MESSAGE, 3000)];

	CHECK(vector != NULL);
	CHECK_EQ(transfer(true, vector, HUGE_COUNT), 0);
	CHECK_EQ(transfer(false, vector, HUGE_COUNT), 0);
	for (size_t i = 0; i < sizeof(got); i++)
		vector[i * 300 + 7] = (struct kiovec){frame + i, 1};
	CHECK_EQ(transfer(true, vector, HUGE_COUNT), sizeof(got));
	peer_read(&peer, got, sizeof(got));
	CHECK(memcmp(got, frame, sizeof(got)) == 0);
	/* A PDU is received by itself. */
	peer_write(&peer, frame, sizeof(got));
	memset(frame, 0, sizeof(got));
	CHECK_EQ(receive_bytes(dh, frame, PDU), PDU);
	memset(vector, 0, PDU * 300 * sizeof(*vector));
	CHECK_EQ(transfer(false, vector, HUGE_COUNT), sizeof(got) - PDU);
	CHECK(memcmp(got, frame, sizeof(got)) == 0);
	free(vector);
	free(frame);
}

/* ---- Memory that is not there. ---- */

/* Nothing of the message has left: it is refused, and that is all. */
static void nothing_to_send(size_t bytes)
{
	struct kiovec vector[] = {{nowhere, bytes}, {(char *)nowhere - 64, 64}};

	CHECK_FAILS(transfer(true, vector, 1), EFAULT);
	CHECK_FAILS(transfer(true, vector, 2), EFAULT);
	still_works();
}

/*
 * The message ends in the middle: what the drive waits for will never come, so the connection is dead. Unless nothing
 * has left: the kernel copies some KiB at a time, and gives up those in which it meets the end of the memory.
 */
static void half_to_send(size_t before)
{
	uint8_t pdu[PDU];
	struct kiovec vector[] = {{pdu, PDU}, {(char *)nowhere - before, before + LARGE}};

	begin_session();
	put_pdu(pdu, 0, (uint32_t)before + LARGE);
	CHECK_FAILS(transfer(true, vector, 2), EFAULT);
	if (before < 300000 && peer_peek(&peer, 1) == 0)
		still_works();
	else
		is_dead(EFAULT);
	end_session();
}

static void nowhere_to_receive(size_t before)
{
	static const uint32_t VALUE = LARGE;
	uint8_t *frame = make_frame(MESSAGE, VALUE, 1), pdu[PDU], message[MESSAGE];
	struct kiovec vector[] = {{message, MESSAGE}, {(char *)nowhere - before, VALUE}};

	begin_session();
	peer_write(&peer, frame, FRAME(MESSAGE, VALUE));
	while (uring_fns.ktli_dfns_poll(dh, 100) == 0)
		;
	CHECK_EQ(receive_bytes(dh, pdu, PDU), PDU);
	/* What was read ahead with the PDU is copied by the driver: that much must be there. */
	CHECK_FAILS(transfer(false, vector, 2), EFAULT);
	is_dead(EFAULT);
	end_session();
	free(frame);
}

/* ---- Hosts and ports. ---- */

static void no_such_place(void)
{
	static const char *const PORTS[] = {"", "-1", "no-such-service", "12x", "99999999999999999999"};
	static char host[] = "127.0.0.1", long_name[70000];

	memset(long_name, 'a', sizeof(long_name) - 1);
	dh = open_session();
	for (size_t i = 0; i < COUNT(PORTS); i++) {
		char port[32];
		int result;

		strcpy(port, PORTS[i]);
		result = uring_fns.ktli_dfns_connect(dh, host, port, 0);
		/* Some C libraries take an empty one, or the lower bits of a large one, for a number. */
		CHECK(result == -1 && (errno == EHOSTUNREACH || errno == ECONNREFUSED || errno == EADDRNOTAVAIL));
		calls++;
	}
	char port[] = "1", empty[] = "", odd[] = "%n%s\n\x01\xff";

	CHECK_FAILS(uring_fns.ktli_dfns_connect(dh, long_name, port, 0), EHOSTUNREACH);
	CHECK_FAILS(uring_fns.ktli_dfns_connect(dh, odd, port, 0), EHOSTUNREACH);
	CHECK(uring_fns.ktli_dfns_connect(dh, empty, port, 0) == -1);
	CHECK_FAILS(uring_fns.ktli_dfns_connect(dh, host, long_name, 0), EHOSTUNREACH);
	calls += 4;
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

int main(void)
{
	static const int32_t STRATEGIES[] = {KTLI_URING_SEND_AUTO, KTLI_URING_SEND_LOOP, KTLI_URING_SEND_WHOLE,
					     KTLI_URING_SEND_CHUNKED};

	begin();
	if (on_valgrind())
		skip("valgrind complains of the very thing that is tried");
	nowhere = mmap(NULL, 2 * LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(nowhere != MAP_FAILED);
	nowhere += LARGE;
	CHECK(mprotect(nowhere, LARGE, PROT_NONE) == 0);
	ktli_uring_set_log(hush, NULL);
	begin_session();
	for (int sending = 0; sending < 2; sending++) {
		refused_as_a_whole(sending);
		still_works();
	}
	huge_counts();
	still_works();
	end_session();
	for (size_t i = 0; i < COUNT(STRATEGIES); i++) {
		struct ktli_uring_config config = options();

		config.send_strategy = STRATEGIES[i];
		set_options(config);
		begin_session();
		nothing_to_send(LARGE);
		nothing_to_send(80 << 10);
		end_session();
		half_to_send(0);
		half_to_send(64);
		half_to_send(300000);
		half_to_send(LARGE);
	}
	nowhere_to_receive(300 << 10);
	nowhere_to_receive(LARGE - (100 << 10));
	no_such_place();
	printf("%d calls\n", calls);
	return 0;
}
