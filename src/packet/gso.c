/* SPDX-License-Identifier: Apache-2.0 */
/* gso.c - The walk over the segments of a frame. */
#include "packet/gso.h"

#include "packet/csum.h"
#include "packet/drop_reason.h"
#include "packet/proto/ip.h"
#include "packet/proto/l4.h"

enum { TCP_HDR_MAX = 60 };

/* What of the frame may be headers, in bytes from its start. Without csum_start nothing says where they end. */
static uint32_t headers_max(const struct frame *f)
{
	const struct offload *o = &f->offload;
	uint32_t end = o->flags & OFFLOAD_NEEDS_CSUM ? o->csum_start + (uint32_t)TCP_HDR_MAX : FIT_HDR_MAX;

	return MIN(f->len, MIN(end, FIT_HDR_MAX));
}

/* Copy what may be headers to fit->head, and return how much that is. Headers that fit are read from the sender once and stay in the
 * frame's own head, so that a frame that is resumed is cut in the same way. */
static uint32_t load_headers(struct offload_fit *fit, struct frame *f)
{
	uint32_t n = headers_max(f);

	frame_pull(f, MIN(n, FRAME_HEAD_MAX));
	frame_copy_out(f, 0, fit->head, n);
	return n;
}

static bool headers_fit_request(const struct offload *o, const struct parsed *p)
{
	uint8_t kind = o->gso_type & GSO_KIND_MASK;
	bool is_udp = kind == GSO_UDP || kind == GSO_UDP_L4;

	if (p->flags & (PARSE_FRAGMENT | PARSE_AUTH) || p->l4_proto != (is_udp ? IPPROTO_UDP : IPPROTO_TCP))
		return false;
	if ((kind == GSO_TCPV4 && p->l3 != PARSE_L3_IPV4) || (kind == GSO_TCPV6 && p->l3 != PARSE_L3_IPV6))
		return false;
	return !(o->flags & OFFLOAD_NEEDS_CSUM) || p->l4_off == o->csum_start;
}

/* Outer headers up to UDP, where the frame says that there is a tunnel. What lies between them and the inner IP header is copied
 * and not looked at: any encapsulation with a fixed header will do. */
static bool parse_outer(struct offload_fit *fit, const struct offload *o, uint32_t n, struct parsed *p)
{
	if (!parse_frame(fit->head, n, p) || p->flags & (PARSE_FRAGMENT | PARSE_AUTH) || p->l4_proto != IPPROTO_UDP ||
	    p->l4_off != o->outer_th_offset)
		return false;
	fit->outer_udp_off = p->l4_off;
	fit->outer_csum = o->flags & OFFLOAD_UDP_TUNNEL_CSUM;
	gso_ip_begin(fit, p);
	return true;
}

static bool parse_headers(struct offload_fit *fit, const struct frame *f, uint32_t n, struct parsed *p)
{
	const struct offload *o = &f->offload;
	bool parsed;

	fit->n_ip = 0;
	fit->outer_udp_off = 0;
	if (o->gso_type & GSO_TUNNEL_MASK)
		parsed = parse_outer(fit, o, n, p) && parse_ip(fit->head, n, o->inner_nh_offset, p);
	else
		parsed = parse_frame(fit->head, n, p);
	if (!parsed || !headers_fit_request(o, p))
		return false;
	gso_ip_begin(fit, p);
	return true;
}

static void begin_kind(struct offload_fit *fit, struct frame *f, const struct parsed *p)
{
	switch (fit->kind) {
	case GSO_UDP:
		gso_frag_begin(fit, f, p);
		break;
	case GSO_UDP_L4:
		gso_udp_begin(fit, p);
		break;
	default:
		gso_tcp_begin(fit, p);
	}
	if (fit->outer_udp_off)
		gso_tunnel_begin(fit);
}

/* mss, payload_off and how many segments that makes. */
static int plan(struct offload_fit *fit, const struct frame *f, const struct parsed *p)
{
	uint32_t payload_len;

	fit->kind = f->offload.gso_type & GSO_KIND_MASK;
	fit->l4_off = p->l4_off;
	fit->nexthdr_off = p->nexthdr_off;
	fit->mss = f->offload.gso_size;
	fit->payload_off = p->payload_off;
	if (fit->kind == GSO_UDP) {
		fit->mss &= ~7u; /* fragments begin at multiples of 8 (RFC 791, 3.2) */
		fit->payload_off = p->l4_off;
	}
	fit->hdr_len = (uint16_t)fit->payload_off;
	payload_len = f->len - fit->payload_off;
	/* Linux drops what needs no cut although gso_size promised one, and so do we. */
	if (fit->mss == 0 || payload_len <= f->offload.gso_size)
		return -DROP_BAD_OFFLOAD;
	fit->n_segs = (payload_len + fit->mss - 1) / fit->mss;
	return fit->n_segs > FIT_SEGMENTS_MAX ? -DROP_UNSUPPORTED : 0;
}

static void advance(struct offload_fit *fit, uint32_t n)
{
	fit->iov_off += n;
	while (fit->n_iov > 0 && fit->iov_off >= fit->iov->iov_len) {
		fit->iov_off -= (uint32_t)fit->iov->iov_len;
		fit->iov++;
		fit->n_iov--;
	}
}

/* To the segment that the receiver does not have yet. */
static void seek(struct offload_fit *fit, const struct frame *f)
{
	uint32_t udp_hdr = fit->kind == GSO_UDP ? sizeof(struct udphdr) : 0; /* is changed, so it comes from us */

	fit->seg_idx = f->segs_sent;
	fit->pos = MIN(fit->payload_off + fit->seg_idx * fit->mss, f->len);
	fit->resident = MAX(f->head_len, fit->payload_off + udp_hdr);
	fit->iov = f->iov;
	fit->iov_off = f->iov_off;
	fit->n_iov = f->n_iov;
	advance(fit, MAX(fit->pos, fit->resident) - f->head_len);
}

/* Of what comes out: checksums are left to the receiver, or to the writer, fragments have theirs. */
static void begin_out(struct offload_fit *fit, const struct frame *f, bool receiver_sums)
{
	struct frame *out = &fit->out;

	*out = *f;
	out->head = fit->head;
	out->offload = (struct offload){ 0 };
	out->finish_csum = FINISH_CSUM_NONE;
	if (fit->kind == GSO_UDP)
		return;
	out->offload.csum_start = fit->l4_off;
	if (fit->kind == GSO_UDP_L4)
		out->offload.csum_offset = offsetof(struct udphdr, check);
	else
		out->offload.csum_offset = offsetof(struct tcphdr, check);
	if (receiver_sums)
		out->offload.flags = OFFLOAD_NEEDS_CSUM;
	else
		out->finish_csum = fit->kind == GSO_UDP_L4 ? FINISH_CSUM : FINISH_CSUM_KEEP_0;
}

int gso_begin(struct offload_fit *fit, struct frame *f, bool receiver_sums)
{
	struct parsed p;
	uint32_t n = load_headers(fit, f);
	int err;

	fit->whole = f;
	if (!parse_headers(fit, f, n, &p))
		return p.flags & PARSE_TRUNCATED && n == FIT_HDR_MAX ? -DROP_UNSUPPORTED : -DROP_BAD_OFFLOAD;
	err = plan(fit, f, &p);
	if (err)
		return err;
	seek(fit, f);
	begin_kind(fit, f, &p);
	begin_out(fit, f, receiver_sums);
	return 0;
}

static void patch(struct offload_fit *fit, uint32_t len)
{
	if (fit->kind == GSO_UDP)
		gso_frag_patch(fit);
	for (unsigned i = 0; i < fit->n_ip; i++)
		gso_ip_patch(fit, &fit->ip[i], len);
	if (fit->kind == GSO_UDP_L4)
		gso_udp_patch(fit, len);
	else if (fit->kind != GSO_UDP)
		gso_tcp_patch(fit, len);
	if (fit->outer_udp_off)
		gso_tunnel_patch(fit, len);
}

void gso_next(struct offload_fit *fit)
{
	const struct frame *f = fit->whole;
	struct frame *out = &fit->out;
	uint32_t n = MIN(fit->mss, f->len - fit->pos);
	uint32_t resident = fit->pos < fit->resident ? MIN(n, fit->resident - fit->pos) : 0;

	if (resident > 0)
		frame_copy_out(f, fit->pos, fit->head + fit->hdr_len, resident);
	out->len = fit->hdr_len + n;
	out->head_len = (uint16_t)(fit->hdr_len + resident);
	out->iov = fit->iov;
	out->iov_off = fit->iov_off;
	out->n_iov = fit->n_iov;
	patch(fit, out->len);
	advance(fit, n - resident);
	fit->pos += n;
}
