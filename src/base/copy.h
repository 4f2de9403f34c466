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
	/* Bytes from which a copy is a long one, and from which it is a stream, longer than what a processor looks ahead by itself. */
	COPY_LONG_MIN = 512,
	COPY_STREAM_MIN = 4096,
	COPY_AHEAD = 2048, /* bytes of the source that are asked for ahead of their time */
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

/* Copy n bytes from the midst of a source that is copied to its end, in this piece and those that follow. What comes next is asked for
 * in time: a processor sees neither that the next piece begins where this one ends, nor beyond the page it is in. The ranges do not
 * overlap. */
static inline void copy_on(void *to, const void *from, size_t n)
{
	uint8_t *dst = to;
	const uint8_t *src = from;

	for (; n >= CACHE_LINE; n -= CACHE_LINE, dst += CACHE_LINE, src += CACHE_LINE) {
		prefetch_to_read(src + COPY_AHEAD);
		memcpy(dst, src, CACHE_LINE);
	}
	memcpy(dst, src, n);
}

/* Copy n bytes, and ask meanwhile for as many from `next_from` and at `next_to`, which are copied next. The ranges do not overlap. */
static inline void copy_and_ask(void *to, const void *from, size_t n, uint8_t *next_to, const uint8_t *next_from)
{
	uint8_t *dst = to;
	const uint8_t *src = from;

	for (; n >= CACHE_LINE; n -= CACHE_LINE, dst += CACHE_LINE, src += CACHE_LINE) {
		prefetch_to_read(next_from);
		prefetch_to_write(next_to);
		memcpy(dst, src, CACHE_LINE);
		next_from += CACHE_LINE;
		next_to += CACHE_LINE;
	}
	memcpy(dst, src, n);
}

/* Copy n bytes to lines that some other core has: buffers of guests. The ranges do not overlap. memcpy() reads each line before it writes
 * to it, one after the other; here they are asked for at once, or, where the processor can copy by lines, not read at all. Where they are in
 * a cache already, it is a tenth slower than memcpy(), else a quarter to a third faster (docs/performance.md). */
static inline void copy_far(void *to, const void *from, size_t n)
{
	if (n >= COPY_STREAM_MIN) {
		copy_on(to, from, n);
		return;
	}
	if (n >= COPY_LONG_MIN && copy_has_string) {
		copy_string(to, from, n);
		return;
	}
	if (n < COPY_LONG_MIN)
		for (size_t i = 0; i < n; i += CACHE_LINE)
			prefetch_to_write((const uint8_t *)to + i);
	memcpy(to, from, n);
}

#endif
