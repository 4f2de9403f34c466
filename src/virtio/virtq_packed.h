/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_packed.h - The device side of a packed ring (VIRTIO 1.2, 2.8): the short paths, inlined into the callers of virtq.h.
 *
 * There is one ring of descriptors. The driver makes one available by setting its two flag bits to its wrap counter and the
 * opposite of it, the device marks it used by setting both to its own. A chain takes consecutive places and is marked used in one of
 * them, whichever comes next. Short is what is short on a split ring; virtq_packed.c does the rest, from the start. */
#ifndef RINGWAY_VIRTIO_VIRTQ_PACKED_H
#define RINGWAY_VIRTIO_VIRTQ_PACKED_H

#include "virtio/virtq_types.h"

enum {
	VIRTQ_POS_IDX = 0x7fff,
	VIRTQ_POS_WRAP = 1 << VRING_PACKED_EVENT_F_WRAP_CTR,
	VIRTQ_DESC_F_AVAIL = 1 << VRING_PACKED_DESC_F_AVAIL,
	VIRTQ_DESC_F_USED = 1 << VRING_PACKED_DESC_F_USED,
};

#define VIRTQ_OVERLAP "descriptor chains overlap"

unsigned virtq_packed_scan(struct virtq *vq, unsigned want);
int virtq_packed_pop_chain(struct virtq *vq, enum virtq_dir dir, struct iovec *iov, unsigned max,
			   struct virtq_chain *chain);
bool virtq_packed_should_notify(struct virtq *vq);
bool virtq_packed_enable_notify(struct virtq *vq);
void virtq_packed_disable_notify(struct virtq *vq);

/* Places: `n` <= size further, or back; and what the two bits of a descriptor there are when it is available, and when used. All
 * in full words: 16-bit arithmetic costs more. */
static always_inline unsigned virtq_pos_advance(unsigned pos, unsigned n, unsigned size)
{
	/* A branch that is foreseen: each place is computed from the one before, and a conditional move would wait for it. */
	if (unlikely((pos & VIRTQ_POS_IDX) + n >= size))
		return (pos + n - size) ^ VIRTQ_POS_WRAP;
	return pos + n;
}

static always_inline unsigned virtq_pos_retreat(unsigned pos, unsigned n, unsigned size)
{
	return virtq_pos_advance(pos, size - n, size) ^ VIRTQ_POS_WRAP;
}

static always_inline unsigned virtq_pos_avail_bits(unsigned pos)
{
	unsigned wrap = pos >> VRING_PACKED_EVENT_F_WRAP_CTR;

	return wrap << VRING_PACKED_DESC_F_AVAIL | (wrap ^ 1) << VRING_PACKED_DESC_F_USED;
}

static always_inline unsigned virtq_pos_used_bits(unsigned pos)
{
	return (pos >> VRING_PACKED_EVENT_F_WRAP_CTR) * (VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED);
}

/* Did the side that went from `old` to `now` pass the place that the other asked to be told of (2.8.10)? */
bool virtq_pos_passed(virtq_pos event, virtq_pos now, virtq_pos old, unsigned size);
/* Does an event area, read or written as one word, ask for a notification of that step? */
bool virtq_event_wants(const struct vring_packed_desc_event *event, virtq_pos now, virtq_pos old, unsigned size);
void virtq_event_write(struct vring_packed_desc_event *event, virtq_pos pos, uint16_t flags);
/* The device's. */
void virtq_packed_wish(struct vring_packed_desc_event *event, virtq_pos pos, uint16_t flags);

static always_inline unsigned virtq_packed_available(struct virtq *vq, unsigned want)
{
	return likely(vq->n_known >= want) ? vq->n_known : virtq_packed_scan(vq, want);
}

/* The descriptor `d` as one piece, when it is plain, of the wanted bits and in the region used last: 0, or 1 when another one follows.
 * Else -1. `total` grows by its length. */
static always_inline int virtq_packed_piece(const struct virtq *vq, const struct vring_packed_desc *d, unsigned flags,
					    unsigned mask, unsigned wanted, struct iovec *iov, uint64_t *total)
{
	uint64_t off = le64toh(read_once(&d->addr)) - vq->cache.start;
	uint32_t len = le32toh(read_once(&d->len));

	if (unlikely((flags & mask) != wanted || len == 0 || off >= vq->cache.size || len > vq->cache.size - off))
		return -1;
	*iov = (struct iovec){ vq->cache.host + off, len };
	*total += len;
	return flags & VRING_DESC_F_NEXT;
}

static always_inline int virtq_packed_pop(struct virtq *vq, enum virtq_dir dir, struct iovec *iov, unsigned max,
					  struct virtq_chain *chain)
{
	unsigned pos = vq->last_avail;
	unsigned idx = pos & VIRTQ_POS_IDX;
	const struct vring_packed_desc *d = &vq->packed_desc[idx];
	/* The flags before what they make available. */
	unsigned flags = le16toh(load_acquire(&d->flags));
	unsigned write = dir == VIRTQ_WRITABLE ? VRING_DESC_F_WRITE : 0;
	unsigned plain = VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT;
	uint16_t n = 1, id;
	uint64_t len = 0;
	int more;

	if (unlikely(max < 2))
		goto not_short;
	more = virtq_packed_piece(vq, d, flags, plain | VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED,
				  write | virtq_pos_avail_bits(pos), &iov[0], &len);
	if (more > 0 && likely(idx + 1 < vq->size)) {
		d++;
		more = virtq_packed_piece(vq, d, le16toh(read_once(&d->flags)), plain, write, &iov[1], &len);
		n = 2;
	}
	id = le16toh(read_once(&d->id)); /* the last one's counts (2.8.6) */
	if (unlikely(more != 0 || len > UINT32_MAX || id >= vq->size))
		goto not_short;
	*chain = (struct virtq_chain){ .id = id, .n_desc = n, .n_iov = n, .len = (uint32_t)len };
	vq->last_avail = (virtq_pos)virtq_pos_advance(pos, n, vq->size);
	vq->n_known -= vq->n_known > 0;
	return 0;
not_short:
	return virtq_packed_pop_chain(vq, dir, iov, max, chain);
}

static always_inline void virtq_packed_unpop(struct virtq *vq, unsigned n_desc)
{
	/* A driver that changes what was popped can make short chains overlap: it has no place to go back to. */
	if (unlikely(n_desc > vq->size)) {
		virtq_break(vq, VIRTQ_OVERLAP, n_desc);
		return;
	}
	vq->last_avail = (virtq_pos)virtq_pos_retreat(vq->last_avail, n_desc, vq->size);
	vq->n_known = 0; /* how many chains these are, the next scan tells */
}

static always_inline void virtq_packed_push(struct virtq *vq, const struct virtq_chain *chain, uint32_t len)
{
	unsigned pos = vq->used_idx;
	struct vring_packed_desc *d = &vq->packed_desc[pos & VIRTQ_POS_IDX];
	unsigned flags = virtq_pos_used_bits(pos) | (len > 0 ? VRING_DESC_F_WRITE : 0);

	if (likely(vq->journal))
		virtq_journal_push(vq->journal, (virtq_pos)pos, chain->id, chain->n_desc, len);
	else if (vq->inflight)
		virtq_inflight_note(vq, (virtq_pos)pos, chain);
	/* The driver goes in order: while the first is held back, it sees none of the others. Those are one store each, as their line
	 * may be another core's again by the time of a second. */
	if (pos == vq->published_idx) {
		vq->held_flags = (uint16_t)flags;
		write_once(&d->id, htole16(chain->id));
		write_once(&d->len, htole32(len));
	} else {
		write_once((uint64_t *)(void *)&d->len,
			   htole64(len | (uint64_t)chain->id << 32 | (uint64_t)flags << 48));
	}
	vq->used_idx = (virtq_pos)virtq_pos_advance(pos, chain->n_desc, vq->size);
}

static always_inline void virtq_packed_publish(struct virtq *vq)
{
	struct vring_packed_desc *first = &vq->packed_desc[vq->published_idx & VIRTQ_POS_IDX];

	if (unlikely(vq->inflight))
		virtq_inflight_publish(vq);
	vq->published_idx = vq->used_idx;
	/* All that virtq_packed_push() wrote, and the guest's buffers, before the flags that show it. */
	store_release(&first->flags, htole16(vq->held_flags));
	if (likely(vq->journal))
		virtq_journal_publish(vq->journal, vq->published_idx);
}

#endif
