/*
 * KTLI_URING_FEATURES: without each of the kernel's features, and without several, sessions carry requests and values
 * whole; and what is switched off is neither asked of the kernel nor used, while what remains is.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when ring/setup.rs asks for a flag that is switched off, or for less than it could; when it makes rings without
 * a feature that they need; when the other features' switches do nothing (register_files in ring/mod.rs, write in
 * ring/wake.rs, sendmsg_zc and cancel_result in transmit.rs); or when a switch outlives its session.
 */
#include "upper.h"

#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

FORKS_WITH_THREADS

/* The numbers of the kernel's interface, whatever headers this is built with. */
enum {
	SQPOLL = 1 << 1,
	SUBMIT_ALL = 1 << 7,
	COOP = 1 << 8,
	FLAG = 1 << 9,
	SINGLE = 1 << 12,
	DEFER = 1 << 13,
	REGISTER_FILES = 2,
};

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* Linux 5.19 */
#endif

static const struct {
	const char *name;
	uint32_t bit, setup; /* in ktli_uring_config.features_off; of io_uring_setup(2), for those that are flags */
	bool needed;
} FEATURES[] = {
	{"single_issuer", KTLI_URING_FEATURE_SINGLE_ISSUER, SINGLE, false},
	{"defer_taskrun", KTLI_URING_FEATURE_DEFER_TASKRUN, DEFER, false},
	{"coop_taskrun", KTLI_URING_FEATURE_COOP_TASKRUN, COOP, false},
	{"taskrun_flag", KTLI_URING_FEATURE_TASKRUN_FLAG, FLAG, false},
	{"submit_all", KTLI_URING_FEATURE_SUBMIT_ALL, SUBMIT_ALL, false},
	{"sqpoll", KTLI_URING_FEATURE_SQPOLL, SQPOLL, false},
	{"register_files", KTLI_URING_FEATURE_REGISTER_FILES, 0, false},
	{"write", KTLI_URING_FEATURE_WRITE, 0, false},
	{"sendmsg_zc", KTLI_URING_FEATURE_SENDMSG_ZC, 0, false},
	{"cancel_result", KTLI_URING_FEATURE_CANCEL_RESULT, 0, false},
	{"nodrop", KTLI_URING_FEATURE_NODROP, 0, true},
	{"submit_stable", KTLI_URING_FEATURE_SUBMIT_STABLE, 0, true},
	{"fast_poll", KTLI_URING_FEATURE_FAST_POLL, 0, true},
	{"ext_arg", KTLI_URING_FEATURE_EXT_ARG, 0, true},
	{"multishot_poll", KTLI_URING_FEATURE_MULTISHOT_POLL, 0, true},
	{"probe", KTLI_URING_FEATURE_PROBE, 0, true},
	{"sendmsg", KTLI_URING_FEATURE_SENDMSG, 0, true},
	{"send", KTLI_URING_FEATURE_SEND, 0, true},
	{"recv", KTLI_URING_FEATURE_RECV, 0, true},
	{"poll_add", KTLI_URING_FEATURE_POLL_ADD, 0, true},
	{"async_cancel", KTLI_URING_FEATURE_ASYNC_CANCEL, 0, true},
};

/* ---- What is asked of the kernel: a seccomp filter reports each io_uring_setup and io_uring_register. ---- */

enum { MOST = 200 };

static struct {
	int listener;
	uint32_t setups[MOST]; /* their flags */
	atomic_int setup_count, file_tables;
} asked;

static void note_call(const struct seccomp_data *call)
{
	if (call->nr == SYS_io_uring_setup) {
		/* The call waits, in this very process. */
		const struct io_uring_params *params = (const void *)(uintptr_t)call->args[1];

		CHECK(asked.setup_count < MOST);
		asked.setups[asked.setup_count] = params->flags;
		asked.setup_count++;
	} else {
		asked.file_tables += call->args[1] == REGISTER_FILES;
	}
}

static void *note_calls(void *argument)
{
	while (asked.listener == 0)
		sleep_ms(1);
	for (;;) {
		struct seccomp_notif call;
		struct seccomp_notif_resp go_on = {.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

		memset(&call, 0, sizeof(call));
		if (ioctl(asked.listener, SECCOMP_IOCTL_NOTIF_RECV, &call) == -1)
			continue;
		note_call(&call.data);
		go_on.id = call.id;
		ioctl(asked.listener, SECCOMP_IOCTL_NOTIF_SEND, &go_on);
	}
	return argument;
}

static void watch_calls(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_register, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {COUNT(code), code};
	unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	int listener;

	start_thread(note_calls, NULL);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	if (listener == -1)
		skip("no seccomp filter can be had");
	asked.listener = listener;
}

/* ---- What the log says. ---- */

static char expected_ring[128]; /* in a line of each ring's */
static atomic_int ring_lines, expected_lines, refusals;

static void note_line(int level, const char *text, void *context)
{
	(void)context;
	if (strncmp(text, "a ring with ", 12) == 0) {
		ring_lines++;
		expected_lines += strcmp(text + 12, expected_ring) == 0;
	}
	refusals += level <= KTLI_URING_LOG_WARN && strstr(text, "io_uring is not available") != NULL;
}

static const char *description(void)
{
	static char text[2048];

	CHECK(ktli_uring_describe(text, sizeof(text)) > 0);
	return text;
}

/* ---- A session: puts and gets of all sizes, compared. ---- */

static struct ktli_uring_statistics session(void)
{
	static const uint32_t SIZES[] = {0, 1, 512, 4096, 30000, 60000, 300000, 1 << 20};
	struct ktli_uring_statistics counted = {.size = sizeof(counted)};
	struct peer peer;
	struct upper upper;
	void *dh = open_session();
	int all = (int)(COUNT(SIZES) * COUNT(SIZES)), count = 20;

	/* So small that large values are waited for. */
	peer_listen(&peer, 128 << 10);
	upper_start(&upper, dh, 30);
	CHECK_EQ(connect_to(dh, peer.port), 0);
	peer_run(&peer, answer_requests, NULL);
	for (int i = 0; i < all; i += slow() ? 7 : 1, count++)
		upper_submit(&upper, SIZES[i / COUNT(SIZES)], SIZES[i % COUNT(SIZES)]);
	upper_wait_all(&upper);
	/* One by one: a receiver that sleeps is woken. */
	for (int i = 0; i < 20; i++) {
		sleep_ms(2);
		upper_submit(&upper, 512, 512);
		upper_wait_all(&upper);
	}
	CHECK_EQ(upper.outcomes[ANSWERED], count);
	CHECK_EQ(ktli_uring_stats(dh, &counted), 0);
	upper_close(&upper);
	peer_join(&peer);
	peer_end(&peer);
	return counted;
}

/*
 * A send that waits in the ring for room, behind messages that were accepted, is cut by disconnect. True if all those
 * messages arrive.
 */
static atomic_bool sent_all;
static atomic_long accepted;

static void *send_until_cut(void *dh)
{
	uint8_t *bytes = allocate(30000);

	for (long sent = 0;; sent += 30000) {
		pattern(bytes, 30000, 1, (size_t)sent);
		if (send_bytes(dh, bytes, 30000) != 30000)
			break;
		accepted = sent + 30000;
	}
	free(bytes);
	sent_all = true;
	return NULL;
}

static void *poll_until_cut(void *dh)
{
	while (!sent_all)
		CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 10), 0);
	return NULL;
}

static void *disconnect(void *dh)
{
	CHECK_EQ(uring_fns.ktli_dfns_disconnect(dh), 0);
	return NULL;
}

static bool survives_a_cut(void)
{
	struct peer peer;
	uint8_t *bytes = allocate(MIB(32));
	pthread_t sender, receiver, ending;
	long before;
	size_t arrived;

	sent_all = false;
	accepted = 0;
	peer_listen(&peer, 64 << 10);
	void *dh = connected(&peer);
	receiver = start_thread(poll_until_cut, dh);
	sleep_ms(20);
	sender = start_thread(send_until_cut, dh);
	/* It waits when nothing has been accepted for a while. */
	for (int same = 0; same < 10;) {
		before = accepted;
		sleep_ms(100);
		same = before > 0 && accepted == before ? same + 1 : 0;
	}
	ending = start_thread(disconnect, dh);
	join_thread(sender);
	join_thread(receiver);
	arrived = peer_read_to_end(&peer, bytes, MIB(32));
	check_pattern(bytes, arrived, 1, 0);
	peer_close(&peer);
	join_thread(ending);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	peer_end(&peer);
	free(bytes);
	printf("%ld bytes accepted, %zu have arrived\n", accepted, arrived);
	return arrived >= (size_t)accepted;
}

/* ---- The cases, each in a process of its own. ---- */

static void configure(const char *features, bool sqpoll, uint32_t zero_copy)
{
	struct ktli_uring_config config;

	setenv("KTLI_URING_LOG", "debug", 1);
	setenv("KTLI_URING_BACKEND", "auto", 1);
	if (features != NULL)
		setenv("KTLI_URING_FEATURES", features, 1);
	ktli_uring_set_log(note_line, NULL);
	config = options();
	config.sqpoll = sqpoll;
	config.zero_copy = zero_copy;
	config.send_buffer = MIB(1);
	config.linger = 20000;
	set_options(config);
	watch_calls();
	/* Asks the kernel what it has, with all flags. */
	description();
	CHECK(asked.setup_count > 0);
	asked.setup_count = 0;
	ring_lines = expected_lines = 0;
}

static const struct {
	const char *features;
	uint32_t flags;
	const char *named;
} LADDER[] = {
	{"", SINGLE | DEFER | SUBMIT_ALL, "SINGLE_ISSUER|DEFER_TASKRUN|SUBMIT_ALL"},
	{"-coop_taskrun", SINGLE | DEFER | SUBMIT_ALL, "SINGLE_ISSUER|DEFER_TASKRUN|SUBMIT_ALL"},
	{"-defer_taskrun", COOP | FLAG | SUBMIT_ALL, "COOP_TASKRUN|TASKRUN_FLAG|SUBMIT_ALL"},
	{"-single_issuer", COOP | FLAG | SUBMIT_ALL, "COOP_TASKRUN|TASKRUN_FLAG|SUBMIT_ALL"},
	{"-coop_taskrun,-defer_taskrun", 0, "no flags"},
	{"-taskrun_flag, -single_issuer", 0, "no flags"},
	{"-submit_all", 0, "no flags"},
};

/* Which one, here and in what follows. */
static size_t which;

/* All rings are asked for with these flags, and the log says so. */
static void ladder(void)
{
	uint32_t flags = LADDER[which].flags;
	const char *named = LADDER[which].named;

	configure(LADDER[which].features, false, 0);
	snprintf(expected_ring, sizeof(expected_ring), "%s", named);
	CHECK(strncmp(description(), "io_uring: ", 10) == 0);
	CHECK(strncmp(description() + 10, named, strlen(named)) == 0);
	session();
	CHECK(asked.setup_count > 0);
	for (int i = 0; i < asked.setup_count; i++)
		CHECK_EQ(asked.setups[i] & (SINGLE | DEFER | COOP | FLAG | SUBMIT_ALL | SQPOLL), flags);
	CHECK_EQ(ring_lines, asked.setup_count);
	CHECK_EQ(expected_lines, asked.setup_count);
}

/* What one session does without, the next one may have; in one process, by the C interface. */
static void one_after_the_other(void)
{
	static const uint64_t OFF[] = {KTLI_URING_FEATURE_SUBMIT_ALL, KTLI_URING_FEATURE_DEFER_TASKRUN,
				       KTLI_URING_FEATURE_EXT_ARG, 0, KTLI_URING_FEATURE_SINGLE_ISSUER};
	static const uint32_t FLAGS[] = {0, COOP | FLAG | SUBMIT_ALL, 0, SINGLE | DEFER | SUBMIT_ALL,
					 COOP | FLAG | SUBMIT_ALL};
	struct ktli_uring_config config;

	configure(NULL, false, 0);
	for (size_t i = 0; i < COUNT(OFF); i++) {
		config = options();
		config.features_off = OFF[i];
		set_options(config);
		CHECK(options().features_off == OFF[i]);
		asked.setup_count = 0;
		session();
		CHECK_EQ(asked.setup_count > 0, OFF[i] != KTLI_URING_FEATURE_EXT_ARG);
		for (int j = 0; j < asked.setup_count; j++)
			CHECK_EQ(asked.setups[j] & (SINGLE | DEFER | COOP | FLAG | SUBMIT_ALL), FLAGS[i]);
	}
}

/* From here on `which` is 1 where the feature is switched off. */
static void kernel_thread(void)
{
	int with = 0;

	configure(which ? "-sqpoll" : "-coop_taskrun,-defer_taskrun", true, 0);
	session();
	for (int i = 0; i < asked.setup_count; i++)
		with += (asked.setups[i] & SQPOLL) != 0;
	CHECK(asked.setup_count > 0);
	CHECK_EQ(with, which ? 0 : asked.setup_count);
	CHECK_EQ(strstr(description(), "SQPOLL where") != NULL, !which);
	CHECK_EQ(strstr(description(), "switched off: sqpoll") != NULL, which);
}

/* With a kernel thread: its files' table, and the receiver's wake-ups. */
static void files(const char *features, bool table, bool wakes)
{
	struct ktli_uring_statistics counted;

	configure(features, true, 0);
	counted = session();
	CHECK_EQ(asked.file_tables > 0, table);
	COMPARE(counted.wake_ups, >, 0);
	if (wakes)
		COMPARE(counted.sender_wake_writes, <, counted.wake_ups);
	else
		CHECK_EQ(counted.sender_wake_writes, counted.wake_ups);
}

static void register_files(void)
{
	files(which ? "-register_files" : "", !which, !which);
}

static void no_write(void)
{
	files("-write", true, false);
}

static void zero_copy(void)
{
	configure(which ? "-sendmsg_zc" : "", false, 16 << 10);
	/* Linux 6.1 has the operation, but cannot tell whether it copied: not used. */
	if (which)
		CHECK_EQ(session().zero_copy_sends, 0);
	else if (strstr(description(), "RECVSEND_BUNDLE") != NULL)
		COMPARE(session().zero_copy_sends, >, 0);
}

static void cut(void)
{
	/* On a busy machine the send may just not have been in the ring when it was cut. */
	int tries = which ? 5 : 1;
	bool survives;

	configure(which ? "-cancel_result" : "", false, 0);
	do
		survives = survives_a_cut();
	while (--tries > 0 && survives);
	CHECK(survives == !which || (which && emulated()));
}

static void needed(void)
{
	char features[64];
	struct ktli_uring_statistics counted;

	snprintf(features, sizeof(features), "-%s", FEATURES[which].name);
	configure(features, false, 0);
	CHECK(options().features_off == FEATURES[which].bit);
	CHECK(strstr(description(), "plain system calls") != NULL);
	CHECK(strstr(description(), FEATURES[which].name) != NULL);
	counted = session();
	CHECK_EQ(asked.setup_count, 0);
	CHECK_EQ(counted.sender_enters + counted.receiver_enters, 0);
	CHECK_EQ(refusals, 1);
}

static void needed_and_forbidden(void)
{
	setenv("KTLI_URING_BACKEND", "uring", 1);
	setenv("KTLI_URING_FEATURES", "-recv,-coop_taskrun", 1);
	setenv("KTLI_URING_LOG", "off", 1);
	CHECK(uring_fns.ktli_dfns_open() == NULL && errno == ENOSYS);
}

/* Any of them, together, from this seed. */
static uint32_t seed;

static void some(void)
{
	char features[512] = "";
	uint32_t forbidden = 0, state = seed * 0x9e3779b9;
	bool sqpoll = dice(&state, 3) == 0, plain = false;

	for (size_t i = 0; i < COUNT(FEATURES); i++) {
		/* Mostly those without which there are still rings. */
		if (dice(&state, FEATURES[i].needed ? 60 : 3) != 0)
			continue;
		snprintf(features + strlen(features), sizeof(features) - strlen(features), ",-%s", FEATURES[i].name);
		forbidden |= FEATURES[i].setup;
		plain |= FEATURES[i].needed;
	}
	configure(features, sqpoll, sqpoll ? 0 : dice(&state, 2) * (32 << 10));
	session();
	printf("%s%s: %d rings\n", features, sqpoll ? " SQPOLL" : "", asked.setup_count);
	CHECK_EQ(asked.setup_count == 0, plain);
	for (int i = 0; i < asked.setup_count; i++)
		CHECK_EQ(asked.setups[i] & forbidden, 0);
}

static void run(const char *name, void (*test)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		begin();
		test();
		/* Not the exit handlers: the thread that notes calls is there for ever. */
		fflush(stdout);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		_exit(77);
	if (status != 0)
		FAIL("%s %zu: status %#x", name, which, status);
}

#define RUN(test) run(#test, test)

int main(void)
{
	struct io_uring_params params = {.flags = SINGLE | DEFER | SUBMIT_ALL};

	begin();
	if (getenv("KTLI_URING_BACKEND") && strcmp(getenv("KTLI_URING_BACKEND"), "uring") != 0)
		skip("this is about io_uring");
	if (getenv("KTLI_URING_SQPOLL") || getenv("KTLI_URING_FEATURES"))
		skip("it sets these options itself, so it is the same as without them");
	if (syscall(SYS_io_uring_setup, 1, &params) == -1)
		skip("the kernel does not have all features (Linux 6.1 does)");
	for (which = 0; which < COUNT(LADDER); which++)
		RUN(ladder);
	RUN(one_after_the_other);
	for (which = 0; which < 2; which++) {
		RUN(kernel_thread);
		RUN(register_files);
		RUN(zero_copy);
		RUN(cut);
	}
	RUN(no_write);
	for (which = 0; which < COUNT(FEATURES); which++)
		if (FEATURES[which].needed)
			RUN(needed);
	RUN(needed_and_forbidden);
	for (seed = 1; (int)seed <= rounds(10); seed++)
		RUN(some);
	return 0;
}
