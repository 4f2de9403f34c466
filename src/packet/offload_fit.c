/* SPDX-License-Identifier: Apache-2.0 */
/* offload_fit.c - What a frame asks of its receiver, and the way round for receivers that offer less. */
#include "packet/offload_fit.h"

#include "packet/drop_reason.h"
#include "packet/gso.h"
#include "packet/parse.h"
#include "packet/proto/bytes.h"
#include "packet/proto/ip.h"
#include "packet/proto/l4.h"
#include "packet/proto/vlan.h"

enum { CAPS_NOBODY_HAS = ~0u };

/* 4, 6, or 0 for what is not IP, as the EtherType says. */
static unsigned ip_version(const struct frame *f)
{
	unsigned off = offsetof(struct ethhdr, h_proto);
	uint16_t type = load_be16(f->head + off);

	while (is_vlan_ethertype(type) && off + VLAN_TAG_LEN + sizeof(type) <= f->head_len) {
		off += VLAN_TAG_LEN;
		type = load_be16(f->head + off);
	}
	return type == ETH_P_IP ? 4 : type == ETH_P_IPV6 ? 6 : 0;
}

static unsigned inner_ip_version(const struct frame *f)
{
	uint8_t first = 0;

	if (f->offload.inner_nh_offset < f->len)
		frame_copy_out(f, f->offload.inner_nh_offset, &first, 1);
	return first >> 4;
}

static uint32_t uso_cap(const struct frame *f)
{
	unsigned version = f->offload.gso_type & GSO_TUNNEL_MASK ? inner_ip_version(f) : ip_version(f);

	switch (version) {
	case 4:
		return OFFLOAD_CAP_USO4;
	case 6:
		return OFFLOAD_CAP_USO6;
	default:
		return CAPS_NOBODY_HAS;
	}
}

static uint32_t kind_cap(const struct frame *f)
{
	switch (f->offload.gso_type & GSO_KIND_MASK) {
	case GSO_TCPV4:
		return OFFLOAD_CAP_TSO4;
	case GSO_TCPV6:
		return OFFLOAD_CAP_TSO6;
	case GSO_UDP:
		return OFFLOAD_CAP_UFO;
	case GSO_UDP_L4:
		return uso_cap(f);
	default:
		return CAPS_NOBODY_HAS;
	}
}

uint32_t offload_caps_needed_slow(const struct frame *f)
{
	const struct offload *o = &f->offload;
	uint32_t needed = OFFLOAD_CAP_CSUM | kind_cap(f);

	/* Who has its first segments gets the others, even if it could take the whole by now. */
	if (f->segs_sent > 0)
		return CAPS_NOBODY_HAS;
	/* VIRTIO 1.2, 5.1.6.4.1: no device may hand on a gso_type without NEEDS_CSUM; a tap device takes it. */
	if (!(o->flags & OFFLOAD_NEEDS_CSUM))
		return CAPS_NOBODY_HAS;
	if (o->gso_type & GSO_ECN)
		needed |= OFFLOAD_CAP_ECN;
	if (o->gso_type & GSO_TUNNEL_MASK)
		needed |= OFFLOAD_CAP_TUNNEL;
	if (o->flags & OFFLOAD_UDP_TUNNEL_CSUM)
		needed |= OFFLOAD_CAP_TUNNEL_CSUM;
	return needed;
}

/* SCTP's checksum is a CRC, which no flag can ask for: the protocol does (RFC 9260, 6.8). Linux 6.18 stores the sum of 16 bits there. */
static bool asks_for_crc(const struct frame *f)
{
	const struct offload *o = &f->offload;
	struct parsed p;

	if (o->csum_offset != SCTP_CHECKSUM_OFF || o->csum_start + (uint32_t)SCTP_HDR_LEN > f->len)
		return false;
	parse_frame(f->head, f->head_len, &p);
	return p.l4_proto == IPPROTO_SCTP && p.l4_off == o->csum_start && !(p.flags & PARSE_FRAGMENT);
}

/* The head must hold the checksum field for a writer that does not copy; what is in the way is read from the sender again for each
 * receiver. A field too far out stays where it is. */
static void load_head(struct offload_fit *fit, const struct frame *f)
{
	uint32_t field_len = fit->out.finish_csum == FINISH_CSUM_CRC32C ? 4 : 2;
	uint32_t field_end = (uint32_t)f->offload.csum_start + f->offload.csum_offset + field_len;
	uint32_t n = f->head_len;

	if (fit->out.finish_csum && field_end > n && field_end <= FIT_HEAD_MAX) {
		n = field_end;
		frame_slice(f, n - f->head_len, &fit->out);
	}
	frame_copy_out(f, 0, fit->head, n);
	fit->out.head = fit->head;
	fit->out.head_len = (uint16_t)n;
}

/* One frame comes out. Its head is a copy, because the writer may complete the checksum in it while other receivers still want the
 * original. */
static int begin_single(struct offload_fit *fit, struct frame *f, uint32_t caps)
{
	struct frame *out = &fit->out;

	if (f->segs_sent > 0)
		return -DROP_BAD_OFFLOAD;
	*out = *f;
	if (f->offload.flags & OFFLOAD_NEEDS_CSUM && !(caps & OFFLOAD_CAP_CSUM)) {
		out->offload.flags &= (uint8_t)~OFFLOAD_NEEDS_CSUM;
		out->finish_csum = asks_for_crc(f) ? FINISH_CSUM_CRC32C : FINISH_CSUM;
	}
	load_head(fit, f);
	fit->n_ip = 0;
	fit->seg_idx = 0;
	fit->n_segs = 1;
	return 1;
}

int offload_fit_begin(struct offload_fit *fit, struct frame *f, uint32_t caps)
{
	int n;

	if (f->offload.gso_type == GSO_NONE || offload_passes(f, caps))
		return begin_single(fit, f, caps);
	n = gso_begin(fit, f, caps & OFFLOAD_CAP_CSUM);
	if (n < 0)
		return n;
	return fit->seg_idx < fit->n_segs ? (int)(fit->n_segs - fit->seg_idx) : -DROP_BAD_OFFLOAD;
}

struct frame *offload_fit_next(struct offload_fit *fit)
{
	if (fit->seg_idx == fit->n_segs)
		return NULL;
	if (fit->n_ip > 0)
		gso_next(fit);
	fit->seg_idx++;
	return &fit->out;
}
