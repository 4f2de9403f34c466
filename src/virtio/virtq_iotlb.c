/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_iotlb.c - Translating a ring's addresses through an IOTLB, and what becomes of a chain when that cannot be done yet. */
#include "virtio/virtq_iotlb.h"

#include <stdalign.h>

void virtq_set_iotlb(struct virtq *vq, struct virtq_iotlb *io)
{
	vq->iotlb = io;
}

void virtq_forget_translations(struct virtq *vq)
{
	vq->cache = (struct guest_mem_cache){ 0 };
}

/* Misses */

static bool is_noted(const struct virtq_iotlb *io, uint64_t iova, uint32_t perm)
{
	for (uint32_t i = load_acquire(&io->tail); i != io->head; i++) {
		const struct virtq_miss *m = &io->misses[i % VIRTQ_MISSES];

		if (m->iova / IOTLB_PAGE == iova / IOTLB_PAGE && m->perm == perm)
			return true;
	}
	return false;
}

/* False: there is no room. */
static bool note(struct virtq_iotlb *io, uint64_t iova, uint32_t perm)
{
	if (is_noted(io, iova, perm))
		return true;
	/* What control has taken from a place before it is used again. */
	if (io->head - load_acquire(&io->tail) == VIRTQ_MISSES)
		return false;
	io->misses[io->head % VIRTQ_MISSES] = (struct virtq_miss){ iova, perm };
	store_release(&io->head, io->head + 1); /* the miss before what shows it */
	return true;
}

bool virtq_take_miss(struct virtq_iotlb *io, struct virtq_miss *miss)
{
	if (io->tail == load_acquire(&io->head))
		return false;
	*miss = io->misses[io->tail % VIRTQ_MISSES];
	store_release(&io->tail, io->tail + 1);
	return true;
}

/* A translation is missing. Who notes goes on, as long as there is room. */
static int lack(struct virtq_iotlb *io, uint64_t iova, uint32_t perm, uint32_t changes)
{
	if (io->noting)
		return note(io, iova, perm) ? 0 : -ENOBUFS;
	write_once(&io->missed_at, changes);
	return -EAGAIN;
}

/* Bytes from `addr` to the end of its page, or of the range. */
static uint32_t to_page_end(uint64_t addr, uint32_t len)
{
	return (uint32_t)MIN(len, IOTLB_PAGE - addr % IOTLB_PAGE);
}

static bool wraps(uint64_t addr, uint32_t len)
{
	return len - 1 > UINT64_MAX - addr;
}

/* Walks */

int virtq_iotlb_add(struct virtq *vq, struct virtq_walk *w, uint64_t addr, uint32_t len)
{
	uint32_t perm = w->write ? IOTLB_WRITE : IOTLB_READ, changes, here;

	if (unlikely(wraps(addr, len)))
		return virtq_break(vq, "buffer is outside guest memory", len);
	for (w->len += len; len > 0; addr += here, len -= here) {
		struct iotlb_entry e;
		int err = 0;

		if (unlikely(w->n == w->max))
			return -ENOBUFS;
		if (iotlb_find(vq->iotlb->table, addr, perm, &e, &changes)) {
			here = (uint32_t)MIN(len, e.size - (addr - e.iova));
			w->iov[w->n] = (struct iovec){ e.host + (addr - e.iova), here };
			vq->cache = (struct guest_mem_cache){ e.iova, e.size, e.host };
		} else {
			here = to_page_end(addr, len);
			err = lack(vq->iotlb, addr, perm, changes);
		}
		if (err)
			return err;
		w->n++;
	}
	return 0;
}

/* Are all pages of the table there? Those that are not are noted together. */
static int check_table(struct virtq *vq, uint64_t addr, uint32_t len)
{
	struct iotlb_entry e;
	uint32_t changes, here;
	int err = 0;

	for (; len > 0; addr += here, len -= here) {
		here = to_page_end(addr, len);
		if (iotlb_find(vq->iotlb->table, addr, IOTLB_READ, &e, &changes))
			continue;
		err = -EAGAIN;
		if (lack(vq->iotlb, addr, IOTLB_READ, changes))
			return err;
	}
	return err;
}

int virtq_iotlb_open(struct virtq *vq, struct virtq_table *t, uint64_t addr, uint32_t len)
{
	struct iotlb_entry e;
	uint32_t changes;
	int err;

	if (unlikely(wraps(addr, len)))
		return virtq_break(vq, "indirect table is outside guest memory", len);
	err = check_table(vq, addr, len);
	if (err)
		return err;
	*t = (struct virtq_table){ .addr = addr, .n = len / (uint32_t)sizeof(struct vring_desc) };
	if (iotlb_find(vq->iotlb->table, addr, IOTLB_READ, &e, &changes) && len <= e.size - (addr - e.iova) &&
	    (uintptr_t)(e.host + (addr - e.iova)) % alignof(struct vring_desc) == 0)
		t->entries = e.host + (addr - e.iova);
	return 0;
}

int virtq_iotlb_read(struct virtq *vq, uint64_t addr, void *dst, uint32_t len)
{
	uint8_t *out = dst;

	while (len > 0) {
		struct iotlb_entry e;
		uint32_t changes, here;

		if (!iotlb_find(vq->iotlb->table, addr, IOTLB_READ, &e, &changes)) {
			lack(vq->iotlb, addr, IOTLB_READ, changes);
			return -EAGAIN;
		}
		here = to_page_end(addr, len);
		for (uint32_t i = 0; i < here; i++)
			*out++ = read_once(e.host + (addr - e.iova) + i);
		addr += here;
		len -= here;
	}
	return 0;
}

/* Stalled */

void virtq_stall(struct virtq *vq)
{
	if (vq->iotlb->noting)
		return;
	write_once(&vq->stalled, true);
	vq->avail_idx = vq->last_avail;
	vq->n_known = 0;
}

bool virtq_lacks(const struct virtq *vq)
{
	return iotlb_changes(vq->iotlb->table) == read_once(&vq->iotlb->missed_at);
}

bool virtq_stalls(struct virtq *vq)
{
	if (virtq_lacks(vq))
		return true;
	write_once(&vq->stalled, false);
	return false;
}

/* Looking ahead */

/* A chain that cannot be walked: its indirect table is missing. On a packed ring such a chain has one descriptor (2.8.19). */
static void skip(struct virtq *vq)
{
	if (vq->packed)
		vq->last_avail = (virtq_pos)virtq_pos_advance(vq->last_avail, 1, vq->size);
	else
		vq->last_avail++;
	vq->n_known -= vq->n_known > 0;
}

static void look_ahead(struct virtq *vq, enum virtq_dir dir)
{
	struct iovec iov[VIRTQ_LOOK_PIECES];
	unsigned left = VIRTQ_LOOK_PIECES;

	for (unsigned i = 0; i < VIRTQ_LOOK_AHEAD && left > 0 && virtq_available(vq, 1) > 0; i++) {
		struct virtq_chain chain;
		int err = virtq_pop(vq, dir, iov, left, &chain);

		if (err == -EAGAIN)
			skip(vq);
		else if (err)
			return;
		else
			left -= chain.n_iov;
	}
}

bool virtq_note_misses(struct virtq *vq, enum virtq_dir dir)
{
	struct virtq_iotlb *io = vq->iotlb;
	const uint16_t last_avail = vq->last_avail, avail_idx = vq->avail_idx, n_known = vq->n_known;
	const uint32_t missed_at = io->missed_at, head = io->head;
	const bool stalled = vq->stalled;

	write_once(&vq->stalled, false);
	io->noting = true;
	look_ahead(vq, dir);
	io->noting = false;
	write_once(&io->missed_at, missed_at);
	vq->last_avail = last_avail;
	write_once(&vq->stalled, stalled);
	if (vq->error)
		return false;
	vq->avail_idx = avail_idx;
	vq->n_known = n_known;
	return io->head != head;
}
