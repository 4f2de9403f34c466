/* SPDX-License-Identifier: Apache-2.0 */
/* gro_train.h - A train: frames of one flow that become one, and what may come next. Internal to gro*.c. */
#ifndef RINGWAY_PACKET_GRO_TRAIN_H
#define RINGWAY_PACKET_GRO_TRAIN_H

#include "packet/csum.h"
#include "packet/gro.h"
#include "packet/gro_match.h"

struct train {
	/* What comes next, if it is as long as the first, in one piece, and does not end the train. */
	uint32_t frame_len;   /* of the first; 0: has no shape, nothing is expected */
	uint32_t n_left;      /* so many of those are allowed */
	uint32_t next_seq;    /* TCP, host order */
	uint32_t next_id;     /* IPv4, host order, modulo 65536 */
	uint32_t id_step;     /* 1; 0 when the second frame had the identification of the first (UDP) */
	uint32_t ip_sum;      /* IPv4: of the header without length, identification and checksum */
	uint32_t ip_sum_full; /* ... with the length of the first */

	uint32_t len; /* bytes, of the whole so far */
	uint32_t n_frames;
	uint32_t n_pieces;
	uint8_t end_flags; /* TCP: FIN and PSH of the last */
	uint64_t begun_ns;

	struct gro_info first; /* of its first frame */
	struct gro_shape shape;
	struct iovec iov[GRO_TRAIN_PIECES_MAX];
	struct frame *frames[GRO_TRAIN_FRAMES_MAX];
};

/* Room for the first frame's pieces at least? */
static inline bool train_can_begin(const struct frame *f)
{
	return f->n_iov < GRO_TRAIN_PIECES_MAX / 2;
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
	uint32_t id, check;

	if (f->len != t->frame_len || f->head_len < t->first.payload_off || f->n_iov != 1 || t->n_left == 0 ||
	    (f->offload.gso_type | (f->offload.flags & OFFLOAD_NEEDS_CSUM)) != 0 || !gro_shape_matches(&t->shape, head))
		return false;
	if (t->first.version == 4) {
		id = load_raw16(ip + offsetof(struct iphdr, id));
		check = load_raw16(ip + offsetof(struct iphdr, check));
		if (id != htobe16((uint16_t)t->next_id) || !csum_is_good(csum_add(t->ip_sum_full, id + check)) ||
		    check == 0xffff)
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
	struct iovec *iov = &t->iov[t->n_pieces];
	uint32_t resident = (uint32_t)f->head_len - t->first.payload_off;
	uint32_t rest = f->len - f->head_len;
	unsigned has_resident = resident > 0;

	iov[0] = (struct iovec){ f->head + t->first.payload_off, resident };
	iov[has_resident] = (struct iovec){ (uint8_t *)f->iov->iov_base + f->iov_off, rest };
	t->n_pieces += has_resident + (rest > 0);
	t->frames[t->n_frames++] = f;
	t->n_left--;
	t->len += t->first.payload_len;
	t->next_id += t->id_step;
	if (t->first.proto == IPPROTO_TCP)
		t->next_seq += t->first.payload_len;
}

#endif
