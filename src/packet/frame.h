/* SPDX-License-Identifier: Apache-2.0 */
/* frame.h - One Ethernet frame: a view of its sender's memory.
 *
 * A frame has two parts. The head is a private copy of its first bytes: every decision is taken on it, and every header byte
 * that is written out comes from it. The payload, everything behind the head, stays where the sender put it: a scatter list
 * of translated, bounds-checked addresses. The sender may rewrite its memory at any moment; that spoils the sender's payload
 * and nothing else, because no length, offset or address is ever taken from there.
 *
 *        head (ours)              payload (theirs)
 *        [0 ........ head_len)    [head_len ........................... len)
 *                                  iov[0].iov_base + iov_off, iov[1], ... in this order
 *
 * A segment of a frame is a frame too: a fresh head and a slice of the same scatter list.
 *
 * Life cycle: a port's rx fills frames into a batch; the switch sets `dst`; a port's tx reads them; rx_done gives the memory
 * back to the sender, after which the frame must not be touched. One worker owns a batch from rx to rx_done.
 * Rule: head_len == len, or head_len >= FRAME_HEAD_MIN, so an Ethernet header with two tags is in the head if it is in the frame. */
#ifndef RINGWAY_PACKET_FRAME_H
#define RINGWAY_PACKET_FRAME_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/compiler.h"
#include "packet/offload.h"

enum {
	FRAME_LEN_MIN = 14,                      /* an Ethernet header; without FCS, as everywhere */
	FRAME_LEN_MAX = 14 + 3 * 4 + 40 + 65535, /* the largest IPv6 packet behind three VLAN tags */
	FRAME_HEAD_MIN = 64,
	FRAME_HEAD_FIRST = 128, /* copied at first; frame_pull() fetches more when a parser needs it */
	FRAME_HEAD_MAX = 256,
};

struct frame {
	uint8_t *head;           /* bytes [0, head_len); room for FRAME_HEAD_MAX */
	const struct iovec *iov; /* payload; the pieces sum to at least len - head_len behind iov_off */
	uint32_t iov_off;        /* bytes of iov[0] to skip */
	uint32_t len;            /* bytes, of the whole frame, FRAME_LEN_MIN..FRAME_LEN_MAX */
	uint16_t n_iov;
	uint16_t head_len;

	/* The ingress port's: which descriptors to give back. */
	uint16_t rx_id;
	uint16_t rx_n_desc;

	struct offload offload;

	/* The switch's and the egress port's. */
	uint16_t frag_salt; /* offload_fit's, any value at first: part of an IPv6 fragment identification */
	uint8_t drop; /* enum drop_reason or FRAME_COALESCED; not DROP_NONE: goes no further, is only given back */
	uint8_t finish_csum; /* FINISH_CSUM_*, made by offload_fit: the writer completes the checksum (csum.h) */
	uint16_t segs_sent;  /* segments of this frame the receiver has; a receiver that was full goes on here */
	uint16_t dst;        /* index of the destination port in the snapshot, or FRAME_DST_* */
	uint16_t dst_queue;  /* tx queue of `dst`, chosen together with it; not for a flood. 0 at first */
	uint32_t hash;       /* flow hash, 0: not computed */
};
static_assert(sizeof(struct frame) == 64, "a frame is one cache line");

/* struct frame, finish_csum: what is summed over [csum_start, len) and stored at csum_start + csum_offset. A checksum that
 * computes to 0 is stored as 0xffff (RFC 768; Linux does so for every protocol), but Linux's segments of TCP keep the 0. The two are
 * equal as sums. CRC32C is SCTP's, 32 bits, with the field counted as 0 (RFC 9260, 6.8). */
enum { FINISH_CSUM_NONE = 0, FINISH_CSUM = 1, FINISH_CSUM_KEEP_0 = 2, FINISH_CSUM_CRC32C = 3 };

enum {
	FRAME_DST_FLOOD = 0xffff, /* every port of the network but the ingress port */
	FRAME_DST_NONE = 0xfffe,  /* nowhere: dropped, or done */
};

/* struct frame, drop: its payload travels in another frame of the batch. */
enum { FRAME_COALESCED = 0xff };

/* Bytes of payload behind the head. */
static inline uint32_t frame_payload_len(const struct frame *f)
{
	return f->len - f->head_len;
}

/* Make the head at least `n` bytes long (or as long as the frame), by copying from the payload. False when that is more
 * than FRAME_HEAD_MAX. The head grows, the payload shrinks; len stays. */
bool frame_pull(struct frame *f, unsigned n);

/* Fill `out` (room for max) with the pieces of the whole frame, head first. Returns how many, 0 when max is too small.
 * The pieces point into the frame's head and the sender's memory and live as long as those. */
unsigned frame_to_iov(const struct frame *f, struct iovec *out, unsigned max);

/* Copy frame bytes [off, off + n) to `dst`; the caller keeps off + n <= len. */
void frame_copy_out(const struct frame *f, uint32_t off, void *dst, uint32_t n);

/* A slice of `f`'s payload as a new frame's: sets iov, iov_off, n_iov of `out` to begin `off` bytes behind f's head, off <=
 * frame_payload_len(f). `out` may be `f`. Steps over the pieces before `off`: for many slices of one frame, slice the slice before. */
void frame_slice(const struct frame *f, uint32_t off, struct frame *out);

#endif
