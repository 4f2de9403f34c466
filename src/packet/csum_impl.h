/* SPDX-License-Identifier: Apache-2.0 */
/* csum_impl.h - The implementations behind csum_partial() and csum_copy(), for csum.c that picks one and for tests.
 *
 * All compute the same number: the bytes, padded with zeros to a multiple of four, are read as 32-bit words in the order of
 * memory and added with end-around carry, the caller's sum last. 2^32 - 1 being a multiple of 2^16 - 1, folding it gives the Internet
 * checksum; and as the representation is fixed too (0 only when every byte is 0), implementations can be compared for equality.
 *
 * The bytes may be a guest's, who may change them meanwhile: what is summed may then differ from what is copied. The receiver
 * finds a bad checksum, as it would had the sender sent one. */
#ifndef RINGWAY_PACKET_CSUM_IMPL_H
#define RINGWAY_PACKET_CSUM_IMPL_H

#include <stddef.h>
#include <stdint.h>

struct csum_impl {
	const char *name;
	uint32_t (*partial)(const void *buf, size_t len, uint32_t sum);
	uint32_t (*copy)(void *dst, const void *src, size_t len, uint32_t sum);
};

/* A twin is there on its architecture only. */
extern const struct csum_impl csum_scalar;
extern const struct csum_impl csum_avx2;
extern const struct csum_impl csum_avx512;
extern const struct csum_impl csum_neon;

/* The implementations that this CPU can run, slowest first; csum_init() takes the last. */
enum { CSUM_IMPLS_MAX = 3 };
unsigned csum_impls(const struct csum_impl *impls[CSUM_IMPLS_MAX]);

/* While copying, lines of the target are asked for this many bytes ahead, for writing. The hardware guesses what is read, less so
 * what is written: 512 bytes bring copy and sum from 0.8 of memcpy() to 1.1 when the target is in L3, and from 1.1 to 1.25 when it
 * is in memory; 2048 would give some per cent more there, but then a frame of 1500 bytes had nothing of it. */
enum { CSUM_PREFETCH = 512 };

/* A sum of up to 2^32 words to the 32 bits that csum.h speaks of: the upper half of the sum of both orders of the halves has
 * the carry of the lower in it. */
static inline uint32_t csum_fold64(uint64_t sum)
{
	return (uint32_t)((sum + (sum << 32 | sum >> 32)) >> 32);
}

#endif
