/* SPDX-License-Identifier: Apache-2.0 */
/* csum_scalar.c - The checksum in plain C: the reference that the SIMD twins are compared with. */
#include <string.h>

#include "packet/csum.h"
#include "packet/csum_impl.h"

static uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The last 0..3 bytes as a word, zeros behind them. */
static uint32_t load_tail(const uint8_t *p, size_t n)
{
	uint32_t v = 0;

	memcpy(&v, p, n);
	return v;
}

static uint32_t partial_scalar(const void *buf, size_t len, uint32_t sum)
{
	const uint8_t *p = buf;
	uint64_t acc[4] = { 0 };

	for (; len >= 16; p += 16, len -= 16) {
		for (unsigned i = 0; i < 4; i++)
			acc[i] += load32(p + 4 * i);
	}
	for (; len >= 4; p += 4, len -= 4)
		acc[0] += load32(p);
	acc[0] += load_tail(p, len);
	return csum_fold64(acc[0] + acc[1] + acc[2] + acc[3] + sum);
}

static uint32_t copy_scalar(void *dst, const void *src, size_t len, uint32_t sum)
{
	const uint8_t *p = src;
	uint8_t *q = dst;
	uint64_t acc[4] = { 0 };
	uint32_t v;

	for (; len >= 16; p += 16, q += 16, len -= 16) {
		for (unsigned i = 0; i < 4; i++) {
			v = load32(p + 4 * i);
			memcpy(q + 4 * i, &v, sizeof(v));
			acc[i] += v;
		}
	}
	for (; len >= 4; p += 4, q += 4, len -= 4) {
		v = load32(p);
		memcpy(q, &v, sizeof(v));
		acc[0] += v;
	}
	v = load_tail(p, len);
	memcpy(q, &v, len);
	acc[0] += v;
	return csum_fold64(acc[0] + acc[1] + acc[2] + acc[3] + sum);
}

const struct csum_impl csum_scalar = { "scalar", partial_scalar, copy_scalar };
