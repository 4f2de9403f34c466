/* SPDX-License-Identifier: Apache-2.0 */
/* vnet_hdr.c - Proof that our offload constants and header are those of virtio_net_hdr. */
#include "virtio/vnet_hdr.h"

#include <assert.h>
#include <stddef.h>

#include "virtio/virtio_compat.h"

static_assert(GSO_NONE == VIRTIO_NET_HDR_GSO_NONE, "no segmentation");
static_assert(GSO_TCPV4 == VIRTIO_NET_HDR_GSO_TCPV4, "TSO, IPv4");
static_assert(GSO_TCPV6 == VIRTIO_NET_HDR_GSO_TCPV6, "TSO, IPv6");
static_assert(GSO_UDP == VIRTIO_NET_HDR_GSO_UDP, "UFO");
static_assert(GSO_UDP_L4 == VIRTIO_NET_HDR_GSO_UDP_L4, "USO");
static_assert(GSO_UDP_TUNNEL_IPV4 == VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4, "tunnel over IPv4");
static_assert(GSO_UDP_TUNNEL_IPV6 == VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV6, "tunnel over IPv6");
static_assert(GSO_ECN == VIRTIO_NET_HDR_GSO_ECN, "TCP with ECN");

static_assert(OFFLOAD_NEEDS_CSUM == VIRTIO_NET_HDR_F_NEEDS_CSUM, "checksum left to the receiver");
static_assert(OFFLOAD_DATA_VALID == VIRTIO_NET_HDR_F_DATA_VALID, "checksum verified");
static_assert(OFFLOAD_UDP_TUNNEL_CSUM == VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM, "outer checksum left to the receiver");

static_assert(sizeof(struct virtio_net_hdr) == VNET_HDR_LEN_LEGACY, "header of a legacy driver");
static_assert(sizeof(struct virtio_net_hdr_mrg_rxbuf) == VNET_HDR_LEN, "header of everybody else");
static_assert(sizeof(struct vnet_hdr) == VNET_HDR_LEN, "ours is the same");

#define SAME_PLACE(member) \
	static_assert(offsetof(struct vnet_hdr, member) == offsetof(struct virtio_net_hdr_v1, member), #member)
SAME_PLACE(flags);
SAME_PLACE(gso_type);
SAME_PLACE(hdr_len);
SAME_PLACE(gso_size);
SAME_PLACE(csum_start);
SAME_PLACE(csum_offset);
SAME_PLACE(num_buffers);
