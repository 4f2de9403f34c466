/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_split.c - The device side of a split ring: chains that are more than one plain descriptor, and notifications. */
#include "virtio/virtq_split.h"

#include "virtio/virtq_iotlb.h"

/* Read the driver's index. Returns the number of chains there, 0 when it is not a possible number. */
unsigned virtq_split_refill(struct virtq *vq)
{
	uint16_t idx, n;

	if (!vq->running || vq->error || (unlikely(vq->stalled) && virtq_stalls(vq)))
		return 0;
	/* The index before the ring entries, descriptors and buffers that it covers. */
	idx = le16toh(load_acquire(&vq->avail->idx));
	n = (uint16_t)(idx - vq->last_avail);
	if (unlikely(n > vq->size)) {
		virtq_break(vq, "available index is further ahead than the ring is long", idx);
		return 0;
	}
	vq->avail_idx = idx;
	return n;
}

/* May the chain go on in an indirect table (2.7.5.3)? The descriptor's write flag says nothing (2.7.5.3.2). */
static int check_indirect(struct virtq *vq, uint16_t flags, bool in_table)
{
	if (unlikely(in_table))
		return virtq_break(vq, "indirect descriptor inside an indirect table", flags);
	if (unlikely(!vq->indirect))
		return virtq_break(vq, "indirect descriptor, which was not negotiated", flags);
	if (unlikely(flags & VRING_DESC_F_NEXT))
		return virtq_break(vq, "indirect descriptor with a next one", flags);
	return 0;
}

/* Collect the descriptors from `i` on. A chain may begin in the ring and end in one indirect table. No part of it visits more
 * descriptors than its table has, so a loop ends, even one without a byte. */
static int walk(struct virtq *vq, struct virtq_walk *w, uint32_t i)
{
	struct virtq_table t = { .entries = vq->desc, .n = vq->size };
	uint32_t left = t.n;
	bool in_table = false;

	for (;;) {
		const struct vring_desc *d;
		uint64_t addr;
		uint32_t len;
		uint16_t flags;
		int err;

		if (unlikely(i >= t.n))
			return virtq_break(vq, "descriptor number is outside the table", i);
		if (unlikely(left-- == 0))
			return virtq_break(vq, "descriptor chain loops", i);
		d = likely(t.entries) ? (const struct vring_desc *)t.entries + i : virtq_table_fetch(vq, &t, i);
		if (unlikely(!d))
			return virtq_fault(vq);
		addr = le64toh(read_once(&d->addr));
		len = le32toh(read_once(&d->len));
		flags = le16toh(read_once(&d->flags));
		if (flags & VRING_DESC_F_INDIRECT) {
			err = check_indirect(vq, flags, in_table);
			if (likely(!err))
				err = virtq_table_open(vq, &t, addr, len);
			if (unlikely(err))
				return err;
			in_table = true;
			i = 0;
			left = t.n;
			continue;
		}
		err = virtq_walk_add(vq, w, addr, len, flags);
		if (unlikely(err) || !(flags & VRING_DESC_F_NEXT))
			return err;
		i = le16toh(read_once(&d->next));
	}
}

int virtq_split_pop_chain(struct virtq *vq, enum virtq_dir dir, uint16_t head, struct iovec *iov, unsigned max,
			  struct virtq_chain *chain)
{
	struct virtq_walk w = { .iov = iov, .max = max, .write = dir == VIRTQ_WRITABLE ? VRING_DESC_F_WRITE : 0 };
	int err;

	if (unlikely(vq->error))
		return -EPROTO;
	err = virtq_walk_end(vq, &w, walk(vq, &w, head), chain);
	if (unlikely(err) && err != -ENOBUFS)
		return err;
	chain->id = head;
	chain->n_desc = 1;
	vq->last_avail++;
	return err;
}

/* 2.7.7: the driver's flag, or with event index the position it waits for. */
bool virtq_split_should_notify(struct virtq *vq)
{
	uint16_t old = vq->signalled_idx;
	bool first = !vq->signalled_valid;

	vq->signalled_idx = vq->published_idx;
	vq->signalled_valid = true;
	/* The used index that was published before the driver's wish: the driver writes its wish and then looks at the index, so
	 * one of the two sees the other. */
	full_barrier();
	if (!vq->event_idx)
		return !(le16toh(read_once(&vq->avail->flags)) & VRING_AVAIL_F_NO_INTERRUPT);
	return first || vring_need_event(le16toh(read_once(&vq->avail->ring[vq->size])), vq->published_idx, old);
}

/* 2.7.10: where the device asks for kicks. */
static __virtio16 *avail_event(struct virtq *vq)
{
	return (__virtio16 *)&vq->used->ring[vq->size];
}

bool virtq_split_enable_notify(struct virtq *vq)
{
	if (vq->event_idx)
		write_once(avail_event(vq), htole16(vq->avail_idx));
	else
		write_once(&vq->used->flags, htole16(0));
	/* Our wish before the look at the driver's index: the driver publishes its index and then reads the wish. */
	full_barrier();
	return virtq_split_refill(vq) > 0;
}

void virtq_split_disable_notify(struct virtq *vq)
{
	write_once(&vq->used->flags, htole16(VRING_USED_F_NO_NOTIFY));
}
