/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_split.c - The device side of a split ring: chains that are more than one plain descriptor, and notifications. */
#include "virtio/virtq_split.h"

/* Read the driver's index. Returns the number of chains there, 0 when it is not a possible number. */
unsigned virtq_split_refill(struct virtq *vq)
{
	uint16_t idx, n;

	if (!vq->running || vq->error)
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

/* One descriptor, every field read once. */
static struct vring_desc desc_read(const struct vring_desc *d)
{
	return (struct vring_desc){
		.addr = le64toh(read_once(&d->addr)),
		.len = le32toh(read_once(&d->len)),
		.flags = le16toh(read_once(&d->flags)),
		.next = le16toh(read_once(&d->next)),
	};
}

static noinline_cold int desc_fetch(struct virtq *vq, const struct virtq_table *t, uint32_t i, struct vring_desc *d)
{
	struct vring_desc raw;
	int err = virtq_table_fetch(vq, t, i, &raw);

	if (!err)
		*d = desc_read(&raw);
	return err;
}

static int desc_get(struct virtq *vq, const struct virtq_table *t, uint32_t i, struct vring_desc *d)
{
	if (unlikely(!t->entries))
		return desc_fetch(vq, t, i, d);
	*d = desc_read((const struct vring_desc *)t->entries + i);
	return 0;
}

/* Go on in the table that `d` names (2.7.5.3). Its write flag says nothing (2.7.5.3.2). */
static int enter_table(struct virtq *vq, struct virtq_table *t, const struct vring_desc *d)
{
	if (t->indirect)
		return virtq_break(vq, "indirect descriptor inside an indirect table", d->flags);
	if (!vq->indirect)
		return virtq_break(vq, "indirect descriptor, which was not negotiated", d->flags);
	if (d->flags & VRING_DESC_F_NEXT)
		return virtq_break(vq, "indirect descriptor with a next one", d->flags);
	return virtq_table_open(vq, t, d->addr, d->len);
}

/* Collect the descriptors from `i` on. A chain may begin in the ring and end in one indirect table. No part of it visits more
 * descriptors than its table has, so a loop ends, even one without a byte. */
static int walk(struct virtq *vq, struct virtq_walk *w, uint32_t i)
{
	struct virtq_table t = { .entries = vq->desc, .n = vq->size };
	uint32_t left = t.n;
	struct vring_desc d;
	int err;

	for (;;) {
		if (i >= t.n)
			return virtq_break(vq, "descriptor number is outside the table", i);
		if (left-- == 0)
			return virtq_break(vq, "descriptor chain loops", i);
		err = desc_get(vq, &t, i, &d);
		if (err)
			return err;
		if (d.flags & VRING_DESC_F_INDIRECT) {
			err = enter_table(vq, &t, &d);
			i = 0;
			left = t.n;
		} else {
			err = virtq_walk_add(vq, w, d.addr, d.len, d.flags);
			i = d.next;
			if (!(d.flags & VRING_DESC_F_NEXT))
				return err;
		}
		if (err)
			return err;
	}
}

int virtq_split_pop_chain(struct virtq *vq, enum virtq_dir dir, uint16_t head, struct iovec *iov, unsigned max,
			  struct virtq_chain *chain)
{
	struct virtq_walk w = { .iov = iov, .max = max, .write = dir == VIRTQ_WRITABLE ? VRING_DESC_F_WRITE : 0 };
	int err;

	if (unlikely(vq->error))
		return -EPROTO;
	err = walk(vq, &w, head);
	if (unlikely(err == -EPROTO))
		return err;
	*chain = (struct virtq_chain){ .id = head, .n_desc = 1 };
	if (likely(!err)) {
		chain->n_iov = (uint16_t)w.n;
		chain->len = (uint32_t)w.len;
	}
	vq->last_avail++;
	return err;
}

/* 2.7.7: the driver's flag, or with event index the position it waits for. */
bool virtq_split_should_notify(struct virtq *vq)
{
	uint16_t old = vq->signalled_idx;
	bool first = !vq->signalled_valid;

	if (old == vq->published_idx)
		return false;
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
	/* With event index the position asked for has gone by or will only once: there is nothing to take back. */
	if (!vq->event_idx)
		write_once(&vq->used->flags, htole16(VRING_USED_F_NO_NOTIFY));
}
