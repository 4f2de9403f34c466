/* SPDX-License-Identifier: Apache-2.0 */
/* arrival.c - The bits of arrival.h, and asking for pages. */
#include "virtio/arrival.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/barrier.h"
#include "base/pager.h"

/* syscalls control: madvise */

enum {
	ASKED_MAX = 256, /* at a time: the pager's socket has room for the front-end's own commands besides */
	TAKE_MAX = 64,
	WORD = 64,
};

struct arrivals {
	struct pager *pager;
	bool allowed;
	unsigned n_asked; /* pages that were asked for and are not here */
};

/* Of one region. */
struct arriving {
	uint64_t addr; /* of map_base in the pager */
	unsigned shift;
	unsigned n_asked;
	uint64_t *here, *asked; /* a bit for each page of the mapping */
};

/* Control */

int arrivals_create(struct arrivals **arrivals, int *uffd)
{
	struct arrivals *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	err = pager_create(&a->pager, uffd);
	if (err < 0)
		free(a);
	else
		*arrivals = a;
	return err;
}

void arrivals_destroy(struct arrivals *a)
{
	if (!a)
		return;
	pager_destroy(a->pager);
	free(a);
}

int arrivals_fd(const struct arrivals *a)
{
	return pager_fd(a->pager);
}

void arrivals_allow(struct arrivals *a, bool on)
{
	write_once(&a->allowed, on);
}

/* Regions */

static struct arriving *make_bits(const struct guest_region *r)
{
	unsigned shift = (unsigned)__builtin_ctzll(r->page_size);
	size_t n_words = (((r->map_size - 1) >> shift) + WORD) / WORD;
	struct arriving *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->shift = shift;
	w->here =
	    calloc(2 * n_words, sizeof(*w->here)); /* not touched, so it costs nothing, before pages are asked for */
	w->asked = w->here + n_words;
	if (w->here)
		return w;
	free(w);
	return NULL;
}

static void free_bits(struct arriving *w)
{
	free(w->here);
	free(w);
}

int arrivals_add_region(struct arrivals *a, struct guest_region *r, int fd)
{
	struct arriving *w = make_bits(r);
	int err = -ENOMEM;

	if (!w)
		return err;
	madvise(r->map_base, r->map_size, MADV_NOHUGEPAGE); /* a huge page has no holes */
	err = pager_guard(r->map_base, r->map_size);
	if (err == 0)
		err = pager_map(a->pager, fd, r->map_size,
				r->file_offset - (uint64_t)(r->host - (uint8_t *)r->map_base), r->page_size, &w->addr);
	if (err == 0)
		r->arriving = w;
	else
		free_bits(w);
	return err;
}

void arrivals_remove_region(struct arrivals *a, struct guest_region *r)
{
	struct arriving *w = r->arriving;

	if (!w)
		return;
	__atomic_sub_fetch(&a->n_asked, w->n_asked, __ATOMIC_RELAXED);
	pager_unmap(a->pager, w->addr,
		    r->map_size); /* when it cannot listen, the address space stays in use, no more */
	r->arriving = NULL;
	free_bits(w);
}

static uint64_t offset_of(const struct guest_region *r)
{
	return (uint64_t)(r->host - (uint8_t *)r->map_base);
}

uint64_t arrivals_addr(const struct guest_region *r)
{
	return r->arriving->addr + offset_of(r);
}

void arrivals_end(struct guest_mem *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		struct guest_region *r = &m->regions[i];

		if (!r->arriving)
			continue;
		pager_unguard(r->map_base, r->map_size);
		free_bits(r->arriving);
		r->arriving = NULL;
	}
	m->arrivals = NULL;
}

/* Bits */

static bool test_bit(const uint64_t *bits, uint64_t i)
{
	/* The bit before the page that it is about. */
	return load_acquire(&bits[i / WORD]) >> i % WORD & 1;
}

/* Was it set already? */
static bool set_bit(uint64_t *bits, uint64_t i)
{
	uint64_t *word = bits + i / WORD;

	return __atomic_fetch_or(word, 1ull << i % WORD, __ATOMIC_ACQ_REL) >> i % WORD & 1;
}

static void clear_bit(uint64_t *bits, uint64_t i)
{
	uint64_t *word = bits + i / WORD;

	__atomic_fetch_and(word, ~(1ull << i % WORD), __ATOMIC_RELEASE);
}

static void count_asked(struct arrivals *a, struct arriving *w, int n)
{
	__atomic_add_fetch(&a->n_asked, (unsigned)n, __ATOMIC_RELAXED);
	__atomic_add_fetch(&w->n_asked, (unsigned)n, __ATOMIC_RELAXED);
}

/* What cannot be asked for now is asked for at the next look. */
static void ask(struct arrivals *a, struct arriving *w, uint64_t page)
{
	if (!read_once(&a->allowed) || test_bit(w->asked, page) || read_once(&a->n_asked) >= ASKED_MAX)
		return;
	if (set_bit(w->asked, page))
		return;
	count_asked(a, w, 1);
	if (pager_ask(a->pager, w->addr + (page << w->shift)) == 0)
		return;
	count_asked(a, w, -1);
	clear_bit(w->asked, page);
}

/* The page at `addr` in the pager has been touched, or so it says. */
static bool mark(struct guest_mem *m, uint64_t addr)
{
	for (unsigned i = 0; i < m->n; i++) {
		const struct guest_region *r = &m->regions[i];
		struct arriving *w = r->arriving;
		uint64_t off = w ? addr - w->addr : 0, page;

		if (!w || off >= r->map_size)
			continue;
		page = off >> w->shift;
		if (!test_bit(w->asked, page) || set_bit(w->here, page))
			return false;
		count_asked(m->arrivals, w, -1);
		return true;
	}
	return false;
}

int arrivals_take(struct guest_mem *m)
{
	uint64_t addrs[TAKE_MAX];
	int n = pager_arrived(m->arrivals->pager, addrs, TAKE_MAX), n_marked = 0;

	for (int i = 0; i < n; i++)
		n_marked += mark(m, addrs[i]);
	return n < 0 ? n : n_marked;
}

void arrivals_repeat(const struct guest_mem *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		const struct arriving *w = m->regions[i].arriving;

		if (w && read_once(&w->n_asked) > 0)
			pager_repeat(m->arrivals->pager, w->addr, m->regions[i].map_size);
	}
}

/* Questions */

/* [off, off + len) of the region's mapping. */
static bool region_is_here(struct arrivals *a, const struct guest_region *r, uint64_t off, uint64_t len)
{
	struct arriving *w = r->arriving;
	bool all = true;

	if (!w)
		return true;
	for (uint64_t page = off >> w->shift; page <= (off + len - 1) >> w->shift; page++) {
		if (test_bit(w->here, page))
			continue;
		ask(a, w, page);
		all = false;
	}
	return all;
}

noinline_cold bool arrivals_check(const struct guest_mem *m, uint64_t addr, uint64_t len)
{
	bool all = true;

	while (len > 0) {
		const struct guest_region *r = guest_mem_find(m, addr);
		uint64_t off, here;

		if (!r)
			return all;
		off = addr - r->guest_addr;
		here = MIN(len, r->size - off);
		all = region_is_here(m->arrivals, r, offset_of(r) + off, here) && all;
		addr += here;
		len -= here;
	}
	return all;
}

bool guest_mem_area_is_here(const struct guest_mem *m, const void *host, uint64_t size)
{
	uint64_t addr;

	return !m->arrivals || !guest_mem_host_to_guest(m, host, &addr) || arrivals_check(m, addr, size);
}
