/* See harness.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "harness.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

void fail(const char *file, int line, const char *format, ...)
{
	va_list arguments;

	flockfile(stderr);
	fprintf(stderr, "%s:%d: ", file, line);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	_exit(1);
}

void skip(const char *why)
{
	printf("skipped: %s\n", why);
	fflush(stdout);
	_exit(77);
}

void begin(void)
{
	alarm(emulated() ? 360 : slow() ? 110 : 60);
}

bool slow(void)
{
	return getenv("KTLI_TEST_SLOW") != NULL;
}

bool emulated(void)
{
	return slow() && strcmp(getenv("KTLI_TEST_SLOW"), "emulated") == 0;
}

bool on_valgrind(void)
{
	return slow() && strcmp(getenv("KTLI_TEST_SLOW"), "valgrind") == 0;
}

int rounds(int count)
{
	return slow() ? (count + 9) / 10 : count;
}

static double read_clock(clockid_t clock)
{
	struct timespec time;

	CHECK(clock_gettime(clock, &time) == 0);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

double now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

double thread_cpu(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

double process_cpu(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

void sleep_ms(int milliseconds)
{
	struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};

	while (nanosleep(&time, &time) == -1 && errno == EINTR)
		;
}

pthread_t start_thread(void *(*function)(void *), void *argument)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, function, argument);

	CHECK_EQ(error, 0);
	return thread;
}

void join_thread(pthread_t thread)
{
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

void *allocate(size_t bytes)
{
	void *memory = malloc(bytes > 0 ? bytes : 1);

	CHECK(memory != NULL);
	return memory;
}

uint32_t dice(uint32_t *state, uint32_t sides)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state % sides;
}

/* ---- The peer. ---- */

void peer_listen(struct peer *peer, int receive_buffer)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);

	memset(peer, 0, sizeof(*peer));
	peer->fd = -1;
	peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(peer->listener >= 0);
	/* Inherited by accepted sockets, and before the window's scale is agreed on. */
	if (receive_buffer > 0)
		CHECK(setsockopt(peer->listener, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer)) == 0);
	CHECK(bind(peer->listener, (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(listen(peer->listener, 128) == 0);
	CHECK(getsockname(peer->listener, (struct sockaddr *)&address, &length) == 0);
	peer->port = ntohs(address.sin_port);
}

void peer_accept(struct peer *peer)
{
	int one = 1;

	do
		peer->fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);
	while (peer->fd == -1 && errno == EINTR);
	CHECK(peer->fd >= 0);
	/* Fragments are to leave as they are written. */
	CHECK(setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0);
}

static void *run_script(void *argument)
{
	struct peer *peer = argument;

	peer_accept(peer);
	peer->script(peer);
	return NULL;
}

void peer_run(struct peer *peer, void (*script)(struct peer *), void *context)
{
	peer->script = script;
	peer->context = context;
	peer->thread = start_thread(run_script, peer);
}

void peer_join(struct peer *peer)
{
	join_thread(peer->thread);
}

static size_t read_up_to(struct peer *peer, void *to, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t count = recv(peer->fd, (char *)to + done, bytes - done, 0);

		if (count > 0)
			done += (size_t)count;
		else if (count == 0 || errno != EINTR)
			break;
	}
	return done;
}

void peer_read(struct peer *peer, void *to, size_t bytes)
{
	size_t count = read_up_to(peer, to, bytes);

	if (count != bytes)
		FAIL("the peer got %zu bytes of %zu (errno %d)", count, bytes, errno);
}

size_t peer_read_to_end(struct peer *peer, void *to, size_t bytes)
{
	return read_up_to(peer, to, bytes);
}

size_t peer_peek(struct peer *peer, size_t most)
{
	char *scratch = allocate(most);
	ssize_t count = recv(peer->fd, scratch, most, MSG_PEEK | MSG_DONTWAIT);

	free(scratch);
	return count > 0 ? (size_t)count : 0;
}

void peer_write(struct peer *peer, const void *from, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t count = send(peer->fd, (const char *)from + done, bytes - done, MSG_NOSIGNAL);

		if (count > 0)
			done += (size_t)count;
		else if (count == -1 && errno != EINTR)
			FAIL("the peer cannot write: %s", strerror(errno));
	}
}

void peer_write_slowly(struct peer *peer, const void *from, size_t bytes, size_t piece, int pause_ms)
{
	for (size_t done = 0; done < bytes; done += piece) {
		peer_write(peer, (const char *)from + done, bytes - done < piece ? bytes - done : piece);
		sleep_ms(pause_ms);
	}
}

void peer_await_delivery(struct peer *peer)
{
	double begun = now();
	int left;

	for (;;) {
		CHECK(ioctl(peer->fd, SIOCOUTQ, &left) == 0);
		if (left == 0)
			return;
		CHECK_TIME(now() - begun, 0, 20);
		usleep(200);
	}
}

void peer_close(struct peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
}

void peer_reset(struct peer *peer)
{
	struct linger linger = {1, 0};

	CHECK(setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
	peer_close(peer);
}

void peer_end(struct peer *peer)
{
	peer_close(peer);
	close(peer->listener);
	peer->listener = -1;
}

/* ---- Messages. ---- */

void pattern(void *to, size_t bytes, uint64_t seed, size_t offset)
{
	uint8_t *at = to;

	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)((seed * 0x51ed2701 + offset + i) * 0x9e3779b97f4a7c15 >> 56);
}

void check_pattern(const void *bytes, size_t count, uint64_t seed, size_t offset)
{
	uint8_t wanted[4096];

	for (size_t done = 0; done < count; done += sizeof(wanted)) {
		const uint8_t *at = (const uint8_t *)bytes + done;
		size_t piece = count - done < sizeof(wanted) ? count - done : sizeof(wanted);

		pattern(wanted, piece, seed, offset + done);
		if (memcmp(at, wanted, piece) == 0)
			continue;
		for (size_t i = 0; i < piece; i++)
			if (at[i] != wanted[i])
				FAIL("byte %zu of pattern %llu is %02x, not %02x", offset + done + i,
				     (unsigned long long)seed, at[i], wanted[i]);
	}
}

void put_pdu(void *to, uint32_t message, uint32_t value)
{
	uint32_t words[2] = {htonl(message), htonl(value)};

	*(char *)to = 'F';
	memcpy((char *)to + 1, words, sizeof(words));
}

void get_pdu(const void *from, uint32_t *message, uint32_t *value)
{
	uint32_t words[2];

	CHECK_EQ(*(const char *)from, 'F');
	memcpy(words, (const char *)from + 1, sizeof(words));
	*message = ntohl(words[0]);
	*value = ntohl(words[1]);
}

uint8_t *make_frame(uint32_t message, uint32_t value, uint64_t seed)
{
	uint8_t *frame = allocate(FRAME(message, value));

	put_pdu(frame, message, value);
	pattern(frame + PDU, (size_t)message + value, seed, 0);
	return frame;
}

/* ---- The driver. ---- */

void *open_session(void)
{
	void *dh = uring_fns.ktli_dfns_open();

	CHECK(dh != NULL);
	return dh;
}

/* The port of the program that takes TLS off (see run.sh), or NULL. */
static const char *terminator(void)
{
	return getenv("KTLI_TEST_TLS");
}

bool over_tls(void)
{
	return terminator() != NULL;
}

/* Where what is at this port is had: at the same one, or over TLS at another. */
static int outside(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	sigset_t all, before;
	char text[16] = "";
	int fd;

	if (!over_tls())
		return port;
	sigfillset(&all);
	CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	address.sin_port = htons((uint16_t)atoi(terminator()));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(dprintf(fd, "%d\n", port) > 0);
	CHECK(recv(fd, text, sizeof(text) - 1, MSG_WAITALL) > 0);
	close(fd);
	CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	return atoi(text);
}

int connect_to(void *dh, int port)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", outside(port));
	return uring_fns.ktli_dfns_connect(dh, "127.0.0.1", text, over_tls());
}

void *connected(struct peer *peer)
{
	void *dh = open_session();

	CHECK_EQ(connect_to(dh, peer->port), 0);
	peer_accept(peer);
	return dh;
}

int send_frame(void *dh, const uint8_t *frame)
{
	uint32_t message, value;

	get_pdu(frame, &message, &value);
	struct kiovec vector[] = {
		{(void *)frame, PDU},
		{(void *)(frame + PDU), message},
		{(void *)(frame + PDU + message), value},
	};
	return uring_fns.ktli_dfns_send(dh, vector, value > 0 ? 3 : 2);
}

void receive_frame(void *dh, uint32_t message, uint32_t value, uint64_t seed)
{
	uint8_t pdu[PDU];
	uint32_t its_message, its_value;

	CHECK_EQ(receive_bytes(dh, pdu, PDU), PDU);
	get_pdu(pdu, &its_message, &its_value);
	CHECK_EQ(its_message, message);
	CHECK_EQ(its_value, value);
	/* Fresh memory of just that size: a byte too many is a fault under valgrind and ASan. */
	struct kiovec vector[] = {{allocate(message), message}, {allocate(value), value}};
	CHECK_EQ(uring_fns.ktli_dfns_receive(dh, vector, 2), (size_t)message + value);
	check_pattern(vector[0].kiov_base, message, seed, 0);
	check_pattern(vector[1].kiov_base, value, seed, message);
	free(vector[0].kiov_base);
	free(vector[1].kiov_base);
}

int send_bytes(void *dh, const void *bytes, size_t count)
{
	struct kiovec vector = {(void *)bytes, count};

	return uring_fns.ktli_dfns_send(dh, &vector, 1);
}

int receive_bytes(void *dh, void *to, size_t count)
{
	struct kiovec vector = {to, count};

	return uring_fns.ktli_dfns_receive(dh, &vector, 1);
}

int find_socket(int port)
{
	port = outside(port);
	for (int fd = 0; fd < 1024; fd++) {
		struct sockaddr_storage address;
		socklen_t length = sizeof(address);

		if (getpeername(fd, (struct sockaddr *)&address, &length) == -1)
			continue;
		/* The port stands at the same place for IPv4 and IPv6. */
		if (ntohs(((struct sockaddr_in *)&address)->sin_port) == port)
			return fd;
	}
	FAIL("no descriptor is connected to port %d", port);
}

struct ktli_uring_config options(void)
{
	struct ktli_uring_config config = {.size = sizeof(config)};

	CHECK_EQ(ktli_uring_get_config(&config), 0);
	return config;
}

void set_options(struct ktli_uring_config config)
{
	CHECK_EQ(ktli_uring_configure(&config), 0);
}

void refuse_call(int number, int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {COUNT(filter), filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		skip("no seccomp filters here");
}
