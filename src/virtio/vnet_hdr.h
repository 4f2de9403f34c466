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
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"
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

/* The first 10 bytes and num_buffers as numbers. Guests' headers are taken apart and put together in registers. One that is made in memory
 * field by field, and copied from there, is read by longer loads than the stores were: such a load waits until all stores before it
 * have left the core, and among those are stores to rings, which miss. */
struct vnet_words {
	uint64_t first; /* up to csum_start */
	uint32_t rest;
};

/* From 10 bytes; num_buffers, which says nothing about what is sent, is left out. */
static always_inline struct vnet_words vnet_words_read(const void *from)
{
	uint64_t first;
	uint16_t csum_offset;

	memcpy(&first, from, sizeof(first));
	memcpy(&csum_offset, (const uint8_t *)from + sizeof(first), sizeof(csum_offset));
	return (struct vnet_words){ le64toh(first), le16toh(csum_offset) };
}

/* To `len` bytes, VNET_HDR_LEN or VNET_HDR_LEN_LEGACY, which has no num_buffers. */
static always_inline void vnet_words_write(void *to, unsigned len, struct vnet_words w)
{
	uint64_t first = htole64(w.first);
	uint32_t rest = htole32(w.rest);

	memcpy(to, &first, sizeof(first));
	if (likely(len == VNET_HDR_LEN))
		memcpy((uint8_t *)to + sizeof(first), &rest, sizeof(rest));
	else
		memcpy((uint8_t *)to + sizeof(first), &rest, VNET_HDR_LEN_LEGACY - sizeof(first));
}

/* Frame by frame this is stored as it is loaded, in one word; see above. */
static always_inline void vnet_words_to_offload(struct vnet_words w, struct offload *o)
{
	uint64_t first = w.first & (~(uint64_t)0xff | OFFLOAD_NEEDS_CSUM | OFFLOAD_DATA_VALID);

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	static_assert(offsetof(struct offload, gso_type) == 1 && offsetof(struct offload, hdr_len) == 2 &&
			  offsetof(struct offload, gso_size) == 4 && offsetof(struct offload, csum_start) == 6,
		      "the order of virtio_net_hdr");
	memcpy(o, &first, sizeof(first));
#else
	o->flags = (uint8_t)first;
	o->gso_type = (uint8_t)(first >> 8);
	o->hdr_len = (uint16_t)(first >> 16);
	o->gso_size = (uint16_t)(first >> 32);
	o->csum_start = (uint16_t)(first >> 48);
#endif
	o->csum_offset = (uint16_t)w.rest;
	o->outer_th_offset = 0;
	o->inner_nh_offset = 0;
}

static always_inline struct vnet_words vnet_words_from_offload(const struct offload *o, uint16_t num_buffers)
{
	/* One load, for compilers. */
	uint64_t first = o->flags | (uint64_t)o->gso_type << 8 | (uint64_t)o->hdr_len << 16 |
			 (uint64_t)o->gso_size << 32 | (uint64_t)o->csum_start << 48;

	return (struct vnet_words){ first & (~(uint64_t)0xff | OFFLOAD_WIRE_FLAGS),
				    o->csum_offset | (uint32_t)num_buffers << 16 };
}

/* offload_is_trivial() of what vnet_words_to_offload() would make of it. */
static always_inline bool vnet_words_are_trivial(struct vnet_words w)
{
	return ((uint32_t)w.first & (0xffffff00 | OFFLOAD_NEEDS_CSUM | OFFLOAD_DATA_VALID)) == 0;
}

static inline void vnet_hdr_to_offload(const struct vnet_hdr *h, struct offload *o)
{
	vnet_words_to_offload(vnet_words_read(h), o);
}

static inline void vnet_hdr_from_offload(struct vnet_hdr *h, const struct offload *o, uint16_t num_buffers)
{
	vnet_words_write(h, VNET_HDR_LEN, vnet_words_from_offload(o, num_buffers));
}

#endif
