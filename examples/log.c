/*
 * A callback for the driver's log: the lines go where the program's own go. Which levels come is a
 * matter of KTLI_URING_LOG. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 *   cc log.c -o log $(pkg-config --cflags --libs ktli-uring)
 *   KTLI_URING_LOG=debug ./log 127.0.0.1 8123
 */
#define KTLI_URING_DEFINE_TYPES
#include <ktli_uring.h>

#include <stdio.h>

/* On any thread, also the library's own; the text is gone after the return. Must not call the library. */
static void line(int level, const char *text, void *context)
{
	static const char *const names[] = {"", "error", "warning", "info", "debug", "trace"};

	fprintf(context, "my program: driver: %s: %s\n", names[level], text);
}

int main(int argc, char **argv)
{
	void *dh;

	if (argc != 3) {
		fprintf(stderr, "usage: %s HOST PORT\n", argv[0]);
		return 2;
	}
	ktli_uring_set_log(line, stdout);
	dh = ktli_uring_open();
	if (dh == NULL || ktli_uring_connect(dh, argv[1], argv[2], 0) != 0) {
		perror(argv[1]);
		return 1;
	}
	ktli_uring_close(dh);
	ktli_uring_set_log(NULL, NULL); /* to stderr again */
	return 0;
}
