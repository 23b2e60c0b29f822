/* See upper.h. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "upper.h"

static void finish(struct upper *upper, struct request *request, enum outcome outcome)
{
	request->used = false;
	request->outcome = outcome;
	upper->outcomes[outcome]++;
	pthread_cond_broadcast(&upper->changed);
}

static struct request *find(struct upper *upper, uint64_t id)
{
	for (int i = 0; i < OUTSTANDING; i++)
		if (upper->requests[i].used && upper->requests[i].header.id == id)
			return &upper->requests[i];
	return NULL;
}

/* ---- The sender. ---- */

static void send_request(struct upper *upper, struct header header, uint32_t value)
{
	/* Fresh memory, gone right after the send: the driver must not need it any longer. */
	uint8_t *frame = make_frame(sizeof(header), value, 0);
	int result;

	memcpy(frame + PDU, &header, sizeof(header));
	pattern(frame + PDU + sizeof(header), value, header.id, 0);
	errno = 0;
	result = send_frame(upper->dh, frame);
	int error = errno;

	memset(frame, 0xee, FRAME(sizeof(header), value));
	free(frame);
	if (result == (int)FRAME(sizeof(header), value))
		return;
	CHECK_EQ(result, -1);
	pthread_mutex_lock(&upper->lock);
	upper->send_errno = error;
	struct request *request = find(upper, header.id);

	if (request != NULL)
		finish(upper, request, REFUSED);
	pthread_mutex_unlock(&upper->lock);
}

static void *run_sender(void *argument)
{
	struct upper *upper = argument;

	pthread_mutex_lock(&upper->lock);
	for (;;) {
		while (upper->queued == 0 && !upper->stop)
			pthread_cond_wait(&upper->changed, &upper->lock);
		if (upper->queued == 0)
			break;
		struct request request = upper->requests[upper->queue[0]];

		memmove(upper->queue, upper->queue + 1, (size_t)--upper->queued * sizeof(int));
		pthread_mutex_unlock(&upper->lock);
		send_request(upper, request.header, request.value);
		pthread_mutex_lock(&upper->lock);
	}
	pthread_mutex_unlock(&upper->lock);
	return NULL;
}

/* ---- The receiver. ---- */

static void receive_answer(struct upper *upper)
{
	uint8_t pdu[PDU];
	uint32_t message, value;
	struct header header;

	/* After poll said 1 a receive must not fail: libkinetic would hang. */
	CHECK_EQ(receive_bytes(upper->dh, pdu, PDU), PDU);
	get_pdu(pdu, &message, &value);
	CHECK_EQ(message, sizeof(header));
	struct kiovec vector[] = {{allocate(message), message}, {allocate(value), value}};
	CHECK_EQ(uring_fns.ktli_dfns_receive(upper->dh, vector, 2), (size_t)message + value);
	memcpy(&header, vector[0].kiov_base, sizeof(header));
	CHECK_EQ(header.answer, value);
	check_pattern(vector[1].kiov_base, value, header.id, 0);
	free(vector[0].kiov_base);
	free(vector[1].kiov_base);

	pthread_mutex_lock(&upper->lock);
	struct request *request = find(upper, header.id);

	if (request != NULL)
		finish(upper, request, ANSWERED);
	pthread_mutex_unlock(&upper->lock);
}

static bool look_at_clock(struct upper *upper)
{
	pthread_mutex_lock(&upper->lock);
	for (int i = 0; i < OUTSTANDING; i++)
		if (upper->requests[i].used && now() - upper->requests[i].sent > upper->time_out)
			finish(upper, &upper->requests[i], TIMED_OUT);
	bool stop = upper->stop;

	upper->polls++;
	pthread_mutex_unlock(&upper->lock);
	return stop;
}

static void *run_receiver(void *argument)
{
	struct upper *upper = argument;
	double begun = thread_cpu();

	for (;;) {
		int ready = uring_fns.ktli_dfns_poll(upper->dh, 10);

		if (ready == 1) {
			receive_answer(upper);
		} else {
			CHECK_EQ(ready, 0);
			if (look_at_clock(upper))
				break;
		}
	}
	upper->receiver_cpu = thread_cpu() - begun;
	return NULL;
}

/* ---- For the programs. ---- */

void upper_start(struct upper *upper, void *dh, double time_out)
{
	memset(upper, 0, sizeof(*upper));
	upper->dh = dh;
	upper->time_out = time_out;
	pthread_mutex_init(&upper->lock, NULL);
	pthread_cond_init(&upper->changed, NULL);
	upper->sender = start_thread(run_sender, upper);
	upper->receiver = start_thread(run_receiver, upper);
}

void upper_submit(struct upper *upper, uint32_t value, uint32_t answer)
{
	int slot = 0;

	pthread_mutex_lock(&upper->lock);
	for (;;) {
		for (slot = 0; slot < OUTSTANDING && upper->requests[slot].used; slot++)
			;
		if (slot < OUTSTANDING && upper->queued < OUTSTANDING)
			break;
		pthread_cond_wait(&upper->changed, &upper->lock);
	}
	upper->requests[slot] = (struct request){true, {++upper->next_id, answer}, value, now(), PENDING};
	upper->queue[upper->queued++] = slot;
	pthread_cond_broadcast(&upper->changed);
	pthread_mutex_unlock(&upper->lock);
}

static bool any_used(struct upper *upper)
{
	for (int i = 0; i < OUTSTANDING; i++)
		if (upper->requests[i].used)
			return true;
	return false;
}

void upper_wait_all(struct upper *upper)
{
	pthread_mutex_lock(&upper->lock);
	while (any_used(upper))
		pthread_cond_wait(&upper->changed, &upper->lock);
	pthread_mutex_unlock(&upper->lock);
}

void upper_stop(struct upper *upper)
{
	pthread_mutex_lock(&upper->lock);
	upper->stop = true;
	pthread_cond_broadcast(&upper->changed);
	pthread_mutex_unlock(&upper->lock);
	join_thread(upper->sender);
	join_thread(upper->receiver);
}

void upper_close(struct upper *upper)
{
	CHECK_EQ(uring_fns.ktli_dfns_close(upper->dh), 0);
	sleep_ms(50);
	upper_stop(upper);
}

/* ---- The drive's side. ---- */

bool answer_one(struct peer *peer, uint8_t *scratch)
{
	uint8_t pdu[PDU];
	uint32_t message, value;
	struct header header;
	size_t count = peer_read_to_end(peer, pdu, PDU);

	if (count == 0)
		return false;
	CHECK_EQ(count, PDU);
	get_pdu(pdu, &message, &value);
	CHECK_EQ(message, sizeof(header));
	peer_read(peer, &header, sizeof(header));
	CHECK(value <= LARGEST && header.answer <= LARGEST);
	peer_read(peer, scratch, value);
	check_pattern(scratch, value, header.id, 0);
	put_pdu(scratch, sizeof(header), (uint32_t)header.answer);
	memcpy(scratch + PDU, &header, sizeof(header));
	pattern(scratch + PDU + sizeof(header), header.answer, header.id, 0);
	peer_write(peer, scratch, FRAME(sizeof(header), header.answer));
	return true;
}

void answer_requests(struct peer *peer)
{
	uint8_t *scratch = allocate(FRAME(sizeof(struct header), LARGEST));

	while (answer_one(peer, scratch))
		;
	free(scratch);
	peer_close(peer);
}
