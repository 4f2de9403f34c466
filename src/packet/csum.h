/* SPDX-License-Identifier: Apache-2.0 */
/* csum.h - The Internet checksum: over buffers, scatter lists and frames, and fused with a copy.
 *
 * A sum is kept as a 32-bit value whose 16-bit halves still have to be folded, in the byte order of memory: bytes are summed
 * as they lie, so the folded result is stored as it is, on every machine (RFC 1071, 2 (B)). A piece that begins at an
 * odd offset of the whole is added with csum_add_at(). Implementations (scalar, AVX2, AVX-512, NEON; see csum_impl.h) give equal
 * results, not just equivalent ones; csum_init() picks one. Pure functions; any thread. */
#ifndef RINGWAY_PACKET_CSUM_H
#define RINGWAY_PACKET_CSUM_H

#include <stddef.h>
#include <stdint.h>

#include "packet/frame.h"

/* Choose the implementations for this machine, of CRC32c too. Once, before threads are started; without it the scalar one is used. */
void csum_init(void);
/* Name of the implementation in use: "scalar", "avx2", "avx512", "neon". */
const char *csum_impl_name(void);

/* Sums */

/* Ones'-complement sum of `len` bytes at any address, added to `sum`. */
uint32_t csum_partial(const void *buf, size_t len, uint32_t sum);
/* The same, copying the bytes to `dst` in the same pass. The ranges do not overlap. */
uint32_t csum_copy(void *dst, const void *src, size_t len, uint32_t sum);

/* 16 bits, not inverted. */
static inline uint16_t csum_fold(uint32_t sum)
{
	return (uint16_t)((sum + (sum << 16 | sum >> 16)) >>
			  16); /* the carry of the lower half comes out in the upper one */
}

static inline uint32_t csum_add(uint32_t a, uint32_t b)
{
	a += b;
	return a + (a < b);
}

/* Add the sum of a piece that begins `off` bytes into the whole. */
static inline uint32_t csum_add_at(uint32_t sum, uint32_t piece, size_t off)
{
	if (off & 1)
		piece = __builtin_bswap32(
		    piece); /* swaps the bytes of both halves; that it swaps the halves too is no matter */
	return csum_add(sum, piece);
}

/* The pseudo header's sum: `addrs` is source and destination as they lie in the IP header (8 and 32 bytes), `len` the length of
 * the upper-layer packet in bytes, in host byte order. RFC 9293, 3.1 and RFC 8200, 8.1. */
uint32_t csum_pseudo4(const void *addrs, uint8_t proto, uint32_t len);
uint32_t csum_pseudo6(const void *addrs, uint8_t proto, uint32_t len);

/* Fields: 16 bits as they are stored in the packet */

/* What TCP, UDP, ICMPv6 store for `sum`: the complement, and 0 as 0xffff (RFC 768; the kernel does so for every protocol). Not
 * for the IPv4 header, whose checksum may be 0: that is ~csum_fold(). */
static inline uint16_t csum_finish(uint32_t sum)
{
	uint16_t csum = (uint16_t)~csum_fold(sum);

	return csum ? csum : 0xffff;
}

/* Verification: `sum` covers pseudo header and data, the checksum field included (RFC 1071, 1 (3)). */
static inline bool csum_is_good(uint32_t sum)
{
	return csum_fold(sum) == 0xffff;
}

/* The field `csum` after bytes whose sum was `old`, at an even offset, have been replaced by bytes with the sum `new`: RFC 1624, 3,
 * eqn. 3. `old` and `new` are csum_partial()'s, or 16- and 32-bit values as they lie in the packet. */
static inline uint16_t csum_update(uint16_t csum, uint32_t old, uint32_t new)
{
	return (uint16_t)~csum_fold(csum_add(csum_add((uint16_t)~csum, ~old), new));
}

/* Frames */

/* Sum of frame bytes [off, len). off <= f->len. */
uint32_t csum_frame(const struct frame *f, uint32_t off);

/* Complete the checksum that `f->offload` asks for in the way that f->finish_csum says (FINISH_CSUM_*; NONE is as FINISH_CSUM), in the
 * frame's private head, which grows to hold the field. For writers that do not copy. Afterwards the frame asks for no checksum any
 * more (finish_csum, OFFLOAD_NEEDS_CSUM); no other frame may share its head. False, and nothing is changed, when the field lies
 * beyond the frame or beyond FRAME_HEAD_MAX. */
bool frame_finish_csum(struct frame *f);

/* Copy the whole frame to the scatter list `dst` (total room >= f->len), and complete the checksum on the way when
 * f->finish_csum is set, wherever the field lies. */
void frame_copy(const struct frame *f, const struct iovec *dst, unsigned n_dst);

#endif
