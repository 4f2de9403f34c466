/* SPDX-License-Identifier: Apache-2.0 */
/* load_ring.h - The driver side of a ring for load: every descriptor was made once, and only its place is written again.
 *
 * Taken over from a virtq_driver with one descriptor per chain, after which that one must not be used any more. A chain is named
 * by its descriptor, 0..size-1. Reads and writes of the ring are those of any driver, so that its lines travel between the
 * cores as they would; what is left out is all bookkeeping of buffers. Ring sizes are powers of two. */
#ifndef RINGWAY_BENCH_LOAD_RING_H
#define RINGWAY_BENCH_LOAD_RING_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "virtio/virtq_driver.h"

struct load_ring {
	struct virtq_driver driver; /* where its areas are, and which kind it is */
	struct vring_desc *made;    /* [size], as a split ring has them */
	uint16_t *ids;              /* [size], a queue of chains that the device does not have */
	uint16_t mask;
	uint16_t ids_in, ids_out; /* free-running */
	uint16_t posted, taken;   /* chains given to the device, and taken back; free-running */
	uint16_t signalled;       /* posted when a kick was last decided on */
	uint16_t used_idx;        /* split: as last read */
	uint64_t kicks;
};

/* `full`: the device has all chains; else none, although they are in the ring. 0 or -ENOMEM. */
int load_ring_init(struct load_ring *r, struct virtq_driver *driver, bool full);
void load_ring_deinit(struct load_ring *r);

/* Take back at most `max` chains. How many. */
unsigned load_ring_take(struct load_ring *r, unsigned max);
/* Chains that can be posted. */
static inline unsigned load_ring_free(const struct load_ring *r)
{
	return (uint16_t)(r->ids_in - r->ids_out);
}
/* Give the device `n` <= load_ring_free() chains, show them to it. True: it wants a kick. */
bool load_ring_post(struct load_ring *r, unsigned n);

#endif
