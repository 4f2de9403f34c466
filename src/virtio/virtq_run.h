/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_run.h - Plain chains one after the other, with what a ring needs for each of them in registers.
 *
 * Nearly every chain is one descriptor in the region of guest memory used last, and follows another such. There is little to do for one,
 * so what counts is the number of instructions, and most of these were for the ring's state: loaded, wrapped, turned into bits and
 * stored, chain by chain. A run does that once for many:
 *
 *	n = virtq_pop_begin(&run, vq, packed, wanted);
 *	for (i = 0; i < n && virtq_pop_next(&run, dir, need); i++)
 *		... run.base, run.len, run.id ...
 *	virtq_pop_end(&run, vq, i);
 *
 * and likewise for what is pushed. A run ends where the ring does, so nothing wraps in it, and at a chain that is not plain, which is then
 * virtq_pop()'s. Both may be open at a time; nothing else is done with the ring until they are closed. `packed` is vq->packed as a literal:
 * each caller's loop exists twice. The structures are for compilers to take apart: no pointer to one is handed on.
 *
 * Worker, inside the gate, as all of virtq.h. */
#ifndef RINGWAY_VIRTIO_VIRTQ_RUN_H
#define RINGWAY_VIRTIO_VIRTQ_RUN_H

#include "base/prefetch.h"
#include "virtio/virtq.h"

enum { VIRTQ_RUN_AHEAD = 16 /* packed descriptors and used entries, to be asked for ahead of their time */ };

struct virtq_pop_run {
	/* The chain that was popped last. */
	void *base;   /* its buffer */
	uint32_t len; /* bytes of it */
	uint16_t id;

	bool packed;
	uint32_t size;
	struct guest_mem_cache mem;
	const struct vring_packed_desc *next, *end; /* packed; `end` is the ring's */
	uint64_t avail_bits;
	const __virtio16 *avail, *avail_end; /* split; `end` is what is known to be available */
	const struct vring_desc *desc;
};

/* The second word of a descriptor of either kind: length, and what is behind it. Of a packed one, before all else that it makes available. */
static always_inline uint64_t virtq_run_word(const void *len, const void *flags)
{
#if defined(__x86_64__)
	(void)flags;
	return le64toh(load_acquire((const uint64_t *)len));
#else
	/* Not every machine keeps loads and stores of different sizes in order. */
	(void)load_acquire((const uint16_t *)flags);
	return le64toh(read_once((const uint64_t *)len));
#endif
}

/* How many chains a run may have, at most `max`; 0: none is known to be there. */
static always_inline unsigned virtq_pop_begin(struct virtq_pop_run *run, struct virtq *vq, const bool packed,
					      unsigned max)
{
	unsigned idx, known;

	*run = (struct virtq_pop_run){ .packed = packed, .size = vq->size, .mem = vq->cache };
	if (packed) {
		idx = vq->last_avail & VIRTQ_POS_IDX;
		run->next = &vq->packed_desc[idx];
		run->end = &vq->packed_desc[vq->size];
		run->avail_bits = (uint64_t)virtq_pos_avail_bits(vq->last_avail) << 48;
	} else {
		idx = vq->last_avail & vq->mask;
		known = virtq_split_available(vq, 1);
		run->desc = vq->desc;
		run->avail = &vq->avail->ring[idx];
		run->avail_end = run->avail + MIN(vq->size - idx, known);
		max = MIN(max, known);
	}
	return MIN(max, vq->size - idx);
}

/* Pop a chain whose buffer has at least `need` > 0 bytes. False: there is no next one, or it is not plain. */
static always_inline bool virtq_pop_next(struct virtq_pop_run *run, enum virtq_dir dir, uint32_t need)
{
	const uint64_t plain = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT;
	uint64_t write = dir == VIRTQ_WRITABLE ? VRING_DESC_F_WRITE : 0, word, off;
	uint32_t len;
	uint16_t id;

	if (run->packed) {
		const uint64_t mask = (plain | VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED) << 48;
		const struct vring_packed_desc *d = run->next;

		word = virtq_run_word(&d->len, &d->flags);
		off = le64toh(read_once(&d->addr)) - run->mem.start;
		id = (uint16_t)(word >> 32);
		if (dir == VIRTQ_WRITABLE) /* written to as soon as it is read */
			prefetch_to_write(d + VIRTQ_RUN_AHEAD);
		else
			prefetch_to_read(d + VIRTQ_RUN_AHEAD);
		if (unlikely((word & mask) != (run->avail_bits | write << 48) || id >= run->size))
			return false;
	} else {
		const struct vring_desc *d;

		id = le16toh(read_once(run->avail));
		if (unlikely(id >= run->size))
			return false;
		d = &run->desc[id];
		word = virtq_run_word(&d->len, &d->flags);
		off = le64toh(read_once(&d->addr)) - run->mem.start;
		if (unlikely((word & plain << 32) != write << 32))
			return false;
	}
	len = (uint32_t)word;
	if (unlikely(len < need || off >= run->mem.size || len > run->mem.size - off))
		return false;
	run->base = run->mem.host + off;
	run->id = id;
	run->len = len;
	if (run->packed)
		run->next++;
	else
		run->avail++;
	return true;
}

/* Where the buffer that is popped after `ahead` others begins: as an offset from run->mem.host, beyond run->mem.size when it is not known. A
 * hint, for no more than a prefetch; it is read again when it is popped. */
static always_inline uint64_t virtq_pop_peek(const struct virtq_pop_run *run, unsigned ahead)
{
	uint16_t id;

	if (run->packed) {
		if (unlikely(run->next + ahead >= run->end))
			return UINT64_MAX;
		return le64toh(read_once(&run->next[ahead].addr)) - run->mem.start;
	}
	if (unlikely(run->avail + ahead >= run->avail_end))
		return UINT64_MAX;
	id = le16toh(read_once(&run->avail[ahead]));
	if (unlikely(id >= run->size))
		return UINT64_MAX;
	return le64toh(read_once(&run->desc[id].addr)) - run->mem.start;
}

/* That buffer will be written to soon. */
static always_inline void virtq_pop_prefetch(const struct virtq_pop_run *run, unsigned ahead)
{
	uint64_t off = virtq_pop_peek(run, ahead);

	if (likely(off < run->mem.size)) {
		prefetch_to_write(run->mem.host + off);
		prefetch_to_write(run->mem.host + off + CACHE_LINE);
	}
}

/* `n`: how many were popped. */
static always_inline void virtq_pop_end(const struct virtq_pop_run *run, struct virtq *vq, unsigned n)
{
	if (run->packed) {
		vq->last_avail = (virtq_pos)virtq_pos_advance(vq->last_avail, n, vq->size);
		vq->n_known -= (uint16_t)MIN(vq->n_known, n);
	} else {
		vq->last_avail = (uint16_t)(vq->last_avail + n);
	}
}

struct virtq_push_run {
	bool packed;
	struct vring_packed_desc *next,
	    *held;      /* packed; `held` is the first of a batch, which shows the others (virtq_packed.h) */
	uint64_t flags; /* in their place */
	struct virtq_journal *journal;
	uint64_t note;           /* what the journal has of the next push, without id and length */
	vring_used_elem_t *used; /* split */
};

/* How many chains of one descriptor may be pushed in a run, at most `max`: 0 where each has to be written down. What was popped in `dir`. */
static always_inline unsigned virtq_push_begin(struct virtq_push_run *run, struct virtq *vq, const bool packed,
					       enum virtq_dir dir, unsigned max)
{
	unsigned idx;

	*run = (struct virtq_push_run){ .packed = packed };
	if (packed) {
		idx = vq->used_idx & VIRTQ_POS_IDX;
		run->next = &vq->packed_desc[idx];
		run->held = vq->used_idx == vq->published_idx ? run->next : NULL;
		run->flags = virtq_pos_used_bits(vq->used_idx) | (dir == VIRTQ_WRITABLE ? VRING_DESC_F_WRITE : 0);
		run->journal = vq->journal;
		run->note = virtq_journal_word(vq->used_idx, 0, 1, 0);
		if (unlikely(vq->inflight))
			return 0;
		if (run->held)
			vq->held_flags = (uint16_t)run->flags; /* of no use before something is pushed */
		run->flags <<= 48;
	} else {
		idx = vq->used_idx & vq->mask;
		run->used = &vq->used->ring[idx];
	}
	return MIN(max, vq->size - idx);
}

/* As virtq_push(): `len` > 0 bytes written where the chain was writable, else 0. Not longer than a frame. */
static always_inline void virtq_push_next(struct virtq_push_run *run, uint16_t id, uint32_t len)
{
	if (run->packed) {
		struct vring_packed_desc *d = run->next++;

		if (likely(run->journal)) {
			write_once(&run->journal->push, run->note + virtq_journal_word(0, id, 0, len));
			virtq_journal_order();
		}
		run->note++;
		if (unlikely(d == run->held)) {
			write_once(&d->id, htole16(id));
			write_once(&d->len, htole32(len));
		} else {
			write_once((uint64_t *)(void *)&d->len, htole64(len | (uint64_t)id << 32 | run->flags));
		}
	} else {
		prefetch_to_write(run->used + VIRTQ_RUN_AHEAD);
		*run->used++ = (vring_used_elem_t){ .id = htole32(id), .len = htole32(len) };
	}
}

/* `n`: how many were pushed. */
static always_inline void virtq_push_end(const struct virtq_push_run *run, struct virtq *vq, unsigned n)
{
	vq->used_idx =
	    run->packed ? (virtq_pos)virtq_pos_advance(vq->used_idx, n, vq->size) : (uint16_t)(vq->used_idx + n);
}

#endif
