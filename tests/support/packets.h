/* SPDX-License-Identifier: Apache-2.0 */
/* packets.h - Packets of every kind, built byte by byte for tests. Nothing of src/packet is used but its constants. */
#ifndef RINGWAY_TESTS_PACKETS_H
#define RINGWAY_TESTS_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/offload.h"

enum packet_tunnel { TUNNEL_NONE, TUNNEL_VXLAN, TUNNEL_GENEVE };

/* Zeroed, it is TCP over IPv4 without anything special. */
struct packet {
	bool v6;
	bool udp;
	bool df;
	uint8_t n_tags;
	uint8_t ip_opt_words;  /* IPv4 options (NOPs) */
	uint8_t ext_units;     /* IPv6: one destination options header of so many 8 bytes */
	uint8_t tcp_opt_words; /* TCP options (NOPs) */
	uint8_t tcp_flags;     /* 0: ACK */
	uint8_t tos;
	uint16_t id;
	uint16_t port; /* of the source, added to 1000 */
	uint16_t window;
	uint32_t seq, ack;
	uint32_t payload_len;
	enum packet_tunnel tunnel;
	bool tunnel_v6, tunnel_csum;
	bool partial;      /* leave the checksums unfinished and say so in the offload state */
	uint16_t gso_size; /* with partial; 0: not to be cut */
	bool ufo;          /* UDP to be cut into fragments instead of datagrams */
};

/* Where its parts begin. */
struct packet_map {
	size_t outer_l3, outer_l4; /* 0: no tunnel */
	size_t l3, l4, payload, len;
};

enum { PACKET_ROOM = 65535 + 400 };

/* Write the packet to `buf` (PACKET_ROOM), the payload from a generator seeded with `payload_seed`. */
struct packet_map packet_build(uint8_t *buf, const struct packet *p, uint64_t payload_seed, struct offload *o);

#endif
