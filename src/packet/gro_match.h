/* SPDX-License-Identifier: Apache-2.0 */
/* gro_match.h - May this frame be coalesced, and with which? Internal to gro.c. */
#ifndef RINGWAY_PACKET_GRO_MATCH_H
#define RINGWAY_PACKET_GRO_MATCH_H

#include "packet/frame.h"

enum gro_class {
	GRO_PASS,       /* not ours: to be left alone, and free to overtake */
	GRO_PASS_VALID, /* the same, but its checksum is right */
	GRO_END,        /* belongs behind the open train of its flow, but not into one */
	GRO_END_VALID,
	GRO_MERGE, /* can be merged; its checksum is right */
};

/* What is known of a frame that is not GRO_PASS. Offsets in bytes from the start of the frame. */
struct gro_info {
	uint32_t flow; /* a hash; equal for frames of the same flow */
	uint32_t seq;  /* TCP, host order */
	uint16_t l3_off, l4_off, payload_off;
	uint16_t payload_len;
	uint16_t id; /* IPv4, host order */
	uint8_t version;
	uint8_t proto;
	uint8_t tcp_flags;
};

/* `f` may get a longer head. */
enum gro_class gro_classify(struct frame *f, bool udp, struct gro_info *info);

/* Heads of two frames, both understood by gro_classify(): same flow? */
bool gro_same_flow(const uint8_t *a, const struct gro_info *ai, const uint8_t *b, const struct gro_info *bi);

/* ... of one flow: do they also agree in all that a segment inherits from the whole? */
bool gro_same_headers(const uint8_t *a, const struct gro_info *ai, const uint8_t *b);

#endif
