/* SPDX-License-Identifier: Apache-2.0 */
/* csum_avx2.c - The checksum with AVX2; csum_avx512.c explains the two sums per lane. */
#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#include "packet/csum.h"
#include "packet/csum_impl.h"

#define AVX2 __attribute__((target("avx2,prfchw")))

struct lanes {
	__m256i all;   /* modulo 2^64 */
	__m256i upper; /* of bits 32..63 */
};

AVX2 static always_inline void add(struct lanes *s, __m256i v)
{
	s->all = _mm256_add_epi64(s->all, v);
	s->upper = _mm256_add_epi64(s->upper, _mm256_srli_epi64(v, 32));
}

AVX2 static always_inline struct lanes join(struct lanes a, struct lanes b)
{
	return (struct lanes){ _mm256_add_epi64(a.all, b.all), _mm256_add_epi64(a.upper, b.upper) };
}

AVX2 static always_inline uint64_t total(struct lanes s)
{
	__m256i lower = _mm256_sub_epi64(s.all, _mm256_slli_epi64(s.upper, 32));
	__m256i both = _mm256_add_epi64(lower, s.upper);
	__m128i half = _mm_add_epi64(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));

	return (uint64_t)_mm_cvtsi128_si64(half) + (uint64_t)_mm_extract_epi64(half, 1);
}

AVX2 static always_inline __m256i load(uint8_t *dst, const uint8_t *src, bool copy)
{
	__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)src);

	if (copy)
		_mm256_storeu_si256((__m256i *)(void *)dst, v);
	return v;
}

/* `n` <= 8 bytes; a literal but for the last call, so that the copies are moves. */
static always_inline uint64_t sum_word(uint8_t *dst, const uint8_t *src, size_t n, bool copy)
{
	uint64_t v = 0;

	memcpy(&v, src, n);
	if (copy)
		memcpy(dst, &v, n);
	return (v & 0xffffffff) + (v >> 32);
}

/* The last 0..31 bytes. */
static always_inline uint64_t sum_tail(uint8_t *dst, const uint8_t *src, size_t n, bool copy)
{
	uint64_t sum = 0;

	for (; n >= 8; src += 8, dst += 8, n -= 8)
		sum += sum_word(dst, src, 8, copy);
	if (n & 4) {
		sum += sum_word(dst, src, 4, copy);
		src += 4;
		dst += 4;
	}
	if (n & 2) {
		sum += sum_word(dst, src, 2, copy);
		src += 2;
		dst += 2;
	}
	if (n & 1)
		sum += sum_word(dst, src, 1, copy) << (n & 2 ? 16 : 0);
	return sum;
}

/* The lines of one round of the loop. */
AVX2 static always_inline void prefetch(uint8_t *dst)
{
	__builtin_prefetch(dst, 1);
	__builtin_prefetch(dst + 64, 1);
}

AVX2 static always_inline uint32_t sum_avx2(uint8_t *dst, const uint8_t *src, size_t len, uint32_t sum, bool copy)
{
	struct lanes a = { _mm256_setzero_si256(), _mm256_setzero_si256() };
	struct lanes b = a, c = a, d = a;

	for (; len >= 128; src += 128, dst += 128, len -= 128) {
		if (copy && len >= CSUM_PREFETCH + 128)
			prefetch(dst + CSUM_PREFETCH);
		add(&a, load(dst, src, copy));
		add(&b, load(dst + 32, src + 32, copy));
		add(&c, load(dst + 64, src + 64, copy));
		add(&d, load(dst + 96, src + 96, copy));
	}
	for (; len >= 32; src += 32, dst += 32, len -= 32)
		add(&a, load(dst, src, copy));
	return csum_fold64(total(join(join(a, b), join(c, d))) + sum_tail(dst, src, len, copy) + sum);
}

AVX2 static uint32_t partial_avx2(const void *buf, size_t len, uint32_t sum)
{
	return sum_avx2((uint8_t *)(uintptr_t)buf, buf, len, sum, false); /* not written to */
}

AVX2 static uint32_t copy_avx2(void *dst, const void *src, size_t len, uint32_t sum)
{
	return sum_avx2(dst, src, len, sum, true);
}

const struct csum_impl csum_avx2 = { "avx2,prfchw", partial_avx2, copy_avx2 };
