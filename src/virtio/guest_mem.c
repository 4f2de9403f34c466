/* SPDX-License-Identifier: Apache-2.0 */
/* guest_mem.c - Building a guest's memory map, and the translations that the inline path in guest_mem.h does not cover. */
#include "virtio/guest_mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/fd_kind.h"
#include "base/lost_memory.h"
#include "virtio/arrival.h"

enum { HUGE_PAGE_MAX_SHIFT = 34 }; /* 16 GiB, the largest that any architecture of Linux has */

int guest_mem_init(struct guest_mem *m)
{
	*m = (struct guest_mem){ .lost_fd = -1 };
	m->regions = calloc(GUEST_MEM_REGIONS_MAX, sizeof(*m->regions));
	return m->regions ? 0 : -ENOMEM;
}

void guest_mem_deinit(struct guest_mem *m)
{
	guest_mem_clear(m);
	free(m->regions);
	m->regions = NULL;
}

void guest_region_unmap(const struct guest_region *r)
{
	if (!r->map_base)
		return;
	lost_memory_remove(r->lost_handle);
	munmap(r->map_base, r->map_size);
	close(r->fd);
}

static void drop_region(struct guest_mem *m, struct guest_region *r)
{
	arrivals_remove_region(m->arrivals, r);
	guest_region_unmap(r);
}

void guest_mem_clear(struct guest_mem *m)
{
	for (unsigned i = 0; i < m->n; i++)
		drop_region(m, &m->regions[i]);
	m->n = 0;
}

const struct guest_region *guest_mem_lost(const struct guest_mem *m)
{
	for (unsigned i = 0; i < m->n; i++)
		if (m->regions[i].map_base && lost_memory_is_lost(m->regions[i].lost_handle))
			return &m->regions[i];
	return NULL;
}

static bool range_wraps(uint64_t start, uint64_t size)
{
	return size > UINT64_MAX - start;
}

/* How many regions begin at or below `addr`: the last of these is the only one that can hold it. */
static unsigned regions_up_to(const struct guest_mem *m, uint64_t addr)
{
	unsigned lo = 0, hi = m->n;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (m->regions[mid].guest_addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* May the region be added? The place where it belongs, or why not. */
static int region_check(const struct guest_mem *m, uint64_t guest_addr, uint64_t user_addr, uint64_t size)
{
	unsigned pos;

	if (size == 0 || range_wraps(guest_addr, size) || range_wraps(user_addr, size))
		return -EINVAL;
	if (m->n == GUEST_MEM_REGIONS_MAX)
		return -ENOSPC;
	pos = regions_up_to(m, guest_addr);
	if (pos > 0 && guest_addr - m->regions[pos - 1].guest_addr < m->regions[pos - 1].size)
		return -EEXIST;
	if (pos < m->n && m->regions[pos].guest_addr - guest_addr < size)
		return -EEXIST;
	return (int)pos;
}

static void region_insert(struct guest_mem *m, unsigned pos, const struct guest_region *r)
{
	memmove(&m->regions[pos + 1], &m->regions[pos], (m->n - pos) * sizeof(*r));
	m->regions[pos] = *r;
	m->n++;
}

/* What a mapping of this file must be aligned to. Huge pages are mapped and unmapped whole; st_blksize tells their size. */
static uint64_t map_alignment(const struct stat *st)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t block = (uint64_t)st->st_blksize;

	if (block <= page || (block & (block - 1)) != 0 || block > UINT64_C(1) << HUGE_PAGE_MAX_SHIFT)
		return page;
	return block;
}

int guest_region_map(struct guest_region *r, int fd, int lost_fd)
{
	uint64_t align, slack;
	enum fd_kind kind = fd_kind(fd);
	struct stat st;
	int err;

	if (kind != FD_MEMORY && kind != FD_FILE)
		return -EMEDIUMTYPE;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < 0 || range_wraps(r->file_offset, r->size) || r->file_offset + r->size > (uint64_t)st.st_size)
		return -ERANGE;
	if (r->size > GUEST_MEM_SIZE_MAX)
		return -EFBIG;
	align = map_alignment(&st);
	slack = r->file_offset & (align - 1);
	r->page_size = align;
	r->map_size = (r->size + slack + align - 1) & ~(align - 1);
	r->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (r->fd < 0)
		return -errno;
	r->map_base = mmap(NULL, r->map_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, r->fd,
			   (off_t)(r->file_offset - slack));
	err = -errno;
	if (r->map_base == MAP_FAILED)
		goto close_fd;
	err = r->lost_handle = lost_memory_add(r->map_base, r->map_size, lost_fd);
	if (err < 0)
		goto unmap;
	madvise(r->map_base, r->map_size, MADV_DONTDUMP); /* a core file of ours shall not hold the guests' memory */
	r->host = (uint8_t *)r->map_base + slack;
	return 0;

unmap:
	munmap(r->map_base, r->map_size);
close_fd:
	close(r->fd);
	return err;
}

static uint64_t total_size(const struct guest_mem *m)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < m->n; i++)
		size += m->regions[i].size;
	return size;
}

int guest_mem_add_fd(struct guest_mem *m, uint64_t guest_addr, uint64_t user_addr, uint64_t size, int fd,
		     uint64_t offset)
{
	struct guest_region r = {
		.guest_addr = guest_addr, .user_addr = user_addr, .size = size, .file_offset = offset
	};
	int pos = region_check(m, guest_addr, user_addr, size);
	int err;

	if (pos < 0)
		return pos;
	err = guest_region_map(&r, fd, m->lost_fd);
	if (err)
		return err;
	if (total_size(m) > GUEST_MEM_SIZE_MAX - size)
		err = -EFBIG;
	if (!err && m->arrivals)
		err = arrivals_add_region(m->arrivals, &r, fd);
	if (err) {
		guest_region_unmap(&r);
		return err;
	}
	region_insert(m, (unsigned)pos, &r);
	return 0;
}

int guest_mem_add_host(struct guest_mem *m, uint64_t guest_addr, uint64_t user_addr, uint64_t size, void *host)
{
	struct guest_region r = {
		.guest_addr = guest_addr, .user_addr = user_addr, .size = size, .host = host, .fd = -1
	};
	int pos = region_check(m, guest_addr, user_addr, size);

	if (pos < 0)
		return pos;
	region_insert(m, (unsigned)pos, &r);
	return 0;
}

/* The region with exactly this position, or NULL. */
static struct guest_region *region_at(struct guest_mem *m, uint64_t guest_addr, uint64_t user_addr, uint64_t size)
{
	unsigned pos = regions_up_to(m, guest_addr);
	struct guest_region *r;

	if (pos == 0)
		return NULL;
	r = &m->regions[pos - 1];
	return r->guest_addr == guest_addr && r->user_addr == user_addr && r->size == size ? r : NULL;
}

int guest_mem_add_again(struct guest_mem *m, uint64_t guest_addr, uint64_t user_addr, uint64_t size)
{
	struct guest_region *r = region_at(m, guest_addr, user_addr, size);

	if (!r || r->n_more == UINT_MAX)
		return -ENOENT;
	r->n_more++;
	return 0;
}

int guest_mem_remove(struct guest_mem *m, uint64_t guest_addr, uint64_t user_addr, uint64_t size)
{
	struct guest_region *r = region_at(m, guest_addr, user_addr, size);

	if (!r)
		return -ENOENT;
	if (r->n_more) {
		r->n_more--;
		return 0;
	}
	drop_region(m, r);
	m->n--;
	memmove(r, r + 1, (size_t)(m->regions + m->n - r) * sizeof(*r));
	return 0;
}

void *guest_mem_user_to_host(const struct guest_mem *m, uint64_t user_addr, uint64_t size)
{
	for (unsigned i = 0; i < m->n; i++) {
		const struct guest_region *r = &m->regions[i];
		uint64_t off = user_addr - r->user_addr;

		if (off < r->size && size <= r->size - off)
			return r->host + off;
	}
	return NULL;
}

bool guest_mem_host_to_guest(const struct guest_mem *m, const void *host, uint64_t *addr)
{
	for (unsigned i = 0; i < m->n; i++) {
		const struct guest_region *r = &m->regions[i];
		uintptr_t off = (uintptr_t)host - (uintptr_t)r->host;

		if (off < r->size) {
			*addr = r->guest_addr + off;
			return true;
		}
	}
	return false;
}

const struct guest_region *guest_mem_find(const struct guest_mem *m, uint64_t addr)
{
	unsigned pos = regions_up_to(m, addr);
	const struct guest_region *r;

	if (pos == 0)
		return NULL;
	r = &m->regions[pos - 1];
	return addr - r->guest_addr < r->size ? r : NULL;
}

int guest_mem_translate_slow(const struct guest_mem *m, struct guest_mem_cache *cache, uint64_t addr, uint32_t len,
			     struct iovec *iov, unsigned *n, unsigned max)
{
	if (range_wraps(addr, len))
		return -EFAULT;
	while (len > 0) {
		const struct guest_region *r = guest_mem_find(m, addr);
		uint64_t off;
		uint32_t piece;

		if (!r)
			return -EFAULT;
		if (*n == max)
			return -ENOSPC;
		if (likely(!m->arrivals))
			*cache = (struct guest_mem_cache){ .start = r->guest_addr, .size = r->size, .host = r->host };
		off = addr - r->guest_addr;
		piece = (uint32_t)MIN(len, r->size - off);
		iov[(*n)++] = (struct iovec){ r->host + off, piece };
		addr += piece;
		len -= piece;
	}
	return 0;
}

int guest_mem_read(const struct guest_mem *m, struct guest_mem_cache *cache, uint64_t addr, void *dst, uint32_t len)
{
	uint8_t *out = dst;

	while (len > 0) {
		struct iovec piece;
		unsigned n = 0;
		int err = guest_mem_translate(m, cache, addr, len, &piece, &n, 1);

		if (n == 0)
			return err;
		/* By the byte: memcpy(3) may read what the guest is writing more than once. */
		for (size_t i = 0; i < piece.iov_len; i++)
			*out++ = read_once((const uint8_t *)piece.iov_base + i);
		addr += piece.iov_len;
		len -= (uint32_t)piece.iov_len;
	}
	return 0;
}

unsigned guest_mem_sample(const struct guest_mem *m, void **at, unsigned max)
{
	uint64_t total = 0, step, next = 0, before = 0;
	unsigned n = 0;

	for (unsigned i = 0; i < m->n; i++)
		total += m->regions[i].size / 2; /* the sum of all sizes may not fit */
	step = total / (max ? max : 1) * 2;
	for (unsigned i = 0; i < m->n && step; i++) {
		for (; n < max && next - before < m->regions[i].size; next += step)
			at[n++] = m->regions[i].host + (next - before);
		before += m->regions[i].size;
	}
	return n;
}
