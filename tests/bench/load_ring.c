/* SPDX-License-Identifier: Apache-2.0 */
#include "load_ring.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "base/barrier.h"
#include "virtio/virtq_packed.h"

/* The place of the free-running count `n` in a packed ring: wrap counters begin at 1 (VIRTIO 1.2, 2.8.1). */
static virtq_pos place(const struct load_ring *r, uint16_t n)
{
	bool wrap = !(n & (r->mask + 1));

	return (virtq_pos)((n & r->mask) | (wrap ? VIRTQ_POS_WRAP : 0));
}

/* What was made of packed descriptors, in the shape of split ones. */
static void learn_packed(struct load_ring *r, bool full)
{
	struct vring_packed_desc *from = r->driver.packed_desc;

	for (unsigned i = 0; i <= r->mask; i++) {
		uint16_t flags = (uint16_t)(from[i].flags & (VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT));

		if (i == 0 && !full)
			flags = r->driver.held_flags & (VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT);
		r->made[i] = (struct vring_desc){ from[i].addr, from[i].len, flags, 0 };
		if (!full)
			write_once(&from[i].flags, 0);
	}
}

int load_ring_init(struct load_ring *r, struct virtq_driver *driver, bool full)
{
	uint16_t size = driver->size;

	*r = (struct load_ring){ .driver = *driver, .mask = (uint16_t)(size - 1) };
	r->made = calloc(size, sizeof(*r->made));
	r->ids = calloc(size, sizeof(*r->ids));
	if (!r->made || !r->ids) {
		load_ring_deinit(r);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < size; i++)
		r->ids[i] = (uint16_t)i;
	if (driver->packed)
		learn_packed(r, full);
	else
		for (unsigned i = 0; i < size; i++)
			r->made[i] = driver->desc[i];
	r->ids_in = size;
	if (full)
		r->ids_out = r->posted = r->signalled = size;
	return 0;
}

void load_ring_deinit(struct load_ring *r)
{
	free(r->made);
	free(r->ids);
	r->made = NULL;
	r->ids = NULL;
}

static unsigned take_split(struct load_ring *r, unsigned max)
{
	const struct virtq_driver *d = &r->driver;
	unsigned n;

	/* The index before the entries that it covers. */
	if (r->used_idx == r->taken)
		r->used_idx = le16toh(load_acquire(&d->used->idx));
	n = (uint16_t)(r->used_idx - r->taken);
	if (n > max)
		n = max;
	if (d->in_order) /* then entries of a batch may not have been written at all (VIRTIO 1.2, 2.7.9) */
		for (unsigned i = 0; i < n; i++)
			r->ids[r->ids_in++ & r->mask] = (uint16_t)((r->taken + i) & r->mask);
	else
		for (unsigned i = 0; i < n; i++)
			r->ids[r->ids_in++ & r->mask] =
			    (uint16_t)(le32toh(d->used->ring[(r->taken + i) & r->mask].id) & r->mask);
	r->taken = (uint16_t)(r->taken + n);
	return n;
}

static bool is_used(const struct vring_packed_desc *desc, virtq_pos pos)
{
	/* The flags before the number. */
	uint16_t flags = le16toh(load_acquire(&desc->flags));

	return (flags & (VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED)) == virtq_pos_used_bits(pos);
}

static unsigned take_packed(struct load_ring *r, unsigned max)
{
	unsigned n = 0;

	while (n < max && r->taken != r->posted) {
		virtq_pos pos = place(r, r->taken);
		const struct vring_packed_desc *desc = &r->driver.packed_desc[pos & VIRTQ_POS_IDX];
		uint16_t last;

		if (!is_used(desc, pos))
			break;
		last = (uint16_t)(le16toh(desc->id) & r->mask);
		/* In order, one used descriptor stands for all up to the one that it names (2.8.17). */
		for (uint16_t id = r->driver.in_order ? r->taken & r->mask : last;; id = (id + 1) & r->mask) {
			r->ids[r->ids_in++ & r->mask] = id;
			r->taken++;
			n++;
			if (id == last)
				break;
		}
	}
	return n;
}

unsigned load_ring_take(struct load_ring *r, unsigned max)
{
	return r->driver.packed ? take_packed(r, max) : take_split(r, max);
}

static void post_split(struct load_ring *r, unsigned n)
{
	struct virtq_driver *d = &r->driver;

	for (unsigned i = 0; i < n; i++) {
		uint16_t id = r->ids[r->ids_out++ & r->mask];

		d->desc[id] = r->made[id];
		d->avail->ring[r->posted++ & r->mask] = htole16(id);
	}
	/* Descriptors and ring entries before the index that shows them. */
	store_release(&d->avail->idx, htole16(r->posted));
}

static void write_packed(struct load_ring *r, uint16_t at, uint16_t id)
{
	struct vring_packed_desc *to = &r->driver.packed_desc[at & r->mask];

	to->addr = r->made[id].addr;
	to->len = r->made[id].len;
	to->id = htole16(id);
}

static void show_packed(struct load_ring *r, uint16_t at, uint16_t id)
{
	virtq_pos pos = place(r, at);
	struct vring_packed_desc *to = &r->driver.packed_desc[pos & VIRTQ_POS_IDX];

	/* The rest of the descriptor before its flags. */
	store_release(&to->flags, htole16((uint16_t)(r->made[id].flags | virtq_pos_avail_bits(pos))));
}

static void post_packed(struct load_ring *r, unsigned n)
{
	uint16_t first = r->posted, first_id = r->ids[r->ids_out & r->mask];

	for (unsigned i = 0; i < n; i++) {
		uint16_t id = r->ids[r->ids_out++ & r->mask];

		write_packed(r, r->posted, id);
		if (i > 0)
			show_packed(r, r->posted, id);
		r->posted++;
	}
	/* The device goes in order and sees none of them before the first. */
	show_packed(r, first, first_id);
}

static bool wants_kick(const struct load_ring *r, uint16_t old)
{
	const struct virtq_driver *d = &r->driver;

	if (d->packed)
		return virtq_event_wants(d->device_event, place(r, r->posted), place(r, old), d->size);
	if (!d->event_idx)
		return !(le16toh(read_once(&d->used->flags)) & VRING_USED_F_NO_NOTIFY);
	return vring_need_event(le16toh(read_once((__virtio16 *)&d->used->ring[d->size])), r->posted, old);
}

bool load_ring_post(struct load_ring *r, unsigned n)
{
	uint16_t old = r->signalled;

	if (n == 0)
		return false;
	if (r->driver.packed)
		post_packed(r, n);
	else
		post_split(r, n);
	r->signalled = r->posted;
	/* What was shown before the device's wish: the device writes its wish and then looks at what is there. */
	full_barrier();
	if (!wants_kick(r, old))
		return false;
	r->kicks++;
	return true;
}
