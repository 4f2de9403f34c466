/* SPDX-License-Identifier: Apache-2.0 */
/* prefetch.h - Asking for a line of memory ahead of its time. Hints: any address will do, and nothing changes but time. */
#ifndef RINGWAY_BASE_PREFETCH_H
#define RINGWAY_BASE_PREFETCH_H

#include "base/compiler.h"

#if defined(__x86_64__)

/* A function that does nothing but __builtin_prefetch() is nothing to a compiler, which may leave out calls to it. */
static always_inline void prefetch_to_read(const void *p)
{
	__asm__ volatile("prefetcht0 %0" : : "m"(*(const char *)p));
}

/* __builtin_prefetch(p, 1) is a prefetch for reading, unless the compiler may suppose a newer machine than the oldest. */
static always_inline void prefetch_to_write(const void *p)
{
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
}

#else

static always_inline void prefetch_to_read(const void *p)
{
	__builtin_prefetch(p);
	__asm__ volatile("");
}

static always_inline void prefetch_to_write(const void *p)
{
	__builtin_prefetch(p, 1);
	__asm__ volatile("");
}

#endif

#endif
