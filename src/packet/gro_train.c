/* SPDX-License-Identifier: Apache-2.0 */
/* gro_train.c - Trains: the long way to extend one, and the headers of what it becomes. */
#include "packet/gro_train.h"

#include "packet/csum.h"
#include "packet/csum_impl.h"

enum {
	UDP_TRAIN_MAX = 64,      /* UDP_GRO_CNT_MAX of Linux */
	TRAIN_LEN_LIMIT = 65536, /* bytes from the IP header on, which a train stays below */
	PIECES_USUAL = 2,        /* of a frame in one piece: the rest of its head, and that */
};

/* Beginning, extending */

/* The scatter list entries of `f` from byte `off` on: at most n_iov + 1. */
static unsigned put_pieces(struct iovec *out, const struct frame *f, uint32_t off)
{
	uint32_t left = f->len - MAX(off, f->head_len);
	size_t skip = f->iov_off;
	unsigned n = 0;

	if (off < f->head_len)
		out[n++] = (struct iovec){ f->head + off, f->head_len - off };
	for (const struct iovec *iov = f->iov; left > 0; iov++) {
		size_t piece = MIN(iov->iov_len - skip, left);

		out[n++] = (struct iovec){ (uint8_t *)iov->iov_base + skip, piece };
		left -= (uint32_t)piece;
		skip = 0;
	}
	return n;
}

static uint32_t whole_len(const struct train *t)
{
	return t->first_len + (train_n_frames(t) - 1) * t->first.payload_len - t->short_by;
}

static uint32_t n_pieces(const struct train *t)
{
	return (uint32_t)(t->next_iov - t->iov);
}

static unsigned frames_max(const struct train *t)
{
	return t->first.proto == IPPROTO_UDP ? UDP_TRAIN_MAX : GRO_TRAIN_FRAMES_MAX;
}

/* The frame that makes the train as long as it may be goes the long way, which ends trains. */
static void limit_usual(struct train *t)
{
	uint32_t by_len = (TRAIN_LEN_LIMIT - 1 - (whole_len(t) - t->first.l3_off)) / t->first.payload_len;
	uint32_t by_pieces = (GRO_TRAIN_PIECES_MAX - n_pieces(t)) / PIECES_USUAL;
	uint32_t by_frames = frames_max(t) - 1 - MIN(train_n_frames(t), frames_max(t) - 1);

	t->usual_limit = t->next_frame + MIN(by_len, MIN(by_pieces, by_frames));
}

static uint32_t constant_ip_sum(const uint8_t *ip)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(struct iphdr); i += 4)
		sum += load_raw32(ip + i);
	return csum_add(csum_fold64(sum), ~((uint32_t)load_raw16(ip + offsetof(struct iphdr, tot_len)) +
					    load_raw16(ip + offsetof(struct iphdr, id)) +
					    load_raw16(ip + offsetof(struct iphdr, check))));
}

static void expect_frames_like(struct train *t, const struct frame *f)
{
	t->frame_len = 0;
	if (f->head_len <= t->first.payload_off || f->head_len >= f->len ||
	    !gro_shape_init(&t->shape, f->head, &t->first))
		return;
	t->frame_len = f->len;
	t->head_len = f->head_len;
	t->resident_len = (uint16_t)(f->head_len - t->first.payload_off);
	t->rest_len = f->len - f->head_len;
	if (t->first.version == 4) {
		uint16_t tot_len = load_raw16(f->head + t->first.l3_off + offsetof(struct iphdr, tot_len));

		/* 16 bits, so that adding the identification does not carry. */
		t->ip_sum_full = csum_fold(csum_add(t->ip_sum, tot_len));
	}
}

void train_begin(struct train *t, struct frame *f, const struct gro_info *info, uint64_t now_ns)
{
	t->first = *info;
	t->first_len = f->len;
	t->begun_ns = now_ns;
	t->frames[0] = f;
	t->next_frame = t->frames + 1;
	t->next_iov = t->iov + put_pieces(t->iov, f, f->head_len);
	t->short_by = 0;
	t->end_flags = 0;
	t->next_seq = info->proto == IPPROTO_TCP ? info->seq + info->payload_len : 0;
	t->next_id = (uint16_t)(info->id + 1);
	t->id_step = 1;
	t->ip_sum = info->version == 4 ? constant_ip_sum(f->head + info->l3_off) : 0;
	limit_usual(t);
	expect_frames_like(t, f);
}

/* What changes from frame to frame. */
struct next {
	uint32_t seq;         /* TCP */
	uint32_t payload_len; /* bytes */
	uint16_t id;          /* IPv4 */
	uint8_t tcp_flags;
};

static void read_next(const struct train *t, const struct frame *f, struct next *next)
{
	const uint8_t *ip = f->head + t->first.l3_off, *l4 = f->head + t->first.l4_off;

	*next = (struct next){ .payload_len = f->len - t->first.payload_off };
	if (t->first.version == 4)
		next->id = load_be16(ip + offsetof(struct iphdr, id));
	if (t->first.proto == IPPROTO_TCP) {
		next->seq = load_be32(l4 + offsetof(struct tcphdr, seq));
		next->tcp_flags = l4[TCP_FLAGS_BYTE];
	}
}

static bool id_follows(struct train *t, uint16_t id)
{
	if (t->first.version == 6 || id == t->next_id)
		return true;
	if (t->first.proto != IPPROTO_UDP || train_n_frames(t) > 1 || id != t->first.id)
		return false;
	t->id_step = 0;
	t->next_id = id;
	return true;
}

static bool has_room(const struct train *t, const struct frame *f, const struct next *next)
{
	return n_pieces(t) + f->n_iov + 1 <= GRO_TRAIN_PIECES_MAX && train_n_frames(t) < GRO_TRAIN_FRAMES_MAX &&
	       whole_len(t) - t->first.l3_off + next->payload_len < TRAIN_LEN_LIMIT;
}

bool train_extend(struct train *t, struct frame *f, bool *ends)
{
	struct next next;

	read_next(t, f, &next);
	if (next.payload_len > t->first.payload_len || !has_room(t, f, &next) || next.seq != t->next_seq ||
	    !id_follows(t, next.id))
		return false;
	t->next_iov += put_pieces(t->next_iov, f, t->first.payload_off);
	*t->next_frame++ = f;
	t->short_by = t->first.payload_len - next.payload_len;
	t->next_id = (uint16_t)(t->next_id + t->id_step);
	if (t->first.proto == IPPROTO_TCP)
		t->next_seq += next.payload_len;
	t->end_flags = next.tcp_flags & (TCP_FIN | TCP_PSH);
	limit_usual(t);
	*ends = t->end_flags || t->short_by > 0 || train_n_frames(t) == frames_max(t);
	return true;
}

/* Ending */

/* Returns the sum of the pseudo header. */
static uint32_t write_ip(const struct train *t, uint8_t *ip)
{
	uint32_t len = whole_len(t), l4_len = len - t->first.l4_off;
	uint16_t tot_len;

	if (t->first.version == 6) {
		store_be16(ip + offsetof(struct ipv6hdr, payload_len),
			   (uint16_t)(len - t->first.l3_off - sizeof(struct ipv6hdr)));
		return csum_pseudo6(ip + offsetof(struct ipv6hdr, saddr), t->first.proto, l4_len);
	}
	tot_len = htobe16((uint16_t)(len - t->first.l3_off));
	store_raw16(ip + offsetof(struct iphdr, tot_len), tot_len);
	store_raw16(ip + offsetof(struct iphdr, check),
		    (uint16_t)~csum_fold(csum_add(t->ip_sum, (uint32_t)tot_len + htobe16(t->first.id))));
	return csum_pseudo4(ip + offsetof(struct iphdr, saddr), t->first.proto, l4_len);
}

/* The headers of the whole, and what is to be done to it: its checksum field has the pseudo header's sum. */
static void write_headers(const struct train *t, struct frame *whole)
{
	uint8_t *l4 = whole->head + t->first.l4_off;
	uint16_t seed = csum_fold(write_ip(t, whole->head + t->first.l3_off));
	struct offload *o = &whole->offload;

	*o = (struct offload){ .flags = OFFLOAD_NEEDS_CSUM,
			       .hdr_len = t->first.payload_off,
			       .gso_size = t->first.payload_len,
			       .csum_start = t->first.l4_off };
	if (t->first.proto == IPPROTO_TCP) {
		o->gso_type = t->first.version == 4 ? GSO_TCPV4 : GSO_TCPV6;
		o->csum_offset = offsetof(struct tcphdr, check);
		l4[TCP_FLAGS_BYTE] |= t->end_flags;
	} else {
		o->gso_type = GSO_UDP_L4;
		o->csum_offset = offsetof(struct udphdr, check);
		if (t->id_step == 0)
			o->flags |= OFFLOAD_FIXED_ID;
		store_be16(l4 + offsetof(struct udphdr, len), (uint16_t)(whole_len(t) - t->first.l4_off));
	}
	store_raw16(l4 + o->csum_offset, seed);
}

void train_end(struct train *t)
{
	struct frame *whole = t->frames[0];

	if (train_n_frames(t) == 1) {
		gro_set_valid(whole);
		return;
	}
	write_headers(t, whole);
	whole->iov = t->iov;
	whole->iov_off = 0;
	whole->n_iov = (uint16_t)n_pieces(t);
	whole->len = whole_len(t);
}
