/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_types.h - The structures of virtq.h, which says how they are used. Apart, so that each kind of ring has a header of its own. */
#ifndef RINGWAY_VIRTIO_VIRTQ_TYPES_H
#define RINGWAY_VIRTIO_VIRTQ_TYPES_H

#include <endian.h>
#include <errno.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/barrier.h"
#include "base/compiler.h"
#include "virtio/guest_mem.h"
#include "virtio/virtq_inflight.h"
#include "virtio/virtq_journal.h"

struct dirty_log;
struct virtq_iotlb;

enum {
	VIRTQ_SIZE_MAX = 32768,
	/* Entries of an indirect table. The specification allows as many as the ring has; Linux makes longer ones on short rings.
	 * Bounds the time that one chain can cost when none of its descriptors has a byte. */
	VIRTQ_INDIRECT_MAX = 1024,
};

/* Which of a chain's buffers are wanted. A chain for the device to read (guest tx) has readable ones only, a receive buffer
 * writable ones only; a chain with the other kind is a violation (net has no use for mixed chains but for the control queue,
 * which the front-end handles). */
enum virtq_dir { VIRTQ_READABLE, VIRTQ_WRITABLE };

struct virtq_config {
	uint16_t size;       /* entries; split: a power of two, packed: any; 1..VIRTQ_SIZE_MAX */
	uint64_t features;   /* negotiated; looked at: VIRTIO_F_RING_PACKED, VIRTIO_RING_F_INDIRECT_DESC, _EVENT_IDX */
	void *desc;          /* our addresses of the three areas, each checked to be large enough and aligned */
	void *avail;         /* driver area */
	void *used;          /* device area */
	uint16_t last_avail; /* where to go on (VHOST_USER_SET_VRING_BASE); packed: bit 15 is the wrap counter */
	struct virtq_journal *journal; /* packed: to be kept, begun or resumed already (virtq_journal.h); NULL: none */
	void *inflight; /* in place of a journal: to be kept, begun or resumed already (virtq_inflight.h) */
};

/* A place in a packed ring: the index, with the wrap counter as bit 15, as the event areas and vhost-user have it. */
typedef uint16_t virtq_pos;

struct virtq {
	/* Read by workers, written by control while parked. */
	union {
		struct vring_desc *desc;
		struct vring_packed_desc *packed_desc;
	};
	union {
		struct vring_avail *avail;
		struct vring_packed_desc_event *driver_event;
	};
	union {
		struct vring_used *used;
		struct vring_packed_desc_event *device_event;
	};
	const struct guest_mem *mem;
	uint16_t size;
	uint16_t mask; /* split */
	bool packed;
	bool event_idx;
	bool indirect;
	bool running;                  /* has memory and areas: may be popped */
	struct virtq_journal *journal; /* packed: NULL: none is kept */

	/* The worker's, inside the gate. On a packed ring the indices are places, virtq_pos. */
	bool signalled_valid; /* split */
	bool notify_enabled;  /* we asked the driver for kicks */
	uint16_t last_avail;  /* next entry to pop */
	uint16_t
	    avail_idx;     /* behind the last entry known to be available; last_avail when the ring may not be popped */
	uint16_t used_idx; /* entries pushed ... */
	uint16_t published_idx;       /* ... and of these, visible to the driver */
	uint16_t signalled_idx;       /* published_idx at the last decision to notify */
	uint16_t n_known;             /* packed: chains from last_avail to avail_idx */
	uint16_t held_flags;          /* packed: what publishing puts into the descriptor at published_idx */
	struct guest_mem_cache cache; /* empty when the ring is broken, so that the short path need not ask */
	const char *error;            /* static text; not NULL: broken */
	uint32_t error_value;

	/* While the guest is migrated (virtq_set_log()). Written by control while parked. NULL: not logged. */
	const struct dirty_log *buffer_log, *ring_log;
	uint64_t log_addr;

	/* Behind an IOMMU (virtq_iotlb.h). NULL: addresses are the guest's physical ones. */
	struct virtq_iotlb *iotlb;
	bool stalled; /* the worker's: a translation is missing */

	/* For a front-end that wants to know what is in flight; not together with a journal. NULL: nobody does. */
	void *inflight;
	uint16_t n_noted; /* packed: entries of the area that are taken by what was pushed since the last publication */
};

/* One popped chain. */
struct virtq_chain {
	uint16_t id;     /* < size; give it to virtq_push() */
	uint16_t n_desc; /* ring entries it takes (always 1 on a split ring) */
	uint16_t n_iov;  /* 0 is possible: a chain without a byte */
	uint32_t len;    /* bytes, sum of the pieces */
};

/* Mark the ring broken: its first `text` (static) and `value` stay. Returns -EPROTO. */
int virtq_break(struct virtq *vq, const char *text, uint32_t value);

/* A chain while its descriptors are being collected. */
struct virtq_walk {
	struct iovec *iov;
	unsigned n, max;
	unsigned n_empty; /* descriptors without a byte */
	uint64_t len;
	uint16_t write; /* VRING_DESC_F_WRITE when that is wanted of each descriptor, else 0 */
	bool missing;   /* some of it is not here yet (arrival.h) */
};

/* The rest of virtq_walk_add(): a buffer that crosses regions, lies in another one, has no byte or may not be there. Also -EAGAIN. */
int virtq_walk_add_slow(struct virtq *vq, struct virtq_walk *w, uint64_t addr, uint32_t len, uint16_t flags);

/* Add one descriptor's buffer. 0, -ENOBUFS (no room), -EPROTO (ring is broken now). */
static always_inline int virtq_walk_add(struct virtq *vq, struct virtq_walk *w, uint64_t addr, uint32_t len,
					uint16_t flags)
{
	uint64_t off = addr - vq->cache.start;

	if (likely((flags & VRING_DESC_F_WRITE) == w->write && len > 0 && off < vq->cache.size &&
		   len <= vq->cache.size - off && w->n < w->max)) {
		w->iov[w->n++] = (struct iovec){ vq->cache.host + off, len };
		w->len += len;
		return 0;
	}
	return virtq_walk_add_slow(vq, w, addr, len, flags);
}

/* At the end of a walk: fill in `chain` for the caller and turn the walk's result into that of virtq_pop(). */
int virtq_walk_end(struct virtq *vq, const struct virtq_walk *w, int err, struct virtq_chain *chain);

/* An indirect table. */
struct virtq_table {
	const void
	    *entries; /* its bytes when they lie in one piece and aligned, else NULL: they are fetched one by one */
	uint64_t addr;
	uint32_t n;
	uint64_t fetched[2]; /* the entry that was fetched last */
};

/* Find the table that an indirect descriptor names. 0, -EAGAIN (it is not here yet, or not translated) or -EPROTO. */
int virtq_table_open(struct virtq *vq, struct virtq_table *t, uint64_t addr, uint32_t len);
/* Copy 16-byte entry `i` < t->n of a table that is not in one piece. NULL: virtq_fault() says why. */
const void *virtq_table_fetch(struct virtq *vq, struct virtq_table *t, uint32_t i);
/* The ring is broken, or else a translation is missing. */
static inline int virtq_fault(const struct virtq *vq)
{
	return vq->error ? -EPROTO : -EAGAIN;
}

#endif
