/* SPDX-License-Identifier: Apache-2.0 */
/* csum.h - The Internet checksum: over buffers, scatter lists and frames, and fused with a copy.
 *
 * A sum is kept as a 32-bit value whose 16-bit halves still have to be folded, in the byte order of memory: bytes are summed
 * as they lie, so the folded result is stored as it is, on every machine (RFC 1071, 2 (B)). A piece that begins at an
 * odd offset of the whole is added with csum_add_at(). Implementations (scalar, AVX2, AVX-512, NEON) give equal results, not
 * just equivalent ones; csum_init() picks one. Pure functions; any thread. */
#ifndef RINGWAY_PACKET_CSUM_H
#define RINGWAY_PACKET_CSUM_H

#include <stddef.h>
#include <stdint.h>

#include "packet/frame.h"

/* Choose the implementation for this machine. Once, before threads are started; without it the scalar one is used. */
void csum_init(void);
/* Name of the implementation in use: "scalar", "avx2", "avx512", "neon". */
const char *csum_impl_name(void);

/* Ones'-complement sum of `len` bytes at any address, added to `sum`. */
uint32_t csum_partial(const void *buf, size_t len, uint32_t sum);
/* The same, copying the bytes to `dst` in the same pass. The ranges do not overlap. */
uint32_t csum_copy(void *dst, const void *src, size_t len, uint32_t sum);

/* 16 bits, not inverted. */
static inline uint16_t csum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static inline uint32_t csum_add(uint32_t a, uint32_t b)
{
	uint64_t s = (uint64_t)a + b;

	return (uint32_t)(s + (s >> 32));
}

/* Add the sum of a piece that begins `off` bytes into the whole. */
static inline uint32_t csum_add_at(uint32_t sum, uint32_t piece, size_t off)
{
	if (off & 1)
		piece = __builtin_bswap32(
		    piece); /* swaps the bytes of both halves, and the halves, which does not matter */
	return csum_add(sum, piece);
}

/* Sum of frame bytes [off, len). off <= f->len. */
uint32_t csum_frame(const struct frame *f, uint32_t off);

/* Complete the checksum that `f->offload` asks for, in the frame's private head: store ~sum([csum_start, len)) at csum_start +
 * csum_offset, 0 as 0xffff (RFC 768; the kernel does so for every protocol). For writers that do not copy. The head must
 * hold the checksum field: false when it lies beyond FRAME_HEAD_MAX, and nothing is changed then. */
bool frame_finish_csum(struct frame *f);

/* Copy the whole frame to the scatter list `dst` (total room >= f->len), and complete the checksum on the way when
 * f->finish_csum is set, wherever the field lies. */
void frame_copy(const struct frame *f, const struct iovec *dst, unsigned n_dst);

#endif
