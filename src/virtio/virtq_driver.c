/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_driver.c - The driver side of a virtqueue, as far as both kinds of ring have it in common: which chains the device has. */
#include "virtio/virtq_driver_impl.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <stdlib.h>

#include "base/barrier.h"
#include "virtio/virtq_packed.h"

static size_t align_up(size_t n, size_t to)
{
	return (n + to - 1) & ~(to - 1);
}

size_t virtq_driver_size(uint16_t size, size_t *avail_off, size_t *used_off)
{
	size_t avail = (size_t)size * sizeof(struct vring_desc);
	/* Behind the ring entries of both: the other side's event index. */
	size_t used = align_up(avail + sizeof(struct vring_avail) + sizeof(uint16_t) * (size + 1u), 4096);

	*avail_off = avail;
	*used_off = used;
	return used + sizeof(struct vring_used) + sizeof(struct vring_used_elem) * size + sizeof(uint16_t);
}

static bool has_feature(uint64_t features, unsigned bit)
{
	return features >> bit & 1;
}

int virtq_driver_init(struct virtq_driver *d, uint16_t size, uint64_t features, void *areas)
{
	bool packed = has_feature(features, VIRTIO_F_RING_PACKED);
	size_t avail_off, used_off;

	*d = (struct virtq_driver){ .features = features, .size = size, .n_free = size, .n_slots = size };
	if (size == 0 || size > VIRTQ_SIZE_MAX || (!packed && (size & (size - 1)) != 0))
		return -EINVAL;
	d->slots = calloc(size, sizeof(*d->slots));
	if (!d->slots)
		return -ENOMEM;
	for (unsigned i = 0; i < size; i++)
		d->slots[i].next = (uint16_t)((i + 1) % size);
	d->free_tail = size - 1;
	virtq_driver_size(size, &avail_off, &used_off);
	d->desc = areas;
	d->avail = (void *)((char *)areas + avail_off);
	d->used = (void *)((char *)areas + used_off);
	d->packed = packed;
	d->event_idx = has_feature(features, VIRTIO_RING_F_EVENT_IDX);
	d->indirect = has_feature(features, VIRTIO_RING_F_INDIRECT_DESC);
	d->in_order = has_feature(features, VIRTIO_F_IN_ORDER);
	if (packed) /* 2.8.1: wrap counters begin at 1 */
		d->avail_idx = d->published_idx = d->signalled_idx = d->last_used = VIRTQ_POS_WRAP;
	return 0;
}

void virtq_driver_deinit(struct virtq_driver *d)
{
	free(d->slots);
	d->slots = NULL;
}

uint16_t virtq_driver_flags(const struct virtq_buf *b, bool more)
{
	return (b->write ? VRING_DESC_F_WRITE : 0) | (more ? VRING_DESC_F_NEXT : 0);
}

static uint32_t writable_len(const struct virtq_buf *bufs, unsigned n)
{
	uint32_t len = 0;

	for (unsigned i = 0; i < n; i++)
		len += bufs[i].write ? bufs[i].len : 0;
	return len;
}

uint16_t virtq_driver_take(struct virtq_driver *d, uint16_t last, unsigned n_desc, const struct virtq_buf *bufs,
			   unsigned n, void *token)
{
	uint16_t id = d->free_head;

	d->slots[id].token = token;
	d->slots[id].in_len = writable_len(bufs, n);
	d->slots[id].n_desc = (uint16_t)n_desc;
	d->slots[id].last = last;
	d->free_head = d->slots[last].next;
	d->n_slots = (uint16_t)(d->n_slots - (d->packed ? 1 : n_desc));
	d->n_free = (uint16_t)(d->n_free - n_desc);
	return id;
}

int virtq_driver_add(struct virtq_driver *d, const struct virtq_buf *bufs, unsigned n, void *token)
{
	if (n == 0 || n > d->n_free)
		return -ENOSPC;
	if (d->packed)
		virtq_driver_packed_add(d, bufs, n, token);
	else
		virtq_driver_split_add(d, bufs, n, token);
	return 0;
}

int virtq_driver_add_indirect(struct virtq_driver *d, const struct virtq_buf *bufs, unsigned n, void *table,
			      uint64_t table_gpa, void *token)
{
	if (n == 0 || d->n_free == 0)
		return -ENOSPC;
	if (d->packed)
		virtq_driver_packed_add_indirect(d, bufs, n, table, table_gpa, token);
	else
		virtq_driver_split_add_indirect(d, bufs, n, table, table_gpa, token);
	return 0;
}

void virtq_driver_publish(struct virtq_driver *d)
{
	if (d->published_idx == d->avail_idx)
		return;
	if (d->packed)
		virtq_driver_packed_publish(d);
	else
		virtq_driver_split_publish(d);
}

bool virtq_driver_should_kick(struct virtq_driver *d)
{
	uint16_t old = d->signalled_idx;

	if (old == d->published_idx)
		return false;
	d->signalled_idx = d->published_idx;
	/* What was published before the device's wish: the device writes its wish and then looks at what is there. */
	full_barrier();
	return d->packed ? virtq_driver_packed_wants_kick(d, old) : virtq_driver_split_wants_kick(d, old);
}

static uint16_t behind(const struct virtq_driver *d, uint16_t n)
{
	return (uint16_t)(d->packed ? virtq_pos_advance(d->last_used, n, d->size) : d->last_used + 1u);
}

/* The device has used chain `id`: its slots are free. Returns its token. */
static void *give_back(struct virtq_driver *d, uint16_t id)
{
	struct virtq_driver_slot *s = &d->slots[id];
	void *token = s->token;

	s->token = NULL;
	if (d->n_slots == 0)
		d->free_head = id;
	else
		d->slots[d->free_tail].next = id;
	d->free_tail = s->last;
	d->n_slots = (uint16_t)(d->n_slots + (d->packed ? 1 : s->n_desc));
	d->n_free = (uint16_t)(d->n_free + s->n_desc);
	d->last_used = behind(d, s->n_desc);
	return token;
}

/* In order, what the device returned stands for all chains up to it (2.7.9, 2.8.17). */
static void *next_of_batch(struct virtq_driver *d, uint32_t *len)
{
	uint16_t id = d->oldest;
	const struct virtq_driver_slot *s = &d->slots[id];

	if (!s->token) {
		d->broken = true;
		return NULL;
	}
	d->in_batch = id != d->batch_last;
	*len = d->in_batch ? s->in_len : d->batch_len;
	d->oldest = (uint16_t)((id + (d->packed ? 1u : s->n_desc)) % d->size);
	return give_back(d, id);
}

void *virtq_driver_get_used(struct virtq_driver *d, uint32_t *len)
{
	uint32_t id = 0;

	if (d->broken)
		return NULL;
	if (d->in_batch)
		return next_of_batch(d, len);
	if (!(d->packed ? virtq_driver_packed_peek(d, &id, len) : virtq_driver_split_peek(d, &id, len)))
		return NULL;
	if (id >= d->size || !d->slots[id].token) {
		d->broken = true;
		return NULL;
	}
	if (!d->in_order)
		return give_back(d, (uint16_t)id);
	d->batch_last = (uint16_t)id;
	d->batch_len = *len;
	return next_of_batch(d, len);
}

bool virtq_driver_enable_notify(struct virtq_driver *d)
{
	bool found = d->packed ? virtq_driver_packed_enable_notify(d) : virtq_driver_split_enable_notify(d);

	return found || d->in_batch;
}

void virtq_driver_disable_notify(struct virtq_driver *d)
{
	if (d->packed)
		virtq_driver_packed_disable_notify(d);
	else
		virtq_driver_split_disable_notify(d);
}
