/* SPDX-License-Identifier: Apache-2.0 */
/* test_csum_twins.c - Every implementation of the checksum and of CRC32c against the scalar one, and that against a loop over
 * bytes, at every alignment and up to the edge of the mapped memory.
 *
 * Without cmocka, so that tools/test-aarch64 can cross-compile it. Prints each difference; exit status 1 when there was one. */
#include <stdio.h>
#include <string.h>

#include "guard.h"
#include "packet/crc32c.h"
#include "packet/csum.h"
#include "packet/csum_impl.h"

static unsigned n_failed;

static void check(bool good, const char *what, const char *impl, size_t len, size_t align)
{
	if (good)
		return;
	printf("%s: %s differs, %zu bytes at alignment %zu\n", impl, what, len, align);
	n_failed++;
}

/* RFC 1071, 1: bytes in pairs, the first of each the high one. Returns the two bytes as they are stored. */
static uint16_t naive_csum(const uint8_t *p, size_t len)
{
	uint64_t sum = 0;
	uint8_t stored[2];
	uint16_t out;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : p[i] * 256u;
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	stored[0] = (uint8_t)(sum >> 8);
	stored[1] = (uint8_t)sum;
	memcpy(&out, stored, sizeof(out));
	return out;
}

/* The division itself, one bit at a time. */
static uint32_t naive_crc32c(const uint8_t *p, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

enum { SIZE = 8192, MARGIN = 64, LEN_MAX = SIZE - 2 * MARGIN };

struct memory {
	struct guarded src, dst;
};

static void check_copy(const struct csum_impl *impl, const uint8_t *src, uint8_t *dst, size_t len, uint32_t want)
{
	memset(dst - MARGIN, 0x5a, len + MARGIN);
	check(impl->copy(dst, src, len, 0x12345678) == want, "sum of copy", impl->name, len, (uintptr_t)dst % 64);
	check(memcmp(dst, src, len) == 0, "copied bytes", impl->name, len, (uintptr_t)dst % 64);
	for (unsigned i = 1; i <= MARGIN; i++)
		check(dst[-(int)i] == 0x5a, "byte before the copy", impl->name, len, (uintptr_t)dst % 64);
}

/* One length, at both ends of the mapped memory and at one place between. */
static void check_len(const struct csum_impl *impl, struct memory m, size_t len, uint64_t *seed)
{
	const uint8_t *places[] = { m.src.end - len, m.src.start, m.src.start + random_below(seed, MARGIN) };

	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		const uint8_t *src = places[i];
		uint32_t want = csum_scalar.partial(src, len, 0x12345678);

		check(impl->partial(src, len, 0x12345678) == want, "sum", impl->name, len, (uintptr_t)src % 64);
		check(csum_fold(impl->partial(src, len, 0)) == naive_csum(src, len), "folded sum", impl->name, len,
		      (uintptr_t)src % 64);
		check_copy(impl, src, m.dst.end - len, len, want);
	}
	check_copy(impl, places[0], m.dst.end - len - random_below(seed, MARGIN), len,
		   csum_scalar.partial(places[0], len, 0x12345678));
}

/* A sum of pieces, cut anywhere, is that of the whole. */
static void check_cuts(const struct csum_impl *impl, struct memory m, size_t len, uint64_t *seed)
{
	const uint8_t *src = m.src.end - len;
	uint32_t sum = 0;

	for (size_t off = 0; off < len;) {
		size_t piece = 1 + random_below(seed, (unsigned)(len - off));

		sum = csum_add_at(sum, impl->partial(src + off, piece, 0), off);
		off += piece;
	}
	check(csum_fold(sum) == naive_csum(src, len), "sum of pieces", impl->name, len, (uintptr_t)src % 64);
}

static void check_impl(const struct csum_impl *impl, struct memory m, uint64_t *seed)
{
	uint8_t *fill = m.src.start;
	size_t size = (size_t)(m.src.end - m.src.start);

	for (size_t len = 0; len <= 600; len++)
		check_len(impl, m, len, seed);
	for (unsigned i = 0; i < 500; i++) {
		check_len(impl, m, random_below(seed, LEN_MAX), seed);
		check_cuts(impl, m, 1 + random_below(seed, 3000), seed);
	}
	/* Carries everywhere, and the one sum that is 0. */
	memset(fill, 0xff, size);
	check_len(impl, m, LEN_MAX, seed);
	check(impl->partial(fill, 8, 0) == 0xffffffff, "sum of ones", impl->name, 8, 0);
	memset(fill, 0, size);
	check_len(impl, m, LEN_MAX, seed);
	check(impl->partial(fill, LEN_MAX, 0) == 0, "sum of zeros", impl->name, LEN_MAX, 0);
	random_fill(seed, fill, size);
}

/* Longer than any frame: 64-bit sums must not be folded too late. */
static void check_long(const struct csum_impl *impl)
{
	size_t len = (32 << 20) + 3;
	uint8_t *buf = malloc(len);

	if (!buf)
		abort();
	memset(buf, 0xff, len);
	check(impl->partial(buf, len, 0) == csum_scalar.partial(buf, len, 0), "long sum", impl->name, len, 0);
	check(csum_fold(impl->partial(buf, len, 0)) == naive_csum(buf, len), "long folded sum", impl->name, len, 0);
	free(buf);
}

static void check_crc(const struct crc32c_impl *impl, struct memory m, uint64_t *seed)
{
	for (unsigned i = 0; i < 1000; i++) {
		size_t len = i < 200 ? i : random_below(seed, LEN_MAX);
		const uint8_t *src = m.src.end - len;
		size_t cut = random_below(seed, (unsigned)len + 1);
		uint32_t crc = impl->update(src, cut, CRC32C_INIT);

		crc = impl->update(src + cut, len - cut, crc);
		check(crc == naive_crc32c(src, len), "crc", impl->name, len, (uintptr_t)src % 64);
	}
}

int main(void)
{
	struct memory m = { guarded_alloc(SIZE), guarded_alloc(SIZE) };
	const struct csum_impl *csums[CSUM_IMPLS_MAX];
	const struct crc32c_impl *crcs[CRC32C_IMPLS_MAX];
	unsigned n_csums = csum_impls(csums);
	unsigned n_crcs = crc32c_impls(crcs);
	uint64_t seed = 1;

	random_fill(&seed, m.src.start, SIZE);
	for (unsigned i = 0; i < n_csums; i++) {
		check_impl(csums[i], m, &seed);
		check_long(csums[i]);
		printf("csum %s: checked\n", csums[i]->name);
	}
	for (unsigned i = 0; i < n_crcs; i++) {
		check_crc(crcs[i], m, &seed);
		printf("crc32c %s: checked\n", crcs[i]->name);
	}
	guarded_free(m.src);
	guarded_free(m.dst);
	printf("%u differences\n", n_failed);
	return n_failed ? 1 : 0;
}
