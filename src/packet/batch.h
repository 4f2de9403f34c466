/* SPDX-License-Identifier: Apache-2.0 */
/* batch.h - Up to 64 frames on their way through the switch, with the memory that they need.
 *
 * A port's rx fills frames[0..n) in the order of arrival, heads[i] being the private head of frames[i], and takes scatter
 * list entries from `iov`. No allocation happens per frame: a batch is allocated once (about 52 KiB, of which small frames
 * touch a line or two each). One worker owns it at a time. */
#ifndef RINGWAY_PACKET_BATCH_H
#define RINGWAY_PACKET_BATCH_H

#include "packet/frame.h"

enum {
	BATCH_FRAMES = 64,
	/* The longest scatter list of one frame: a chain of a ring's 1024 descriptors. rx stops while the pool might not hold another. */
	FRAME_IOV_MAX = 1024,
	BATCH_IOV = FRAME_IOV_MAX + 256,
};

struct batch {
	unsigned n;                          /* frames */
	unsigned n_iov;                      /* used entries of iov */
	uint64_t waiting;                    /* bit i: frames[i] still waits for its receiver (see forward.h) */
	uint64_t paused;                     /* bit i: ... which was paused when it was last tried, not full */
	uint64_t waiting_since_ns, tried_ns; /* CLOCK_MONOTONIC: when they began to wait, and the last try */
	struct frame frames[BATCH_FRAMES] cache_aligned;
	uint8_t heads[BATCH_FRAMES][FRAME_HEAD_MAX] cache_aligned;
	struct iovec iov[BATCH_IOV];
};

/* NULL: out of memory. */
struct batch *batch_create(void);
void batch_destroy(struct batch *b);

static inline void batch_reset(struct batch *b)
{
	b->n = 0;
	b->n_iov = 0;
	b->waiting = 0;
}

#endif
