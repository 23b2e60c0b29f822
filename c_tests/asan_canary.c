/*
 * Not a test: writes behind the end of its memory, through the driver. A run with AddressSanitizer that
 * does not catch it is not one. SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "harness.h"

int main(void)
{
	struct peer peer;
	char *bytes = allocate(8);

	begin();
	peer_listen(&peer, 0);
	void *dh = connected(&peer);

	peer_write(&peer, "F\0\0\0\x01\0\0\0\0x", 10);
	CHECK_EQ(uring_fns.ktli_dfns_poll(dh, 5000), 1);
	/* A byte more than there is. */
	CHECK_EQ(receive_bytes(dh, bytes, PDU), PDU);
	free(bytes);
	return 0;
}
