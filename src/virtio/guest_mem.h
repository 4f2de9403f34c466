/* SPDX-License-Identifier: Apache-2.0 */
/* guest_mem.h - The memory of one guest, as the front-end shares it.
 *
 * A map is a sorted array of regions; guest addresses and front-end addresses (used for ring addresses only) each translate
 * to ours. Addresses and lengths come from the guest: every translation checks bounds and overflow. Ranges may cross
 * from one region into the next when the two are adjacent in guest address space; that gives more than one piece.
 *
 * The control thread edits a map only while every ring that uses it is parked; workers read it. The caller of a
 * translation keeps a `struct guest_mem_cache` per ring, so that the last region is tried first. */
#ifndef RINGWAY_VIRTIO_GUEST_MEM_H
#define RINGWAY_VIRTIO_GUEST_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/compiler.h"

struct arrivals;
struct arriving;

enum { GUEST_MEM_REGIONS_MAX = 509 }; /* what VHOST_USER_GET_MAX_MEM_SLOTS may report (vhost-user.rst) */

/* What one guest may have us map: 4 TiB. A process has 128 TiB of addresses (x86-64), and a file without pages costs a front-end
 * nothing. */
#define GUEST_MEM_SIZE_MAX (1ull << 42)

struct guest_region {
	uint64_t guest_addr; /* guest physical, bytes */
	uint64_t user_addr;  /* in the front-end's address space */
	uint64_t size;       /* bytes, > 0; none of the three ranges wraps */
	uint8_t *host;       /* our mapping of the region's first byte */
	void *map_base;      /* what to unmap: page-aligned, from file offset 0 or the region's page */
	size_t map_size;
	uint64_t page_size; /* of the file: map_base and map_size are multiples */
	int fd; /* of the file, our own duplicate: for the process that takes over from this one. -1 without map_base */
	uint64_t file_offset;
	int lost_handle;           /* lost_memory.h; < 0: not registered */
	unsigned n_more;           /* how often it was added again */
	struct arriving *arriving; /* which of its pages are here (arrival.h); NULL: all */
};

struct guest_mem {
	int lost_fd; /* eventfd that is told when a region is lost, -1: none; set it before regions are added */
	unsigned n;
	struct guest_region *regions; /* sorted by guest_addr, no overlap; capacity GUEST_MEM_REGIONS_MAX */
	struct arrivals
	    *arrivals; /* the guest is in postcopy (arrival.h); NULL: it is not. Set it before regions are added */
};

struct guest_mem_cache {
	uint64_t start; /* guest address of the region used last */
	uint64_t size;  /* 0: empty */
	uint8_t *host;
};

/* Set-up (control thread, rings parked). */
int guest_mem_init(struct guest_mem *m); /* 0 or -ENOMEM */
/* Unmaps everything. */
void guest_mem_deinit(struct guest_mem *m);
/* Map `size` bytes of `fd` at `offset` as the region; the fd stays the caller's and may be closed afterwards: the region keeps one.
 * -EINVAL: size 0 or wraps, -EFBIG: more than GUEST_MEM_SIZE_MAX in all, -EEXIST: overlaps another in guest address space, -ENOSPC: too many regions, -ERANGE: file is shorter than
 * offset + size, -EMEDIUMTYPE: not a file that can be read without waiting for others (base/fd_kind.h), or the error of mmap(2) or
 * dup(2). */
int guest_mem_add_fd(struct guest_mem *m, uint64_t guest_addr, uint64_t user_addr, uint64_t size, int fd,
		     uint64_t offset);
/* For tests and the front-end side: a region that is ours already; not unmapped. */
int guest_mem_add_host(struct guest_mem *m, uint64_t guest_addr, uint64_t user_addr, uint64_t size, void *host);
/* A region that is there already, with exactly this position: it has to be removed once more. -ENOENT when there is none. */
int guest_mem_add_again(struct guest_mem *m, uint64_t guest_addr, uint64_t user_addr, uint64_t size);
/* Remove the region with exactly this position; -ENOENT when there is none. */
int guest_mem_remove(struct guest_mem *m, uint64_t guest_addr, uint64_t user_addr, uint64_t size);
void guest_mem_clear(struct guest_mem *m);
/* The first region whose file was cut short under us and which reads as zeroes since (base/lost_memory.h), or NULL. */
const struct guest_region *guest_mem_lost(const struct guest_mem *m);

/* Map r->size bytes of `fd` at r->file_offset, watched for being cut short; fills in the rest of `r` but its addresses. For all memory that a
 * front-end shares. 0, -EFBIG: more than GUEST_MEM_SIZE_MAX, -ERANGE, -EMEDIUMTYPE, or the error of mmap(2) or dup(2). */
int guest_region_map(struct guest_region *r, int fd, int lost_fd);
/* Fine for a region that was not mapped. */
void guest_region_unmap(const struct guest_region *r);

/* Our address of [user_addr, user_addr + size) when it lies in one region, else NULL. */
void *guest_mem_user_to_host(const struct guest_mem *m, uint64_t user_addr, uint64_t size);

/* The guest address of a byte that a translation gave, into *addr. False: it is in no region. Slow. */
bool guest_mem_host_to_guest(const struct guest_mem *m, const void *host, uint64_t *addr);

/* At most `max` of our addresses, spread evenly over all regions. How many. */
unsigned guest_mem_sample(const struct guest_mem *m, void **at, unsigned max);

/* The region that holds guest address `addr`, or NULL. */
const struct guest_region *guest_mem_find(const struct guest_mem *m, uint64_t addr);

/* Append the pieces of guest range [addr, addr + len), len > 0, to iov[*n..max). 0, -EFAULT (outside), -ENOSPC (max). In postcopy the
 * cache stays empty, so that every translation comes here: the caller asks for itself whether the pages are here. */
int guest_mem_translate_slow(const struct guest_mem *m, struct guest_mem_cache *cache, uint64_t addr, uint32_t len,
			     struct iovec *iov, unsigned *n, unsigned max);

static always_inline int guest_mem_translate(const struct guest_mem *m, struct guest_mem_cache *cache, uint64_t addr,
					     uint32_t len, struct iovec *iov, unsigned *n, unsigned max)
{
	uint64_t off = addr - cache->start;

	if (likely(off < cache->size && len <= cache->size - off && *n < max)) {
		iov[*n] = (struct iovec){ cache->host + off, len };
		(*n)++;
		return 0;
	}
	return guest_mem_translate_slow(m, cache, addr, len, iov, n, max);
}

/* Copy `len` bytes, which are here, at guest address `addr` to `dst`, each byte read once. 0 or -EFAULT. Slow: for what is rarely needed. */
int guest_mem_read(const struct guest_mem *m, struct guest_mem_cache *cache, uint64_t addr, void *dst, uint32_t len);

#endif
