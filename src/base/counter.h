/* SPDX-License-Identifier: Apache-2.0 */
/* counter.h - A 64-bit count that one thread at a time adds to and any thread reads, without a locked instruction. */
#ifndef RINGWAY_BASE_COUNTER_H
#define RINGWAY_BASE_COUNTER_H

#include <stdint.h>

#include "base/barrier.h"

static inline void counter_add(uint64_t *c, uint64_t n)
{
	write_once(c, read_once(c) + n);
}

#endif
