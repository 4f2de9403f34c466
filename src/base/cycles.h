/* SPDX-License-Identifier: Apache-2.0 */
/* cycles.h - The cheapest clock there is, for accounting: some 10 ns to read, one unit on all cores, of no fixed length.
 *
 * On x86 it counts at the rate of the time stamp counter, which is near the nominal frequency and does not follow the core's
 * own; on aarch64 at that of the generic timer, which is much slower than the core. Not ordered against the instructions around
 * it: a stage may lose a few cycles to its neighbour, the sum is right. */
#ifndef RINGWAY_BASE_CYCLES_H
#define RINGWAY_BASE_CYCLES_H

#include <stdint.h>

static inline uint64_t cycles_now(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t t;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(t));
	return t;
#else
#error "no cycle counter known for this machine"
#endif
}

#endif
