/* SPDX-License-Identifier: Apache-2.0 */
/* virtq.h - The device side of one virtqueue.
 *
 * (Our names say virtq: <linux/virtio_ring.h>, which has the structures of the wire, took vring for its own.)
 * Split rings (VIRTIO 1.2, 2.7) are virtq_split.h and .c, packed ones (2.8) virtq_packed.h and .c, behind the same functions.
 * Everything the driver writes is hostile: each field is read once into a local, checked, and the local used. Chains are bounded
 * before the first store. A violation marks the ring broken: every later call returns at once, and the owner reads
 * virtq_error() and closes the connection. Nothing here can be made to assert by a guest.
 *
 * Life cycle: control fills in the ring (virtq_init()) while it is parked; then one worker at a time, inside the ring's gate,
 * pops chains, pushes them back used, publishes once per batch and asks whether to notify. Control parks it again to read
 * `last_avail` (VHOST_USER_GET_VRING_BASE) or to change anything.
 *
 * Most chains are plain, and are popped and pushed in runs: virtq_run.h.
 *
 * Pop and push need not be in the same order, except where VIRTIO_F_IN_ORDER was negotiated or an area of virtq_inflight.h is kept: then the
 * caller pushes in the order in which it popped. The worker may hold up to `size` chains. Every popped chain is pushed or unpopped before the ring is parked. */
#ifndef RINGWAY_VIRTIO_VIRTQ_H
#define RINGWAY_VIRTIO_VIRTQ_H

#include "virtio/virtq_packed.h"
#include "virtio/virtq_split.h"
#include "virtio/virtq_types.h"

/* Control, parked. -EINVAL: size is not allowed. The areas are the caller's and outlive the ring. Called again after a change of the
 * memory map, because the ring remembers the region it used last. */
int virtq_init(struct virtq *vq, const struct virtq_config *config, const struct guest_mem *mem);
/* Stop: running = false; last_avail stays readable. */
void virtq_stop(struct virtq *vq);

/* Control, parked, after virtq_init(): report to a dirty log (dirty_log.h) what is written into buffers, and what into the ring; NULL:
 * do not. `device_area`: its guest address as the front-end told it. What is outside the log breaks the ring. */
void virtq_set_log(struct virtq *vq, const struct dirty_log *buffer_log, const struct dirty_log *ring_log,
		   uint64_t device_area);
/* Worker, with vq->buffer_log: the first `len` bytes of these pieces of popped chains have been written. */
void virtq_log_written(struct virtq *vq, const struct iovec *iov, unsigned n, size_t len);
/* For the functions below, with vq->ring_log: published from `first` on; the device's wish for kicks was written. */
void virtq_log_published(struct virtq *vq, uint16_t first);
void virtq_log_wish(struct virtq *vq);

/* Why the ring is broken, or NULL. */
const char *virtq_error(const struct virtq *vq);

/* Number of chains that can be popped now; reads the driver's index only when fewer than `want` are known. 0 when broken. */
static always_inline unsigned virtq_available(struct virtq *vq, unsigned want)
{
	return vq->packed ? virtq_packed_available(vq, want) : virtq_split_available(vq, want);
}

/* Pop the next chain; the caller knows from virtq_available() that there is one. Fills iov[0..n_iov), at most `max` pieces.
 * 0; -ENOBUFS: more than `max` pieces (chain is popped, n_iov is 0: push it back with length 0); -EPROTO: ring is broken; -EAGAIN: part
 * of the chain's memory has still to arrive (arrival.h), or to be translated (virtq_iotlb.h), and nothing is popped. */
static always_inline int virtq_pop(struct virtq *vq, enum virtq_dir dir, struct iovec *iov, unsigned max,
				   struct virtq_chain *chain)
{
	return vq->packed ? virtq_packed_pop(vq, dir, iov, max, chain) : virtq_split_pop(vq, dir, iov, max, chain);
}

/* Is there a chain that cannot be popped because part of its memory has still to arrive? Slow. */
bool virtq_waits_for_memory(struct virtq *vq, enum virtq_dir dir);

/* Take back the last pops (none of them pushed); `n_desc` is the sum of theirs. */
static always_inline void virtq_unpop(struct virtq *vq, unsigned n_desc)
{
	if (vq->packed)
		virtq_packed_unpop(vq, n_desc);
	else
		virtq_split_unpop(vq, n_desc);
	if (unlikely(vq->error))
		vq->avail_idx = vq->last_avail;
}

/* Hand a chain back with `len` bytes written. Visible to the driver only after virtq_publish(). */
static always_inline void virtq_push(struct virtq *vq, const struct virtq_chain *chain, uint32_t len)
{
	if (vq->packed)
		virtq_packed_push(vq, chain, len);
	else
		virtq_split_push(vq, chain, len);
}

/* Publish everything pushed so far: one release store. Nothing on a broken ring. */
static always_inline void virtq_publish(struct virtq *vq)
{
	uint16_t first = vq->published_idx;

	if (vq->used_idx == first || unlikely(vq->error))
		return;
	if (vq->packed)
		virtq_packed_publish(vq);
	else
		virtq_split_publish(vq);
	if (unlikely(vq->ring_log))
		virtq_log_published(vq, first);
	if (unlikely(vq->inflight))
		virtq_inflight_published(vq);
}

/* After a publish: does the driver want to be notified? Counts as having decided: call the eventfd when true. */
bool virtq_should_notify(struct virtq *vq);

/* Ask the driver for a kick when it adds a chain. True when chains are there already: the caller polls on instead. */
bool virtq_enable_notify(struct virtq *vq);
void virtq_disable_notify(struct virtq *vq);

#endif
