/* SPDX-License-Identifier: Apache-2.0 */
/* library.c - libringway: the public names of what src/packet does, <ringway/packet.h>.
 *
 * Public structures are laid out like ours, which is proven here, so nothing is converted; members that are only the switch's are
 * "reserved" there. When an assertion below fails, the public header has to change, and with it the soname. Only rw_* is
 * exported (libringway.map). */
#include <ringway/packet.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "packet/crc32c.h"
#include "packet/csum.h"
#include "packet/drop_reason.h"
#include "packet/flow_hash.h"
#include "packet/gro.h"
#include "packet/offload_fit.h"
#include "packet/parse.h"

#define SAME(ours, member, theirs, their_member)                                                            \
	static_assert(offsetof(struct ours, member) == offsetof(struct theirs, their_member) &&             \
			  sizeof(((struct ours *)0)->member) == sizeof(((struct theirs *)0)->their_member), \
		      #member)

SAME(offload, flags, rw_offload, flags);
SAME(offload, gso_type, rw_offload, gso_type);
SAME(offload, hdr_len, rw_offload, hdr_len);
SAME(offload, gso_size, rw_offload, gso_size);
SAME(offload, csum_start, rw_offload, csum_start);
SAME(offload, csum_offset, rw_offload, csum_offset);
SAME(offload, outer_th_offset, rw_offload, outer_th_offset);
SAME(offload, inner_nh_offset, rw_offload, inner_nh_offset);

SAME(frame, head, rw_frame, head);
SAME(frame, iov, rw_frame, iov);
SAME(frame, iov_off, rw_frame, iov_off);
SAME(frame, len, rw_frame, len);
SAME(frame, n_iov, rw_frame, n_iov);
SAME(frame, head_len, rw_frame, head_len);
SAME(frame, offload, rw_frame, offload);
SAME(frame, rx_id, rw_frame, user[0]);
SAME(frame, rx_n_desc, rw_frame, user[1]);
SAME(frame, finish_csum, rw_frame, finish);
SAME(frame, segs_sent, rw_frame, segs_sent);
static_assert(sizeof(struct frame) == sizeof(struct rw_frame), "arrays of them");

SAME(parsed, ethertype, rw_parsed, ethertype);
SAME(parsed, tci, rw_parsed, tci);
SAME(parsed, n_tags, rw_parsed, n_tags);
SAME(parsed, l3, rw_parsed, l3);
SAME(parsed, l4_proto, rw_parsed, l4_proto);
SAME(parsed, flags, rw_parsed, flags);
SAME(parsed, l3_off, rw_parsed, l3_off);
SAME(parsed, nexthdr_off, rw_parsed, nexthdr_off);
SAME(parsed, l4_off, rw_parsed, l4_off);
SAME(parsed, payload_off, rw_parsed, payload_off);
static_assert(sizeof(struct parsed) == sizeof(struct rw_parsed), "the caller's memory");

SAME(gro_out, frame, rw_gro_out, frame);
SAME(gro_out, pieces, rw_gro_out, pieces);
SAME(gro_out, n_pieces, rw_gro_out, n_pieces);

#define EQUAL(ours, theirs) static_assert((int)(ours) == (int)(theirs), #ours)

EQUAL(OFFLOAD_NEEDS_CSUM, RW_NEEDS_CSUM);
EQUAL(OFFLOAD_DATA_VALID, RW_DATA_VALID);
EQUAL(OFFLOAD_UDP_TUNNEL_CSUM, RW_UDP_TUNNEL_CSUM);
EQUAL(GSO_NONE, RW_GSO_NONE);
EQUAL(GSO_TCPV4, RW_GSO_TCPV4);
EQUAL(GSO_TCPV6, RW_GSO_TCPV6);
EQUAL(GSO_UDP, RW_GSO_UDP);
EQUAL(GSO_UDP_L4, RW_GSO_UDP_L4);
EQUAL(GSO_UDP_TUNNEL_IPV4, RW_GSO_UDP_TUNNEL_IPV4);
EQUAL(GSO_UDP_TUNNEL_IPV6, RW_GSO_UDP_TUNNEL_IPV6);
EQUAL(GSO_ECN, RW_GSO_ECN);
EQUAL(FRAME_LEN_MIN, RW_FRAME_MIN);
EQUAL(FRAME_LEN_MAX, RW_FRAME_MAX);
EQUAL(FRAME_HEAD_MIN, RW_HEAD_MIN);
EQUAL(FRAME_HEAD_MAX, RW_HEAD_MAX);
EQUAL(PARSE_L3_IPV4, RW_L3_IPV4);
EQUAL(PARSE_L3_IPV6, RW_L3_IPV6);
EQUAL(PARSE_L3_ARP, RW_L3_ARP);
EQUAL(PARSE_TRUNCATED, RW_PARSE_TRUNCATED);
EQUAL(PARSE_MALFORMED, RW_PARSE_MALFORMED);
EQUAL(PARSE_FRAGMENT, RW_PARSE_FRAGMENT);
EQUAL(PARSE_NOT_FIRST, RW_PARSE_NOT_FIRST);
EQUAL(PARSE_IP_OPTIONS, RW_PARSE_IP_OPTIONS);
EQUAL(PARSE_EXT_HDR, RW_PARSE_EXT_HDR);
EQUAL(PARSE_AUTH, RW_PARSE_AUTH);
EQUAL(PARSE_ND, RW_PARSE_ND);
EQUAL(PARSE_TAGS_MAX, 2);
EQUAL(FLOW_HASH_KEY_LEN, RW_FLOW_HASH_KEY_LEN);
EQUAL(OFFLOAD_CAP_CSUM, RW_CAP_CSUM);
EQUAL(OFFLOAD_CAP_TSO4, RW_CAP_TSO4);
EQUAL(OFFLOAD_CAP_TSO6, RW_CAP_TSO6);
EQUAL(OFFLOAD_CAP_ECN, RW_CAP_ECN);
EQUAL(OFFLOAD_CAP_UFO, RW_CAP_UFO);
EQUAL(OFFLOAD_CAP_USO4, RW_CAP_USO4);
EQUAL(OFFLOAD_CAP_USO6, RW_CAP_USO6);
EQUAL(OFFLOAD_CAP_TUNNEL, RW_CAP_TUNNEL);
EQUAL(OFFLOAD_CAP_TUNNEL_CSUM, RW_CAP_TUNNEL_CSUM);

static struct frame *ours(struct rw_frame *f)
{
	return (struct frame *)(void *)f;
}

static const struct frame *ours_const(const struct rw_frame *f)
{
	return (const struct frame *)(const void *)f;
}

void rw_init(void)
{
	csum_init();
}

/* Checksums */

uint32_t rw_csum(const void *buf, size_t len, uint32_t sum)
{
	return csum_partial(buf, len, sum);
}

uint32_t rw_csum_copy(void *dst, const void *src, size_t len, uint32_t sum)
{
	return csum_copy(dst, src, len, sum);
}

uint32_t rw_csum_add_at(uint32_t sum, uint32_t piece, size_t off)
{
	return csum_add_at(sum, piece, off);
}

uint16_t rw_csum_fold(uint32_t sum)
{
	return csum_fold(sum);
}

uint16_t rw_csum_finish(uint32_t sum)
{
	return csum_finish(sum);
}

uint16_t rw_csum_update(uint16_t csum, uint32_t from, uint32_t to)
{
	return csum_update(csum, from, to);
}

uint32_t rw_csum_pseudo4(const void *addrs, uint8_t proto, uint32_t len)
{
	return csum_pseudo4(addrs, proto, len);
}

uint32_t rw_csum_pseudo6(const void *addrs, uint8_t proto, uint32_t len)
{
	return csum_pseudo6(addrs, proto, len);
}

uint32_t rw_crc32c(const void *buf, size_t len)
{
	return crc32c_finish(crc32c(buf, len, CRC32C_INIT));
}

/* Frames */

bool rw_frame_pull(struct rw_frame *f, unsigned n)
{
	return frame_pull(ours(f), n);
}

unsigned rw_frame_to_iov(const struct rw_frame *f, struct iovec *out, unsigned max)
{
	return frame_to_iov(ours_const(f), out, max);
}

uint32_t rw_frame_csum(const struct rw_frame *f, uint32_t off)
{
	return csum_frame(ours_const(f), off);
}

void rw_frame_copy(const struct rw_frame *f, const struct iovec *dst, unsigned n_dst)
{
	frame_copy(ours_const(f), dst, n_dst);
}

bool rw_frame_finish(struct rw_frame *f)
{
	if (f->finish == FINISH_CSUM_NONE && !(f->offload.flags & RW_NEEDS_CSUM))
		return true;
	return frame_finish_csum(ours(f));
}

/* Parsing */

bool rw_parse(const void *buf, size_t len, struct rw_parsed *p)
{
	return parse_frame(buf, len, (struct parsed *)(void *)p);
}

bool rw_parse_tunnel(const void *buf, size_t len, const struct rw_parsed *outer, struct rw_parsed *inner,
		     uint16_t *inner_off)
{
	return parse_tunnel(buf, len, (const struct parsed *)(const void *)outer, (struct parsed *)(void *)inner,
			    inner_off);
}

struct rw_flow_hash {
	struct flow_hash ours;
};

struct rw_flow_hash *rw_flow_hash_create(const uint8_t *key, bool symmetric)
{
	struct rw_flow_hash *h = malloc(sizeof(*h));

	if (h)
		flow_hash_init(&h->ours, key ? key : flow_hash_default_key, symmetric);
	return h;
}

void rw_flow_hash_destroy(struct rw_flow_hash *h)
{
	free(h);
}

uint32_t rw_flow_hash(const struct rw_flow_hash *h, const void *head, const struct rw_parsed *p)
{
	return flow_hash_frame(&h->ours, head, (const struct parsed *)(const void *)p);
}

/* Senders */

int rw_offload_check(struct rw_frame *f)
{
	return offload_check(ours(f)) == DROP_NONE ? 0 : -EINVAL;
}

int rw_offload_encap(struct rw_frame *out, uint8_t *head, const struct rw_frame *f, const void *outer,
		     unsigned outer_len, bool csum)
{
	return offload_encap(ours(out), head, ours_const(f), outer, outer_len, csum);
}

/* Receivers */

uint32_t rw_caps_needed(const struct rw_frame *f)
{
	return offload_caps_needed(ours_const(f));
}

struct rw_fit {
	struct offload_fit ours;
};

struct rw_fit *rw_fit_create(void)
{
	return calloc(1, sizeof(struct rw_fit));
}

void rw_fit_destroy(struct rw_fit *fit)
{
	free(fit);
}

int rw_fit_begin(struct rw_fit *fit, struct rw_frame *f, uint32_t caps)
{
	int n = offload_fit_begin(&fit->ours, ours(f), caps);

	if (n >= 0)
		return n;
	return n == -DROP_UNSUPPORTED ? -EOPNOTSUPP : -EINVAL;
}

/* offload_fit_next() returns &fit->out. */
struct rw_frame *rw_fit_next(struct rw_fit *fit)
{
	return offload_fit_next(&fit->ours) ? (struct rw_frame *)(void *)&fit->ours.out : NULL;
}

/* Coalescing; struct rw_gro is struct gro. */

struct rw_gro *rw_gro_create(bool udp)
{
	return (struct rw_gro *)gro_create(udp);
}

void rw_gro_destroy(struct rw_gro *g)
{
	gro_destroy((struct gro *)g);
}

unsigned rw_gro_room(const struct rw_gro *g)
{
	return gro_room((const struct gro *)g);
}

void rw_gro_push(struct rw_gro *g, struct rw_frame *frames, unsigned n, uint64_t now_ns)
{
	gro_push((struct gro *)g, ours(frames), n, now_ns);
}

void rw_gro_flush(struct rw_gro *g, uint64_t begun_ns)
{
	gro_flush((struct gro *)g, begun_ns);
}

const struct rw_gro_out *rw_gro_pop(struct rw_gro *g)
{
	return (const struct rw_gro_out *)(const void *)gro_pop((struct gro *)g);
}

void rw_gro_recycle(struct rw_gro *g)
{
	gro_recycle((struct gro *)g);
}
