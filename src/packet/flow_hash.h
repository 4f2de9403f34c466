/* SPDX-License-Identifier: Apache-2.0 */
/* flow_hash.h - A number for the flow that a frame belongs to, to spread flows over queues.
 *
 * The Toeplitz hash of receive side scaling, as network cards and virtio-net (VIRTIO 1.2, 5.1.6.4.3) compute it: over source and
 * destination address, and the ports of TCP and UDP where they can be seen. A symmetric one gives both directions of a connection
 * the same number, by putting the lower end first; it differs from what a card computes. Fill in once, then any thread. */
#ifndef RINGWAY_PACKET_FLOW_HASH_H
#define RINGWAY_PACKET_FLOW_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/parse.h"

enum {
	FLOW_HASH_KEY_LEN = 40,   /* bytes */
	FLOW_HASH_INPUT_MAX = 36, /* two IPv6 addresses, two ports */
};

struct flow_hash {
	bool symmetric;
	uint32_t nibble[2 * FLOW_HASH_INPUT_MAX][16]; /* what a nibble of the input, at its place, adds */
};

/* Microsoft's key, which most drivers start with. A switch that faces strangers takes a random one. */
extern const uint8_t flow_hash_default_key[FLOW_HASH_KEY_LEN];

void flow_hash_init(struct flow_hash *h, const uint8_t key[FLOW_HASH_KEY_LEN], bool symmetric);

/* Of `len` bytes, at most FLOW_HASH_INPUT_MAX. */
uint32_t flow_hash_bytes(const struct flow_hash *h, const uint8_t *input, size_t len);

/* Of a frame whose head was parsed; for fragments over the addresses only, so that all of them get the same. 0 for what is not IP. */
uint32_t flow_hash_frame(const struct flow_hash *h, const uint8_t *head, const struct parsed *p);

#endif
