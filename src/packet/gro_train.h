/* SPDX-License-Identifier: Apache-2.0 */
/* gro_train.h - A train: frames of one flow that become one, and what may come next. Internal to gro*.c. */
#ifndef RINGWAY_PACKET_GRO_TRAIN_H
#define RINGWAY_PACKET_GRO_TRAIN_H

#include "packet/csum.h"
#include "packet/gro.h"
#include "packet/gro_match.h"

struct train {
	/* What comes next, in the usual case: a frame whose head and payload are as long as the first's, the payload in one piece, that
	 * does not end the train. Frames like that only move this part on. */
	uint32_t frame_len; /* of the first; 0: nothing is expected */
	uint16_t head_len;
	uint16_t resident_len;  /* payload in the head, > 0 */
	uint32_t rest_len;      /* payload behind it, > 0 */
	uint32_t next_seq;      /* TCP, host order */
	uint16_t next_id;       /* IPv4, host order */
	uint16_t id_step;       /* 1; 0 when the second frame had the identification of the first (UDP) */
	uint32_t ip_sum_full;   /* IPv4: of the header with the first's length, without identification and checksum */
	struct iovec *next_iov; /* into iov */
	struct frame **next_frame;  /* into frames */
	struct frame **usual_limit; /* where next_frame stops being moved on in this way */

	uint32_t short_by; /* bytes that the last frame is shorter than the first */
	uint8_t end_flags; /* TCP: FIN and PSH of the last */
	uint32_t ip_sum;   /* IPv4: of the header without length, identification and checksum */
	uint64_t begun_ns;

	struct gro_info first; /* of its first frame */
	uint32_t first_len;
	struct gro_shape shape;
	struct iovec iov[GRO_TRAIN_PIECES_MAX];
	struct frame *frames[GRO_TRAIN_FRAMES_MAX];
};

static inline unsigned train_n_frames(const struct train *t)
{
	return (unsigned)(t->next_frame - t->frames);
}

/* Room for the first frame's pieces at least? */
static inline bool train_can_begin(const struct frame *f)
{
	return f->n_iov < GRO_TRAIN_PIECES_MAX;
}

void train_begin(struct train *t, struct frame *f, const struct gro_info *info, uint64_t now_ns);

/* Add a frame whose headers are those of the first in all that may not change, and which has a good checksum. False when it
 * does not come next; sets *ends when nothing may follow it. */
bool train_extend(struct train *t, struct frame *f, bool *ends);

/* Make the first frame the whole one, if there is more than one. */
void train_end(struct train *t);

/* Is `f` what is expected next? Its checksum aside. */
static inline bool train_expects(const struct train *t, const struct frame *f)
{
	const uint8_t *head = f->head, *ip = head + t->first.l3_off, *l4 = head + t->first.l4_off;

	if (f->len != t->frame_len || f->head_len != t->head_len || f->n_iov != 1 || t->next_frame >= t->usual_limit ||
	    f->offload.gso_type != GSO_NONE || !gro_shape_matches(&t->shape, head))
		return false;
	if (t->first.version == 4) {
		uint16_t id = load_raw16(ip + offsetof(struct iphdr, id));
		uint16_t check = (uint16_t)~csum_fold(t->ip_sum_full + id);

		if (id != htobe16(t->next_id) || load_raw16(ip + offsetof(struct iphdr, check)) != check)
			return false;
	}
	if (t->first.proto == IPPROTO_UDP)
		return load_raw16(l4 + offsetof(struct udphdr, check)) != 0;
	return load_be32(l4 + offsetof(struct tcphdr, seq)) == t->next_seq &&
	       load_raw16(l4 + offsetof(struct tcphdr, check)) != 0xffff;
}

/* Add a frame that is expected. */
static inline void train_extend_expected(struct train *t, struct frame *f)
{
	struct iovec *iov = t->next_iov;

	iov[0].iov_base = f->head + t->first.payload_off;
	iov[0].iov_len = t->resident_len;
	iov[1].iov_base = (uint8_t *)f->iov->iov_base + f->iov_off;
	iov[1].iov_len = t->rest_len;
	t->next_iov = iov + 2;
	*t->next_frame++ = f;
	t->next_id = (uint16_t)(t->next_id + t->id_step);
	if (t->first.proto == IPPROTO_TCP)
		t->next_seq += t->first.payload_len;
}

#endif
