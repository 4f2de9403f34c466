/* SPDX-License-Identifier: Apache-2.0 */
/* csum_avx512.c - The checksum with AVX-512.
 *
 * Two sums are kept per 64-bit lane: of the lanes as they are, modulo 2^64, and of their upper halves. The second is exact, and
 * the first minus the second shifted up is the exact sum of the lower halves: three operations for 64 bytes where masking both
 * halves would take four. Masked loads and stores do the ends and touch no byte outside of the buffer. */
#include <immintrin.h>
#include <stdbool.h>

#include "packet/csum.h"
#include "packet/csum_impl.h"

#define AVX512 __attribute__((target("avx512f,avx512bw,prfchw")))

struct lanes {
	__m512i all;   /* modulo 2^64 */
	__m512i upper; /* of bits 32..63 */
};

AVX512 static always_inline void add(struct lanes *s, __m512i v)
{
	s->all = _mm512_add_epi64(s->all, v);
	s->upper = _mm512_add_epi64(s->upper, _mm512_srli_epi64(v, 32));
}

AVX512 static always_inline struct lanes join(struct lanes a, struct lanes b)
{
	return (struct lanes){ _mm512_add_epi64(a.all, b.all), _mm512_add_epi64(a.upper, b.upper) };
}

AVX512 static always_inline uint64_t total(struct lanes s)
{
	__m512i lower = _mm512_sub_epi64(s.all, _mm512_slli_epi64(s.upper, 32));

	return (uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(lower, s.upper));
}

AVX512 static always_inline __m512i load(uint8_t *dst, const uint8_t *src, bool copy)
{
	__m512i v = _mm512_loadu_si512(src);

	if (copy)
		_mm512_storeu_si512(dst, v);
	return v;
}

/* 0 < n <= 64; the lanes behind are 0. */
AVX512 static always_inline __m512i load_part(uint8_t *dst, const uint8_t *src, size_t n, bool copy)
{
	__mmask64 mask = ~0ull >> (64 - n);
	__m512i v = _mm512_maskz_loadu_epi8(mask, src);

	if (copy)
		_mm512_mask_storeu_epi8(dst, mask, v);
	return v;
}

/* The lines of one round of the loop. */
AVX512 static always_inline void prefetch(uint8_t *dst)
{
	__builtin_prefetch(dst, 1);
	__builtin_prefetch(dst + 64, 1);
	__builtin_prefetch(dst + 128, 1);
	__builtin_prefetch(dst + 192, 1);
}

AVX512 static always_inline uint64_t sum_long(uint8_t *dst, const uint8_t *src, size_t len, bool copy)
{
	struct lanes a = { _mm512_setzero_si512(), _mm512_setzero_si512() };
	struct lanes b = a, c = a, d = a;

	for (; len >= 256; src += 256, dst += 256, len -= 256) {
		if (copy && len >= CSUM_PREFETCH + 256)
			prefetch(dst + CSUM_PREFETCH);
		add(&a, load(dst, src, copy));
		add(&b, load(dst + 64, src + 64, copy));
		add(&c, load(dst + 128, src + 128, copy));
		add(&d, load(dst + 192, src + 192, copy));
	}
	for (; len > 64; src += 64, dst += 64, len -= 64)
		add(&a, load(dst, src, copy));
	if (len > 0)
		add(&b, load_part(dst, src, len, copy));
	return total(join(join(a, b), join(c, d)));
}

AVX512 static always_inline uint32_t sum_avx512(uint8_t *dst, const uint8_t *src, size_t len, uint32_t sum, bool copy)
{
	struct lanes one;

	if (len > 64)
		return csum_fold64(sum_long(dst, src, len, copy) + sum);
	if (len == 0)
		return sum;
	one.all = load_part(dst, src, len, copy);
	one.upper = _mm512_srli_epi64(one.all, 32);
	return csum_fold64(total(one) + sum);
}

AVX512 static uint32_t partial_avx512(const void *buf, size_t len, uint32_t sum)
{
	return sum_avx512((uint8_t *)(uintptr_t)buf, buf, len, sum, false); /* not written to */
}

AVX512 static uint32_t copy_avx512(void *dst, const void *src, size_t len, uint32_t sum)
{
	return sum_avx512(dst, src, len, sum, true);
}

const struct csum_impl csum_avx512 = { "avx512", partial_avx512, copy_avx512 };
