/*
 * KTLI_URING_TRACE: the file holds exactly the calls that were made, with thread, bytes, result and errno, also those
 * of the last moment; and whatever is wrong with the file, the program goes on. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when ffi/traced.rs leaves out a function, tells another errno or changes it; when trace/mod.rs does not wait
 * for the file at the end, writes in a forked child, or lets the limit on a file's size end the program.
 */
#include "harness.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

FORKS_WITH_THREADS

enum { BODY = 40, BYTES = FRAME(BODY, 0) };
enum { OPEN, CLOSE, CONNECT, DISCONNECT, SEND, RECEIVE, POLL, FUNCTIONS };

/* As src/trace/format.rs has them. */
struct header {
	char magic[8];
	uint32_t process, records;
	uint64_t lost, epoch;
};
struct record {
	uint64_t start, duration, handle;
	int64_t argument;
	int32_t result, error;
	uint32_t thread, function;
};

/* What a child has done, told to its parent. */
struct made {
	long calls[FUNCTIONS];
	long messages;
	uint32_t main, sender, receiver;
	uint64_t handle;
};
static struct made *made;

static char path[] = "/tmp/ktli-trace-XXXXXX";
static struct record records[100000];

static uint32_t thread_id(void)
{
	return (uint32_t)syscall(SYS_gettid);
}

/* Runs `body` in a child that writes a trace to `file`; the child's status. */
static int in_child(void (*body)(void), const char *file)
{
	int status;

	memset(made, 0, sizeof(*made));
	CHECK_EQ(truncate(path, 0), 0);
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		begin();
		setenv("KTLI_URING_TRACE", file, 1);
		body();
		exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	return status;
}

/* Reads all whole chunks; how many records there are. */
static size_t read_trace(void)
{
	FILE *file = fopen(path, "r");
	struct header header;
	size_t count = 0;

	CHECK(file != NULL);
	while (fread(&header, sizeof(header), 1, file) == 1) {
		CHECK(memcmp(header.magic, "KTLITRC1", 8) == 0);
		CHECK_EQ(header.lost, 0);
		CHECK(count + header.records <= COUNT(records));
		CHECK_EQ(fread(records + count, sizeof(*records), header.records, file), header.records);
		count += header.records;
	}
	fclose(file);
	return count;
}

static void echo(struct peer *drive)
{
	uint8_t bytes[4096];
	ssize_t count;

	while ((count = recv(drive->fd, bytes, sizeof(bytes), 0)) > 0)
		peer_write(drive, bytes, (size_t)count);
	peer_close(drive);
}

static void *send_all(void *dh)
{
	uint8_t *frame = make_frame(BODY, 0, 1);

	made->sender = thread_id();
	for (long sent = 0; sent < made->messages; sent++, made->calls[SEND]++)
		CHECK_EQ(send_bytes(dh, frame, BYTES), BYTES);
	free(frame);
	return NULL;
}

static void *receive_all(void *dh)
{
	uint8_t bytes[BODY];

	made->receiver = thread_id();
	for (long received = 0; received < made->messages; made->calls[POLL]++) {
		if (uring_fns.ktli_dfns_poll(dh, 10) != 1)
			continue;
		CHECK_EQ(receive_bytes(dh, bytes, PDU), PDU);
		CHECK_EQ(receive_bytes(dh, bytes, BODY), BODY);
		made->calls[RECEIVE] += 2;
		received++;
	}
	return NULL;
}

/* A session as libkinetic's, which is left open. */
static void converse(void)
{
	static struct peer peer;
	void *dh;

	made->main = thread_id();
	made->messages = rounds(3000);
	peer_listen(&peer, 0);
	CHECK_FAILS(uring_fns.ktli_dfns_disconnect(NULL), EINVAL);
	dh = open_session();
	made->handle = (uint64_t)(uintptr_t)dh;
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, echo, NULL);
	CHECK_FAILS(connect_to(dh, peer.port), EISCONN);
	pthread_t sender = start_thread(send_all, dh), receiver = start_thread(receive_all, dh);
	join_thread(sender);
	join_thread(receiver);
	CHECK_FAILS(uring_fns.ktli_dfns_send(dh, NULL, 1), EINVAL);
	/* The disconnect of what is no session came before the trace, which begins with the first open. */
	made->calls[OPEN]++;
	made->calls[CONNECT] += 2;
	made->calls[SEND]++;
}

static void check_calls(void)
{
	long found[FUNCTIONS] = {0}, failed = 0, ready = 0;
	uint64_t last_send = 0, last_receive = 0;
	size_t count = read_trace();

	for (size_t i = 0; i < count; i++) {
		struct record *call = &records[i];

		CHECK(call->function < FUNCTIONS);
		found[call->function]++;
		CHECK_EQ(call->handle, made->handle);
		if (call->result < 0) {
			failed++;
			CHECK_EQ(call->error, call->function == CONNECT ? EISCONN : EINVAL);
			CHECK_EQ(call->thread, made->main);
			continue;
		}
		CHECK_EQ(call->error, 0);
		/* Each thread's calls follow on each other. */
		if (call->function == SEND) {
			CHECK_EQ(call->thread, made->sender);
			CHECK(call->argument == BYTES && call->result == BYTES);
			CHECK(call->start >= last_send);
			last_send = call->start + call->duration;
		} else if (call->function == RECEIVE || call->function == POLL) {
			CHECK_EQ(call->thread, made->receiver);
			CHECK(call->start >= last_receive);
			last_receive = call->start + call->duration;
			if (call->function == POLL) {
				CHECK_EQ(call->argument, 10);
				ready += call->result;
			} else {
				CHECK_EQ(call->argument, call->result);
			}
		} else {
			CHECK_EQ(call->thread, made->main);
		}
	}
	for (int function = 0; function < FUNCTIONS; function++)
		if (found[function] != made->calls[function])
			FAIL("function %d: %ld calls in the trace, %ld made", function, found[function],
			     made->calls[function]);
	CHECK_EQ(failed, 2);
	CHECK_EQ(ready, made->messages);
}

/* A child that uses what is its parent's, and opens sessions of its own, is not in the trace. */
static void fork_within(void)
{
	void *dh = open_session();
	int status;
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		CHECK_FAILS(uring_fns.ktli_dfns_disconnect(dh), EBADF);
		void *own = open_session();
		CHECK_EQ(uring_fns.ktli_dfns_close(own), 0);
		exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

static void open_and_close(void)
{
	for (int i = 0; i < 100; i++)
		CHECK_EQ(uring_fns.ktli_dfns_close(open_session()), 0);
}

enum { LIMIT = 1000 };

/* Beyond the limit the kernel sends SIGXFSZ to whoever writes. */
static void limit_size(void)
{
	struct rlimit limit = {LIMIT, LIMIT};

	setenv("KTLI_URING_LOG", "off", 1);
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
	open_and_close();
}

static void limit_size_and_go_on(void)
{
	limit_size();
	sleep_ms(300);
	open_and_close();
}

static atomic_int lines;

static void note(int level, const char *text, void *context)
{
	(void)context;
	if (level == KTLI_URING_LOG_WARN && strstr(text, "not writing a trace"))
		lines++;
}

static void complain(void)
{
	CHECK_EQ(ktli_uring_set_log(note, NULL), 0);
	open_and_close();
	CHECK_EQ(lines, 1);
}

static void check_passed(int status)
{
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		FAIL("the child has ended with status 0x%x", (unsigned)status);
}

int main(void)
{
	struct stat is;

	begin();
	int fd = mkstemp(path);
	CHECK(fd >= 0);
	close(fd);
	made = mmap(NULL, sizeof(*made), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(made != MAP_FAILED);

	check_passed(in_child(converse, path));
	check_calls();

	check_passed(in_child(fork_within, path));
	CHECK_EQ(read_trace(), 2);
	CHECK(records[0].function == OPEN && records[1].function == CLOSE);

	/* 200 calls at the end of the process are all there. */
	check_passed(in_child(open_and_close, path));
	CHECK_EQ(read_trace(), 200);

	check_passed(in_child(limit_size, path));
	CHECK_EQ(stat(path, &is), 0);
	CHECK(is.st_size <= LIMIT);
	check_passed(in_child(limit_size_and_go_on, path));

	check_passed(in_child(complain, "/dev/null"));
	check_passed(in_child(complain, "/nowhere/trace"));

	/* Not wanted. */
	check_passed(in_child(open_and_close, ""));
	CHECK_EQ(stat(path, &is), 0);
	CHECK_EQ(is.st_size, 0);
	unlink(path);
	return 0;
}
