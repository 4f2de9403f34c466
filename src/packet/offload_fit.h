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
 * has it. For USO the version comes from the frame's EtherType, so this is a function of the frame. */
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

enum { FIT_HEAD_MAX = FRAME_HEAD_MAX + 8 }; /* an IPv6 fragment header may be added */

/* The walk over what becomes of one frame. The fields are offload_fit.c's and gso.c's. */
struct offload_fit {
	struct frame out; /* what offload_fit_next() returns points here */
	const struct frame *whole;
	uint32_t caps;
	uint32_t next_off; /* payload bytes cut so far */
	uint16_t seg_idx;  /* segment that comes next */
	uint16_t n_segs;
	uint16_t hdr_len; /* headers repeated in each segment, bytes */
	uint16_t l3_off, l4_off;
	uint16_t inner_l3_off, inner_l4_off;
	uint8_t action;
	uint8_t head[FIT_HEAD_MAX];
};

/* Start. `f` may get a longer head (frame_pull()). Begins at segment f->segs_sent. Returns the number of frames that
 * offload_fit_next() will give (>= 1), or -(enum drop_reason) when the frame is to be dropped. */
int offload_fit_begin(struct offload_fit *fit, struct frame *f, uint32_t caps);

/* The next frame for the receiver, or NULL. Valid until the next call. */
const struct frame *offload_fit_next(struct offload_fit *fit);

#endif
