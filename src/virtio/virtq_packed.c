/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_packed.c - The device side of a packed ring: counting chains, those that are more than plain descriptors, and
 * notifications. */
#include "virtio/virtq_packed.h"

#include "virtio/virtq_iotlb.h"

/* Fewer are not worth the call: who takes one buffer after the other asks for one at a time. */
enum { SCAN_AHEAD = 32 };

/* Count the chains that are there, up to `want` or some more. What the count rests on may be rewritten before a chain is popped; the pop
 * looks for itself. Only the head of a chain says whether it is available (2.8.6); a chain that does not end is one for the pop to
 * find. */
unsigned virtq_packed_scan(struct virtq *vq, unsigned want)
{
	unsigned pos = vq->n_known ? vq->avail_idx : vq->last_avail;
	const unsigned both = VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED;
	const struct vring_packed_desc *ring = vq->packed_desc;
	const unsigned size = vq->size;
	unsigned idx = pos & VIRTQ_POS_IDX, bits = virtq_pos_avail_bits(pos);
	unsigned n = vq->n_known, left = size;
	bool whole = true;

	if (!vq->running || vq->error || (unlikely(vq->stalled) && virtq_stalls(vq)))
		return 0;
	for (want = MAX(want, SCAN_AHEAD); n < want && left > 0; left--) {
		/* The head's flags before the rest of its chain. */
		unsigned flags = le16toh(load_acquire(&ring[idx].flags));

		if (whole && (flags & both) != bits)
			break;
		whole = !(flags & VRING_DESC_F_NEXT);
		n += whole;
		if (unlikely(++idx == size)) {
			idx = 0;
			bits ^= both;
		}
	}
	vq->avail_idx = (virtq_pos)(idx | (bits & VIRTQ_DESC_F_AVAIL ? VIRTQ_POS_WRAP : 0));
	vq->n_known = (uint16_t)(n + !whole);
	return vq->n_known;
}

/* 2.8.7: all entries belong to the chain, in their order; of the flags, WRITE alone means something. Not for chains to be read: DPDK's
 * driver (22.11, vring_desc_init_indirect_packed()) sets it in what it sends, and means nothing by it. */
static int walk_table(struct virtq *vq, struct virtq_walk *w, uint64_t addr, uint32_t len)
{
	struct virtq_table t;
	int err = virtq_table_open(vq, &t, addr, len);

	for (uint32_t i = 0; !err && i < t.n; i++) {
		const struct vring_packed_desc *d;
		uint16_t flags;

		d = likely(t.entries) ? (const struct vring_packed_desc *)t.entries + i : virtq_table_fetch(vq, &t, i);
		if (unlikely(!d))
			return virtq_fault(vq);
		flags = le16toh(read_once(&d->flags));
		if (unlikely(flags & VRING_DESC_F_INDIRECT))
			return virtq_break(vq, "indirect descriptor inside an indirect table", flags);
		err =
		    virtq_walk_add(vq, w, le64toh(read_once(&d->addr)), le32toh(read_once(&d->len)), flags & w->write);
	}
	return err;
}

static int walk_indirect(struct virtq *vq, struct virtq_walk *w, const struct vring_packed_desc *d, uint16_t flags)
{
	if (!vq->indirect)
		return virtq_break(vq, "indirect descriptor, which was not negotiated", flags);
	if (flags & VRING_DESC_F_NEXT)
		return virtq_break(vq, "indirect descriptor with a next one", flags);
	return walk_table(vq, w, le64toh(read_once(&d->addr)), le32toh(read_once(&d->len)));
}

/* Descriptors that were popped and not yet pushed. */
static unsigned held(const struct virtq *vq)
{
	unsigned n = (vq->last_avail & VIRTQ_POS_IDX) - (vq->used_idx & VIRTQ_POS_IDX);

	return (vq->last_avail ^ vq->used_idx) & VIRTQ_POS_WRAP ? n + vq->size : n;
}

/* Collect the chain that begins with `flags` at last_avail. Its end has to be found even when there is no room for its pieces. */
static int walk(struct virtq *vq, struct virtq_walk *w, uint16_t flags, struct virtq_chain *chain)
{
	unsigned pos = vq->last_avail;
	int err = 0;

	for (unsigned n = 1;; n++) {
		const struct vring_packed_desc *d = &vq->packed_desc[pos & VIRTQ_POS_IDX];

		if (n > 1)
			flags = le16toh(read_once(&d->flags));
		if (flags & VRING_DESC_F_INDIRECT && n > 1)
			return virtq_break(vq, "indirect descriptor inside a chain", flags); /* 2.8.19 */
		if (flags & VRING_DESC_F_INDIRECT)
			err = walk_indirect(vq, w, d, flags);
		else if (!err)
			err = virtq_walk_add(vq, w, le64toh(read_once(&d->addr)), le32toh(read_once(&d->len)), flags);
		if (unlikely(err == -EPROTO))
			return err;
		if (!(flags & VRING_DESC_F_NEXT)) {
			chain->id = le16toh(read_once(&d->id));
			chain->n_desc = (uint16_t)n;
			return err;
		}
		if (unlikely(n == vq->size))
			return virtq_break(vq, "descriptor chain is longer than the ring", n);
		pos = virtq_pos_advance(pos, 1, vq->size);
	}
}

int virtq_packed_pop_chain(struct virtq *vq, enum virtq_dir dir, struct iovec *iov, unsigned max,
			   struct virtq_chain *chain)
{
	struct virtq_walk w = { .iov = iov, .max = max, .write = dir == VIRTQ_WRITABLE ? VRING_DESC_F_WRITE : 0 };
	unsigned pos = vq->last_avail;
	uint16_t flags;
	int err;

	if (unlikely(vq->error))
		return -EPROTO;
	/* The flags before what they make available. */
	flags = le16toh(load_acquire(&vq->packed_desc[pos & VIRTQ_POS_IDX].flags));
	if ((flags & (VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED)) != virtq_pos_avail_bits(pos))
		return virtq_break(vq, "available descriptor was taken back", flags);
	err = virtq_walk_end(vq, &w, walk(vq, &w, flags, chain), chain);
	if (unlikely(err) && err != -ENOBUFS)
		return err;
	if (unlikely(chain->id >= vq->size))
		return virtq_break(vq, "buffer id is outside the ring", chain->id);
	/* Each would be walked as often as it is in a chain, and its place would be used more than once. */
	if (unlikely(held(vq) + chain->n_desc > vq->size))
		return virtq_break(vq, VIRTQ_OVERLAP, chain->n_desc);
	vq->last_avail = (virtq_pos)virtq_pos_advance(pos, chain->n_desc, vq->size);
	vq->n_known -= vq->n_known > 0;
	return err;
}

/* Two laps in a row have different wrap counters, so places repeat after two. */
bool virtq_pos_passed(virtq_pos event, virtq_pos now, virtq_pos old, unsigned size)
{
	unsigned laps = 2 * size;
#define LINEAR(pos) (((pos)&VIRTQ_POS_IDX) + ((pos)&VIRTQ_POS_WRAP ? 0 : size))
	unsigned behind = (LINEAR(now) + laps - LINEAR(event) - 1) % laps;
	unsigned step = (LINEAR(now) + laps - LINEAR(old)) % laps;
#undef LINEAR

	return (event & VIRTQ_POS_IDX) >= size || behind < step;
}

/* One word, so that place and flags are of one mind. The areas are aligned to it (2.8). */
static uint32_t *event_word(const struct vring_packed_desc_event *event)
{
	return (uint32_t *)(uintptr_t)event;
}

bool virtq_event_wants(const struct vring_packed_desc_event *event, virtq_pos now, virtq_pos old, unsigned size)
{
	uint32_t word = le32toh(read_once(event_word(event)));

	switch (word >> 16 & 3) {
	case VRING_PACKED_EVENT_FLAG_DISABLE:
		return false;
	case VRING_PACKED_EVENT_FLAG_DESC:
		return virtq_pos_passed((virtq_pos)word, now, old, size);
	default:
		return true;
	}
}

void virtq_event_write(struct vring_packed_desc_event *event, virtq_pos pos, uint16_t flags)
{
	write_once(event_word(event), htole32(pos | (uint32_t)flags << 16));
}

/* Never 0, which is what a ring that was set up anew has there: without DESC the place means nothing, so it may be any (virtq_journal.h). */
void virtq_packed_wish(struct vring_packed_desc_event *event, virtq_pos pos, uint16_t flags)
{
	if (flags == VRING_PACKED_EVENT_FLAG_ENABLE)
		pos |= VIRTQ_POS_WRAP;
	virtq_event_write(event, pos, flags);
}

bool virtq_packed_should_notify(struct virtq *vq)
{
	virtq_pos old = vq->signalled_idx;

	vq->signalled_idx = vq->published_idx;
	/* The flags that were published before the driver's wish: the driver writes its wish and then looks at the flags, so one
	 * of the two sees the other. */
	full_barrier();
	return virtq_event_wants(vq->driver_event, vq->published_idx, old, vq->size);
}

bool virtq_packed_enable_notify(struct virtq *vq)
{
	virtq_packed_wish(vq->device_event, vq->last_avail,
			  vq->event_idx ? VRING_PACKED_EVENT_FLAG_DESC : VRING_PACKED_EVENT_FLAG_ENABLE);
	/* Our wish before the look at the next descriptor: the driver publishes it and then reads the wish. */
	full_barrier();
	return virtq_packed_scan(vq, 1) > 0;
}

void virtq_packed_disable_notify(struct virtq *vq)
{
	virtq_packed_wish(vq->device_event, vq->last_avail, VRING_PACKED_EVENT_FLAG_DISABLE);
}
