/* SPDX-License-Identifier: Apache-2.0 */
/* offload_tunnel.c - Frames in UDP tunnels: into one, and the outer checksum. */
#include <errno.h>

#include "packet/csum.h"
#include "packet/frame.h"
#include "packet/offload.h"
#include "packet/parse.h"
#include "packet/proto/bytes.h"
#include "packet/proto/ip.h"
#include "packet/proto/l4.h"

/* Only one packet is inside: once its own checksum is complete, everything behind csum_start sums up to the complement of what the
 * field holds now, which is the inner pseudo header's sum. */
bool offload_finish_outer_csum(struct frame *f)
{
	const struct offload *o = &f->offload;
	unsigned inner_field = (unsigned)o->csum_start + o->csum_offset;
	unsigned outer_field = o->outer_th_offset + (unsigned)offsetof(struct udphdr, check);
	uint32_t covered = (uint32_t)o->csum_start - o->outer_th_offset;
	uint32_t sum;

	if (!frame_pull(f, inner_field + 2))
		return false;
	sum = csum_partial(f->head + o->outer_th_offset, covered, 0);
	sum = csum_add_at(sum, (uint16_t)~load_raw16(f->head + inner_field), covered);
	store_raw16(f->head + outer_field, csum_finish(sum));
	return true;
}

/* Lengths, and the sums that depend on them; returns the pseudo header's. */
static uint32_t write_outer_ip(struct frame *f, const struct parsed *p)
{
	uint8_t *ip = f->head + p->l3_off;
	uint32_t udp_len = f->len - p->l4_off;

	if (p->l3 == PARSE_L3_IPV6) {
		store_be16(ip + offsetof(struct ipv6hdr, payload_len),
			   (uint16_t)(f->len - p->l3_off - sizeof(struct ipv6hdr)));
		return csum_pseudo6(ip + offsetof(struct ipv6hdr, saddr), IPPROTO_UDP, udp_len);
	}
	store_be16(ip + offsetof(struct iphdr, tot_len), (uint16_t)(f->len - p->l3_off));
	store_raw16(ip + offsetof(struct iphdr, check), 0);
	store_raw16(ip + offsetof(struct iphdr, check),
		    (uint16_t)~csum_fold(csum_partial(ip, (size_t)(p->l4_off - p->l3_off), 0)));
	return csum_pseudo4(ip + offsetof(struct iphdr, saddr), IPPROTO_UDP, udp_len);
}

/* The field is left with the pseudo header's sum where somebody else completes it. */
static int write_outer_udp(struct frame *f, const struct parsed *p, uint32_t pseudo, bool csum)
{
	uint8_t *udp = f->head + p->l4_off;

	store_be16(udp + offsetof(struct udphdr, len), (uint16_t)(f->len - p->l4_off));
	store_raw16(udp + offsetof(struct udphdr, check), csum ? csum_fold(pseudo) : 0);
	if (f->offload.gso_type != GSO_NONE)
		return 0;
	if (csum && !(f->offload.flags & OFFLOAD_NEEDS_CSUM))
		store_raw16(udp + offsetof(struct udphdr, check), csum_finish(csum_frame(f, p->l4_off)));
	else if (csum && !offload_finish_outer_csum(f))
		return -EMSGSIZE;
	f->offload.outer_th_offset = f->offload.inner_nh_offset = 0;
	return 0;
}

static void move_offload(struct offload *o, const struct parsed *p, uint16_t inner_l3_off, unsigned outer_len,
			 bool csum)
{
	if (o->flags & OFFLOAD_NEEDS_CSUM)
		o->csum_start = (uint16_t)(o->csum_start + outer_len);
	if (o->hdr_len)
		o->hdr_len = (uint16_t)(o->hdr_len + outer_len);
	o->outer_th_offset = p->l4_off;
	o->inner_nh_offset = (uint16_t)(inner_l3_off + outer_len);
	if (o->gso_type == GSO_NONE)
		return;
	o->gso_type |= p->l3 == PARSE_L3_IPV4 ? GSO_UDP_TUNNEL_IPV4 : GSO_UDP_TUNNEL_IPV6;
	if (csum)
		o->flags |= OFFLOAD_UDP_TUNNEL_CSUM;
}

static bool can_go_into_tunnel(const struct frame *f, const struct parsed *inner)
{
	const struct offload *o = &f->offload;

	if (o->gso_type == GSO_NONE)
		return true;
	return !(o->gso_type & GSO_TUNNEL_MASK) && o->gso_type != GSO_UDP && o->flags & OFFLOAD_NEEDS_CSUM &&
	       (inner->l3 == PARSE_L3_IPV4 || inner->l3 == PARSE_L3_IPV6);
}

int offload_encap(struct frame *out, uint8_t *head, const struct frame *f, const void *outer, unsigned outer_len,
		  bool csum)
{
	struct parsed p, inner;

	if (!parse_frame(outer, outer_len, &p) || p.l4_proto != IPPROTO_UDP || p.l4_off == 0)
		return -EINVAL;
	parse_frame(f->head, f->head_len, &inner);
	if (!can_go_into_tunnel(f, &inner))
		return -EOPNOTSUPP;
	if (f->head_len + outer_len > FRAME_HEAD_MAX || f->len + outer_len > FRAME_LEN_MAX)
		return -EMSGSIZE;
	*out = *f;
	out->head = head;
	out->head_len = (uint16_t)(f->head_len + outer_len);
	out->len = f->len + outer_len;
	memcpy(head, outer, outer_len);
	memcpy(head + outer_len, f->head, f->head_len);
	move_offload(&out->offload, &p, inner.l3_off, outer_len, csum);
	return write_outer_udp(out, &p, write_outer_ip(out, &p), csum);
}
