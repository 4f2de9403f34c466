/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_inflight.c - Keeping the area of virtq_inflight.h, and resuming from one. */
#include "virtio/virtq_inflight.h"

#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/virtq.h"

enum { AREA_ALIGN = 64 };

static bool is_packed(const struct virtq_config *config)
{
	return config->features >> VIRTIO_F_RING_PACKED & 1;
}

size_t virtq_inflight_size(uint16_t size, bool packed)
{
	size_t bytes = packed ? sizeof(struct virtq_inflight_packed) + size * sizeof(struct virtq_inflight_packed_desc)
			      : sizeof(struct virtq_inflight_split) + size * sizeof(struct virtq_inflight_split_desc);

	return (bytes + AREA_ALIGN - 1) / AREA_ALIGN * AREA_ALIGN;
}

/* A chain that was in flight, by its entry in the area. */
struct marked {
	uint64_t counter;
	uint16_t entry;
};

/* What resuming needs room for; each has as many elements as the ring has entries. */
struct scratch {
	struct marked *m;
	struct vring_packed_desc *copy;
	uint16_t *last;
};

static int by_counter(const void *a, const void *b)
{
	const struct marked *x = a, *y = b;

	return (x->counter > y->counter) - (x->counter < y->counter);
}

/* What entries of both kinds begin with. */
struct mark {
	uint8_t inflight;
	uint8_t other[7];
	uint64_t counter;
};
static_assert(offsetof(struct virtq_inflight_split_desc, counter) == offsetof(struct mark, counter), "see struct mark");
static_assert(offsetof(struct virtq_inflight_packed_desc, counter) == offsetof(struct mark, counter),
	      "see struct mark");

/* The chains that are marked among `size` entries of `stride` bytes, the oldest first. */
static unsigned find_marked(const void *entries, size_t stride, uint16_t size, struct marked *m)
{
	unsigned n = 0;

	for (uint16_t i = 0; i < size; i++) {
		const struct mark *mark = (const void *)((const uint8_t *)entries + i * stride);

		if (read_once(&mark->inflight) == 1)
			m[n++] = (struct marked){ read_once(&mark->counter), i };
	}
	qsort(m, n, sizeof(*m), by_counter);
	return n;
}

/* Split */

static uint16_t used_idx_of(const struct virtq_config *config)
{
	return le16toh(read_once(&((const struct vring_used *)config->used)->idx));
}

static void begin_split(const struct virtq_config *config)
{
	struct virtq_inflight_split *area = config->inflight;

	memset(area, 0, virtq_inflight_size(config->size, false));
	area->desc_num = config->size;
	area->used_idx = used_idx_of(config);
}

/* The process was killed between publishing its last batch and taking the marks off. */
static void finish_batch(struct virtq_inflight_split *area, uint16_t size, uint16_t used_idx)
{
	uint16_t left = (uint16_t)(used_idx - read_once(&area->used_idx)), i = read_once(&area->last_batch_head);

	for (left = MIN(left, size); left > 0 && i < size; left--) {
		write_once(&area->desc[i].inflight, 0);
		i = read_once(&area->desc[i].next);
	}
	virtq_journal_order();
	write_once(&area->used_idx, used_idx);
}

/* The driver has room in the available ring for every descriptor, so the entries of chains that it has not back are not used for others.
 * After an in-order device they say already what they have to. */
static void offer_again_split(const struct virtq_config *config, uint16_t used_idx, const struct marked *m, unsigned n)
{
	struct vring_avail *avail = config->avail;

	for (unsigned k = 0; k < n; k++) {
		__virtio16 *head = &avail->ring[(uint16_t)(used_idx + k) & (config->size - 1)];

		if (le16toh(read_once(head)) != m[k].entry)
			write_once(head, htole16(m[k].entry));
	}
}

static int resume_split(struct virtq_config *config, struct marked *m)
{
	struct virtq_inflight_split *area = config->inflight;
	uint16_t used_idx = used_idx_of(config);
	unsigned n;

	finish_batch(area, config->size, used_idx);
	n = find_marked(area->desc, sizeof(area->desc[0]), config->size, m);
	offer_again_split(config, used_idx, m, n);
	/* The last one first: the next process would find those that are left at the same places. */
	while (n-- > 0) {
		virtq_journal_order();
		write_once(&area->desc[m[n].entry].inflight, 0);
	}
	config->last_avail = used_idx;
	return 0;
}

/* Packed */

static union virtq_inflight_place place_of(virtq_pos pos, virtq_pos old)
{
	return (union virtq_inflight_place){
		.used_idx = pos & VIRTQ_POS_IDX,
		.old_used_idx = old & VIRTQ_POS_IDX,
		.used_wrap_counter = pos >> VRING_PACKED_EVENT_F_WRAP_CTR,
		.old_used_wrap_counter = old >> VRING_PACKED_EVENT_F_WRAP_CTR,
	};
}

static void set_place(struct virtq_inflight_packed *area, virtq_pos pos, virtq_pos old)
{
	virtq_journal_order();
	write_once(&area->place.word, place_of(pos, old).word);
}

static virtq_pos pos_of(uint16_t idx, uint8_t wrap)
{
	return (virtq_pos)(idx | (wrap ? VIRTQ_POS_WRAP : 0));
}

/* All entries are free, in their order. None is marked. */
static void link_all(struct virtq_inflight_packed *area, uint16_t size)
{
	for (uint16_t i = 0; i < size; i++)
		write_once(&area->desc[i].next, i + 1);
	write_once(&area->free_head, 0);
	write_once(&area->old_free_head, 0);
}

static void begin_packed(const struct virtq_config *config)
{
	struct virtq_inflight_packed *area = config->inflight;

	memset(area, 0, virtq_inflight_size(config->size, true));
	area->desc_num = config->size;
	link_all(area, config->size);
	set_place(area, config->last_avail, config->last_avail);
}

/* A place in front of the last batch, or behind it when the driver can have seen that. The descriptor that shows it was available, and is
 * used then, or available in another lap. */
static int settle_batch(struct virtq_inflight_packed *area, const struct virtq_config *config, virtq_pos *pos)
{
	const struct vring_packed_desc *ring = config->desc;
	union virtq_inflight_place p = { .word = read_once(&area->place.word) };
	virtq_pos now = pos_of(p.used_idx, p.used_wrap_counter), old = pos_of(p.old_used_idx, p.old_used_wrap_counter);
	unsigned flags;

	if (p.used_idx >= config->size || p.old_used_idx >= config->size)
		return -EBADMSG;
	flags = le16toh(load_acquire(&ring[p.old_used_idx].flags)) & (VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED);
	if (now != old && flags != virtq_pos_avail_bits(old))
		write_once(&area->old_free_head, read_once(&area->free_head));
	else
		now = old;
	set_place(area, now, now);
	*pos = now;
	return 0;
}

static void unmark_free(struct virtq_inflight_packed *area, uint16_t size)
{
	uint16_t i = read_once(&area->old_free_head);

	for (unsigned n = 0; n < size && i < size; n++) {
		write_once(&area->desc[i].inflight, 0);
		i = read_once(&area->desc[i].next);
	}
}

/* The noted descriptors of the chain at `entry` into copy[0..max), as they stood in the ring but for the place; its last entry into
 * *last. How many, or -EBADMSG. */
static int copy_noted(const struct virtq_inflight_packed *area, uint16_t size, uint16_t entry,
		      struct vring_packed_desc *copy, unsigned max, uint16_t *last)
{
	unsigned num = read_once(&area->desc[entry].num);

	if (num == 0 || num > max)
		return -EBADMSG;
	for (unsigned k = 0; k < num; k++) {
		const struct virtq_inflight_packed_desc *d = &area->desc[entry];

		if (entry >= size)
			return -EBADMSG;
		copy[k] = (struct vring_packed_desc){
			.addr = htole64(read_once(&d->addr)),
			.len = htole32(read_once(&d->len)),
			.id = htole16(read_once(&d->id)),
			.flags =
			    read_once(&d->flags) & (VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT),
		};
		*last = entry;
		entry = read_once(&d->next);
	}
	return (int)num;
}

static void offer_again_packed(const struct virtq_config *config, virtq_pos pos, const struct vring_packed_desc *copy,
			       unsigned n)
{
	struct vring_packed_desc *ring = config->desc;

	for (unsigned k = 0; k < n; k++) {
		struct vring_packed_desc *d = &ring[pos & VIRTQ_POS_IDX];

		write_once(&d->addr, copy[k].addr);
		write_once(&d->len, copy[k].len);
		write_once(&d->id, copy[k].id);
		store_release(&d->flags, htole16((uint16_t)(copy[k].flags | virtq_pos_avail_bits(pos))));
		pos = (virtq_pos)virtq_pos_advance(pos, 1, config->size);
	}
}

/* All marked chains become free by one store; only then the marks go. */
static void free_marked(struct virtq_inflight_packed *area, const struct marked *m, const uint16_t *last, unsigned n)
{
	uint16_t head = read_once(&area->old_free_head);

	for (unsigned k = 0; k < n; k++) {
		write_once(&area->desc[last[k]].next, head);
		head = m[k].entry;
	}
	virtq_journal_order();
	write_once(&area->old_free_head, head);
	virtq_journal_order();
	for (unsigned k = 0; k < n; k++)
		write_once(&area->desc[m[k].entry].inflight, 0);
	virtq_journal_order();
}

static int resume_packed(struct virtq_config *config, struct scratch *s)
{
	struct virtq_inflight_packed *area = config->inflight;
	unsigned n, n_desc = 0;
	virtq_pos pos;

	if (settle_batch(area, config, &pos) < 0)
		return -EBADMSG;
	unmark_free(area, config->size);
	n = find_marked(area->desc, sizeof(area->desc[0]), config->size, s->m);
	for (unsigned k = 0; k < n; k++) {
		int num =
		    copy_noted(area, config->size, s->m[k].entry, &s->copy[n_desc], config->size - n_desc, &s->last[k]);

		if (num < 0)
			return num;
		n_desc += (unsigned)num;
	}
	offer_again_packed(config, pos, s->copy, n_desc);
	free_marked(area, s->m, s->last, n);
	link_all(area, config->size);
	config->last_avail = pos;
	return 0;
}

/* The chains of a batch take the entries from 0 on, without a gap: all of them are free before and behind it. So the free list is always
 * that of link_all(), and only its head moves. */
void virtq_inflight_note(struct virtq *vq, uint16_t pos, const struct virtq_chain *chain)
{
	struct virtq_inflight_packed *area = vq->inflight;
	uint16_t entry = vq->n_noted;

	if (chain->n_desc > vq->size - entry)
		return; /* more chains than the ring has room for: a driver that makes them up has nothing to resume */
	write_once(&area->desc[entry].num, chain->n_desc);
	write_once(&area->desc[entry].last, entry + chain->n_desc - 1);
	write_once(&area->desc[entry].counter, entry);
	write_once(&area->desc[entry].inflight, 1);
	for (unsigned k = 0; k < chain->n_desc; k++) {
		const struct vring_packed_desc *d = &vq->packed_desc[pos & VIRTQ_POS_IDX];
		struct virtq_inflight_packed_desc *to = &area->desc[entry + k];

		write_once(&to->addr, le64toh(read_once(&d->addr)));
		write_once(&to->len, le32toh(read_once(&d->len)));
		write_once(&to->id, le16toh(read_once(&d->id)));
		write_once(&to->flags, le16toh(read_once(&d->flags)));
		pos = (virtq_pos)virtq_pos_advance(pos, 1, vq->size);
	}
	vq->n_noted = entry + chain->n_desc;
	virtq_journal_order();
	write_once(&area->free_head, vq->n_noted);
	write_once(&area->old_free_head, vq->n_noted);
	virtq_journal_order();
}

void virtq_inflight_publish(struct virtq *vq)
{
	struct virtq_inflight_packed *area = vq->inflight;

	write_once(&area->free_head, 0);
	set_place(area, vq->used_idx, vq->published_idx);
	virtq_journal_order();
}

static void published_packed(struct virtq *vq)
{
	struct virtq_inflight_packed *area = vq->inflight;

	/* Where a chain begins is not remembered: no other entry is marked. */
	for (uint16_t i = 0; i < vq->n_noted; i++)
		write_once(&area->desc[i].inflight, 0);
	vq->n_noted = 0;
	virtq_journal_order();
	write_once(&area->old_free_head, 0);
	set_place(area, vq->published_idx, vq->published_idx);
}

/* Both */

void virtq_inflight_published(struct virtq *vq)
{
	struct virtq_inflight_split *area = vq->inflight;

	virtq_journal_order();
	if (vq->packed)
		published_packed(vq);
	else
		write_once(&area->used_idx, vq->published_idx);
}

static void set_version(void *area, uint16_t version)
{
	virtq_journal_order();
	write_once(&((struct virtq_inflight_split *)area)->version, version);
	virtq_journal_order();
}

void virtq_inflight_begin(const struct virtq_config *config)
{
	set_version(config->inflight, 0);
	if (is_packed(config))
		begin_packed(config);
	else
		begin_split(config);
	set_version(config->inflight, VIRTQ_INFLIGHT_VERSION);
}

void virtq_inflight_end(void *area)
{
	set_version(area, 0);
}

static int resume(struct virtq_config *config)
{
	uint16_t n = config->size;
	struct scratch s;
	int err;

	s.m = calloc(n, sizeof(*s.m) + sizeof(*s.copy) + sizeof(*s.last));
	if (!s.m)
		return -ENOMEM;
	s.copy = (struct vring_packed_desc *)(s.m + n);
	s.last = (uint16_t *)(s.copy + n);
	err = is_packed(config) ? resume_packed(config, &s) : resume_split(config, s.m);
	free(s.m);
	return err;
}

int virtq_inflight_resume(struct virtq_config *config)
{
	const struct virtq_inflight_split *area = config->inflight;
	uint16_t version = read_once(&area->version);

	if (version == VIRTQ_INFLIGHT_VERSION && read_once(&area->desc_num) >= config->size)
		return resume(config);
	if (version != 0)
		return -EBADMSG;
	if (!is_packed(config))
		config->last_avail = used_idx_of(config);
	virtq_inflight_begin(config);
	return 0;
}
