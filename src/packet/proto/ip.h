/* SPDX-License-Identifier: Apache-2.0 */
/* ip.h - IPv4 and IPv6: the kernel's structures, and the constants and headers that its uapi headers leave out. */
#ifndef RINGWAY_PACKET_PROTO_IP_H
#define RINGWAY_PACKET_PROTO_IP_H

#include <netinet/in.h> /* before the kernel's, which then leave out what this has */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdint.h>

/* iphdr.frag_off (RFC 791, 3.1) */
enum { IPV4_RESERVED = 0x8000, IPV4_DF = 0x4000, IPV4_MF = 0x2000, IPV4_OFFSET_MASK = 0x1fff };

/* RFC 8200, 4.5 */
struct ipv6_frag {
	uint8_t nexthdr;
	uint8_t reserved;
	uint16_t frag_off; /* in bytes, a multiple of 8; IPV6_FRAG_MORE in the lowest bit */
	uint32_t id;
};

enum { IPV6_FRAG_MORE = 1, IPV6_FRAG_OFFSET_MASK = 0xfff8 };

#endif
