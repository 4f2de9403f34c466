/* SPDX-License-Identifier: Apache-2.0 */
/* offload_fit.h - Bring one frame to what one receiver can take: the only place that decides.
 *
 * Called by the egress port for each frame, with the capabilities that the receiver has at this moment:
 *
 *	if (likely(offload_passes(f, caps))) {
 *		write(f);                                  // the sender's work crosses undone
 *	} else {
 *		err = offload_fit_begin(&fit, f, caps);    // negative: drop, reason is -err
 *		while ((out = offload_fit_next(&fit)))
 *			write(out);
 *	}
 *
 * Frames that come out need nothing more than the receiver can take, with one exception: where `finish_csum` is set the writer
 * completes the checksum, in the same pass as its copy (frame_copy_sum() in csum.h) or, when it does not copy, before it
 * hands the frame on (frame_finish_csum()). Payload is never copied: what comes out are views of the frame that went in,
 * and live as long as it and `fit` do. Pure functions; any thread. */
#ifndef RINGWAY_PACKET_OFFLOAD_FIT_H
#define RINGWAY_PACKET_OFFLOAD_FIT_H

#include "packet/frame.h"

/* The capability that a frame with this gso_type asks of its receiver, as a mask of OFFLOAD_CAP_*; all bits set when no receiver
 * has it, as none takes a frame whole of which it has a part. For USO the version comes from the frame's EtherType, so this is a
 * function of the frame. */
uint32_t offload_caps_needed_slow(const struct frame *f);

/* What `f` asks of a receiver that takes it as it is. */
static inline uint32_t offload_caps_needed(const struct frame *f)
{
	if (likely(f->offload.gso_type == GSO_NONE))
		return f->offload.flags & OFFLOAD_NEEDS_CSUM ? OFFLOAD_CAP_CSUM : 0;
	return offload_caps_needed_slow(f);
}

/* True when a receiver with `caps` (OFFLOAD_CAP_*) takes `f` as it is. */
static inline bool offload_passes(const struct frame *f, uint32_t caps)
{
	return (offload_caps_needed(f) & ~caps) == 0;
}

enum {
	/* The longest headers that can be repeated before each segment; a frame with longer ones is dropped as unsupported. IPv6
	 * extension headers make them that long; nothing else goes beyond FRAME_HEAD_MAX. */
	FIT_HDR_MAX = 1024,
	FIT_HEAD_MAX = FIT_HDR_MAX + 16, /* an IPv6 fragment header, and UDP's behind it, may be added */

	/* A frame is cut into at most this many segments, or dropped. It keeps a sender from making us, and the receiver, work on 65535
	 * packets by sending one with gso_size 1. It allows 32 bytes each for a frame of 64 KiB; no sender with Linux's default for
	 * net.ipv4.tcp_min_snd_mss (48, of which 12 may be options) goes below that. USO has a lower bound, see offload_check(). */
	FIT_SEGMENTS_MAX = 2048,
};

/* An IP header that each segment gets anew. */
struct fit_ip {
	uint16_t off; /* from the start of the segment */
	uint16_t id;  /* IPv4: of the first segment, host order */
	uint8_t version;
	uint8_t id_step; /* IPv4: from segment to segment */
	uint16_t frag;   /* IPv4: the field of a fragment, as it lies in the packet; 0 where nothing changes it */
	uint32_t sum;    /* IPv4: of the header without what changes */
};

/* The walk over what becomes of one frame. The fields are offload_fit.c's and gso*.c's. */
struct offload_fit {
	struct frame out; /* what offload_fit_next() returns points here */
	const struct frame *whole;

	/* Where it is. */
	uint32_t pos;            /* frame offset of the payload byte that comes next */
	uint32_t seg_idx;        /* of the segment that comes next */
	const struct iovec *iov; /* the payload behind `resident` that comes next */
	uint32_t iov_off;
	uint16_t n_iov;

	/* What the segments have in common. */
	uint32_t n_segs;
	uint32_t mss;         /* bytes of payload in all segments but the last */
	uint32_t payload_off; /* where the payload begins in the frame that is cut */
	uint32_t
	    resident; /* frame bytes before this are taken from the private head, those behind from the scatter list */
	uint16_t hdr_len; /* bytes of headers in each segment */
	uint16_t l4_off;
	uint16_t nexthdr_off;
	uint8_t kind;        /* GSO_*, without modifiers */
	uint8_t n_ip;        /* 0: nothing is cut */
	struct fit_ip ip[2]; /* outermost first */
	uint32_t seed;       /* TCP, USO: the checksum field before the length is added */
	uint32_t seq;        /* TCP: of the first segment */
	uint8_t tcp_flags;
	bool outer_csum;
	uint16_t outer_udp_off; /* 0: no tunnel */
	uint32_t outer_seed;
	uint8_t udp_hdr[8]; /* UFO: the first fragment's, with the checksum of all */

	uint8_t head[FIT_HEAD_MAX];
};

/* Start. `f` may get a longer head (frame_pull()). Begins at segment f->segs_sent. Returns the number of frames that
 * offload_fit_next() will give (>= 1), or -(enum drop_reason) when the frame is to be dropped. */
int offload_fit_begin(struct offload_fit *fit, struct frame *f, uint32_t caps);

/* The next frame for the receiver, or NULL. Valid until the next call. Its head holds all headers, which may be fewer than
 * FRAME_HEAD_MIN bytes. */
struct frame *offload_fit_next(struct offload_fit *fit);

#endif
