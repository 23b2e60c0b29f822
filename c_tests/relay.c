/* See relay.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "relay.h"
#include "openssl.h"

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

/* How many bytes have come from the server, those included that the driver has got just now. */
long passed(void)
{
	long count;

	pthread_mutex_lock(&relay.to_driver);
	count = relay.from_server;
	pthread_mutex_unlock(&relay.to_driver);
	return count;
}
