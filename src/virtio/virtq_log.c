/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_log.c - Reports what a ring's device writes to a dirty log.
 *
 * What lies beyond the log breaks the ring: a front-end gives a log for all of the memory that it shares, and one that goes on
 * without it would start the guest again elsewhere with pages that are out of date.
 *
 * Pages are the guest's physical ones, whatever the ring's addresses are. Behind an IOMMU the address that the front-end gives for the
 * device area is one for the IOMMU, so control says where the areas lie (virtq_iotlb.h). */
#include <stddef.h>

#include "virtio/dirty_log.h"
#include "virtio/virtq_iotlb.h"

static void mark(struct virtq *vq, const struct dirty_log *log, uint64_t addr, uint64_t len)
{
	if (!dirty_log_mark(log, addr, len))
		virtq_break(vq, "page written is outside the dirty log", (uint32_t)(addr >> DIRTY_LOG_PAGE_SHIFT));
}

void virtq_set_log(struct virtq *vq, const struct dirty_log *buffer_log, const struct dirty_log *ring_log,
		   uint64_t device_area)
{
	vq->buffer_log = buffer_log;
	vq->ring_log = ring_log;
	vq->log_addr = device_area;
}

noinline_cold void virtq_log_written(struct virtq *vq, const struct iovec *iov, unsigned n, size_t len)
{
	for (unsigned i = 0; i < n && len > 0; i++) {
		size_t here = MIN(len, iov[i].iov_len);
		uint64_t addr = 0;

		if (!guest_mem_host_to_guest(vq->mem, iov[i].iov_base, &addr)) {
			virtq_break(vq, "page written has no guest address", i);
			return;
		}
		mark(vq, vq->buffer_log, addr, here);
		len -= here;
	}
}

/* An area of the ring: pieces of it, or all of it at one address, which is anything that the front-end said. */
struct area {
	const struct virtq_piece *pieces;
	unsigned n_pieces; /* 0: at `addr` */
	uint64_t addr;
};

static struct area device_area(const struct virtq *vq)
{
	if (vq->iotlb)
		return (struct area){ vq->iotlb->device_pieces, vq->iotlb->n_device_pieces, 0 };
	return (struct area){ .addr = vq->log_addr };
}

static void mark_pieces(struct virtq *vq, const struct area *area, uint64_t off, uint64_t len)
{
	for (unsigned i = 0; i < area->n_pieces; i++) {
		const struct virtq_piece *p = &area->pieces[i];
		uint64_t from = MAX(off, p->off), to = MIN(off + len, p->off + p->len);

		if (from < to)
			mark(vq, vq->ring_log, p->guest_addr + (from - p->off), to - from);
	}
}

/* A part of the ring, `off` bytes from the start of an area. */
static void mark_ring(struct virtq *vq, const struct area *area, uint64_t off, uint64_t len)
{
	if (area->n_pieces)
		mark_pieces(vq, area, off, len);
	else if (off > UINT64_MAX - area->addr)
		virtq_break(vq, "ring is outside the dirty log", (uint32_t)(area->addr >> DIRTY_LOG_PAGE_SHIFT));
	else
		mark(vq, vq->ring_log, area->addr + off, len);
}

/* Entries [first, first + n) of the ring, which begins `off` bytes from the start of the area. */
static void mark_entries(struct virtq *vq, const struct area *area, size_t off, size_t size, unsigned first, unsigned n)
{
	unsigned before_end = MIN(n, vq->size - first);

	mark_ring(vq, area, off + first * size, before_end * size);
	if (n > before_end)
		mark_ring(vq, area, off, (n - before_end) * size);
}

static void log_used_ring(struct virtq *vq, uint16_t first)
{
	struct area area = device_area(vq);

	mark_entries(vq, &area, offsetof(struct vring_used, ring), sizeof(vring_used_elem_t), first & vq->mask,
		     (uint16_t)(vq->published_idx - first));
	mark_ring(vq, &area, offsetof(struct vring_used, idx), sizeof(vq->used->idx));
}

/* The front-end gives an address for the device area alone. The descriptors are at theirs. */
static void log_used_descriptors(struct virtq *vq, uint16_t first)
{
	unsigned from = first & VIRTQ_POS_IDX, to = vq->published_idx & VIRTQ_POS_IDX;
	struct area area = { .addr = 0 };

	if (vq->iotlb) {
		area.pieces = vq->iotlb->desc_pieces;
		area.n_pieces = vq->iotlb->n_desc_pieces;
	} else if (!guest_mem_host_to_guest(vq->mem, vq->packed_desc, &area.addr)) {
		virtq_break(vq, "descriptor ring has no guest address", 0);
		return;
	}
	mark_entries(vq, &area, 0, sizeof(struct vring_packed_desc), from,
		     to > from ? to - from : to + vq->size - from);
}

noinline_cold void virtq_log_published(struct virtq *vq, uint16_t first)
{
	if (vq->packed)
		log_used_descriptors(vq, first);
	else
		log_used_ring(vq, first);
}

noinline_cold void virtq_log_wish(struct virtq *vq)
{
	struct area area = device_area(vq);

	if (vq->packed)
		mark_ring(vq, &area, 0, sizeof(struct vring_packed_desc_event));
	else if (vq->event_idx)
		mark_ring(vq, &area, offsetof(struct vring_used, ring[vq->size]), sizeof(__virtio16));
	else
		mark_ring(vq, &area, offsetof(struct vring_used, flags), sizeof(vq->used->flags));
}
