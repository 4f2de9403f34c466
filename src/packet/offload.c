/* SPDX-License-Identifier: Apache-2.0 */
/* offload.c - Requests from senders that are not trusted: refused or made plain. */
#include "packet/offload.h"

#include "packet/drop_reason.h"
#include "packet/frame.h"
#include "packet/proto/ip.h"
#include "packet/proto/l4.h"
#include "packet/proto/vlan.h"

enum {
	GSO_BY_FRAGS = 0xffff,  /* a gso_size that means something else inside Linux, and is refused there */
	USO_SEGMENTS_MAX = 128, /* UDP_MAX_SEGMENTS of Linux */
};

/* What Linux takes for the shortest headers of a kind. */
static unsigned l4_len_min(uint8_t kind)
{
	return kind == GSO_TCPV4 || kind == GSO_TCPV6 ? sizeof(struct tcphdr) : sizeof(struct udphdr);
}

static unsigned l3_len_min(uint8_t kind)
{
	return kind == GSO_TCPV6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
}

/* The hint is not used, but what is nonsense in Linux is nonsense here. A value that ends before the checksum field is raised. */
static bool hdr_len_is_sane(const struct frame *f)
{
	const struct offload *o = &f->offload;

	if (o->hdr_len > f->len)
		return false;
	return o->hdr_len == 0 || o->hdr_len >= FRAME_LEN_MIN || o->flags & OFFLOAD_NEEDS_CSUM;
}

/* csum_start counts from the start of the frame, the lengths it is compared with do not include Ethernet: so does Linux. */
static bool csum_is_sane(const struct frame *f, uint8_t kind)
{
	const struct offload *o = &f->offload;
	unsigned l4_len = kind == GSO_NONE ? 0 : l4_len_min(kind);

	return o->csum_start >= l3_len_min(kind) && o->csum_start + MAX(l4_len, o->csum_offset + 2u) <= f->len;
}

static bool kind_is_sane(const struct offload *o, uint8_t kind, uint8_t modifiers)
{
	bool has_csum = o->flags & OFFLOAD_NEEDS_CSUM;

	switch (kind) {
	case GSO_TCPV4:
	case GSO_TCPV6:
		return !has_csum || o->csum_offset == offsetof(struct tcphdr, check);
	case GSO_UDP:
		return !(modifiers & GSO_TUNNEL_MASK);
	case GSO_UDP_L4:
		return has_csum && o->csum_offset == offsetof(struct udphdr, check) && !(modifiers & GSO_ECN);
	default:
		return false;
	}
}

/* Bytes behind what Linux takes for the headers: without NEEDS_CSUM it does not look where they end, and forgets Ethernet. */
static uint32_t rough_payload_len(const struct frame *f, uint8_t kind)
{
	const struct offload *o = &f->offload;
	unsigned l4_off = o->flags & OFFLOAD_NEEDS_CSUM ? o->csum_start : l3_len_min(kind);

	/* UFO cuts the IP payload, the others that of L4. */
	return f->len - l4_off - (kind == GSO_UDP ? 0 : l4_len_min(kind));
}

static bool tunnel_offsets_are_sane(const struct offload *o, bool outer_is_v6, bool inner_is_v6)
{
	unsigned outer_len = sizeof(struct ethhdr) + (outer_is_v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	unsigned inner_len = inner_is_v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);

	return o->flags & OFFLOAD_NEEDS_CSUM && o->outer_th_offset >= outer_len &&
	       o->inner_nh_offset >= o->outer_th_offset + sizeof(struct udphdr) &&
	       o->csum_start >= o->inner_nh_offset + inner_len;
}

static bool tunnel_is_sane(const struct frame *f, uint8_t kind)
{
	const struct offload *o = &f->offload;
	bool inner_is_v6 = kind == GSO_TCPV6;

	if ((o->gso_type & GSO_TUNNEL_MASK) == GSO_TUNNEL_MASK)
		return false;
	if (kind == GSO_UDP_L4) {
		uint8_t version = 0;

		if (o->inner_nh_offset < f->len)
			frame_copy_out(f, o->inner_nh_offset, &version, 1);
		inner_is_v6 = version >> 4 == 6;
	}
	return tunnel_offsets_are_sane(o, o->gso_type & GSO_UDP_TUNNEL_IPV6, inner_is_v6);
}

static bool gso_is_sane(const struct frame *f, uint8_t kind, uint8_t modifiers)
{
	const struct offload *o = &f->offload;

	if (!kind_is_sane(o, kind, modifiers) || o->gso_size == 0 || o->gso_size == GSO_BY_FRAGS)
		return false;
	if (!(o->flags & OFFLOAD_NEEDS_CSUM) && f->len < l3_len_min(kind) + l4_len_min(kind))
		return false;
	if (kind == GSO_UDP_L4 && rough_payload_len(f, kind) > o->gso_size * (uint32_t)USO_SEGMENTS_MAX)
		return false;
	return !(modifiers & GSO_TUNNEL_MASK) || tunnel_is_sane(f, kind);
}

/* The frame is not to be cut. */
static int normalize_single(struct frame *f)
{
	struct offload *o = &f->offload;

	/* The flag has no meaning without a tunnel in gso_type. With it, the offsets were found to be sane. */
	if (o->flags & OFFLOAD_UDP_TUNNEL_CSUM && o->gso_type & GSO_TUNNEL_MASK && !offload_finish_outer_csum(f))
		return DROP_BAD_OFFLOAD;
	*o = o->flags & OFFLOAD_NEEDS_CSUM ? (struct offload){
		.flags = OFFLOAD_NEEDS_CSUM,
		.csum_start = o->csum_start,
		.csum_offset = o->csum_offset,
	} : (struct offload){ 0 };
	return DROP_NONE;
}

static void normalize_gso(struct offload *o, uint8_t modifiers)
{
	uint8_t kind = o->gso_type & GSO_KIND_MASK;

	if (kind == GSO_UDP)
		o->gso_type = GSO_UDP; /* Linux lets the ECN bit pass */
	o->hdr_len = (uint16_t)MAX(o->hdr_len, o->csum_start + l4_len_min(kind));
	o->flags &= OFFLOAD_NEEDS_CSUM | (modifiers & GSO_TUNNEL_MASK ? OFFLOAD_UDP_TUNNEL_CSUM : 0);
	if (!(modifiers & GSO_TUNNEL_MASK))
		o->outer_th_offset = o->inner_nh_offset = 0;
	if (!(o->flags & OFFLOAD_NEEDS_CSUM))
		o->hdr_len = o->csum_start = o->csum_offset = 0;
}

int offload_check(struct frame *f)
{
	struct offload *o = &f->offload;
	uint8_t kind = o->gso_type & GSO_KIND_MASK;
	uint8_t modifiers = o->gso_type & (uint8_t)~GSO_KIND_MASK;

	if (!hdr_len_is_sane(f))
		return DROP_BAD_OFFLOAD;
	if (o->flags & OFFLOAD_NEEDS_CSUM && !csum_is_sane(f, kind))
		return DROP_BAD_OFFLOAD;
	if (o->gso_type == GSO_NONE)
		return normalize_single(f);
	if (!gso_is_sane(f, kind, modifiers))
		return DROP_BAD_OFFLOAD;
	if (rough_payload_len(f, kind) <= o->gso_size)
		return normalize_single(f);
	normalize_gso(o, modifiers);
	return DROP_NONE;
}
