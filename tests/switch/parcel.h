/* SPDX-License-Identifier: Apache-2.0 */
/* parcel.h - One frame that a guest sends, and the check of what another guest got for it.
 *
 * The receiver gets the same frame with the same request, if it offered to take it; else segments, each right by itself, whose
 * payloads make up the original's. Expectations come from the packet as built and from the receiver's feature bits. */
#ifndef RINGWAY_TESTS_PARCEL_H
#define RINGWAY_TESTS_PARCEL_H

#include "packets.h"
#include "switch_rig.h"

struct parcel {
	uint8_t frame[PACKET_ROOM];
	struct packet_map map;
	struct packet spec; /* payload_len 0: not IP */
	bool is_ip;
	struct offload offload;
};

/* What a receiver did with what it got, to be compared with the counters. */
struct parcel_tally {
	uint64_t frames;       /* parcels */
	uint64_t gso_frames;   /* came whole */
	uint64_t csum_partial; /* came with NEEDS_CSUM, whole */
	uint64_t cut_frames, segments;
	uint64_t finished; /* came with their checksum complete, which it was not before */
};

/* Make the next one, from station `src` to `dst`. */
void parcel_make(struct parcel *p, struct rig_random *random, uint8_t dst, uint8_t src);
/* Receive buffers that it can take at most: as a whole, or cut. */
unsigned parcel_buffers(const struct parcel *p, bool mergeable);
/* NULL: it came, in as many frames as `next` gave. Else what is wrong. `features` are the receiver's. */
const char *parcel_check(const struct parcel *p, uint64_t features,
			 long (*next)(void *arg, struct vnet_hdr *hdr, uint8_t *frame, size_t size), void *arg,
			 struct parcel_tally *tally);

#endif
