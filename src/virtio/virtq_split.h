/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_split.h - The device side of a split ring (VIRTIO 1.2, 2.7): the short paths, inlined into the callers of virtq.h.
 *
 * What is short: a chain of one or two direct descriptors, in the region of guest memory that was used last. Everything else is
 * virtq_split.c's, which starts again from the ring entry; what the short path has read is forgotten, so a guest that
 * rewrites a descriptor in between is judged by what the second reading finds, alone. */
#ifndef RINGWAY_VIRTIO_VIRTQ_SPLIT_H
#define RINGWAY_VIRTIO_VIRTQ_SPLIT_H

#include "virtio/virtq_types.h"

unsigned virtq_split_refill(struct virtq *vq);
int virtq_split_pop_chain(struct virtq *vq, enum virtq_dir dir, uint16_t head, struct iovec *iov, unsigned max,
			  struct virtq_chain *chain);
bool virtq_split_should_notify(struct virtq *vq);
bool virtq_split_enable_notify(struct virtq *vq);
void virtq_split_disable_notify(struct virtq *vq); /* without event index */

static always_inline unsigned virtq_split_available(struct virtq *vq, unsigned want)
{
	unsigned n = (uint16_t)(vq->avail_idx - vq->last_avail);

	return likely(n >= want) ? n : virtq_split_refill(vq);
}

/* Descriptor `idx` < size as one piece, when it is plain and in the region used last: 0, or 1 when another one follows. Else -1.
 * `total` grows by its length. */
static always_inline int virtq_split_piece(const struct virtq *vq, enum virtq_dir dir, uint16_t idx, struct iovec *iov,
					   uint64_t *total)
{
	const struct vring_desc *d = &vq->desc[idx];
	uint64_t off = le64toh(read_once(&d->addr)) - vq->cache.start;
	uint32_t len = le32toh(read_once(&d->len));
	uint16_t flags = le16toh(read_once(&d->flags));
	uint16_t wanted = dir == VIRTQ_WRITABLE ? VRING_DESC_F_WRITE : 0;

	if (unlikely((flags & (VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)) != wanted || len == 0 ||
		     off >= vq->cache.size || len > vq->cache.size - off))
		return -1;
	*iov = (struct iovec){ vq->cache.host + off, len };
	*total += len;
	return flags & VRING_DESC_F_NEXT;
}

static always_inline int virtq_split_pop(struct virtq *vq, enum virtq_dir dir, struct iovec *iov, unsigned max,
					 struct virtq_chain *chain)
{
	uint16_t head = le16toh(read_once(&vq->avail->ring[vq->last_avail & vq->mask]));
	uint64_t len = 0;
	uint16_t n = 1;
	int more;

	if (unlikely(head >= vq->size || max < 2))
		goto not_short;
	more = virtq_split_piece(vq, dir, head, &iov[0], &len);
	if (more > 0) {
		uint16_t next = le16toh(read_once(&vq->desc[head].next));

		more = next < vq->size ? virtq_split_piece(vq, dir, next, &iov[1], &len) : -1;
		n = 2;
	}
	if (unlikely(more != 0 || len > UINT32_MAX))
		goto not_short;
	*chain = (struct virtq_chain){ .id = head, .n_desc = 1, .n_iov = n, .len = (uint32_t)len };
	vq->last_avail++;
	return 0;
not_short:
	return virtq_split_pop_chain(vq, dir, head, iov, max, chain);
}

static always_inline void virtq_split_unpop(struct virtq *vq, unsigned n)
{
	vq->last_avail = (uint16_t)(vq->last_avail - n);
}

static always_inline void virtq_split_push(struct virtq *vq, const struct virtq_chain *chain, uint32_t len)
{
	vring_used_elem_t *e = &vq->used->ring[vq->used_idx & vq->mask];

	e->id = htole32(chain->id);
	e->len = htole32(len);
	vq->used_idx++;
}

static always_inline void virtq_split_publish(struct virtq *vq)
{
	vq->published_idx = vq->used_idx;
	/* The entries written by virtq_split_push(), and the guest's buffers, before the index that shows them. */
	store_release(&vq->used->idx, htole16(vq->used_idx));
}

#endif
