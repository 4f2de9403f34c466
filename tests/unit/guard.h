/* SPDX-License-Identifier: Apache-2.0 */
/* guard.h - Memory between two pages that may not be touched, and a generator of test bytes. */
#ifndef RINGWAY_TESTS_GUARD_H
#define RINGWAY_TESTS_GUARD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct guarded {
	uint8_t *start; /* at a page's first byte, behind a PROT_NONE page */
	uint8_t *end;   /* a PROT_NONE page begins here */
};

static inline struct guarded guarded_alloc(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t room = (size + page - 1) / page * page;
	uint8_t *map = mmap(NULL, room + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || mprotect(map + page, room, PROT_READ | PROT_WRITE) < 0) {
		perror("guarded_alloc");
		abort();
	}
	return (struct guarded){ map + page, map + page + room };
}

static inline void guarded_free(struct guarded g)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	munmap(g.start - page, (size_t)(g.end - g.start) + 2 * page);
}

/* splitmix64: the same bytes on every machine. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* 0..n-1 */
static inline unsigned random_below(uint64_t *state, unsigned n)
{
	return (unsigned)(random_next(state) % n);
}

static inline void random_fill(uint64_t *state, uint8_t *p, size_t n)
{
	while (n--)
		*p++ = (uint8_t)random_next(state);
}

#endif
