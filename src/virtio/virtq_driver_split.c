/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_driver_split.c - The driver side of a split ring (VIRTIO 1.2, 2.7). */
#include "virtio/virtq_driver_impl.h"

#include <endian.h>

#include "base/barrier.h"

static void write_desc(struct vring_desc *to, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	*to = (struct vring_desc){ htole64(addr), htole32(len), htole16(flags), htole16(next) };
}

static void make_available(struct virtq_driver *d, uint16_t head)
{
	d->avail->ring[d->avail_idx++ & (d->size - 1)] = htole16(head);
}

void virtq_driver_split_add(struct virtq_driver *d, const struct virtq_buf *bufs, unsigned n, void *token)
{
	uint16_t i = d->free_head, last = i;

	for (unsigned k = 0; k < n; k++) {
		last = i;
		i = d->slots[i].next;
		write_desc(&d->desc[last], bufs[k].addr, bufs[k].len, virtq_driver_flags(&bufs[k], k + 1 < n), i);
	}
	make_available(d, virtq_driver_take(d, last, n, bufs, n, token));
}

void virtq_driver_split_add_indirect(struct virtq_driver *d, const struct virtq_buf *bufs, unsigned n, void *table,
				     uint64_t table_gpa, void *token)
{
	struct vring_desc *entries = table;

	for (unsigned k = 0; k < n; k++)
		write_desc(&entries[k], bufs[k].addr, bufs[k].len, virtq_driver_flags(&bufs[k], k + 1 < n),
			   (uint16_t)(k + 1));
	write_desc(&d->desc[d->free_head], table_gpa, n * (uint32_t)sizeof(*entries), VRING_DESC_F_INDIRECT, 0);
	make_available(d, virtq_driver_take(d, d->free_head, 1, bufs, n, token));
}

void virtq_driver_split_publish(struct virtq_driver *d)
{
	d->published_idx = d->avail_idx;
	/* Descriptors and ring entries before the index that shows them. */
	store_release(&d->avail->idx, htole16(d->avail_idx));
}

bool virtq_driver_split_wants_kick(struct virtq_driver *d, uint16_t old)
{
	if (!d->event_idx)
		return !(le16toh(read_once(&d->used->flags)) & VRING_USED_F_NO_NOTIFY);
	return vring_need_event(le16toh(read_once((__virtio16 *)&d->used->ring[d->size])), d->published_idx, old);
}

bool virtq_driver_split_peek(struct virtq_driver *d, uint32_t *id, uint32_t *len)
{
	const struct vring_used_elem *e = &d->used->ring[d->last_used & (d->size - 1)];

	/* The index before the entries and buffers that it covers. */
	if (d->last_used == d->used_idx)
		d->used_idx = le16toh(load_acquire(&d->used->idx));
	if (d->last_used == d->used_idx)
		return false;
	*id = le32toh(e->id);
	*len = le32toh(e->len);
	return true;
}

bool virtq_driver_split_enable_notify(struct virtq_driver *d)
{
	if (d->event_idx)
		write_once(&d->avail->ring[d->size], htole16(d->last_used));
	else
		write_once(&d->avail->flags, htole16(0));
	/* Our wish before the look at the device's index. */
	full_barrier();
	return le16toh(load_acquire(&d->used->idx)) != d->last_used;
}

void virtq_driver_split_disable_notify(struct virtq_driver *d)
{
	if (!d->event_idx)
		write_once(&d->avail->flags, htole16(VRING_AVAIL_F_NO_INTERRUPT));
}
