/* SPDX-License-Identifier: Apache-2.0 */
/* copy.c - What this machine has for copy.h. */
#include "base/copy.h"

#if defined(__x86_64__)

#include <cpuid.h>

bool copy_has_string;

void copy_init(void)
{
	const unsigned erms = 1u << 9;
	unsigned a, b, c, d;

	copy_has_string = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & erms);
}

#else

void copy_init(void)
{
}

#endif
