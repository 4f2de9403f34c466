/* SPDX-License-Identifier: Apache-2.0 */
/* parse.h - Where the headers of a frame are.
 *
 * One pass over bytes that the caller owns (a frame's private head), from the outside in. A header is looked at only when it is
 * there in full; what could be understood up to that point is reported also when the rest is missing or malformed. Nothing is
 * said about lengths that a header claims for the whole packet (tot_len, payload_len, UDP length): they may lie, and who cares
 * about them checks them. Pure functions; any thread. */
#ifndef RINGWAY_PACKET_PARSE_H
#define RINGWAY_PACKET_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum parse_l3 { PARSE_L3_NONE, PARSE_L3_IPV4, PARSE_L3_IPV6, PARSE_L3_ARP };

/* struct parsed, flags */
enum {
	PARSE_TRUNCATED = 1 << 0,  /* the bytes end before the headers do */
	PARSE_MALFORMED = 1 << 1,  /* a header that cannot be: wrong IP version, ihl or data offset below 5 */
	PARSE_FRAGMENT = 1 << 2,   /* IPv4 with MF or an offset, IPv6 with a fragment header (an atomic one as well) */
	PARSE_NOT_FIRST = 1 << 3,  /* ... with an offset: there is no L4 header, l4_off is 0 */
	PARSE_IP_OPTIONS = 1 << 4, /* IPv4 options */
	PARSE_EXT_HDR = 1 << 5,    /* IPv6 hop-by-hop, routing or destination options */
	PARSE_AUTH = 1 << 6,       /* an authentication header (RFC 4302), which covers what follows */
	PARSE_ND = 1 << 7,         /* neighbour discovery; for IPv4 that is PARSE_L3_ARP */
};

enum { PARSE_TAGS_MAX = 2 }; /* tags whose contents are kept; more are skipped */

/* Offsets are bytes from the start of what was parsed, never beyond its end; 0: there is none. */
struct parsed {
	uint16_t ethertype;           /* host order, behind all tags; below 0x600 it is an IEEE 802.3 length */
	uint16_t tci[PARSE_TAGS_MAX]; /* host order, outermost first */
	uint8_t n_tags;
	uint8_t l3;           /* enum parse_l3 */
	uint8_t l4_proto;     /* IPPROTO_*; the last next-header value when l4_off is 0 */
	uint8_t flags;        /* PARSE_* */
	uint16_t l3_off;      /* IP or ARP header */
	uint16_t nexthdr_off; /* the byte that names l4_proto */
	uint16_t l4_off;      /* TCP, UDP, ICMP, anything else that IP carries */
	uint16_t payload_off; /* behind the last header that was understood */
};

/* From the Ethernet header on. True when all headers that are known were there and made sense; *p is filled in anyhow. */
bool parse_frame(const uint8_t *buf, size_t len, struct parsed *p);

/* From the IP header at `off` <= len on, whose version its first byte says; as the inner part of a tunnel. The Ethernet part of
 * *p is cleared. */
bool parse_ip(const uint8_t *buf, size_t len, size_t off, struct parsed *p);

/* `outer` is parse_frame()'s result for the same bytes. True when it carries VXLAN or Geneve, by its UDP destination port, and what is
 * inside could be parsed: *inner then has offsets from the start of the outer frame, and *inner_off where the inside begins. */
bool parse_tunnel(const uint8_t *buf, size_t len, const struct parsed *outer, struct parsed *inner,
		  uint16_t *inner_off);

#endif
