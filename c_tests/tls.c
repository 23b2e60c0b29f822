/*
 * TLS with another implementation, and the certificates: openssl's server is the peer, and its standard input and
 * output are what it sends and gets. SPDX-License-Identifier: MIT OR Apache-2.0
 * Fails when bytes change on their way, or when settings.rs or verifier.rs take a certificate that a variable
 * forbids, refuse the one that it asks for, or go on where a file cannot be used.
 */
#include "harness.h"
#include "openssl.h"

#include <stdarg.h>
#include <sys/wait.h>

/* One for which `by` vouches, from a day to another (as in 20200131000000Z). */
static void sign_certificate(const char *by, const char *name, const char *from, const char *until)
{
	shell("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=%s -keyout %s.key -out %s.csr",
	      name, name, name);
	shell("printf '[ca]\\ndefault_ca=c\\n[c]\\ndatabase=index\\nnew_certs_dir=.\\nrand_serial=yes\\n"
	      "default_md=sha256\\npolicy=p\\n[p]\\ncommonName=supplied\\n[x]\\nbasicConstraints=critical,CA:FALSE\\n"
	      "subjectAltName=IP:127.0.0.1\\n' >ca.cnf; : >index; openssl ca -batch -config ca.cnf -extensions x"
	      " -cert %s.pem -keyfile %s.key -startdate %s -enddate %s -in %s.csr -notext -out %s.pem",
	      by, by, from, until, name, name);
}

static const char *host_name = "127.0.0.1";

/* Returns errno, or 0. */
static int connect_tls(void *dh)
{
	char host[32], service[16];
	double begun = now();

	snprintf(host, sizeof(host), "%s", host_name);
	snprintf(service, sizeof(service), "%d", server_port);
	errno = 0;
	int result = uring_fns.ktli_dfns_connect(dh, host, service, 1), error = errno;

	/* The time-out. */
	CHECK_TIME(now() - begun, 0, 10);
	return result == 0 ? 0 : error;
}

/* ---- What is tested; each in a process of its own, as variables are read once. ---- */

struct transfer {
	const uint8_t *bytes;
	size_t count;
};

static void *feed(void *argument)
{
	struct transfer *transfer = argument;

	tell(transfer->bytes, transfer->count);
	return NULL;
}

static void *collect(void *argument)
{
	struct transfer *transfer = argument;

	expect_at_server(transfer->bytes, transfer->count);
	return NULL;
}

enum { VALUE = 4 << 20, SMALL = 20 };

/* Frames in both directions at the same time: some small ones, and a large one. */
static void talk(void)
{
	uint8_t *small = make_frame(30, 100, 1), *large = make_frame(40, VALUE, 2);
	size_t count = SMALL * FRAME(30, 100) + FRAME(40, VALUE), at = 0;
	uint8_t *all = allocate(count);
	struct transfer transfer = {all, count};
	void *dh = open_session();

	for (int i = 0; i < SMALL; i++, at += FRAME(30, 100))
		memcpy(all + at, small, FRAME(30, 100));
	memcpy(all + at, large, FRAME(40, VALUE));
	CHECK_EQ(connect_tls(dh), 0);
	pthread_t feeding = start_thread(feed, &transfer), collecting = start_thread(collect, &transfer);

	for (int i = 0; i < SMALL; i++) {
		CHECK_EQ(send_frame(dh, small), FRAME(30, 100));
		CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 60000), 1);
		receive_frame(dh, 30, 100, 1);
	}
	CHECK_EQ(send_frame(dh, large), FRAME(40, VALUE));
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 60000), 1);
	receive_frame(dh, 40, VALUE, 2);
	join_thread(feeding);
	join_thread(collecting);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	free(small);
	free(large);
	free(all);
}

static int wanted;

static void connect_only(void)
{
	void *dh = open_session();

	CHECK_EQ(connect_tls(dh), wanted);
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
}

/* Reads what the server prints until this is in it. */
static void await_output(const void *wanted, size_t count)
{
	static char printed[65536];
	static size_t length;

	while (memmem(printed, length, wanted, count) == NULL) {
		ssize_t more = read(from_server, printed + length, sizeof(printed) - length);

		CHECK(more > 0);
		length += (size_t)more;
	}
}

/*
 * The server asks for a new handshake, as TLS 1.2 has it. It is told that there is none; openssl ends
 * the session for that. Where the kernel does TLS the question is left without an answer (see src/tls).
 */
static void refuse_renegotiation(void)
{
	static const char ASKED[] = "HelloRequest", REFUSED[] = "no_renegotiation";
	const char *off = getenv("KTLI_URING_FEATURES");
	char features[256];

	snprintf(features, sizeof(features), "%s,-ktls", off != NULL ? off : "");
	setenv("KTLI_URING_FEATURES", features, 1);
	uint8_t *small = make_frame(30, 100, 1);
	void *dh = open_session();

	CHECK_EQ(connect_tls(dh), 0);
	CHECK_EQ(write(to_server, "R\n", 2), 2);
	await_output(ASKED, strlen(ASKED));
	/* Neither a message nor an end. */
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 300), 0);
	CHECK_EQ(send_frame(dh, small), FRAME(30, 100));
	await_output(REFUSED, strlen(REFUSED));
	CHECK_EQ(uring_fns.ktli_dfns_close(dh), 0);
	free(small);
}

static const char *const NAMES[] = {"VERIFY", "CA", "PIN", "CERT", "KEY"};

/* Is the text in what the test said to stderr? */
static bool is_logged(const char *text)
{
	char line[1024];
	FILE *said = fopen(path("said"), "r");
	bool found = false;

	CHECK(said != NULL);
	while (fgets(line, sizeof(line), said) != NULL) {
		found |= strstr(line, text) != NULL;
		fputs(line, stderr);
	}
	fclose(said);
	return found;
}

/* Runs `test` with a server like this and the variables "NAME=value", ended by NULL. */
static void run(void (*test)(void), const char *arguments, ...)
{
	int status;
	va_list variables;

	start_server(arguments);
	va_start(variables, arguments);
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		begin();
		CHECK(freopen(path("said"), "w", stderr) != NULL);
		for (const char *text; (text = va_arg(variables, const char *)) != NULL;) {
			char name[32], which[16], value[256];

			CHECK(sscanf(text, "%15[^=]=%255s", which, value) == 2);
			snprintf(name, sizeof(name), "KTLI_URING_TLS_%s", which);
			setenv(name, value, 1);
		}
		test();
		exit(0);
	}
	va_end(variables);
	CHECK(waitpid(pid, &status, 0) == pid);
	stop_server();
	if (status != 0) {
		is_logged("");
		FAIL("status %#x with %s", status, arguments);
	}
}

/* The variable with a path, or another text, behind it. */
static const char *set(const char *name, const char *value)
{
	static char texts[16][256];
	static int next;
	char *to = texts[next++ % 16];

	snprintf(to, sizeof(texts[0]), "%s=%s", name, value);
	return to;
}

/* The connection ends with this error, and a line in the log that says why. */
static void expect(int errno_value, const char *reason, const char *arguments, const char *one, const char *two)
{
	wanted = errno_value;
	run(connect_only, arguments, one, two, (const char *)NULL);
	if (*reason != 0 && !is_logged(reason))
		FAIL("not said: %s, with %s", reason, arguments);
}

static void chains(void)
{
	const char *drive = set("CA", path("drive.pem")), *other = set("CA", path("other.pem"));
	const char *authority = set("CA", path("authority.pem"));

	make_certificate("authority", "CA:TRUE", "DNS:authority");
	make_certificate("vain", "CA:TRUE", "IP:127.0.0.1");
	make_certificate("named", "CA:FALSE", "DNS:localhost");
	sign_certificate("authority", "signed", "20200101000000Z", "20991231000000Z");
	sign_certificate("authority", "expired", "20200101000000Z", "20200102000000Z");
	sign_certificate("authority", "early", "20990101000000Z", "20991231000000Z");
	for (int version = 2; version <= 3; version++) {
		char options[64];
#define AS(name) (snprintf(options, sizeof(options), SHOWS(name) "-tls1_%d", version), options)
		run(talk, AS("drive"), "VERIFY=ca", drive, (const char *)NULL);
		run(talk, AS("signed"), "VERIFY=ca", authority, (const char *)NULL);
		expect(EACCES, "UnknownIssuer", AS("drive"), "VERIFY=ca", other);
		expect(EACCES, "UnknownIssuer", AS("drive"), "VERIFY=ca", authority);
		expect(EACCES, "not valid for name", AS("other"), "VERIFY=ca", other);
		expect(EACCES, "not valid for name", AS("named"), "VERIFY=ca", set("CA", path("named.pem")));
		expect(EACCES, "certificate expired", AS("expired"), "VERIFY=ca", authority);
		expect(EACCES, "not valid yet", AS("early"), "VERIFY=ca", authority);
		/* As openssl makes them by default. One for whoever is asked to sign is none for a drive. */
		expect(EACCES, "CaUsedAsEndEntity", AS("vain"), "VERIFY=ca", set("CA", path("vain.pem")));
	}
	host_name = "localhost";
	expect(0, "", SHOWS("named"), "VERIFY=ca", set("CA", path("named.pem")));
	expect(EACCES, "not valid for name", DRIVE, "VERIFY=ca", drive);
	host_name = "127.0.0.1";
}

static void pins(void)
{
	shell("openssl x509 -in drive.pem -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -r");
	const char *pin = set("PIN", output);

	expect(0, "", DRIVE "-tls1_2", pin, NULL);
	expect(0, "", DRIVE "-tls1_3", pin, NULL);
	expect(EACCES, "KTLI_URING_TLS_PIN", SHOWS("other") "-tls1_2", pin, NULL);
	expect(EACCES, "KTLI_URING_TLS_PIN", SHOWS("other") "-tls1_3", pin, NULL);
	/* Besides the chain, not instead of it. */
	wanted = EACCES;
	run(connect_only, DRIVE, "VERIFY=ca", set("CA", path("other.pem")), pin, (const char *)NULL);
}

int main(void)
{
	begin();
	for (size_t i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++) {
		char name[32];

		snprintf(name, sizeof(name), "KTLI_URING_TLS_%s", NAMES[i]);
		unsetenv(name);
	}
	prepare_openssl();
	make_certificate("other", "CA:FALSE", "IP:127.0.0.2");

	run(talk, DRIVE "-tls1_2", (const char *)NULL);
	run(talk, DRIVE "-tls1_3", (const char *)NULL);
	run(refuse_renegotiation, DRIVE "-tls1_2 " COMMANDS, (const char *)NULL);

	/* Unless it is asked for, nothing is checked, and said so. */
	expect(0, "certificates are not checked: KTLI_URING_TLS_VERIFY=ca", DRIVE, NULL, NULL);

	/* No version, and no way to encrypt, in common. */
	expect(EPROTO, "ProtocolVersion", DRIVE "-tls1_1 -cipher ALL:@SECLEVEL=0", NULL, NULL);
	expect(EPROTO, "HandshakeFailure", DRIVE "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA", NULL, NULL);

	chains();
	pins();

	/* What to show of oneself. */
	wanted = 0;
	run(connect_only, DRIVE "-tls1_2 -Verify 1 -verify_return_error -CAfile other.pem",
	    set("CERT", path("other.pem")), set("KEY", path("other.key")), (const char *)NULL);
	expect(EPROTO, "HandshakeFailure", DRIVE "-tls1_2 -Verify 1 -verify_return_error -CAfile other.pem", NULL,
	       NULL);

	/* Never less than what was asked for. */
	expect(EINVAL, "KTLI_URING_TLS_VERIFY=\"yes\"", DRIVE, "VERIFY=yes", NULL);
	expect(EINVAL, "KTLI_URING_TLS_CA", DRIVE, "VERIFY=ca", NULL);
	expect(EINVAL, "nowhere.pem", DRIVE, "VERIFY=ca", set("CA", path("nowhere.pem")));
	expect(EINVAL, "KTLI_URING_TLS_CA", DRIVE, set("CA", path("drive.pem")), NULL);
	expect(EINVAL, "KTLI_URING_TLS_PIN", DRIVE, "PIN=1234", NULL);
	expect(EINVAL, "KTLI_URING_TLS_KEY", DRIVE, set("CERT", path("other.pem")), NULL);
	expect(EINVAL, "KTLI_URING_TLS_CERT", DRIVE, set("CERT", path("other.pem")), set("KEY", path("drive.key")));

	end_openssl();
	return 0;
}
