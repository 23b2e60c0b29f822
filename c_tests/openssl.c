/* See openssl.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "openssl.h"
#include "harness.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <sys/wait.h>

static char dir[] = "/tmp/ktli-uring-openssl-XXXXXX";
static pid_t server;
int to_server, from_server, server_port;

/* ---- Files. ---- */

char output[256];

void shell(const char *format, ...)
{
	char command[1024];
	int length = snprintf(command, sizeof(command), "cd %s && exec 2>>log && ", dir);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command + length, sizeof(command) - (size_t)length, format, arguments);
	va_end(arguments);
	FILE *pipe = popen(command, "r");

	CHECK(pipe != NULL);
	output[fread(output, 1, sizeof(output) - 1, pipe)] = 0;
	if (pclose(pipe) != 0)
		FAIL("%s", command);
	output[strcspn(output, " \n")] = 0;
}

const char *path(const char *name)
{
	static char paths[4][128];
	static int next;
	char *to = paths[next++ % 4];

	snprintf(to, sizeof(paths[0]), "%s/%s", dir, name);
	return to;
}

void make_certificate(const char *name, const char *constraints, const char *subject)
{
	shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=%s"
	      " -addext basicConstraints=critical,%s -addext subjectAltName=%s -keyout %s.key -out %s.pem",
	      name, constraints, subject, name, name);
}

void prepare_openssl(void)
{
	if (system("openssl version >/dev/null 2>&1") != 0)
		skip("openssl is not installed (package: openssl)");
	CHECK(mkdtemp(dir) != NULL);
	make_certificate("drive", "CA:FALSE", "IP:127.0.0.1");
}

void end_openssl(void)
{
	shell("rm -r %s", dir);
}

/* ---- The server. ---- */

/* Does it listen, and nobody else at that port? False also where it has ended. */
static bool is_listening(void)
{
	char line[256], wanted[64], path[64], name[64], socket[64];
	unsigned long inode = 0;
	FILE *file = fopen("/proc/net/tcp", "r");

	CHECK(file != NULL);
	snprintf(wanted, sizeof(wanted), " 0100007F:%04X 00000000:0000 0A ", (unsigned)server_port);
	while (inode == 0 && fgets(line, sizeof(line), file) != NULL)
		if (strstr(line, wanted) != NULL)
			sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %lu", &inode);
	fclose(file);
	snprintf(socket, sizeof(socket), "socket:[%lu]", inode);
	for (int fd = 3; inode != 0 && fd < 16; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)server, fd);
		ssize_t length = readlink(path, name, sizeof(name) - 1);

		name[length > 0 ? length : 0] = 0;
		if (strcmp(name, socket) == 0)
			return true;
	}
	return false;
}

int connect_server(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_port = htons((uint16_t)server_port);
	CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

static bool try_to_start(const char *more)
{
	int in[2], out[2];
	char command[512];
	struct peer free_port;

	/* A port that was free a moment ago. */
	peer_listen(&free_port, 0);
	server_port = free_port.port;
	peer_end(&free_port);
	snprintf(command, sizeof(command),
		 "cd %s && exec openssl s_server %s -naccept 1 -accept 127.0.0.1:%d %s 2>>log", dir,
		 strstr(more, COMMANDS) != NULL ? "" : "-quiet", server_port, more);
	CHECK(pipe(in) == 0 && pipe(out) == 0);
	server = fork();
	CHECK(server >= 0);
	if (server == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		for (int fd = 3; fd < 64; fd++)
			close(fd);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	to_server = in[1];
	from_server = out[0];
	while (!is_listening()) {
		if (waitpid(server, NULL, WNOHANG) == server) {
			close(to_server);
			close(from_server);
			return false;
		}
		sleep_ms(10);
	}
	return true;
}

void start_server(const char *more)
{
	/* Somebody else may have got the port. */
	for (int i = 0; i < 10; i++)
		if (try_to_start(more))
			return;
	FAIL("openssl s_server %s does not start", more);
}

void stop_server(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	close(to_server);
	close(from_server);
}

void tell(const void *bytes, size_t count)
{
	for (size_t done = 0; done < count;) {
		ssize_t more = write(to_server, (const uint8_t *)bytes + done, count - done);

		CHECK(more > 0);
		done += (size_t)more;
	}
}

void expect_at_server(const void *bytes, size_t count)
{
	static uint8_t piece[65536];

	for (size_t done = 0; done < count;) {
		size_t left = count - done;
		ssize_t more = read(from_server, piece, left < sizeof(piece) ? left : sizeof(piece));

		CHECK(more > 0);
		if (memcmp(piece, (const uint8_t *)bytes + done, (size_t)more) != 0)
			FAIL("other bytes than were sent, after %zu", done);
		done += (size_t)more;
	}
}
