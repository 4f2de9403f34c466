/* SPDX-License-Identifier: Apache-2.0 */
/* copy.h - Copying a few bytes without a call.
 *
 * Headers and small frames are 14 to 128 bytes, never the same number twice in a row. Two copies of a fixed size that overlap in the middle
 * do for every length of a class, exactly: no byte behind the end is read or written. */
#ifndef RINGWAY_BASE_COPY_H
#define RINGWAY_BASE_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

enum { COPY_SHORT_MAX = 128 };

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

#endif
