/* SPDX-License-Identifier: Apache-2.0 */
/* l4.h - TCP, UDP and ICMP: the kernel's structures, and TCP's flags as the byte that they are. */
#ifndef RINGWAY_PACKET_PROTO_L4_H
#define RINGWAY_PACKET_PROTO_L4_H

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

/* Byte 12 of the header holds the data offset, in words, in its upper half and AE (RFC 9768) in its lowest bit; byte 13 the
 * flags (RFC 9293, 3.1). */
enum { TCP_DOFF_BYTE = 12, TCP_FLAGS_BYTE = 13 };
enum {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
	TCP_ECE = 0x40,
	TCP_CWR = 0x80,
};

/* SCTP's common header (RFC 9260, 3.1), for which there is no uapi header. */
enum { SCTP_HDR_LEN = 12, SCTP_CHECKSUM_OFF = 8 };

/* Neighbour discovery: ICMPv6 types 133 (router solicitation) to 137 (redirect), RFC 4861, 4. */
enum { ND_TYPE_FIRST = 133, ND_TYPE_LAST = 137 };

#endif
