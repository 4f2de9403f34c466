/* SPDX-License-Identifier: Apache-2.0 */
/* random_request.h - What a guest might ask its device to do: any kind of frame, with any kind of request, some of them wrong. */
#ifndef TESTS_NET_RANDOM_REQUEST_H
#define TESTS_NET_RANDOM_REQUEST_H

#include "packets.h"
#include "virtio/vnet_hdr.h"

enum request_kind {
	REQUEST_TCP,
	REQUEST_USO,
	REQUEST_UFO,
	REQUEST_CSUM,     /* of TCP or UDP, nothing to cut */
	REQUEST_ANY_CSUM, /* from anywhere to anywhere, in any bytes */
	REQUEST_BAD,      /* one of the others, with something wrong */
	N_REQUEST_KINDS
};

struct request {
	struct packet packet; /* what the frame was before something went wrong with it */
	struct packet_map map;
	struct vnet_hdr hdr;
	const char *fault; /* what is wrong, or odd enough that a device may refuse it; NULL: nothing */
	bool spoiled;      /* the fault is REQUEST_BAD's */
	uint8_t *frame;    /* REQUEST_ROOM */
	size_t len;
};

enum { REQUEST_ROOM = PACKET_ROOM };

/* The same for the same seed. `r->frame` is the caller's. */
void request_make(struct request *r, enum request_kind kind, uint64_t seed);

/* UDP over IPv6 that is to be cut into fragments: they have a random identification. */
bool request_is_ufo6(const struct request *r);

#endif
