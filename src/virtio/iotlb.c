/* SPDX-License-Identifier: Apache-2.0 */
/* iotlb.c - The table of iotlb.h: a sorted array under a sequence count.
 *
 * Each word of it is stored with release and loaded with acquire. So a reader that has seen a word of a change sees afterwards that
 * the count is odd, or another. Whatever it finds in the middle of a change is within the array. */
#include "virtio/iotlb.h"

#include <errno.h>
#include <stdlib.h>

#include "base/barrier.h"
#include "base/compiler.h"

enum { TRIES_MAX = 16 }; /* of a lookup; then it answers that nothing is known yet */

int iotlb_init(struct iotlb *t)
{
	*t = (struct iotlb){ .entries = calloc(IOTLB_ENTRIES_MAX, sizeof(struct iotlb_entry)) };
	return t->entries ? 0 : -ENOMEM;
}

void iotlb_deinit(struct iotlb *t)
{
	free(t->entries);
	t->entries = NULL;
	t->n = 0;
}

static uint64_t last_of(const struct iotlb_entry *e)
{
	return e->iova + (e->size - 1);
}

/* How many entries begin at or below `iova`: the last of these is the only one that can hold it. */
static uint32_t entries_up_to(const struct iotlb *t, uint64_t iova)
{
	uint32_t lo = 0, hi = MIN(load_acquire(&t->n), (uint32_t)IOTLB_ENTRIES_MAX);

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (load_acquire(&t->entries[mid].iova) <= iova)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Control */

static void put(struct iotlb *t, uint32_t i, const struct iotlb_entry *e)
{
	struct iotlb_entry *to = &t->entries[i];

	store_release(&to->iova, e->iova);
	store_release(&to->size, e->size);
	store_release(&to->host, e->host);
	store_release(&to->perm, e->perm);
	to->born = e->born;
}

static void begin_change(struct iotlb *t)
{
	write_once(&t->changes, t->changes + 1);
}

static void end_change(struct iotlb *t)
{
	store_release(&t->changes, t->changes + 1);
}

/* Entries [from, to) go. */
static void cut(struct iotlb *t, uint32_t from, uint32_t to)
{
	uint32_t n = t->n - (to - from);

	if (from == to)
		return;
	for (uint32_t i = from; i < n; i++)
		put(t, i, &t->entries[i + (to - from)]);
	store_release(&t->n, n);
}

static void insert(struct iotlb *t, const struct iotlb_entry *e)
{
	uint32_t at = entries_up_to(t, e->iova);

	for (uint32_t i = t->n; i > at; i--)
		put(t, i, &t->entries[i - 1]);
	put(t, at, e);
	store_release(&t->n, t->n + 1);
}

/* Entries with a byte in [first, last]: from *from on, up to the result. */
static uint32_t overlapping(const struct iotlb *t, uint64_t first, uint64_t last, uint32_t *from)
{
	uint32_t i = entries_up_to(t, first);

	*from = i > 0 && last_of(&t->entries[i - 1]) >= first ? i - 1 : i;
	return entries_up_to(t, last);
}

static uint32_t oldest(const struct iotlb *t)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < t->n; i++)
		if (t->n_born - t->entries[i].born > t->n_born - t->entries[best].born)
			best = i;
	return best;
}

static bool range_is_possible(uint64_t iova, uint64_t size)
{
	return size > 0 && size - 1 <= UINT64_MAX - iova;
}

int iotlb_add(struct iotlb *t, uint64_t iova, uint64_t size, uint8_t *host, uint32_t perm)
{
	struct iotlb_entry e = { .iova = iova, .size = size, .perm = perm };
	uint32_t from, to;

	if (!range_is_possible(iova, size) || perm == 0 || (perm & ~(uint32_t)VHOST_ACCESS_RW))
		return -EINVAL;
	e.host = host;
	begin_change(t);
	to = overlapping(t, iova, last_of(&e), &from);
	cut(t, from, to);
	if (t->n == IOTLB_ENTRIES_MAX) {
		from = oldest(t);
		cut(t, from, from + 1);
	}
	e.born = t->n_born++;
	insert(t, &e);
	end_change(t);
	return 0;
}

bool iotlb_contradicts(const struct iotlb *t, uint64_t iova, uint64_t size, const uint8_t *host, uint32_t perm)
{
	uint32_t i, to;

	if (!range_is_possible(iova, size))
		return false;
	for (to = overlapping(t, iova, iova + (size - 1), &i); i < to; i++)
		if ((uintptr_t)t->entries[i].host - t->entries[i].iova != (uintptr_t)host - iova ||
		    (t->entries[i].perm & ~perm))
			return true;
	return false;
}

void iotlb_touch(struct iotlb *t)
{
	begin_change(t);
	end_change(t);
}

void iotlb_remove(struct iotlb *t, uint64_t first, uint64_t last)
{
	uint32_t from, to;

	begin_change(t);
	to = overlapping(t, first, last, &from);
	cut(t, from, to);
	end_change(t);
}

/* Lookups */

uint32_t iotlb_changes(const struct iotlb *t)
{
	return load_acquire(&t->changes);
}

static bool find(const struct iotlb *t, uint64_t iova, struct iotlb_entry *e)
{
	uint32_t i = entries_up_to(t, iova);
	const struct iotlb_entry *from;

	if (i == 0)
		return false;
	from = &t->entries[i - 1];
	e->iova = load_acquire(&from->iova);
	e->size = load_acquire(&from->size);
	e->host = load_acquire(&from->host);
	e->perm = load_acquire(&from->perm);
	return iova - e->iova < e->size;
}

bool iotlb_find(const struct iotlb *t, uint64_t iova, uint32_t perm, struct iotlb_entry *entry, uint32_t *changes)
{
	for (unsigned i = 0; i < TRIES_MAX; i++) {
		bool found;

		*changes = iotlb_changes(t);
		found = find(t, iova, entry);
		/* What was loaded, before the look whether it was changed meanwhile. */
		if (*changes % 2 == 0 && read_once(&t->changes) == *changes)
			return found && (entry->perm & perm) == perm;
		cpu_relax();
	}
	return false;
}
