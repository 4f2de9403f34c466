/* SPDX-License-Identifier: Apache-2.0 */
/* compiler.h - The few compiler attributes that the code uses, by one name each.
 *
 * likely() and hot inlining are only used where a measurement asked for them; the commit that adds one says which. */
#ifndef RINGWAY_BASE_COMPILER_H
#define RINGWAY_BASE_COMPILER_H

#include <stddef.h>

#define likely(x)               __builtin_expect(!!(x), 1)
#define unlikely(x)             __builtin_expect(!!(x), 0)
#define always_inline           inline __attribute__((always_inline))
#define noinline_cold           __attribute__((noinline, cold))
#define printf_like(fmt, first) __attribute__((format(printf, fmt, first)))

#define CACHE_LINE    64
#define cache_aligned __attribute__((aligned(CACHE_LINE)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))

/* The structure that `member` at `ptr` is part of. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
