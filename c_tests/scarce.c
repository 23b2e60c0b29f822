/*
 * A machine that has run out of something: descriptors, lockable memory, address space, threads, or the permission to
 * use io_uring, before the first connection or for later ones. Each case is a process of its
 * own, in which a session either works, on whatever path, or fails with the reason; and works again afterwards where
 * that can be. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when a refusal of any of these is taken for the connection's end or ends the process.
 */
#include "harness.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

FORKS_WITH_THREADS

enum { MESSAGE = 50, LARGE = 1 << 20 };

static const int REASONS[] = {ENOMEM, EMFILE, ENFILE, EAGAIN, EPERM, ENOSYS, ENOBUFS, EHOSTUNREACH};

static void check_reason(const char *what, int error)
{
	for (size_t i = 0; i < COUNT(REASONS); i++)
		if (error == REASONS[i])
			return;
	FAIL("%s: errno %d (%s)", what, error, strerror(error));
}

/* ---- The drive is a process of its own, which lacks nothing. It sends everything back. ---- */

static struct peer peer;

static void *echo_one(void *argument)
{
	struct peer one = {.fd = (int)(intptr_t)argument};
	uint8_t *bytes = allocate(LARGE);
	ssize_t count;

	while ((count = recv(one.fd, bytes, LARGE, 0)) > 0)
		for (ssize_t done = 0, more; done < count; done += more)
			if ((more = send(one.fd, bytes + done, (size_t)(count - done), MSG_NOSIGNAL)) <= 0)
				break;
	free(bytes);
	peer_close(&one);
	return NULL;
}

static _Noreturn void echo_all(void)
{
	CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
	alarm(0);
	for (;;) {
		peer_accept(&peer);
		CHECK_EQ(pthread_detach(start_thread(echo_one, (void *)(intptr_t)peer.fd)), 0);
	}
}

/* ---- Use of a session. Its messages are made before anything is scarce. ---- */

static uint8_t *small, *large, *body;
static char port[16];

static void prepare(void)
{
	small = make_frame(MESSAGE, 300, 1);
	large = make_frame(MESSAGE, LARGE, 2);
	body = allocate(MESSAGE + LARGE);
	memset(body, 0, MESSAGE + LARGE);
	snprintf(port, sizeof(port), "%d", peer.port);
}

/* False if it fails, for one of the reasons above. */
static bool echoed(void *dh, const uint8_t *frame)
{
	uint32_t message, value;
	uint8_t pdu[PDU];
	int ready = 0;

	get_pdu(frame, &message, &value);
	struct kiovec first = {pdu, PDU}, second = {body, message + (size_t)value};

	errno = 0;
	if (send_frame(dh, frame) == -1) {
		check_reason("send", errno);
		return false;
	}
	for (double begun = now(); ready == 0 && now() - begun < 20;) {
		double before = now();

		ready = uring_fns.ktli_dfns_poll(dh, 100);
		CHECK(ready == 0 || ready == 1);
		/* On a dead connection the receive tells why. */
		if (ready == 0 && now() - before >= 0.1 && now() - begun > 2)
			break;
	}
	errno = 0;
	if (uring_fns.ktli_dfns_receive(dh, &first, 1) == -1 || uring_fns.ktli_dfns_receive(dh, &second, 1) == -1) {
		check_reason("receive", errno);
		return false;
	}
	CHECK(memcmp(body, frame + PDU, second.kiov_len) == 0);
	return true;
}

/* A session that is connected, or NULL for one of the reasons. */
static void *try_connect(void)
{
	errno = 0;
	void *dh = uring_fns.ktli_dfns_open();

	if (dh == NULL) {
		check_reason("open", errno);
		return NULL;
	}
	errno = 0;
	if (uring_fns.ktli_dfns_connect(dh, "127.0.0.1", port, 0) == 0)
		return dh;
	check_reason("connect", errno);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	return NULL;
}

/* True if all of it works. */
static bool use(void *dh)
{
	bool works = dh != NULL;

	for (int i = 0; works && i < 3; i++)
		works = echoed(dh, small) && echoed(dh, large) && echoed(dh, small);
	if (dh != NULL)
		CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	return works;
}

static void *poll_on(void *dh)
{
	while (uring_fns.ktli_dfns_poll(dh, 10) != 1)
		;
	return NULL;
}

/* With a thread that polls, so that messages are staged, and rings are made there. */
static void use_with_receiver(void)
{
	void *dh = try_connect();

	CHECK(dh != NULL);
	pthread_t receiver = start_thread(poll_on, dh);

	for (int i = 0; i < 20; i++)
		CHECK_EQ(send_frame(dh, small), FRAME(MESSAGE, 300));
	join_thread(receiver);
	for (int i = 0; i < 20; i++)
		receive_frame(dh, MESSAGE, 300, 1);
	CHECK(use(dh));
}

static void must_work(void)
{
	CHECK(use(try_connect()));
	use_with_receiver();
}

static void set_limit(int which, rlim_t value)
{
	struct rlimit limit;

	CHECK(getrlimit(which, &limit) == 0);
	limit.rlim_cur = value;
	CHECK(setrlimit(which, &limit) == 0);
}

/* ---- The cases. ---- */

static int outcome; /* what the parent counts: 1 it worked in spite of all */

/* So many descriptors can still be had. */
static void no_descriptors(int free_ones)
{
	struct rlimit limit;
	int last = dup(0);

	CHECK(last >= 0 && close(last) == 0);
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	set_limit(RLIMIT_NOFILE, (rlim_t)(last + free_ones));
	outcome = use(try_connect());
	/* A socket, an eventfd and what the resolver opens for a moment. */
	if (free_ones < 2)
		CHECK(!outcome);
	setrlimit(RLIMIT_NOFILE, &limit);
	must_work();
}

/* The same, but for a connection that is there. */
static void no_descriptors_later(int free_ones)
{
	void *dh = try_connect();
	int last = dup(0);

	CHECK(dh != NULL && last >= 0 && close(last) == 0);
	set_limit(RLIMIT_NOFILE, (rlim_t)(last + free_ones));
	/* Rings cannot be had; plain calls can. */
	outcome = use(dh);
	if (options().backend != KTLI_URING_BACKEND_URING)
		CHECK(outcome);
	set_limit(RLIMIT_NOFILE, 1000);
	must_work();
}

static void no_locked_memory(int bytes)
{
	struct rlimit limit = {(rlim_t)bytes, (rlim_t)bytes};

	CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
	if (setgid(65534) != 0 || setuid(65534) != 0)
		skip("this user cannot become another one");
	outcome = use(try_connect());
	if (options().backend != KTLI_URING_BACKEND_URING) {
		CHECK(outcome);
		must_work();
	}
}

static rlim_t address_space(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	CHECK(file != NULL && fscanf(file, "%lu", &pages) == 1);
	fclose(file);
	return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static void no_address_space(int step)
{
	struct rlimit limit;

	CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
	set_limit(RLIMIT_AS, address_space() + (rlim_t)step * KIB(256));
	outcome = use(try_connect());
	setrlimit(RLIMIT_AS, &limit);
	must_work();
}

static void no_threads(int number)
{
	struct rlimit limit = {(rlim_t)number, (rlim_t)number};

	if (setgid(65534) != 0 || setuid(65534) != 0)
		skip("this user cannot become another one");
	CHECK(setrlimit(RLIMIT_NPROC, &limit) == 0);
	outcome = use(try_connect());
	CHECK(outcome || options().sqpoll);
}

/* A connection whose rings have been in use. */
static void *in_use(void)
{
	struct ktli_uring_config config = options();
	void *dh;

	config.backend = KTLI_URING_BACKEND_AUTO;
	set_options(config);
	dh = try_connect();
	CHECK(dh != NULL);
	for (int i = 0; i < 3; i++)
		CHECK(echoed(dh, small) && echoed(dh, large));
	return dh;
}

static void enter_refused(int error)
{
	refuse_call(SYS_io_uring_enter, error);
	outcome = use(try_connect());
	CHECK(outcome);
	must_work();
}

/* The kernel has been asked by then, and is known to have io_uring. */
static void enter_refused_later(int error)
{
	void *dh = in_use();

	CHECK_EQ(ktli_uring_close(dh), 0);
	refuse_call(SYS_io_uring_enter, error);
	outcome = use(try_connect());
	CHECK(outcome);
	must_work();
}

static void setup_refused(int error)
{
	refuse_call(SYS_io_uring_setup, error);
	outcome = use(try_connect());
	CHECK(outcome);
	must_work();
}

static void setup_refused_later(int error)
{
	void *dh = in_use();

	refuse_call(SYS_io_uring_setup, error);
	outcome = use(dh);
	CHECK(outcome);
	must_work();
}

static void register_refused(int error)
{
	refuse_call(SYS_io_uring_register, error);
	outcome = use(try_connect());
	CHECK(outcome);
	must_work();
}

static void hush(int level, const char *text, void *context)
{
	(void)level;
	(void)text;
	(void)context;
}

static int worked, cases;

/* `fallback`: plain calls are allowed, whatever the environment says. */
static void run(const char *name, void (*test)(int), int argument, bool fallback)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		begin();
		if (fallback && getenv("KTLI_URING_BACKEND") != NULL &&
		    strcmp(getenv("KTLI_URING_BACKEND"), "uring") == 0)
			setenv("KTLI_URING_BACKEND", "auto", 1);
		prepare();
		ktli_uring_set_log(hush, NULL);
		test(argument);
		exit(outcome ? 3 : 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		return;
	if (!WIFEXITED(status) || WEXITSTATUS(status) % 3 != 0)
		FAIL("%s, %d: status %#x", name, argument, status);
	cases++;
	worked += WEXITSTATUS(status) == 3;
}

static void tell(const char *what)
{
	printf("%s: %d cases, of which %d worked\n", what, cases, worked);
	cases = worked = 0;
}

int main(void)
{
	static const int ERRORS[] = {EPERM, ENOSYS, EACCES};
	pid_t drive;

	begin();
	if (on_valgrind())
		skip("valgrind needs what is made scarce");
	setvbuf(stdout, NULL, _IOLBF, 0);
	peer_listen(&peer, 0);
	drive = fork();
	CHECK(drive >= 0);
	if (drive == 0)
		echo_all();
	for (int n = 0; n < 28; n++)
		run("descriptors", no_descriptors, n, n % 2);
	tell("few descriptors");
	for (int n = 0; n < 6; n++)
		run("descriptors later", no_descriptors_later, n, n % 2);
	tell("few descriptors on a connection");
	for (int n = 0; n <= 4; n++)
		run("locked memory", no_locked_memory, n * 8192, true);
	run("locked memory", no_locked_memory, 0, false);
	tell("little locked memory");
	for (int n = 0; !slow() && n < 32; n++)
		run("address space", no_address_space, n, n % 2);
	tell("little address space");
	for (int n = 0; n < 2; n++)
		run("threads", no_threads, n, n);
	tell("no threads");
	for (size_t i = 0; i < COUNT(ERRORS); i++) {
		run("setup", setup_refused, ERRORS[i], true);
		run("setup later", setup_refused_later, ERRORS[i], true);
		run("register", register_refused, ERRORS[i], true);
		run("enter", enter_refused, ERRORS[i], true);
		run("enter later", enter_refused_later, ERRORS[i], true);
	}
	tell("io_uring refused");
	CHECK(kill(drive, SIGKILL) == 0 && waitpid(drive, NULL, 0) == drive);
	return 0;
}
