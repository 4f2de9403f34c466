/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_driver.c - The driver side of a split ring (VIRTIO 1.2, 2.7). */
#include "virtio/virtq_driver.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdlib.h>

#include "base/barrier.h"
#include "base/compiler.h"
#include "virtio/virtq_types.h"

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

int virtq_driver_init(struct virtq_driver *d, uint16_t size, uint64_t features, void *areas)
{
	size_t avail_off, used_off;

	*d = (struct virtq_driver){ 0 };
	if (size == 0 || size > VIRTQ_SIZE_MAX || (size & (size - 1)) != 0)
		return -EINVAL;
	d->slots = calloc(size, sizeof(*d->slots));
	if (!d->slots)
		return -ENOMEM;
	for (unsigned i = 0; i < size; i++)
		d->slots[i].next = (uint16_t)((i + 1) % size);
	virtq_driver_size(size, &avail_off, &used_off);
	d->desc = areas;
	d->avail = (void *)((char *)areas + avail_off);
	d->used = (void *)((char *)areas + used_off);
	d->size = d->n_free = size;
	d->free_tail = size - 1;
	d->features = features;
	d->event_idx = features >> VIRTIO_RING_F_EVENT_IDX & 1;
	d->indirect = features >> VIRTIO_RING_F_INDIRECT_DESC & 1;
	d->in_order = features >> VIRTIO_F_IN_ORDER & 1;
	return 0;
}

void virtq_driver_deinit(struct virtq_driver *d)
{
	free(d->slots);
	d->slots = NULL;
}

static void write_desc(struct vring_desc *to, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	*to = (struct vring_desc){ htole64(addr), htole32(len), htole16(flags), htole16(next) };
}

static uint16_t flags_of(const struct virtq_buf *b, bool more)
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

/* Descriptors free_head .. `last` become a chain and an entry of the available ring. */
static void take_chain(struct virtq_driver *d, uint16_t last, unsigned n, uint32_t in_len, void *token)
{
	struct virtq_driver_slot *head = &d->slots[d->free_head];

	head->token = token;
	head->in_len = in_len;
	head->n_desc = (uint16_t)n;
	head->last = last;
	d->avail->ring[d->avail_idx++ & (d->size - 1)] = htole16(d->free_head);
	d->free_head = d->slots[last].next;
	d->n_free = (uint16_t)(d->n_free - n);
}

int virtq_driver_add(struct virtq_driver *d, const struct virtq_buf *bufs, unsigned n, void *token)
{
	uint16_t i = d->free_head, last = i;

	if (n == 0 || n > d->n_free)
		return -ENOSPC;
	for (unsigned k = 0; k < n; k++) {
		last = i;
		i = d->slots[i].next;
		write_desc(&d->desc[last], bufs[k].addr, bufs[k].len, flags_of(&bufs[k], k + 1 < n), i);
	}
	take_chain(d, last, n, writable_len(bufs, n), token);
	return 0;
}

int virtq_driver_add_indirect(struct virtq_driver *d, const struct virtq_buf *bufs, unsigned n, void *table,
			      uint64_t table_gpa, void *token)
{
	struct vring_desc *entries = table;

	if (n == 0 || d->n_free == 0)
		return -ENOSPC;
	for (unsigned k = 0; k < n; k++)
		write_desc(&entries[k], bufs[k].addr, bufs[k].len, flags_of(&bufs[k], k + 1 < n), (uint16_t)(k + 1));
	write_desc(&d->desc[d->free_head], table_gpa, n * (uint32_t)sizeof(*entries), VRING_DESC_F_INDIRECT, 0);
	take_chain(d, d->free_head, 1, writable_len(bufs, n), token);
	return 0;
}

void virtq_driver_publish(struct virtq_driver *d)
{
	d->published_idx = d->avail_idx;
	/* Descriptors and ring entries before the index that shows them. */
	store_release(&d->avail->idx, htole16(d->avail_idx));
}

bool virtq_driver_should_kick(struct virtq_driver *d)
{
	uint16_t old = d->signalled_idx;

	d->signalled_idx = d->published_idx;
	/* The index that was published before the device's wish: the device writes its wish and then looks at the index. */
	full_barrier();
	if (!d->event_idx)
		return old != d->published_idx && !(le16toh(read_once(&d->used->flags)) & VRING_USED_F_NO_NOTIFY);
	return vring_need_event(le16toh(read_once((__virtio16 *)&d->used->ring[d->size])), d->published_idx, old);
}

/* Give a chain's descriptors back. Returns its token. */
static void *free_chain(struct virtq_driver *d, uint16_t head)
{
	struct virtq_driver_slot *s = &d->slots[head];
	void *token = s->token;

	s->token = NULL;
	if (d->n_free == 0)
		d->free_head = head;
	else
		d->slots[d->free_tail].next = head;
	d->free_tail = s->last;
	d->n_free = (uint16_t)(d->n_free + s->n_desc);
	d->last_used++;
	return token;
}

/* In order, one used entry may stand for all chains up to the one it names (2.7.9). */
static void *next_of_batch(struct virtq_driver *d, uint32_t *len)
{
	uint16_t head = d->oldest;
	struct virtq_driver_slot *s = &d->slots[head];

	if (!s->token) {
		d->broken = true;
		return NULL;
	}
	d->in_batch = head != d->batch_last;
	*len = d->in_batch ? s->in_len : d->batch_len;
	d->oldest = (uint16_t)((head + s->n_desc) % d->size);
	return free_chain(d, head);
}

void *virtq_driver_get_used(struct virtq_driver *d, uint32_t *len)
{
	const struct vring_used_elem *e = &d->used->ring[d->last_used & (d->size - 1)];
	uint32_t id;

	if (d->broken)
		return NULL;
	if (d->in_batch)
		return next_of_batch(d, len);
	if (d->last_used == d->used_idx) {
		/* The index before the entries and buffers that it covers. */
		d->used_idx = le16toh(load_acquire(&d->used->idx));
		if (d->last_used == d->used_idx)
			return NULL;
	}
	id = le32toh(e->id);
	*len = le32toh(e->len);
	if (id >= d->size || !d->slots[id].token) {
		d->broken = true;
		return NULL;
	}
	if (!d->in_order)
		return free_chain(d, (uint16_t)id);
	d->batch_last = (uint16_t)id;
	d->batch_len = *len;
	return next_of_batch(d, len);
}

bool virtq_driver_enable_notify(struct virtq_driver *d)
{
	if (d->event_idx)
		write_once(&d->avail->ring[d->size], htole16(d->last_used));
	else
		write_once(&d->avail->flags, htole16(0));
	/* Our wish before the look at the device's index. */
	full_barrier();
	return d->in_batch || le16toh(load_acquire(&d->used->idx)) != d->last_used;
}

void virtq_driver_disable_notify(struct virtq_driver *d)
{
	if (!d->event_idx)
		write_once(&d->avail->flags, htole16(VRING_AVAIL_F_NO_INTERRUPT));
}
