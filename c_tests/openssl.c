/* See openssl.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "openssl.h"
#include "harness.h"

#include <arpa/inet.h>
#include <sys/wait.h>

int to_server, from_server;
bool tls_13;

static char dir[] = "/tmp/ktli-uring-openssl-XXXXXX";
static pid_t server;
static int port;

/* Runs a shell command in the directory of the files. */
static void shell(const char *command)
{
	char all[1024];

	snprintf(all, sizeof(all), "cd %s && exec 2>>log && %s", dir, command);
	if (system(all) != 0)
		FAIL("%s", all);
}

void prepare_openssl(void)
{
	if (system("openssl version >/dev/null 2>&1") != 0)
		skip("openssl is not installed (package: openssl)");
	CHECK(mkdtemp(dir) != NULL);
	shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=drive"
	      " -keyout drive.key -out drive.pem");
}

void end_openssl(void)
{
	char all[1024];

	snprintf(all, sizeof(all), "rm -r %s", dir);
	CHECK(system(all) == 0);
}

/* Does it listen, and nobody else at that port? False also where it has ended. */
static bool is_listening(void)
{
	char line[256], wanted[64], path[64], name[64], socket[64];
	unsigned long inode = 0;
	FILE *file = fopen("/proc/net/tcp", "r");

	CHECK(file != NULL);
	snprintf(wanted, sizeof(wanted), " 0100007F:%04X 00000000:0000 0A ", (unsigned)port);
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

	address.sin_port = htons((uint16_t)port);
	CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

static bool try_to_start(const char *more)
{
	int in[2], out[2];
	char command[512];
	struct peer free_port;

	tls_13 = strstr(more, "1_3") != NULL;
	/* A port that was free a moment ago. */
	peer_listen(&free_port, 0);
	port = free_port.port;
	peer_end(&free_port);
	snprintf(
		command, sizeof(command),
		"cd %s && exec openssl s_server %s -cert drive.pem -key drive.key -naccept 1 -accept 127.0.0.1:%d %s 2>>log",
		dir, strstr(more, COMMANDS) != NULL ? "" : "-quiet", port, more);
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

/* ---- The relay. ---- */

struct relay relay;

void write_all(int fd, const uint8_t *bytes, size_t count)
{
	for (size_t done = 0; done < count;) {
		ssize_t more = send(fd, bytes + done, count - done, MSG_NOSIGNAL);

		if (more <= 0)
			return;
		done += (size_t)more;
	}
}

static void *pass_to_server(void *argument)
{
	static uint8_t bytes[65536];

	for (;;) {
		ssize_t count = recv(relay.peer.fd, bytes, sizeof(bytes), 0);

		if (count <= 0)
			break;
		/* Not a byte: the server would wait for the rest of the record, and do nothing else. */
		while (relay.deaf && !relay.ended)
			sleep_ms(5);
		for (ssize_t i = count > (ssize_t)sizeof(relay.last) ? count - (ssize_t)sizeof(relay.last) : 0;
		     i < count; i++) {
			memmove(relay.last, relay.last + 1, sizeof(relay.last) - 1);
			relay.last[sizeof(relay.last) - 1] = bytes[i];
		}
		write_all(relay.server, bytes, (size_t)count);
		relay.from_driver += count;
	}
	relay.driver_ended = true;
	shutdown(relay.server, SHUT_WR);
	return argument;
}

/* Waits while what follows is held. How many of so many bytes may pass? */
static size_t passing(size_t count)
{
	for (;;) {
		long limit = relay.hold_after;

		if (relay.ended || limit < 0)
			return count;
		if (limit > relay.from_server)
			return (size_t)(limit - relay.from_server) < count ? (size_t)(limit - relay.from_server)
									   : count;
		sleep_ms(5);
	}
}

static void *pass_to_driver(void *argument)
{
	static uint8_t bytes[65536];

	for (;;) {
		ssize_t count = recv(relay.server, bytes, sizeof(bytes), 0);

		if (count <= 0)
			break;
		for (size_t done = 0, piece; done < (size_t)count; done += piece) {
			piece = passing((size_t)count - done);
			if (relay.cut_after >= 0 && relay.from_server + (long)piece > relay.cut_after)
				piece = (size_t)(relay.cut_after - relay.from_server);
			pthread_mutex_lock(&relay.to_driver);
			write_all(relay.peer.fd, bytes + done, piece);
			relay.from_server += (long)piece;
			pthread_mutex_unlock(&relay.to_driver);
			if (relay.from_server == relay.cut_after)
				goto end;
		}
	}
	while (relay.keep_open && !relay.ended)
		sleep_ms(5);
end:
	shutdown(relay.peer.fd, SHUT_WR);
	return argument;
}

static void *accept_relay(void *argument)
{
	peer_accept(&relay.peer);
	relay.server = connect_server();
	relay.threads[0] = start_thread(pass_to_server, NULL);
	relay.threads[1] = start_thread(pass_to_driver, NULL);
	return argument;
}

void start_relay(int receive_buffer)
{
	memset(&relay, 0, sizeof(relay));
	relay.hold_after = relay.cut_after = -1;
	pthread_mutex_init(&relay.to_driver, NULL);
	peer_listen(&relay.peer, receive_buffer);
	relay.accepting = start_thread(accept_relay, NULL);
}

void await_relay(void)
{
	join_thread(relay.accepting);
}

void await_end_from_driver(void)
{
	while (!relay.driver_ended)
		sleep_ms(5);
}

void end_relay(void)
{
	relay.ended = true;
	shutdown(relay.peer.fd, SHUT_RDWR);
	shutdown(relay.server, SHUT_RDWR);
	join_thread(relay.threads[0]);
	join_thread(relay.threads[1]);
	close(relay.server);
	peer_end(&relay.peer);
}

/* What the server is to send to the driver. */
void tell(const void *bytes, size_t count)
{
	for (size_t done = 0; done < count;) {
		ssize_t more = write(to_server, (const uint8_t *)bytes + done, count - done);

		CHECK(more > 0);
		done += (size_t)more;
	}
}

/* Waits until the server has got this from the driver. */
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

/* How many bytes have come from the server, those included that the driver has got just now. */
long passed(void)
{
	long count;

	pthread_mutex_lock(&relay.to_driver);
	count = relay.from_server;
	pthread_mutex_unlock(&relay.to_driver);
	return count;
}
