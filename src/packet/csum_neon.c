/* SPDX-License-Identifier: Apache-2.0 */
/* csum_neon.c - The checksum with NEON, which every aarch64 has: one instruction adds the four words of a register to two
 * 64-bit sums. */
#include <arm_neon.h>
#include <stdbool.h>
#include <string.h>

#include "packet/csum.h"
#include "packet/csum_impl.h"

static always_inline uint32x4_t load(uint8_t *dst, const uint8_t *src, bool copy)
{
	uint8x16_t v = vld1q_u8(src);

	if (copy)
		vst1q_u8(dst, v);
	return vreinterpretq_u32_u8(v);
}

/* n < 16; the lanes behind are 0. */
static always_inline uint32x4_t load_part(uint8_t *dst, const uint8_t *src, size_t n, bool copy)
{
	uint8_t bytes[16] = { 0 };

	memcpy(bytes, src, n);
	if (copy)
		memcpy(dst, bytes, n);
	return vreinterpretq_u32_u8(vld1q_u8(bytes));
}

static always_inline uint32_t sum_neon(uint8_t *dst, const uint8_t *src, size_t len, uint32_t sum, bool copy)
{
	uint64x2_t a = vdupq_n_u64(0), b = a, c = a, d = a;

	for (; len >= 64; src += 64, dst += 64, len -= 64) {
		if (copy && len >= CSUM_PREFETCH + 64)
			__builtin_prefetch(dst + CSUM_PREFETCH, 1);
		a = vpadalq_u32(a, load(dst, src, copy));
		b = vpadalq_u32(b, load(dst + 16, src + 16, copy));
		c = vpadalq_u32(c, load(dst + 32, src + 32, copy));
		d = vpadalq_u32(d, load(dst + 48, src + 48, copy));
	}
	for (; len >= 16; src += 16, dst += 16, len -= 16)
		a = vpadalq_u32(a, load(dst, src, copy));
	if (len > 0)
		b = vpadalq_u32(b, load_part(dst, src, len, copy));
	a = vaddq_u64(vaddq_u64(a, b), vaddq_u64(c, d));
	return csum_fold64(vaddvq_u64(a) + sum);
}

static uint32_t partial_neon(const void *buf, size_t len, uint32_t sum)
{
	return sum_neon((uint8_t *)(uintptr_t)buf, buf, len, sum, false); /* not written to */
}

static uint32_t copy_neon(void *dst, const void *src, size_t len, uint32_t sum)
{
	return sum_neon(dst, src, len, sum, true);
}

const struct csum_impl csum_neon = { "neon", partial_neon, copy_neon };
