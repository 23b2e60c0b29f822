/*
 * A stand-in for libkinetic's upper half: a sender and a receiver thread for a session, requests that
 * wait for their answers with a time-out, and the receiver's loop: poll(10), receive the PDU, receive
 * message and value into fresh memory. SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef UPPER_H
#define UPPER_H

#include "harness.h"

enum { OUTSTANDING = 32 };

enum outcome { PENDING, ANSWERED, TIMED_OUT, REFUSED };

/* The message of a request and of its answer; it is followed by a value of the pattern `id`. */
struct header {
	uint64_t id;
	uint64_t answer; /* how long a value the answer is to have */
};

struct request {
	bool used;
	struct header header;
	uint32_t value;
	double sent;
	enum outcome outcome;
};

struct upper {
	void *dh;
	double time_out; /* of a request, in seconds */
	pthread_t sender, receiver;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct request requests[OUTSTANDING];
	int queue[OUTSTANDING]; /* slots that wait for the sender */
	int queued;
	bool stop;
	uint64_t next_id;
	long outcomes[REFUSED + 1];
	long polls, send_errno; /* of the last send that failed */
	double receiver_cpu;    /* known after upper_stop */
};

void upper_start(struct upper *upper, void *dh, double time_out);
/* Waits for a free slot and hands a request to the sender. */
void upper_submit(struct upper *upper, uint32_t value, uint32_t answer);
void upper_wait_all(struct upper *upper);
/* As ktli_close does: closes the handle first, then stops the threads, which still poll it. */
void upper_close(struct upper *upper);
void upper_stop(struct upper *upper);

/* The drive's side: checks each request, answers it, until the stream ends. A peer's script. */
void answer_requests(struct peer *peer);
/* One request; false at the end of the stream. */
bool answer_one(struct peer *peer, uint8_t *scratch);
enum { LARGEST = 1 << 20 };

#endif
