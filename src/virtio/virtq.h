/* SPDX-License-Identifier: Apache-2.0 */
/* virtq.h - The device side of one virtqueue.
 *
 * (Our names say virtq: <linux/virtio_ring.h>, which has the structures of the wire, took vring for its own.)
 * Split rings (VIRTIO 1.2, 2.7) are virtq_split.c; packed ones (2.8) will be virtq_packed.c behind the same functions. Everything
 * the driver writes is hostile: each field is read once into a local, checked, and the local used. Chains are bounded
 * before the first store. A violation marks the ring broken: every later call returns at once, and the owner reads
 * virtq_error() and closes the connection. Nothing here can be made to assert by a guest.
 *
 * Life cycle: control fills in the ring (virtq_init()) while it is parked; then one worker at a time, inside the ring's gate,
 * pops chains, pushes them back used, publishes once per batch and asks whether to notify. Control parks it again to read
 * `last_avail` (VHOST_USER_GET_VRING_BASE) or to change anything.
 *
 * Pop and push need not be in the same order; the worker may hold up to `size` chains. Every popped chain is pushed or
 * unpopped before the ring is parked. */
#ifndef RINGWAY_VIRTIO_VIRTQ_H
#define RINGWAY_VIRTIO_VIRTQ_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "virtio/guest_mem.h"

enum { VIRTQ_SIZE_MAX = 32768, VIRTQ_SIZE_MAX_SUPPORTED = 4096 };

/* Which of a chain's buffers are wanted. A chain for the device to read (guest tx) has readable ones only, a receive buffer
 * writable ones only; a chain with the other kind is a violation (net has no use for mixed chains but for the control queue,
 * which the front-end handles). */
enum virtq_dir { VIRTQ_READABLE, VIRTQ_WRITABLE };

struct virtq_config {
	uint16_t size; /* entries; split: a power of two, packed: any; 1..VIRTQ_SIZE_MAX */
	uint64_t
	    features; /* negotiated; VIRTIO_F_RING_PACKED, _RING_INDIRECT_DESC, _RING_EVENT_IDX, VIRTIO_F_VERSION_1, _IN_ORDER */
	void *desc;          /* our addresses of the three areas, each checked to be large enough and aligned */
	void *avail;         /* driver area */
	void *used;          /* device area */
	uint16_t last_avail; /* where to go on (VHOST_USER_SET_VRING_BASE) */
};

struct virtq {
	/* Read by workers, written by control while parked. */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	const struct guest_mem *mem;
	uint16_t size;
	uint16_t mask;
	bool event_idx;
	bool indirect;
	bool running; /* has memory and areas: may be popped */

	/* The worker's, inside the gate. */
	uint16_t last_avail; /* next entry of avail to pop */
	uint16_t avail_idx;  /* the driver's index as last read */
	uint16_t used_idx;   /* entries pushed; published up to published_idx */
	uint16_t published_idx;
	uint16_t signalled_idx; /* used index at the last decision to notify */
	bool signalled_valid;
	bool notify_enabled; /* we asked the driver for kicks */
	struct guest_mem_cache cache;
	const char *error; /* static text; not NULL: broken */
	uint32_t error_value;
};

/* One popped chain. */
struct virtq_chain {
	uint16_t id;     /* give it to virtq_push() */
	uint16_t n_desc; /* ring entries it takes (1 on a split ring) */
	uint16_t n_iov;
	uint32_t len; /* bytes, sum of the pieces */
};

/* Control, parked. -EINVAL: size is not allowed. The areas are the caller's and outlive the ring. */
int virtq_init(struct virtq *vq, const struct virtq_config *config, const struct guest_mem *mem);
/* Stop: running = false; last_avail stays readable. */
void virtq_stop(struct virtq *vq);

/* Why the ring is broken, or NULL. */
const char *virtq_error(const struct virtq *vq);

/* Number of chains that can be popped now; reads the driver's index only when fewer than `want` are known. 0 when broken. */
unsigned virtq_available(struct virtq *vq, unsigned want);

/* Pop the next chain; the caller knows from virtq_available() that there is one. Fills iov[0..n_iov), at most `max` pieces.
 * 0; -ENOBUFS: more than `max` pieces (chain is popped, n_iov is 0: push it back with length 0); -EPROTO: ring is broken. */
int virtq_pop(struct virtq *vq, enum virtq_dir dir, struct iovec *iov, unsigned max, struct virtq_chain *chain);
/* Take back the last `n` pops (none of them pushed). */
void virtq_unpop(struct virtq *vq, unsigned n_desc);

/* Hand a chain back with `len` bytes written. Visible to the driver only after virtq_publish(). */
void virtq_push(struct virtq *vq, const struct virtq_chain *chain, uint32_t len);
/* Publish everything pushed so far: one release store. */
void virtq_publish(struct virtq *vq);
/* After a publish: does the driver want to be notified? Counts as having decided: call the eventfd when true. */
bool virtq_should_notify(struct virtq *vq);

/* Ask the driver for a kick when it adds a chain. True when chains are there already: the caller polls on instead. */
bool virtq_enable_notify(struct virtq *vq);
void virtq_disable_notify(struct virtq *vq);

#endif
