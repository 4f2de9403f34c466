/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_driver_packed.c - The driver side of a packed ring (VIRTIO 1.2, 2.8). */
#include "virtio/virtq_driver_impl.h"

#include <endian.h>

#include "base/barrier.h"
#include "virtio/virtq_packed.h"

/* All but the flags, which make the descriptor available. */
static void write_desc(struct vring_packed_desc *to, uint64_t addr, uint32_t len, uint16_t id)
{
	to->addr = htole64(addr);
	to->len = htole32(len);
	to->id = htole16(id);
}

/* The chain at avail_idx has all but its head's flags. The device goes in order: while the first chain's are held back it sees
 * none of the others. */
static void make_available(struct virtq_driver *d, unsigned flags, unsigned n)
{
	struct vring_packed_desc *head = &d->packed_desc[d->avail_idx & VIRTQ_POS_IDX];
	uint16_t head_flags = (uint16_t)(flags | virtq_pos_avail_bits(d->avail_idx));

	if (d->avail_idx == d->published_idx)
		d->held_flags = head_flags;
	else
		store_release(&head->flags, htole16(head_flags)); /* the rest of the chain before its head */
	d->avail_idx = (virtq_pos)virtq_pos_advance(d->avail_idx, n, d->size);
}

void virtq_driver_packed_add(struct virtq_driver *d, const struct virtq_buf *bufs, unsigned n, void *token)
{
	uint16_t id = virtq_driver_take(d, d->free_head, n, bufs, n, token);
	unsigned pos = d->avail_idx;

	for (unsigned k = 0; k < n; k++) {
		struct vring_packed_desc *desc = &d->packed_desc[pos & VIRTQ_POS_IDX];

		write_desc(desc, bufs[k].addr, bufs[k].len, id);
		if (k > 0)
			write_once(&desc->flags, htole16((uint16_t)(virtq_driver_flags(&bufs[k], k + 1 < n) |
								    virtq_pos_avail_bits(pos))));
		pos = virtq_pos_advance(pos, 1, d->size);
	}
	make_available(d, virtq_driver_flags(&bufs[0], n > 1), n);
}

void virtq_driver_packed_add_indirect(struct virtq_driver *d, const struct virtq_buf *bufs, unsigned n, void *table,
				      uint64_t table_gpa, void *token)
{
	uint16_t id = virtq_driver_take(d, d->free_head, 1, bufs, n, token);
	struct vring_packed_desc *entries = table;

	for (unsigned k = 0; k < n; k++) {
		write_desc(&entries[k], bufs[k].addr, bufs[k].len, 0);
		entries[k].flags = htole16(virtq_driver_flags(&bufs[k], false)); /* 2.8.7: WRITE alone */
	}
	write_desc(&d->packed_desc[d->avail_idx & VIRTQ_POS_IDX], table_gpa, n * (uint32_t)sizeof(*entries), id);
	make_available(d, VRING_DESC_F_INDIRECT, 1);
}

void virtq_driver_packed_publish(struct virtq_driver *d)
{
	struct vring_packed_desc *first = &d->packed_desc[d->published_idx & VIRTQ_POS_IDX];

	d->published_idx = d->avail_idx;
	/* Descriptors and buffers before the flags that show them. */
	store_release(&first->flags, htole16(d->held_flags));
}

bool virtq_driver_packed_wants_kick(struct virtq_driver *d, uint16_t old)
{
	return virtq_event_wants(d->device_event, d->published_idx, old, d->size);
}

static bool is_used(const struct virtq_driver *d, uint16_t flags)
{
	return (flags & (VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED)) == virtq_pos_used_bits(d->last_used);
}

bool virtq_driver_packed_peek(struct virtq_driver *d, uint32_t *id, uint32_t *len)
{
	const struct vring_packed_desc *desc = &d->packed_desc[d->last_used & VIRTQ_POS_IDX];
	/* The flags before what they show. */
	uint16_t flags = le16toh(load_acquire(&desc->flags));

	if (!is_used(d, flags))
		return false;
	*id = le16toh(desc->id);
	*len = flags & VRING_DESC_F_WRITE ? le32toh(desc->len) : 0; /* 2.8.5: else it says nothing */
	return true;
}

bool virtq_driver_packed_enable_notify(struct virtq_driver *d)
{
	const struct vring_packed_desc *desc = &d->packed_desc[d->last_used & VIRTQ_POS_IDX];

	virtq_event_write(d->driver_event, d->last_used,
			  d->event_idx ? VRING_PACKED_EVENT_FLAG_DESC : VRING_PACKED_EVENT_FLAG_ENABLE);
	/* Our wish before the look at the next descriptor. */
	full_barrier();
	return is_used(d, le16toh(load_acquire(&desc->flags)));
}

void virtq_driver_packed_disable_notify(struct virtq_driver *d)
{
	virtq_event_write(d->driver_event, d->last_used, VRING_PACKED_EVENT_FLAG_DISABLE);
}
