/*
 * Options from C and from the environment: sizes, ranges, who beats whom, and the lines that complain.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when config.rs takes a value out of its range, changes something beyond `size`, lets the program
 * beat the environment, complains without the variable, the value and the range, or reads the environment in a
 * program that has more rights than who runs it.
 */
#include "harness.h"

#include <sys/wait.h>

static int lines;
static char all[4096];

static void note(int level, const char *text, void *context)
{
	CHECK(level == KTLI_URING_LOG_WARN || level == KTLI_URING_LOG_ERROR);
	CHECK(context == &lines);
	lines++;
	strncat(all, text, sizeof(all) - strlen(all) - 1);
	strncat(all, "\n", sizeof(all) - strlen(all) - 1);
}

/* There is a log line, the `count`th, with all of these words. */
static void check_line(int count, const char *first, const char *second, const char *third)
{
	CHECK_EQ(lines, count);
	if (!strstr(all, first) || !strstr(all, second) || !strstr(all, third))
		FAIL("the log does not have %s, %s and %s: %s", first, second, third, all);
	all[0] = 0;
}

static void defaults(void)
{
	struct ktli_uring_config config = options();

	CHECK_EQ(config.size, sizeof(config));
	CHECK_EQ(config.backend, KTLI_URING_BACKEND_AUTO);
	CHECK_EQ(config.framing, KTLI_URING_FRAMING_KINETIC);
	CHECK_EQ(config.hangup, KTLI_URING_HANGUP_WAIT);
	CHECK_EQ(config.send_buffer, 5 << 20);
	CHECK_EQ(config.receive_buffer, 5 << 20);
	CHECK_EQ(config.connect_timeout, 10000);
	CHECK_EQ(config.send_timeout, 25000);
	CHECK_EQ(config.linger, 1000);
	CHECK_EQ(config.sqpoll, 0);
	CHECK_EQ(config.sqpoll_cpu, -1);
	CHECK_EQ(config.spin, KTLI_URING_SPIN_AUTO);
	CHECK_EQ(config.send_strategy, KTLI_URING_SEND_AUTO);
	CHECK_EQ(config.zero_copy, 0);
	CHECK_EQ(config.stats, 0);
	CHECK_EQ(config.features_off, 0);
}

static void sizes(void)
{
	struct {
		struct ktli_uring_config known;
		char later[64];
	} large;
	struct ktli_uring_config config = {.size = 0};

	CHECK_FAILS(ktli_uring_get_config(NULL), EINVAL);
	CHECK_FAILS(ktli_uring_configure(NULL), EINVAL);
	CHECK_FAILS(ktli_uring_get_config(&config), EINVAL);
	CHECK_FAILS(ktli_uring_configure(&config), EINVAL);
	/* An older program, which knows the first members only. */
	memset(&config, 0x55, sizeof(config));
	config.size = offsetof(struct ktli_uring_config, send_buffer);
	CHECK_EQ(ktli_uring_get_config(&config), 0);
	CHECK_EQ(config.framing, KTLI_URING_FRAMING_KINETIC);
	CHECK_EQ(config.send_buffer, 0x55555555);
	config.hangup = KTLI_URING_HANGUP_REPORT;
	CHECK_EQ(ktli_uring_configure(&config), 0);
	CHECK_EQ(options().hangup, KTLI_URING_HANGUP_REPORT);
	CHECK_EQ(options().send_buffer, 5 << 20);
	/* A newer one, which knows more than there is. */
	memset(&large, 0x55, sizeof(large));
	large.known.size = sizeof(large);
	CHECK_EQ(ktli_uring_get_config(&large.known), 0);
	CHECK_EQ(large.known.send_timeout, 25000);
	CHECK_EQ(large.known.features_off, 0);
	CHECK_EQ(large.later[0], 0x55);
	large.known.size = sizeof(large);
	large.known.linger = 77;
	CHECK_EQ(ktli_uring_configure(&large.known), 0);
	CHECK_EQ(options().linger, 77);
	/* One that was built before the last member came had padding behind the one before, of any content. */
	config = options();
	config.size = offsetof(struct ktli_uring_config, features_off);
	memset((char *)&config + offsetof(struct ktli_uring_config, stats) + sizeof(config.stats), 0x55,
	       sizeof(config) - offsetof(struct ktli_uring_config, stats) - sizeof(config.stats));
	CHECK_EQ(ktli_uring_configure(&config), 0);
	CHECK_EQ(options().features_off, 0);
	CHECK_EQ(lines, 0);
}

/* Without the padding behind it, and `features_off`, which stands alone behind that. */
#define MEMBERS (offsetof(struct ktli_uring_config, stats) + sizeof(int32_t))

#define REFUSED(member, value, low, high)                                                                              \
	do {                                                                                                           \
		struct ktli_uring_config config_ = options(), before_ = config_;                                       \
		config_.linger = 99;                                                                                   \
		config_.member = value;                                                                                \
		CHECK_FAILS(ktli_uring_configure(&config_), EINVAL);                                                   \
		check_line(++count, #member, low, high);                                                               \
		config_ = options();                                                                                   \
		CHECK(memcmp(&config_, &before_, MEMBERS) == 0);                                                       \
		CHECK(config_.features_off == before_.features_off);                                                   \
	} while (0)

static void ranges(void)
{
	int count = 0;

	REFUSED(backend, 3, "0", "2");
	REFUSED(framing, -1, "0", "1");
	REFUSED(send_buffer, (1 << 20) - 1, "1048576", "16777216");
	REFUSED(receive_buffer, (16 << 20) + 1, "1048576", "16777216");
	REFUSED(connect_timeout, 0, "1", "600000");
	REFUSED(send_timeout, 30000, "1", "29000");
	REFUSED(linger, 60001, "0", "60000");
	REFUSED(sqpoll_cpu, -2, "-1", "4095");
	REFUSED(spin, 1001, "0", "1000");
	REFUSED(send_strategy, 4, "0", "3");
	REFUSED(zero_copy, 1, "16384", "67108864");
	REFUSED(stats, 2, "0", "1");
	REFUSED(features_off, KTLI_URING_FEATURE_KTLS << 1, "0", "4194303");
	REFUSED(features_off, UINT64_MAX, "0", "4194303");
}

static void environment_beats(void)
{
	struct ktli_uring_config config = options();

	CHECK_EQ(config.send_timeout, 1234);
	config.send_timeout = 5678;
	config.linger = 5;
	set_options(config);
	CHECK_EQ(options().send_timeout, 1234);
	CHECK_EQ(options().linger, 5);
	/* The environment is read once. */
	setenv("KTLI_URING_SEND_TIMEOUT", "4321", 1);
	CHECK_EQ(options().send_timeout, 1234);
	CHECK_EQ(lines, 0);
}

static void environment_out_of_range(void)
{
	void *dh = open_session();

	check_line(1, "KTLI_URING_SEND_TIMEOUT", "30000", "29000");
	CHECK_EQ(options().send_timeout, 25000);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	CHECK_EQ(uring_fns.ktli_dfns_close(open_session()), 0);
	CHECK_EQ(lines, 1); /* said once */
}

static void environment_no_word(void)
{
	CHECK_EQ(options().backend, KTLI_URING_BACKEND_AUTO);
	check_line(1, "KTLI_URING_BACKEND", "sockets", "socket");
}

static void environment_spin(void)
{
	CHECK_EQ(options().spin, 50);
	CHECK_EQ(lines, 0);
}

static void environment_spin_auto(void)
{
	struct ktli_uring_config config = options();

	CHECK_EQ(config.spin, KTLI_URING_SPIN_AUTO);
	config.spin = 0;
	CHECK_EQ(ktli_uring_configure(&config), 0);
	/* The variable beats the program. */
	CHECK_EQ(options().spin, KTLI_URING_SPIN_AUTO);
	CHECK_EQ(lines, 0);
}

static void environment_no_spin(void)
{
	CHECK_EQ(options().spin, KTLI_URING_SPIN_AUTO);
	check_line(1, "KTLI_URING_SPIN", "1001", "auto");
}

static void environment_strategy(void)
{
	CHECK_EQ(options().send_strategy, KTLI_URING_SEND_CHUNKED);
	CHECK_EQ(lines, 0);
}

/* ---- A program with more rights than who runs it. ---- */

static void in_secure_program(void)
{
	struct ktli_uring_config config = options();

	CHECK_EQ(config.send_timeout, 25000);
	config.linger = 60001;
	/* KTLI_URING_LOG=off is not heard either. */
	CHECK_FAILS(ktli_uring_configure(&config), EINVAL);
	check_line(1, "linger", "60001", "60000");
	_exit(0); /* a leak check may not look into such a process */
}

/* The kernel takes a program for one as soon as real and effective user differ when it is executed. */
static void secure_program(void)
{
	setenv("KTLI_URING_LOG", "off", 1);
	CHECK(setresuid(65534, 0, 0) == 0);
	execl("/proc/self/exe", "config", "secure", (char *)NULL);
	FAIL("cannot execute itself: %s", strerror(errno));
}

static void environment_features(void)
{
	CHECK_EQ(options().features_off, KTLI_URING_FEATURE_DEFER_TASKRUN | KTLI_URING_FEATURE_RECV);
	CHECK_EQ(lines, 0);
}

/* What is known counts, and one line names the rest. */
static void environment_features_unknown(void)
{
	CHECK_EQ(options().features_off, KTLI_URING_FEATURE_RECV);
	check_line(1, "KTLI_URING_FEATURES", "not using -teleport,defer_taskrun,", "-single_issuer,-defer_taskrun");
	CHECK_EQ(uring_fns.ktli_dfns_close(open_session()), 0);
	CHECK_EQ(lines, 2); /* said once; the other one says that there are no rings */
}

static void run(void (*test)(void), const char *name, const char *value)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		begin();
		unsetenv("KTLI_URING_BACKEND");
		unsetenv("KTLI_URING_SQPOLL");
		unsetenv("KTLI_URING_FEATURES");
		if (name != NULL)
			setenv(name, value, 1);
		ktli_uring_set_log(note, &lines);
		test();
		exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
}

int main(int count, char **words)
{
	begin();
	if (count > 1 && strcmp(words[1], "secure") == 0) {
		ktli_uring_set_log(note, &lines);
		in_secure_program();
	}
	run(defaults, NULL, NULL);
	run(sizes, NULL, NULL);
	run(ranges, NULL, NULL);
	run(environment_beats, "KTLI_URING_SEND_TIMEOUT", "1234");
	run(environment_out_of_range, "KTLI_URING_SEND_TIMEOUT", "30000");
	run(environment_no_word, "KTLI_URING_BACKEND", "sockets");
	run(environment_spin, "KTLI_URING_SPIN", "50");
	run(environment_spin_auto, "KTLI_URING_SPIN", "auto");
	run(environment_no_spin, "KTLI_URING_SPIN", "1001");
	run(environment_strategy, "KTLI_URING_SEND", "chunked");
	if (geteuid() == 0 && !on_valgrind()) /* which /proc/self/exe would be there */
		run(secure_program, "KTLI_URING_SEND_TIMEOUT", "1234");
	else
		printf("not root: not tried with more rights than who runs it\n");
	run(environment_features, "KTLI_URING_FEATURES", "-defer_taskrun,-recv");
	run(environment_features_unknown, "KTLI_URING_FEATURES", "-teleport,-recv,defer_taskrun");
	return 0;
}
