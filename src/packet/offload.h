/* SPDX-License-Identifier: Apache-2.0 */
/* offload.h - What is still to be done to a frame, and what a receiver can take.
 *
 * The offload state of a frame says which work its sender left undone: a checksum that covers only the pseudo header, a
 * size that has yet to be cut into segments. It has the meaning and the constants of virtio_net_hdr (VIRTIO 1.2, 5.1.6) but
 * is in host byte order and free of the wire's variants. It was checked when the frame came in: offload_check(). */
#ifndef RINGWAY_PACKET_OFFLOAD_H
#define RINGWAY_PACKET_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

/* struct offload, gso_type: VIRTIO_NET_HDR_GSO_*, retyped here only because <linux/virtio_net.h> of Debian 12 ends at UFO;
 * virtio/vnet_hdr.c asserts that those that it has are equal. */
enum {
	GSO_NONE = 0,
	GSO_TCPV4 = 1,
	GSO_UDP = 3, /* UFO: to be cut into IP fragments */
	GSO_TCPV6 = 4,
	GSO_UDP_L4 = 5, /* USO: to be cut into datagrams */
	GSO_UDP_TUNNEL_IPV4 = 0x20,
	GSO_UDP_TUNNEL_IPV6 = 0x40,
	GSO_ECN = 0x80,
	GSO_TUNNEL_MASK = GSO_UDP_TUNNEL_IPV4 | GSO_UDP_TUNNEL_IPV6,
	GSO_KIND_MASK = 0x1f, /* without ECN and tunnel bits */
};

/* struct offload, flags: VIRTIO_NET_HDR_F_* */
enum {
	OFFLOAD_NEEDS_CSUM = 1,      /* sum [csum_start, end of frame), store at csum_start + csum_offset */
	OFFLOAD_DATA_VALID = 2,      /* the sender's device verified the checksum */
	OFFLOAD_UDP_TUNNEL_CSUM = 8, /* the outer UDP checksum is to be made as well */
	OFFLOAD_FIXED_ID =
	    0x80, /* ours, never on the wire: segments keep the IPv4 identification of the whole (gro.h) */
	OFFLOAD_WIRE_FLAGS = OFFLOAD_NEEDS_CSUM | OFFLOAD_DATA_VALID | OFFLOAD_UDP_TUNNEL_CSUM,
};

struct offload {
	uint8_t flags;       /* OFFLOAD_* */
	uint8_t gso_type;    /* GSO_* */
	uint16_t hdr_len;    /* bytes up to the end of the L4 header; a hint only, never trusted */
	uint16_t gso_size;   /* bytes of L4 payload per segment (UFO: of IP payload per fragment) */
	uint16_t csum_start; /* bytes from the start of the frame */
	uint16_t csum_offset;
	uint16_t outer_th_offset; /* tunnel types: outer UDP header and inner IP header, bytes from the start */
	uint16_t inner_nh_offset;
};

/* What a receiver can take undone: a set of OFFLOAD_CAP_*. A receiver without CAP_CSUM has no other, except TUNNEL. */
enum {
	OFFLOAD_CAP_CSUM = 1u << 0, /* NEEDS_CSUM */
	OFFLOAD_CAP_TSO4 = 1u << 1,
	OFFLOAD_CAP_TSO6 = 1u << 2,
	OFFLOAD_CAP_ECN = 1u << 3, /* TSO frames with the ECN bit */
	OFFLOAD_CAP_UFO = 1u << 4,
	OFFLOAD_CAP_USO4 = 1u << 5, /* virtio has one bit each for IPv4 and IPv6 (VIRTIO_NET_F_GUEST_USO4/6) */
	OFFLOAD_CAP_USO6 = 1u << 6,
	OFFLOAD_CAP_TUNNEL = 1u << 7,      /* UDP tunnel GSO */
	OFFLOAD_CAP_TUNNEL_CSUM = 1u << 8, /* ... with OFFLOAD_UDP_TUNNEL_CSUM */
};

struct frame;

/* True when there is nothing to check: an all-zero request. Most frames. */
static inline bool offload_is_trivial(const struct offload *o)
{
	return (o->flags | o->gso_type | o->hdr_len) == 0;
}

/* Is the request of f->offload, which came from an untrusted sender, one that this frame can carry? Called once per frame by the
 * ingress port unless the request is trivial. DROP_NONE or DROP_BAD_OFFLOAD.
 *
 * Refuses what Linux refuses from a tap device's user (virtio_net_hdr_to_skb(), tun_get_user()): offsets outside the frame, unknown
 * types, gso_size 0 or 0xffff, USO with more than 128 segments. Headers are not parsed: whether they are what gso_type says
 * comes out when somebody has to cut the frame.
 *
 * Normalizes what is left, so that from here on a gso_type means that there is something to cut:
 *   - a frame that gso_size does not cut becomes GSO_NONE, as in Linux;
 *   - DATA_VALID is cleared, no driver may set it (VIRTIO 1.2, 5.1.6.2.1);
 *   - an outer UDP checksum that was left to us and needs no segmentation is completed at once: it follows from the inner one
 *     without looking at the payload. The head may grow for it;
 *   - fields without a meaning become 0. */
int offload_check(struct frame *f);

/* Complete the outer UDP checksum at o->outer_th_offset of a frame that is not to be cut and has NEEDS_CSUM: it follows from the inner
 * seed without looking at the payload. The outer field holds the pseudo header's sum. The head may grow; false when the inner
 * field is out of its reach. */
bool offload_finish_outer_csum(struct frame *f);

/* Put a frame into a tunnel: *out becomes `f` behind the `outer_len` bytes of headers at `outer` (Ethernet, IP, UDP, and what the tunnel
 * adds), with what is left undone in `f` left undone inside. Payload is shared with `f`; `head` has room for FRAME_HEAD_MAX and is
 * *out's. IP and UDP lengths, the IPv4 header checksum and, when `csum`, UDP's are filled in, else that is 0; all else, as the IPv4
 * identification, is as `outer` has it. The result may have a length field that is too small for it, when it is still to be cut.
 * 0; -EINVAL: `outer` is not what it should be; -EMSGSIZE: the headers do not fit, or the frame gets longer than FRAME_LEN_MAX;
 * -EOPNOTSUPP: `f` is in a tunnel already, is UFO, or is to be cut but without NEEDS_CSUM: have offload_fit() cut it first. */
int offload_encap(struct frame *out, uint8_t *head, const struct frame *f, const void *outer, unsigned outer_len,
		  bool csum);

#endif
