/* SPDX-License-Identifier: Apache-2.0 */
/* tunnel.h - Ethernet or IP in UDP: VXLAN (RFC 7348) and Geneve (RFC 8926). */
#ifndef RINGWAY_PACKET_PROTO_TUNNEL_H
#define RINGWAY_PACKET_PROTO_TUNNEL_H

#include <stdint.h>

enum { VXLAN_PORT = 4789, GENEVE_PORT = 6081 };

/* RFC 7348, 5: an Ethernet frame follows. */
struct vxlan_hdr {
	uint8_t flags;
	uint8_t reserved[3];
	uint8_t vni[3];
	uint8_t reserved2;
};

enum { VXLAN_VNI_VALID = 0x08 };

/* RFC 8926, 3.4: options of 4 * opt_len bytes follow, then what `protocol` says. */
struct geneve_hdr {
	uint8_t ver_opt_len; /* version in the upper 2 bits, option length in words in the lower 6 */
	uint8_t flags;
	uint16_t protocol; /* an EtherType; 0x6558 for Ethernet */
	uint8_t vni[3];
	uint8_t reserved;
};

enum { GENEVE_OPT_LEN_MASK = 0x3f, GENEVE_VERSION_SHIFT = 6, GENEVE_PROTO_ETHERNET = 0x6558 };

#endif
