/* SPDX-License-Identifier: Apache-2.0 */
/* copy.h - Copying a few bytes without a call, and many to where they are not in a cache.
 *
 * Headers and small frames are 14 to 128 bytes, never the same number twice in a row. Two copies of a fixed size that overlap in the middle
 * do for every length of a class, exactly: no byte behind the end is read or written. */
#ifndef RINGWAY_BASE_COPY_H
#define RINGWAY_BASE_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"
#include "base/prefetch.h"

enum {
	COPY_SHORT_MAX = 128,
	/* Bytes from which, and below which, the processor's own way to copy is the fastest for lines that are not in a cache. */
	COPY_STRING_MIN = 512,
	COPY_STRING_MAX = 4096, /* memcpy() of glibc does the same then */
};

/* Copy the first and the last `half` bytes, half <= n <= 2 * half. `half` is a literal. */
#define COPY_ENDS(dst, src, n, half)                                        \
	do {                                                                \
		memcpy((dst), (src), (half));                               \
		memcpy((dst) + (n) - (half), (src) + (n) - (half), (half)); \
	} while (0)

/* Copy n <= COPY_SHORT_MAX bytes; the ranges do not overlap. */
static always_inline void copy_short(void *to, const void *from, size_t n)
{
	uint8_t *dst = to;
	const uint8_t *src = from;

	if (n >= 64)
		COPY_ENDS(dst, src, n, 64);
	else if (n >= 32)
		COPY_ENDS(dst, src, n, 32);
	else if (n >= 16)
		COPY_ENDS(dst, src, n, 16);
	else if (n >= 8)
		COPY_ENDS(dst, src, n, 8);
	else
		for (size_t i = 0; i < n; i++)
			dst[i] = src[i];
}

#if defined(__x86_64__)

extern bool copy_has_string; /* the processor does it by lines (CPUID: ERMS) */

static always_inline void copy_string(void *to, const void *from, size_t n)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

#else

enum { copy_has_string = false };

static always_inline void copy_string(void *to, const void *from, size_t n)
{
	memcpy(to, from, n);
}

#endif

/* See what this machine has. Before the first copy by another thread. */
void copy_init(void);

/* Copy n bytes to lines that some other core has: buffers of guests. The ranges do not overlap. memcpy() reads each line before it writes
 * to it, one after the other; here they are asked for at once, or not read at all. Where they are in a cache already, it is a tenth
 * slower than memcpy(), else a quarter to a third faster (docs/performance.md). */
static inline void copy_far(void *to, const void *from, size_t n)
{
	if (n >= COPY_STRING_MIN && n < COPY_STRING_MAX && copy_has_string) {
		copy_string(to, from, n);
		return;
	}
	if (n < COPY_STRING_MIN)
		for (size_t i = 0; i < n; i += CACHE_LINE)
			prefetch_to_write((const uint8_t *)to + i);
	memcpy(to, from, n);
}

#endif
