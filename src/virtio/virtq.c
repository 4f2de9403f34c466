/* SPDX-License-Identifier: Apache-2.0 */
/* virtq.c - What both kinds of ring share: set-up, the broken state, and collecting the buffers of a chain. */
#include "virtio/virtq.h"

#include <assert.h>
#include <linux/virtio_config.h>
#include <stdalign.h>

#include "packet/batch.h"
#include "virtio/arrival.h"
#include "virtio/virtq_iotlb.h"
#include "virtio/vnet_hdr.h"

enum { TABLE_ENTRY = sizeof(struct vring_desc) };
static_assert(sizeof(struct vring_packed_desc) == TABLE_ENTRY,
	      "indirect tables of both kinds have entries of one size");

/* Bytes of a chain, from its start, that may be touched: a longer frame is not looked at, and no frame fills a longer buffer. Who has
 * chains of gigabytes does not get us to look for each of their pages. */
enum { TOUCHED_MAX = 128 * 1024 };
static_assert((int)TOUCHED_MAX >= (int)FRAME_LEN_MAX + (int)VNET_HDR_LEN, "a frame with its header");

/* Descriptors without a byte in a chain. They fill no piece, so nothing else ends a walk over as many as a ring has. */
enum { EMPTY_MAX = VIRTQ_INDIRECT_MAX };

static bool has_feature(const struct virtq_config *config, unsigned bit)
{
	return config->features >> bit & 1;
}

/* No chain can be popped before the ring was looked at again. */
static void forget_available(struct virtq *vq)
{
	vq->avail_idx = vq->last_avail;
	vq->n_known = 0;
}

static bool size_is_allowed(uint16_t size, bool packed)
{
	return size > 0 && size <= VIRTQ_SIZE_MAX && (packed || (size & (size - 1)) == 0);
}

int virtq_init(struct virtq *vq, const struct virtq_config *config, const struct guest_mem *mem)
{
	*vq = (struct virtq){ .packed = has_feature(config, VIRTIO_F_RING_PACKED) };
	if (!size_is_allowed(config->size, vq->packed))
		return -EINVAL;
	vq->desc = config->desc;
	vq->avail = config->avail;
	vq->used = config->used;
	vq->mem = mem;
	vq->journal = config->journal;
	vq->inflight = config->inflight;
	vq->size = config->size;
	vq->mask = config->size - 1;
	vq->event_idx = has_feature(config, VIRTIO_RING_F_EVENT_IDX);
	vq->indirect = has_feature(config, VIRTIO_RING_F_INDIRECT_DESC);
	vq->last_avail = config->last_avail;
	if (vq->packed && (vq->last_avail & VIRTQ_POS_IDX) >= vq->size)
		return -EINVAL;
	/* On a packed ring that rests, all that was popped was pushed: both indices are one. On a split one the used index
	 * is nowhere but in the ring. */
	vq->used_idx = vq->packed ? vq->last_avail : le16toh(read_once(&vq->used->idx));
	vq->published_idx = vq->signalled_idx = vq->used_idx;
	vq->notify_enabled = true;
	vq->running = true;
	forget_available(vq);
	return 0;
}

void virtq_stop(struct virtq *vq)
{
	vq->running = false;
	vq->cache = (struct guest_mem_cache){ 0 };
	vq->journal = NULL;
	vq->inflight = NULL;
	forget_available(vq);
}

bool virtq_should_notify(struct virtq *vq)
{
	if (vq->error || vq->published_idx == vq->signalled_idx)
		return false;
	return vq->packed ? virtq_packed_should_notify(vq) : virtq_split_should_notify(vq);
}

const char *virtq_error(const struct virtq *vq)
{
	return vq->error;
}

noinline_cold int virtq_break(struct virtq *vq, const char *text, uint32_t value)
{
	if (!vq->error) {
		vq->error = text;
		vq->error_value = value;
	}
	forget_available(vq);
	vq->cache = (struct guest_mem_cache){ 0 };
	return -EPROTO;
}

int virtq_walk_add_slow(struct virtq *vq, struct virtq_walk *w, uint64_t addr, uint32_t len, uint16_t flags)
{
	int err;

	if (unlikely((flags & VRING_DESC_F_WRITE) != w->write))
		return virtq_break(vq,
				   w->write ? "chain to be written has a read-only buffer"
					    : "chain to be read has a write-only buffer",
				   flags);
	if (unlikely(len == 0)) /* no piece: the specification does not forbid it, and vhost and DPDK take it */
		return ++w->n_empty <= EMPTY_MAX ? 0 : virtq_break(vq, "chain has too many empty buffers", w->n_empty);
	if (unlikely(vq->iotlb))
		return virtq_iotlb_add(vq, w, addr, len);
	err = guest_mem_translate(vq->mem, &vq->cache, addr, len, w->iov, &w->n, w->max);
	if (unlikely(err == -EFAULT))
		return virtq_break(vq, "buffer is outside guest memory", len);
	if (unlikely(vq->mem->arrivals) && w->len < TOUCHED_MAX)
		w->missing |= !guest_mem_is_here(vq->mem, addr, MIN(len, TOUCHED_MAX - w->len));
	w->len += len;
	return unlikely(err) ? -ENOBUFS : 0;
}

int virtq_walk_end(struct virtq *vq, const struct virtq_walk *w, int err, struct virtq_chain *chain)
{
	if (unlikely(err == -EPROTO))
		return err;
	if (unlikely(w->len > UINT32_MAX))
		return virtq_break(vq, "chain is longer than 4 GiB", w->n); /* 2.7.5.2 */
	if (unlikely(w->missing || err == -EAGAIN)) {
		if (vq->iotlb)
			virtq_stall(vq);
		return -EAGAIN;
	}
	chain->n_iov = err ? 0 : (uint16_t)w->n;
	chain->len = err ? 0 : (uint32_t)w->len;
	return err;
}

int virtq_table_open(struct virtq *vq, struct virtq_table *t, uint64_t addr, uint32_t len)
{
	struct iovec piece = { 0 };
	unsigned n = 0;
	int err;

	if (unlikely(len == 0 || len % TABLE_ENTRY != 0))
		return virtq_break(vq, "indirect table has a length that is not a multiple of 16", len);
	if (unlikely(len > VIRTQ_INDIRECT_MAX * TABLE_ENTRY))
		return virtq_break(vq, "indirect table is too long", len);
	if (unlikely(vq->iotlb))
		return virtq_iotlb_open(vq, t, addr, len);
	err = guest_mem_translate(vq->mem, &vq->cache, addr, len, &piece, &n, 1);
	if (unlikely(err == -EFAULT))
		return virtq_break(vq, "indirect table is outside guest memory", len);
	if (unlikely(!guest_mem_is_here(vq->mem, addr, len)))
		return -EAGAIN;
	t->entries = piece.iov_base;
	t->addr = addr;
	t->n = len / TABLE_ENTRY;
	if (unlikely(err || (uintptr_t)piece.iov_base % alignof(struct vring_desc) != 0))
		t->entries = NULL;
	return 0;
}

noinline_cold const void *virtq_table_fetch(struct virtq *vq, struct virtq_table *t, uint32_t i)
{
	uint64_t addr = t->addr + (uint64_t)i * TABLE_ENTRY;

	if (vq->iotlb)
		return virtq_iotlb_read(vq, addr, t->fetched, TABLE_ENTRY) == 0 ? t->fetched : NULL;
	if (guest_mem_read(vq->mem, &vq->cache, addr, t->fetched, TABLE_ENTRY) < 0) {
		virtq_break(vq, "indirect table is outside guest memory", i);
		return NULL;
	}
	return t->fetched;
}

noinline_cold bool virtq_waits_for_memory(struct virtq *vq, enum virtq_dir dir)
{
	struct iovec iov[FRAME_IOV_MAX];
	struct virtq_chain chain;
	int err;

	if (!vq->mem->arrivals || virtq_available(vq, 1) == 0)
		return false;
	err = virtq_pop(vq, dir, iov, ARRAY_SIZE(iov), &chain);
	if (err == 0 || err == -ENOBUFS)
		virtq_unpop(vq, chain.n_desc);
	return err == -EAGAIN;
}

bool virtq_enable_notify(struct virtq *vq)
{
	bool more;

	if (!vq->running || vq->error)
		return false;
	vq->notify_enabled = true;
	more = vq->packed ? virtq_packed_enable_notify(vq) : virtq_split_enable_notify(vq);
	if (unlikely(vq->ring_log))
		virtq_log_wish(vq);
	return more;
}

void virtq_disable_notify(struct virtq *vq)
{
	vq->notify_enabled = false;
	if (!vq->running || vq->error)
		return;
	if (vq->packed)
		virtq_packed_disable_notify(vq);
	else if (!vq->event_idx)
		virtq_split_disable_notify(vq);
	else
		return; /* the position asked for has gone by or will only once: there is nothing to take back */
	if (unlikely(vq->ring_log))
		virtq_log_wish(vq);
}
