/* SPDX-License-Identifier: Apache-2.0 */
/* virtq.c - What both kinds of ring share: set-up, the broken state, and collecting the buffers of a chain. */
#include "virtio/virtq.h"

#include <assert.h>
#include <linux/virtio_config.h>
#include <stdalign.h>

enum { TABLE_ENTRY = sizeof(struct vring_desc) };
static_assert(sizeof(struct vring_packed_desc) == TABLE_ENTRY,
	      "indirect tables of both kinds have entries of one size");

static bool has_feature(const struct virtq_config *config, unsigned bit)
{
	return config->features >> bit & 1;
}

int virtq_init(struct virtq *vq, const struct virtq_config *config, const struct guest_mem *mem)
{
	uint16_t size = config->size;

	*vq = (struct virtq){ 0 };
	if (has_feature(config, VIRTIO_F_RING_PACKED) || size == 0 || size > VIRTQ_SIZE_MAX || (size & (size - 1)) != 0)
		return -EINVAL;
	vq->desc = config->desc;
	vq->avail = config->avail;
	vq->used = config->used;
	vq->mem = mem;
	vq->size = size;
	vq->mask = size - 1;
	vq->event_idx = has_feature(config, VIRTIO_RING_F_EVENT_IDX);
	vq->indirect = has_feature(config, VIRTIO_RING_F_INDIRECT_DESC);
	vq->last_avail = vq->avail_idx = config->last_avail;
	/* The used index is nowhere but in the ring: the front-end hands over the available one alone. */
	vq->used_idx = vq->published_idx = vq->signalled_idx = le16toh(read_once(&vq->used->idx));
	vq->notify_enabled = true;
	vq->running = true;
	return 0;
}

void virtq_stop(struct virtq *vq)
{
	vq->running = false;
	vq->avail_idx = vq->last_avail;
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
	vq->avail_idx = vq->last_avail;
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
	if (unlikely(len == 0))
		return 0; /* no piece: the specification does not forbid it, and vhost and DPDK take it */
	err = guest_mem_translate(vq->mem, &vq->cache, addr, len, w->iov, &w->n, w->max);
	if (unlikely(err == -EFAULT))
		return virtq_break(vq, "buffer is outside guest memory", len);
	w->len += len;
	return unlikely(err) ? -ENOBUFS : 0;
}

int virtq_walk_end(struct virtq *vq, const struct virtq_walk *w, int err, struct virtq_chain *chain)
{
	if (unlikely(err == -EPROTO))
		return err;
	if (unlikely(w->len > UINT32_MAX))
		return virtq_break(vq, "chain is longer than 4 GiB", w->n); /* 2.7.5.2 */
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
	err = guest_mem_translate(vq->mem, &vq->cache, addr, len, &piece, &n, 1);
	if (unlikely(err == -EFAULT))
		return virtq_break(vq, "indirect table is outside guest memory", len);
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

	if (guest_mem_read(vq->mem, &vq->cache, addr, t->fetched, TABLE_ENTRY) < 0) {
		virtq_break(vq, "indirect table is outside guest memory", i);
		return NULL;
	}
	return t->fetched;
}

bool virtq_enable_notify(struct virtq *vq)
{
	if (!vq->running || vq->error)
		return false;
	vq->notify_enabled = true;
	return virtq_split_enable_notify(vq);
}

void virtq_disable_notify(struct virtq *vq)
{
	vq->notify_enabled = false;
	if (vq->running && !vq->error)
		virtq_split_disable_notify(vq);
}
