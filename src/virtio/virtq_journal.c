/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_journal.c - Resuming a packed ring after a process that was killed. */
#include "virtio/virtq_journal.h"

#include "virtio/virtq.h"

struct push {
	uint16_t pos, id, n_desc;
	uint32_t len;
};

static struct push unpack(uint64_t word)
{
	return (struct push){
		.pos = (uint16_t)word,
		.id = word >> 16 & 0x7fff,
		.n_desc = (uint16_t)(word >> 31),
		.len = (uint32_t)(word >> 47),
	};
}

static bool pos_is_possible(uint16_t pos, uint16_t size)
{
	return (pos & VIRTQ_POS_IDX) < size;
}

static bool push_is_possible(const struct push *p, uint16_t size)
{
	return pos_is_possible(p->pos, size) && p->id < size && p->n_desc > 0 && p->n_desc <= size;
}

/* Is this a ring that was in use before, as far as everything but its descriptors tells? */
static bool is_about(const struct virtq_journal *j, const struct virtq_config *config, uint64_t ring, uint16_t begun)
{
	return read_once(&j->version) == VIRTQ_JOURNAL_VERSION && read_once(&j->ring) == ring &&
	       read_once(&j->size) == config->size && read_once(&j->begun) == begun &&
	       read_once((const uint32_t *)config->used) != 0;
}

static unsigned marks(const struct vring_packed_desc *desc, uint16_t pos)
{
	unsigned flags = le16toh(load_acquire(&desc[pos & VIRTQ_POS_IDX].flags));

	return flags & (VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED);
}

/* Can the driver's and our last steps have left the descriptors so? What was pushed last is used; or available again, and then
 * everything behind it is available; the next one is not used. `next`: the place behind the last push. */
static bool looks_used(const struct vring_packed_desc *desc, const struct push *last, uint16_t next)
{
	const struct vring_packed_desc *d = &desc[last->pos & VIRTQ_POS_IDX];
	unsigned last_marks = marks(desc, last->pos), next_marks = marks(desc, next);

	if (next_marks == virtq_pos_used_bits(next))
		return false;
	if (last_marks == virtq_pos_used_bits(last->pos))
		return le16toh(read_once(&d->id)) == last->id;
	return last_marks == virtq_pos_avail_bits(last->pos ^ VIRTQ_POS_WRAP) &&
	       next_marks == virtq_pos_avail_bits(next);
}

static uint16_t used_flags(uint16_t pos, uint32_t len)
{
	return htole16((uint16_t)(virtq_pos_used_bits(pos) | (len > 0 ? VRING_DESC_F_WRITE : 0)));
}

/* Push `p` once more, and publish what was pushed from `first` on. The pushes in between are whole. */
static void finish(struct vring_packed_desc *desc, uint16_t first, const struct push *p)
{
	struct vring_packed_desc *d = &desc[p->pos & VIRTQ_POS_IDX], *shows = &desc[first & VIRTQ_POS_IDX];

	write_once(&d->id, htole16(p->id));
	write_once(&d->len, htole32(p->len));
	if (p->pos != first)
		write_once(&d->flags, used_flags(p->pos, p->len));
	store_release(&shows->flags, used_flags(first, le32toh(read_once(&shows->len))));
}

/* The descriptor that shows a batch is still available in its lap when the batch was not published. Afterwards it is used, or
 * available in the next lap. */
static bool is_unpublished(const struct vring_packed_desc *desc, uint16_t first)
{
	return marks(desc, first) == virtq_pos_avail_bits(first);
}

bool virtq_journal_resume(struct virtq_journal *j, const struct virtq_config *config, uint64_t ring, uint16_t begun,
			  uint16_t *pos)
{
	uint64_t word = read_once(&j->push);
	uint16_t size = config->size, published = read_once(&j->published);
	struct push last = unpack(word);

	if (!is_about(j, config, ring, begun) || !pos_is_possible(published, size))
		return false;
	*pos = published;
	if (word == 0)
		return true;
	if (!push_is_possible(&last, size))
		return false;
	*pos = (virtq_pos)virtq_pos_advance(last.pos, last.n_desc, size);
	if (*pos != published && is_unpublished(config->desc, published))
		finish(config->desc, published, &last);
	else if (!looks_used(config->desc, &last, *pos))
		return false;
	write_once(&j->published, *pos);
	virtq_journal_order();
	write_once(&j->push, 0);
	return true;
}

void virtq_journal_begin(struct virtq_journal *j, const struct virtq_config *config, uint64_t ring, uint16_t begun)
{
	virtq_journal_end(j);
	write_once(&j->push, 0);
	write_once(&j->published, begun);
	write_once(&j->begun, begun);
	write_once(&j->size, config->size);
	write_once(&j->ring, ring);
	virtq_journal_order();
	virtq_packed_wish(config->used, begun, VRING_PACKED_EVENT_FLAG_ENABLE);
	virtq_journal_order();
	write_once(&j->version, VIRTQ_JOURNAL_VERSION);
}

void virtq_journal_end(struct virtq_journal *j)
{
	write_once(&j->version, 0);
	virtq_journal_order();
}
