/*
 * What all test programs share: checks, clocks, a bare-socket peer that does as a script tells it, and
 * the frames of the Kinetic protocol. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A program ends with 0 (passed), 1 (a check failed), 77 (skipped) or a signal (SIGALRM: it hung).
 */
#ifndef HARNESS_H
#define HARNESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KTLI_URING_DEFINE_TYPES
#include "ktli_uring.h"

#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Checks. They end the whole process with _exit(1), from whatever thread they fail in. ---- */

_Noreturn void fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define FAIL(...) fail(__FILE__, __LINE__, __VA_ARGS__)

#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			FAIL("%s (errno %d, %s)", #condition, errno, strerror(errno));                                 \
	} while (0)

#define COMPARE(left, relation, right)                                                                                 \
	do {                                                                                                           \
		errno = 0;                                                                                             \
		long long left_ = (long long)(left);                                                                   \
		int errno_ = errno;                                                                                    \
		long long right_ = (long long)(right);                                                                 \
		if (!(left_ relation right_))                                                                          \
			FAIL("%s %s %s: %lld and %lld (errno %d, %s)", #left, #relation, #right, left_, right_,        \
			     errno_, strerror(errno_));                                                                \
	} while (0)

#define CHECK_EQ(left, right) COMPARE(left, ==, right)

/* The call returns -1 and sets errno to `wanted`. */
#define CHECK_FAILS(call, wanted)                                                                                      \
	do {                                                                                                           \
		errno = 0;                                                                                             \
		int result_ = (call);                                                                                  \
		int errno_ = errno;                                                                                    \
		if (result_ != -1 || errno_ != (wanted))                                                               \
			FAIL("%s: %d, errno %d (%s), not -1 with %d (%s)", #call, result_, errno_, strerror(errno_),   \
			     (wanted), strerror(wanted));                                                              \
	} while (0)

/* Seconds lie in a range. Upper limits are stretched on a slow run; see `slow`. */
#define CHECK_TIME(seconds, least, most)                                                                               \
	do {                                                                                                           \
		double seconds_ = (seconds);                                                                           \
		if (seconds_ < (least) || seconds_ > (most) * (slow() ? 10 : 1))                                       \
			FAIL("%s: %.3f s, not %.3f to %.3f", #seconds, seconds_, (double)(least), (double)(most));     \
	} while (0)

/* CPU time stays below a limit; not looked at on a slow run. */
#define CHECK_CPU(seconds, most)                                                                                       \
	do {                                                                                                           \
		double seconds_ = (seconds);                                                                           \
		if (!slow() && seconds_ > (most))                                                                      \
			FAIL("%s: %.3f s of CPU, more than %.3f", #seconds, seconds_, (double)(most));                 \
	} while (0)

_Noreturn void skip(const char *why);

/* ---- The run. ---- */

void begin(void);        /* first thing in main: the watchdog */
bool slow(void);         /* KTLI_TEST_SLOW: under valgrind, say; fewer rounds, no CPU limits */
bool emulated(void);     /* KTLI_TEST_SLOW=emulated: the processors are; time stands still in any place */
bool on_valgrind(void);  /* KTLI_TEST_SLOW=valgrind: some things it cannot know or bear */
bool over_tls(void);     /* KTLI_TEST_TLS: `connect_to` connects over TLS */
int rounds(int count);   /* that many, or a tenth of it on a slow run */
double now(void);        /* monotonic clock, in seconds */
double thread_cpu(void); /* CPU time of this thread, in seconds */
double process_cpu(void);
void sleep_ms(int milliseconds);
pthread_t start_thread(void *(*function)(void *), void *argument);
void join_thread(pthread_t thread);
void *allocate(size_t bytes);                   /* malloc that cannot fail */
uint32_t dice(uint32_t *state, uint32_t sides); /* 0 .. sides - 1; *state must not be 0 */

/*
 * For a program that forks beside running threads. In the child AddressSanitizer's leak check takes what
 * they had in hand for lost, and may wait for ever for a lock that one of them held.
 */
#ifdef __SANITIZE_ADDRESS__
#define FORKS_WITH_THREADS                                                                                             \
	const char *__asan_default_options(void);                                                                      \
	const char *__asan_default_options(void)                                                                       \
	{                                                                                                              \
		return "detect_leaks=0";                                                                               \
	}
#else
#define FORKS_WITH_THREADS
#endif

/* ---- The peer: the drive's end of a connection. Its functions may be used from any thread. ---- */

struct peer {
	int listener;
	int port;
	int fd; /* of the accepted connection, or -1 */
	void (*script)(struct peer *peer);
	void *context; /* the script's own */
	pthread_t thread;
};

/* Listens on a free port of 127.0.0.1. `receive_buffer`: SO_RCVBUF, 0 for the kernel's choice. */
void peer_listen(struct peer *peer, int receive_buffer);
void peer_accept(struct peer *peer);
/* Runs `script` in a thread of its own, after an accept there. */
void peer_run(struct peer *peer, void (*script)(struct peer *), void *context);
void peer_join(struct peer *peer);
/* Reads exactly `bytes`; fails the test if the stream ends before. */
void peer_read(struct peer *peer, void *to, size_t bytes);
/* Reads at most `bytes`, to the end of the stream (or its reset); returns how many there were. */
size_t peer_read_to_end(struct peer *peer, void *to, size_t bytes);
/* How many bytes can be read now, at most `most`, looked at without taking them. */
size_t peer_peek(struct peer *peer, size_t most);
void peer_write(struct peer *peer, const void *from, size_t bytes);
/* Writes pieces of `piece` bytes with pauses. */
void peer_write_slowly(struct peer *peer, const void *from, size_t bytes, size_t piece, int pause_ms);
/* Waits until the other side's kernel has got everything: a reset destroys what it has not. */
void peer_await_delivery(struct peer *peer);
void peer_close(struct peer *peer);
void peer_reset(struct peer *peer); /* SO_LINGER 0: the other side gets ECONNRESET */
void peer_end(struct peer *peer);   /* closes all that is open */

/* ---- Messages. ---- */

enum { PDU = 9 };

/* Bytes that tell their place: the same for a seed and an offset wherever they are made. */
void pattern(void *to, size_t bytes, uint64_t seed, size_t offset);
void check_pattern(const void *bytes, size_t count, uint64_t seed, size_t offset);

/* Writes the nine bytes of a PDU; reads its lengths back. */
void put_pdu(void *to, uint32_t message, uint32_t value);
void get_pdu(const void *from, uint32_t *message, uint32_t *value);

/* A whole frame in fresh memory; its message and value are the pattern of `seed`, from offset 0. */
uint8_t *make_frame(uint32_t message, uint32_t value, uint64_t seed);
#define FRAME(message, value) (PDU + (size_t)(message) + (size_t)(value))

/* ---- The driver, as libkinetic uses it. ---- */

void *open_session(void);
int connect_to(void *dh, int port);
void *connected(struct peer *peer); /* a new session, connected and accepted */
/* Sends a frame as PDU, message and value. */
int send_frame(void *dh, const uint8_t *frame);
/* Receives a frame whose lengths are known, as libkinetic does, and compares it with the pattern. */
void receive_frame(void *dh, uint32_t message, uint32_t value, uint64_t seed);
int send_bytes(void *dh, const void *bytes, size_t count);
int receive_bytes(void *dh, void *to, size_t count);
/* The descriptor of the session that is connected to `port`. */
int find_socket(int port);
/* The options with one call: get, change, set. */
struct ktli_uring_config options(void);
void set_options(struct ktli_uring_config config);

/* ---- The kernel. ---- */

/* From now on a system call fails with `error`, in this thread and those that it starts; else the test is skipped. */
void refuse_call(int number, int error);

#endif
