/* SPDX-License-Identifier: Apache-2.0 */
/* gro_match.h - May this frame be coalesced, and with which? Internal to gro.c. */
#ifndef RINGWAY_PACKET_GRO_MATCH_H
#define RINGWAY_PACKET_GRO_MATCH_H

#include "packet/frame.h"
#include "packet/proto/bytes.h"
#include "packet/proto/ip.h"
#include "packet/proto/l4.h"

enum gro_class {
	GRO_PASS,       /* not ours: to be left alone, and free to overtake */
	GRO_PASS_VALID, /* the same, but its checksum is right */
	GRO_END,        /* belongs behind the open train of its flow, but not into one */
	GRO_END_VALID,
	GRO_MERGE, /* can be merged; its checksum is right */
};

/* What is known of a frame that is not GRO_PASS. Offsets in bytes from the start of the frame. */
struct gro_info {
	uint32_t ports; /* as they lie in the packet */
	uint32_t seq;   /* TCP, host order */
	uint16_t l3_off, l4_off, payload_off;
	uint16_t payload_len;
	uint16_t id; /* IPv4, host order */
	uint8_t version;
	uint8_t proto;
	uint8_t tcp_flags;
	bool has_ext; /* IPv6 extension headers */
};

/* `f` may get a longer head. */
enum gro_class gro_classify(struct frame *f, bool udp, struct gro_info *info);

/* TCP's or UDP's checksum; of one that is left undone, what is there. */
bool gro_sum_is_good(const struct frame *f, const struct gro_info *info);

/* Its checksum was verified. One that is left undone was not. */
static inline void gro_set_valid(struct frame *f)
{
	if (!(f->offload.flags & OFFLOAD_NEEDS_CSUM))
		f->offload.flags |= OFFLOAD_DATA_VALID;
}

/* a[from, to) against b's, some words long. */
static inline bool gro_same_bytes(const uint8_t *a, const uint8_t *b, size_t from, size_t to)
{
	return memcmp(a + from, b + from, to - from) == 0;
}

/* Is `b`, a head that holds at least the headers that *ai speaks of, of the same flow as `a`? Nothing is known of `b`: that its headers
 * lie where a's do follows from their being equal. */
static inline bool gro_same_flow(const uint8_t *a, const struct gro_info *ai, const uint8_t *b)
{
	size_t l3 = ai->l3_off, l4 = ai->l4_off;

	if (load_raw32(b + l4) != ai->ports || !gro_same_bytes(a, b, 0, l3))
		return false;
	/* IPv4 without options: version and ihl, protocol, addresses. IPv6: version and flow label, all from the next-header field on. */
	if (ai->version == 4)
		return b[l3] == 0x45 && a[l3 + 9] == b[l3 + 9] &&
		       gro_same_bytes(a + l3, b + l3, offsetof(struct iphdr, saddr), sizeof(struct iphdr));
	return ((load_be32(a + l3) ^ load_be32(b + l3)) & 0xf00fffff) == 0 &&
	       gro_same_bytes(a, b, l3 + offsetof(struct ipv6hdr, nexthdr), l4);
}

/* TOS, DF and the rest of that field, TTL. */
static inline bool gro_same_ipv4(const uint8_t *a, const uint8_t *b)
{
	const size_t frag = offsetof(struct iphdr, frag_off), ttl = offsetof(struct iphdr, ttl);

	return a[1] == b[1] && load_raw16(a + frag) == load_raw16(b + frag) && a[ttl] == b[ttl];
}

/* All but sequence number, FIN, PSH and checksum. */
static inline bool gro_same_tcp(const uint8_t *a, const uint8_t *b, size_t len)
{
	const uint16_t may_differ = htobe16(TCP_FIN | TCP_PSH);
	const size_t ack = offsetof(struct tcphdr, ack_seq), window = offsetof(struct tcphdr, window);
	const size_t urg = offsetof(struct tcphdr, urg_ptr);

	return load_raw32(a + ack) == load_raw32(b + ack) &&
	       ((load_raw16(a + TCP_DOFF_BYTE) ^ load_raw16(b + TCP_DOFF_BYTE)) & ~may_differ) == 0 &&
	       load_raw16(a + window) == load_raw16(b + window) && load_raw16(a + urg) == load_raw16(b + urg) &&
	       gro_same_bytes(a, b, sizeof(struct tcphdr), len);
}

/* ... and do they agree in all that a segment inherits from the whole? With that, b's headers are as long as a's. */
static inline bool gro_same_headers(const uint8_t *a, const struct gro_info *ai, const uint8_t *b)
{
	size_t l3 = ai->l3_off, l4 = ai->l4_off;

	if (ai->version == 4 ? !gro_same_ipv4(a + l3, b + l3) : load_raw32(a + l3) != load_raw32(b + l3))
		return false;
	return ai->proto == IPPROTO_UDP || gro_same_tcp(a + l4, b + l4, ai->payload_off - l4);
}

/* What the headers of equally long frames of a train have in common, to compare all of it at once: a header matches when, with the mask
 * applied, it equals `want`. What is left out: IPv4 identification and checksum, TCP sequence number, L4 checksum. There is room
 * for IPv6 with two tags and TCP with timestamps; longer headers have no shape. */
enum { GRO_SHAPE_MAX = 96, GRO_SHAPE_VECS = GRO_SHAPE_MAX / 16 };

typedef uint64_t gro_vec __attribute__((vector_size(16), may_alias));
typedef uint64_t gro_vec_anywhere __attribute__((vector_size(16), aligned(1), may_alias));

struct gro_shape {
	gro_vec mask[GRO_SHAPE_VECS];
	gro_vec want[GRO_SHAPE_VECS];
};

/* False when it has none: then nothing matches. */
bool gro_shape_init(struct gro_shape *s, const uint8_t *head, const struct gro_info *info);

static inline gro_vec gro_shape_differs(const struct gro_shape *s, const uint8_t *head, unsigned i)
{
	return (((const gro_vec_anywhere *)(const void *)head)[i] & s->mask[i]) ^ s->want[i];
}

/* Reads GRO_SHAPE_MAX bytes, for which every head has room; those behind the headers do not count. */
static inline bool gro_shape_matches(const struct gro_shape *s, const uint8_t *head)
{
	/* Written out, because as a loop it stays one at -O2 and costs a third more. */
	gro_vec a = gro_shape_differs(s, head, 0) | gro_shape_differs(s, head, 1);
	gro_vec b = gro_shape_differs(s, head, 2) | gro_shape_differs(s, head, 3);
	gro_vec c = gro_shape_differs(s, head, 4) | gro_shape_differs(s, head, 5);

	static_assert(GRO_SHAPE_VECS == 6, "all of them");
	a |= b | c;
	return (a[0] | a[1]) == 0;
}

#endif
