/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - Monotonic time, in nanoseconds. */
#ifndef RINGWAY_BASE_CLOCK_H
#define RINGWAY_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NSEC_PER_USEC 1000ull
#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_SEC  1000000000ull

/* CLOCK_MONOTONIC; through the vDSO, about 25 ns: once per batch, never per frame. */
static inline uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

#endif
