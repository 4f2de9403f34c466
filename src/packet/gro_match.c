/* SPDX-License-Identifier: Apache-2.0 */
/* gro_match.c - Which frames belong together. */
#include "packet/gro_match.h"

#include "packet/csum.h"
#include "packet/csum_impl.h"
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
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(struct iphdr); i += 4)
		sum += load_raw32(ip + i);
	return csum_is_good(csum_fold64(sum)) && load_raw16(ip + offsetof(struct iphdr, check)) != 0xffff;
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

static bool is_undone(const struct frame *f)
{
	return f->offload.flags & OFFLOAD_NEEDS_CSUM;
}

/* What is to be completed is TCP's or UDP's own checksum, and has begun with the pseudo header's sum as it has to. */
static bool begins_well(const struct frame *f, const struct gro_info *info, uint32_t pseudo_sum)
{
	size_t at = info->proto == IPPROTO_TCP ? offsetof(struct tcphdr, check) : offsetof(struct udphdr, check);

	return f->offload.csum_start == info->l4_off && f->offload.csum_offset == at &&
	       load_raw16(f->head + info->l4_off + at) == csum_fold(pseudo_sum);
}

bool gro_sum_is_good(const struct frame *f, const struct gro_info *info)
{
	const uint8_t *ip = f->head + info->l3_off;
	uint32_t len = f->len - info->l4_off;
	uint32_t sum;

	if (info->version == 4)
		sum = csum_pseudo4(ip + offsetof(struct iphdr, saddr), info->proto, len);
	else
		sum = csum_pseudo6(ip + offsetof(struct ipv6hdr, saddr), info->proto, len);
	if (is_undone(f))
		return begins_well(f, info, sum);
	return csum_is_good(csum_add(sum, csum_frame(f, info->l4_off)));
}

static void fill_info(const struct frame *f, const struct parsed *p, struct gro_info *info)
{
	const uint8_t *ip = f->head + p->l3_off;

	info->ports = load_raw32(f->head + p->l4_off);
	info->l3_off = p->l3_off;
	info->l4_off = p->l4_off;
	info->payload_off = p->payload_off;
	info->payload_len = (uint16_t)(f->len - p->payload_off);
	info->version = p->l3 == PARSE_L3_IPV4 ? 4 : 6;
	info->proto = p->l4_proto;
	info->has_ext = p->flags & PARSE_EXT_HDR;
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
	if (!is_undone(f) && load_raw16(tcp + offsetof(struct tcphdr, check)) == 0xffff)
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
	return !is_undone(f) && p->l4_proto == IPPROTO_UDP &&
	       load_raw16(f->head + p->l4_off + offsetof(struct udphdr, check)) == 0;
}

enum gro_class gro_classify(struct frame *f, bool udp, struct gro_info *info)
{
	struct parsed p;

	if (!find_headers(f, &p) || is_foreign(f, &p) || f->len > UINT16_MAX)
		return GRO_PASS;
	fill_info(f, &p, info);
	if (f->offload.gso_type != GSO_NONE || !ip_len_is_exact(f, &p))
		return GRO_END;
	/* Behind a routing header the sum may be over another address than we see: only who looked can say. */
	if ((is_undone(f) || !(f->offload.flags & OFFLOAD_DATA_VALID) || info->has_ext) && !udp_without_sum(f, &p) &&
	    !gro_sum_is_good(f, info))
		return is_undone(f) ? GRO_END : GRO_PASS;
	return p.l4_proto == IPPROTO_TCP ? classify_tcp(f, info) : classify_udp(f, udp, info);
}

static void may_change(struct gro_shape *s, size_t at, size_t len)
{
	memset((uint8_t *)s->mask + at, 0, len);
}

bool gro_shape_init(struct gro_shape *s, const uint8_t *head, const struct gro_info *info)
{
	const gro_vec_anywhere *h = (const void *)head;

	if (info->payload_off > GRO_SHAPE_MAX)
		return false;
	memset(s->mask, 0xff, info->payload_off);
	memset((uint8_t *)s->mask + info->payload_off, 0, (size_t)(GRO_SHAPE_MAX - info->payload_off));
	if (info->version == 4) {
		may_change(s, info->l3_off + offsetof(struct iphdr, id), 2);
		may_change(s, info->l3_off + offsetof(struct iphdr, check), 2);
	}
	if (info->proto == IPPROTO_TCP) {
		may_change(s, info->l4_off + offsetof(struct tcphdr, seq), 4);
		may_change(s, info->l4_off + offsetof(struct tcphdr, check), 2);
	} else {
		may_change(s, info->l4_off + offsetof(struct udphdr, check), 2);
	}
	for (unsigned i = 0; i < GRO_SHAPE_VECS; i++)
		s->want[i] = h[i] & s->mask[i];
	return true;
}
