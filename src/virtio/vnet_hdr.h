/* SPDX-License-Identifier: Apache-2.0 */
/* vnet_hdr.h - virtio_net_hdr on the wire, to and from a frame's offload state (VIRTIO 1.2, 5.1.6).
 *
 * The header is 10 bytes for a legacy driver without mergeable buffers (virtio_net_hdr), 12 otherwise (.._mrg_rxbuf), 24 with
 * a tunnel header. Used by vhost and tap ports alike; the two differ in what they accept, which is not decided here. Fields
 * are little-endian (a legacy guest of the other byte order is refused at VHOST_USER_SET_VRING_ENDIAN). */
#ifndef RINGWAY_VIRTIO_VNET_HDR_H
#define RINGWAY_VIRTIO_VNET_HDR_H

#include <assert.h>
#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "packet/offload.h"

enum { VNET_HDR_LEN_LEGACY = 10, VNET_HDR_LEN = 12, VNET_HDR_LEN_TUNNEL = 24 };

/* The 12-byte form, which the others begin with or are a prefix of. */
struct vnet_hdr {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
	uint16_t num_buffers;
};

static inline void vnet_hdr_to_offload(const struct vnet_hdr *h, struct offload *o)
{
	*o = (struct offload){
		.flags = h->flags & (OFFLOAD_NEEDS_CSUM | OFFLOAD_DATA_VALID),
		.gso_type = h->gso_type,
		.hdr_len = le16toh(h->hdr_len),
		.gso_size = le16toh(h->gso_size),
		.csum_start = le16toh(h->csum_start),
		.csum_offset = le16toh(h->csum_offset),
	};
}

/* The offload state begins like the header; where the byte order is the same as well, one is a copy of the other. */
static_assert(offsetof(struct offload, csum_offset) == offsetof(struct vnet_hdr, csum_offset), "same order of fields");

static inline void vnet_hdr_from_offload(struct vnet_hdr *h, const struct offload *o, uint16_t num_buffers)
{
	memcpy(h, o, VNET_HDR_LEN_LEGACY);
#if __BYTE_ORDER != __LITTLE_ENDIAN
	h->hdr_len = htole16(o->hdr_len);
	h->gso_size = htole16(o->gso_size);
	h->csum_start = htole16(o->csum_start);
	h->csum_offset = htole16(o->csum_offset);
#endif
	h->flags &= OFFLOAD_WIRE_FLAGS;
	h->num_buffers = htole16(num_buffers);
}

#endif
