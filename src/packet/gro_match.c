/* SPDX-License-Identifier: Apache-2.0 */
/* gro_match.c - Which frames belong together. */
#include "packet/gro_match.h"

#include "packet/csum.h"
#include "packet/parse.h"
#include "packet/proto/bytes.h"
#include "packet/proto/ip.h"
#include "packet/proto/l4.h"

/* The headers, in the head. What is longer than it can be is nothing to coalesce. */
static bool find_headers(struct frame *f, struct parsed *p)
{
	if (parse_frame(f->head, f->head_len, p))
		return true;
	if (!(p->flags & PARSE_TRUNCATED) || f->head_len == f->len || !frame_pull(f, MIN(f->len, FRAME_HEAD_MAX)))
		return false;
	return parse_frame(f->head, f->head_len, p);
}

/* 0xffff verifies as well as 0 does, but nobody computes it. */
static bool ipv4_sum_is_good(const uint8_t *ip)
{
	return csum_is_good(csum_partial(ip, sizeof(struct iphdr), 0)) &&
	       load_raw16(ip + offsetof(struct iphdr, check)) != 0xffff;
}

static bool ip_len_is_exact(const struct frame *f, const struct parsed *p)
{
	const uint8_t *ip = f->head + p->l3_off;

	if (p->l3 == PARSE_L3_IPV4)
		return load_be16(ip + offsetof(struct iphdr, tot_len)) == f->len - p->l3_off;
	return load_be16(ip + offsetof(struct ipv6hdr, payload_len)) == f->len - p->l3_off - sizeof(struct ipv6hdr);
}

/* What can be neither a segment nor something that segments have to wait for. */
static bool is_foreign(const struct frame *f, const struct parsed *p)
{
	const uint8_t *ip = f->head + p->l3_off;

	if (p->l4_off == 0 || (p->l4_proto != IPPROTO_TCP && p->l4_proto != IPPROTO_UDP))
		return true;
	if (p->flags & (PARSE_FRAGMENT | PARSE_AUTH | PARSE_IP_OPTIONS))
		return true;
	return p->l3 == PARSE_L3_IPV4 && !ipv4_sum_is_good(ip);
}

static bool l4_sum_is_good(const struct frame *f, const struct parsed *p)
{
	const uint8_t *ip = f->head + p->l3_off;
	uint32_t len = f->len - p->l4_off;
	uint32_t sum;

	/* Behind a routing header the sum may be over another address than we know: only who looked can say. */
	if (f->offload.flags & OFFLOAD_DATA_VALID && !(p->flags & PARSE_EXT_HDR))
		return true;
	if (p->l3 == PARSE_L3_IPV4)
		sum = csum_pseudo4(ip + offsetof(struct iphdr, saddr), p->l4_proto, len);
	else
		sum = csum_pseudo6(ip + offsetof(struct ipv6hdr, saddr), p->l4_proto, len);
	return csum_is_good(csum_add(sum, csum_frame(f, p->l4_off)));
}

static uint32_t mix(uint32_t h, uint32_t v)
{
	h = (h ^ v) * 0x9e3779b1u;
	return h ^ h >> 15;
}

static uint32_t flow_of(const uint8_t *head, const struct parsed *p)
{
	const uint8_t *ip = head + p->l3_off;
	uint32_t h = mix(p->l4_proto, load_raw32(head + p->l4_off));

	if (p->l3 == PARSE_L3_IPV4) {
		h = mix(h, load_raw32(ip + offsetof(struct iphdr, saddr)));
		return mix(h, load_raw32(ip + offsetof(struct iphdr, daddr)));
	}
	for (unsigned i = 0; i < 32; i += 8)
		h = mix(h, load_raw32(ip + offsetof(struct ipv6hdr, saddr) + i) ^
			       load_raw32(ip + offsetof(struct ipv6hdr, saddr) + i + 4));
	return h;
}

static void fill_info(const struct frame *f, const struct parsed *p, struct gro_info *info)
{
	const uint8_t *ip = f->head + p->l3_off;

	info->flow = flow_of(f->head, p);
	info->l3_off = p->l3_off;
	info->l4_off = p->l4_off;
	info->payload_off = p->payload_off;
	info->payload_len = (uint16_t)(f->len - p->payload_off);
	info->version = p->l3 == PARSE_L3_IPV4 ? 4 : 6;
	info->proto = p->l4_proto;
	info->id = info->version == 4 ? load_be16(ip + offsetof(struct iphdr, id)) : 0;
}

static enum gro_class classify_tcp(const struct frame *f, struct gro_info *info)
{
	const uint8_t *tcp = f->head + info->l4_off;

	info->tcp_flags = tcp[TCP_FLAGS_BYTE];
	info->seq = load_be32(tcp + offsetof(struct tcphdr, seq));
	if (info->tcp_flags & (TCP_SYN | TCP_RST | TCP_URG | TCP_CWR) || info->payload_len == 0)
		return GRO_END_VALID;
	/* Verifies like 0, which is what cutting would put there. */
	if (load_raw16(tcp + offsetof(struct tcphdr, check)) == 0xffff)
		return GRO_END_VALID;
	return GRO_MERGE;
}

static enum gro_class classify_udp(const struct frame *f, bool udp, struct gro_info *info)
{
	const uint8_t *hdr = f->head + info->l4_off;

	info->tcp_flags = 0;
	info->seq = 0;
	if (!udp || info->payload_len == 0 || load_raw16(hdr + offsetof(struct udphdr, check)) == 0)
		return GRO_PASS_VALID;
	return load_be16(hdr + offsetof(struct udphdr, len)) == f->len - info->l4_off ? GRO_MERGE : GRO_PASS_VALID;
}

static bool udp_without_sum(const struct frame *f, const struct parsed *p)
{
	return p->l4_proto == IPPROTO_UDP && load_raw16(f->head + p->l4_off + offsetof(struct udphdr, check)) == 0;
}

enum gro_class gro_classify(struct frame *f, bool udp, struct gro_info *info)
{
	struct parsed p;

	if (!find_headers(f, &p) || is_foreign(f, &p) || f->len > UINT16_MAX)
		return GRO_PASS;
	fill_info(f, &p, info);
	if (f->offload.gso_type != GSO_NONE || f->offload.flags & OFFLOAD_NEEDS_CSUM || !ip_len_is_exact(f, &p))
		return GRO_END;
	if (!udp_without_sum(f, &p) && !l4_sum_is_good(f, &p))
		return GRO_PASS;
	return p.l4_proto == IPPROTO_TCP ? classify_tcp(f, info) : classify_udp(f, udp, info);
}

static bool same_bytes(const uint8_t *a, const uint8_t *b, size_t from, size_t to)
{
	return memcmp(a + from, b + from, to - from) == 0;
}

bool gro_same_flow(const uint8_t *a, const struct gro_info *ai, const uint8_t *b, const struct gro_info *bi)
{
	size_t l3 = ai->l3_off, l4 = ai->l4_off;
	size_t first;

	if (ai->flow != bi->flow || ai->version != bi->version || ai->proto != bi->proto || l3 != bi->l3_off ||
	    l4 != bi->l4_off)
		return false;
	/* IPv4: addresses, there are no options. IPv6: all from the next-header field on. */
	first = ai->version == 4 ? offsetof(struct iphdr, saddr) : offsetof(struct ipv6hdr, nexthdr);
	if (!same_bytes(a, b, 0, l3) || !same_bytes(a, b, l3 + first, l4 + 4))
		return false;
	return ai->version == 4 || ((load_be32(a + l3) ^ load_be32(b + l3)) & 0x000fffff) == 0;
}

/* TOS, DF, TTL. The other flags are 0 in both. */
static bool same_ipv4(const uint8_t *a, const uint8_t *b)
{
	return a[1] == b[1] &&
	       load_raw16(a + offsetof(struct iphdr, frag_off)) == load_raw16(b + offsetof(struct iphdr, frag_off)) &&
	       a[offsetof(struct iphdr, ttl)] == b[offsetof(struct iphdr, ttl)];
}

/* All but sequence number, FIN, PSH and checksum. */
static bool same_tcp(const uint8_t *a, const uint8_t *b, size_t len)
{
	const uint8_t may_differ = TCP_FIN | TCP_PSH;

	return same_bytes(a, b, offsetof(struct tcphdr, ack_seq), TCP_FLAGS_BYTE) &&
	       ((a[TCP_FLAGS_BYTE] ^ b[TCP_FLAGS_BYTE]) & ~may_differ) == 0 &&
	       same_bytes(a, b, offsetof(struct tcphdr, window), offsetof(struct tcphdr, check)) &&
	       same_bytes(a, b, offsetof(struct tcphdr, urg_ptr), len);
}

bool gro_same_headers(const uint8_t *a, const struct gro_info *ai, const uint8_t *b)
{
	size_t l3 = ai->l3_off, l4 = ai->l4_off;

	if (ai->version == 4 ? !same_ipv4(a + l3, b + l3) : load_raw32(a + l3) != load_raw32(b + l3))
		return false;
	return ai->proto == IPPROTO_UDP || same_tcp(a + l4, b + l4, ai->payload_off - l4);
}
