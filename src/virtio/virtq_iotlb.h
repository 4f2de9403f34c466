/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_iotlb.h - A ring whose addresses an IOMMU translates (iotlb.h).
 *
 * A chain whose translation is missing stays in the ring: virtq_pop() gives -EAGAIN, and from then on the ring has nothing to pop
 * until the table has changed. The worker that met it notes what this chain and the next ones lack, and wakes control, which asks the
 * front-end. Nobody waits: other rings go on, and this one is tried again when the table has changed.
 *
 * The ring's areas are translated once, when it starts. Control stops the ring, parked, before it takes one of these translations
 * back. */
#ifndef RINGWAY_VIRTIO_VIRTQ_IOTLB_H
#define RINGWAY_VIRTIO_VIRTQ_IOTLB_H

#include "virtio/iotlb.h"
#include "virtio/virtq.h"

enum {
	VIRTQ_MISSES = 64,        /* noted at a time */
	VIRTQ_PIECES_MAX = 16,    /* of one area */
	VIRTQ_LOOK_AHEAD = 16,    /* chains */
	VIRTQ_LOOK_PIECES = 1024, /* of all of these: enough for any chain that a port takes */
};

/* What a translation is missing for. */
struct virtq_miss {
	uint64_t iova; /* some byte of the page */
	uint32_t perm; /* IOTLB_READ | IOTLB_WRITE */
};

/* Where a part of an area lies in the guest's physical memory. */
struct virtq_piece {
	uint64_t off, len; /* in the area */
	uint64_t guest_addr;
};

struct virtq_iotlb {
	const struct iotlb *table;
	/* For the dirty log; filled in by control. */
	unsigned n_desc_pieces, n_device_pieces;
	struct virtq_piece desc_pieces[VIRTQ_PIECES_MAX], device_pieces[VIRTQ_PIECES_MAX];

	/* The worker's. */
	uint32_t missed_at; /* iotlb_changes() when a translation was found to be missing; control reads it */
	bool noting;
	/* A queue from the worker to control; free-running. */
	uint32_t head; /* the worker's */
	uint32_t tail; /* control's */
	struct virtq_miss misses[VIRTQ_MISSES];
};

/* Control, parked, after virtq_init(): `io`, zeroed but for its table and pieces, belongs to the ring from now on. */
void virtq_set_iotlb(struct virtq *vq, struct virtq_iotlb *io);
/* Control, parked: translations have been taken back. */
void virtq_forget_translations(struct virtq *vq);

/* Worker inside the gate, or control, parked: note what the next chains lack, all of the same direction. Looks, takes nothing. True: there is
 * something for control to take that was not noted before. */
bool virtq_note_misses(struct virtq *vq, enum virtq_dir dir);

/* Control, at any time, of a ring that has stalled: is the table as it was then? */
bool virtq_lacks(const struct virtq *vq);
/* Control, at any time: the next thing that was noted. */
bool virtq_take_miss(struct virtq_iotlb *io, struct virtq_miss *miss);

/* For the walks of virtq.c; vq->iotlb is set. */

/* The pieces of a buffer into the walk. 0, -ENOBUFS, -EAGAIN (a translation is missing), -EPROTO. */
int virtq_iotlb_add(struct virtq *vq, struct virtq_walk *w, uint64_t addr, uint32_t len);
/* As virtq_table_open(), with its checks of the length done; and -EAGAIN. */
int virtq_iotlb_open(struct virtq *vq, struct virtq_table *t, uint64_t addr, uint32_t len);
/* Copy `len` bytes at `addr`, each read once. 0, -EAGAIN. */
int virtq_iotlb_read(struct virtq *vq, uint64_t addr, void *dst, uint32_t len);
/* After -EAGAIN: nothing is to be popped until the table has changed. */
void virtq_stall(struct virtq *vq);
/* Is it still so? */
bool virtq_stalls(struct virtq *vq);

#endif
