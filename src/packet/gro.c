/* SPDX-License-Identifier: Apache-2.0 */
/* gro.c - Trains of frames: open, extended, ended, handed out.
 *
 * A frame that is pushed is kept in a slot. A train is a list of slots; only when it ends is its scatter list written, into a pool
 * that is reset when nothing refers to it any more. Slots that are finished wait in a queue, first in, first out. */
#include "packet/gro.h"

#include <stdlib.h>

#include "packet/csum.h"
#include "packet/gro_match.h"
#include "packet/proto/bytes.h"
#include "packet/proto/ip.h"
#include "packet/proto/l4.h"

enum {
	NO_SLOT = 0xffff,
	UDP_TRAIN_MAX = 64,      /* UDP_GRO_CNT_MAX of Linux */
	TRAIN_LEN_LIMIT = 65536, /* bytes from the IP header on, which a train stays below */
	IOV_POOL = 4 * GRO_TRAIN_PIECES_MAX,
};

struct slot {
	struct frame frame;
	uint16_t next;        /* of the train */
	uint16_t n_frames;    /* in the train that this is the first of */
	uint16_t payload_off; /* bytes before this are headers */
};

struct train {
	struct gro_info first; /* of its first frame */
	uint16_t head, tail;   /* slots */
	uint16_t n_frames;
	uint16_t n_pieces;
	uint32_t len;      /* bytes, of the whole */
	uint32_t next_seq; /* TCP */
	uint16_t last_id;
	uint8_t end_flags; /* TCP: FIN and PSH of the last */
	uint64_t begun_ns;
};

struct gro {
	bool udp;
	unsigned n_trains;
	unsigned n_pieces; /* of all open trains: what they will need of the pool */
	unsigned n_iov;    /* pool entries in use */
	unsigned n_held;   /* frames not yet popped */
	unsigned n_free, n_popped, n_ready, ready_at;
	struct train trains[GRO_TRAINS_MAX]; /* open ones, oldest first */
	uint16_t free[GRO_FRAMES_MAX];
	uint16_t popped[GRO_FRAMES_MAX];
	uint16_t ready[GRO_FRAMES_MAX]; /* ring */
	struct slot slots[GRO_FRAMES_MAX];
	struct iovec iov[IOV_POOL];
};

struct gro *gro_create(bool udp)
{
	struct gro *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->udp = udp;
	for (unsigned i = 0; i < GRO_FRAMES_MAX; i++)
		g->free[i] = (uint16_t)(GRO_FRAMES_MAX - 1 - i);
	g->n_free = GRO_FRAMES_MAX;
	return g;
}

void gro_destroy(struct gro *g)
{
	free(g);
}

bool gro_has_room(const struct gro *g)
{
	return g->n_free > 0;
}

unsigned gro_held(const struct gro *g)
{
	return g->n_held;
}

/* Finished frames */

static void make_ready(struct gro *g, uint16_t slot)
{
	g->ready[(g->ready_at + g->n_ready++) % GRO_FRAMES_MAX] = slot;
}

struct frame *gro_pop(struct gro *g)
{
	uint16_t slot;

	if (g->n_ready == 0)
		return NULL;
	slot = g->ready[g->ready_at];
	g->ready_at = (g->ready_at + 1) % GRO_FRAMES_MAX;
	g->n_ready--;
	g->n_held -= g->slots[slot].n_frames;
	g->popped[g->n_popped++] = slot;
	return &g->slots[slot].frame;
}

struct frame *gro_next_piece(struct gro *g, struct frame *f)
{
	uint16_t next = container_of(f, struct slot, frame)->next;

	return next == NO_SLOT ? NULL : &g->slots[next].frame;
}

void gro_recycle(struct gro *g)
{
	for (unsigned i = 0; i < g->n_popped; i++) {
		for (uint16_t slot = g->popped[i]; slot != NO_SLOT; slot = g->slots[slot].next)
			g->free[g->n_free++] = slot;
	}
	g->n_popped = 0;
	if (g->n_ready == 0)
		g->n_iov = 0;
}

/* Ending a train */

/* The scatter list entries of `f` from byte `off` on. */
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

static void write_list(struct gro *g, const struct train *t)
{
	struct frame *whole = &g->slots[t->head].frame;
	struct iovec *iov = &g->iov[g->n_iov];
	unsigned n = put_pieces(iov, whole, whole->head_len);

	for (uint16_t slot = g->slots[t->head].next; slot != NO_SLOT; slot = g->slots[slot].next)
		n += put_pieces(iov + n, &g->slots[slot].frame, g->slots[slot].payload_off);
	whole->iov = iov;
	whole->iov_off = 0;
	whole->n_iov = (uint16_t)n;
	whole->len = t->len;
	g->n_iov += n;
}

static uint32_t write_ip(const struct train *t, uint8_t *ip)
{
	uint32_t l4_len = t->len - t->first.l4_off;

	if (t->first.version == 6) {
		store_be16(ip + offsetof(struct ipv6hdr, payload_len),
			   (uint16_t)(t->len - t->first.l3_off - sizeof(struct ipv6hdr)));
		return csum_pseudo6(ip + offsetof(struct ipv6hdr, saddr), t->first.proto, l4_len);
	}
	store_be16(ip + offsetof(struct iphdr, tot_len), (uint16_t)(t->len - t->first.l3_off));
	store_raw16(ip + offsetof(struct iphdr, check), 0);
	store_raw16(ip + offsetof(struct iphdr, check),
		    (uint16_t)~csum_fold(csum_partial(ip, sizeof(struct iphdr), 0)));
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
		if (t->last_id == t->first.id && t->first.version == 4)
			o->flags |= OFFLOAD_FIXED_ID;
		store_be16(l4 + offsetof(struct udphdr, len), (uint16_t)(t->len - t->first.l4_off));
	}
	store_raw16(l4 + o->csum_offset, seed);
}

static void end_train(struct gro *g, struct train *t)
{
	struct frame *whole = &g->slots[t->head].frame;

	if (t->n_frames > 1) {
		write_list(g, t);
		write_headers(t, whole);
	} else {
		whole->offload.flags |= OFFLOAD_DATA_VALID;
	}
	g->slots[t->head].n_frames = t->n_frames;
	make_ready(g, t->head);
	g->n_pieces -= t->n_pieces;
	g->n_trains--;
	memmove(t, t + 1, (size_t)(&g->trains[g->n_trains] - t) * sizeof(*t));
}

void gro_flush(struct gro *g, uint64_t begun_ns)
{
	while (g->n_trains > 0 && g->trains[0].begun_ns <= begun_ns)
		end_train(g, &g->trains[0]);
}

/* Taking frames */

static struct train *find_train(struct gro *g, const struct frame *f, const struct gro_info *info)
{
	for (struct train *t = g->trains; t < g->trains + g->n_trains; t++) {
		if (t->first.flow == info->flow &&
		    gro_same_flow(g->slots[t->head].frame.head, &t->first, f->head, info))
			return t;
	}
	return NULL;
}

static void begin_train(struct gro *g, uint16_t slot, const struct gro_info *info, unsigned n_pieces, uint64_t now_ns)
{
	struct train *t;

	if (g->n_trains == GRO_TRAINS_MAX)
		end_train(g, &g->trains[0]);
	t = &g->trains[g->n_trains++];
	*t = (struct train){ .first = *info,
			     .head = slot,
			     .tail = slot,
			     .n_frames = 1,
			     .n_pieces = (uint16_t)n_pieces,
			     .len = g->slots[slot].frame.len,
			     .next_seq = info->seq + info->payload_len,
			     .last_id = info->id,
			     .begun_ns = now_ns };
	g->n_pieces += n_pieces;
}

static bool id_follows(const struct train *t, const struct gro_info *info)
{
	bool stays = info->id == t->first.id;

	if (info->version == 6)
		return true;
	if (t->n_frames > 1 && t->last_id == t->first.id)
		return stays;
	return info->id == (uint16_t)(t->first.id + t->n_frames) ||
	       (stays && t->n_frames == 1 && info->proto == IPPROTO_UDP);
}

static bool can_extend(struct gro *g, const struct train *t, const struct frame *f, const struct gro_info *info)
{
	if (info->payload_len > t->first.payload_len || info->payload_off != t->first.payload_off)
		return false;
	if (t->len - t->first.l3_off + info->payload_len >= TRAIN_LEN_LIMIT)
		return false;
	if (info->proto == IPPROTO_TCP && info->seq != t->next_seq)
		return false;
	return id_follows(t, info) && gro_same_headers(g->slots[t->head].frame.head, &t->first, f->head);
}

static void extend_train(struct gro *g, struct train *t, uint16_t slot, const struct gro_info *info, unsigned n_pieces)
{
	g->slots[t->tail].next = slot;
	t->tail = slot;
	t->n_frames++;
	t->n_pieces = (uint16_t)(t->n_pieces + n_pieces);
	g->n_pieces += n_pieces;
	t->len += info->payload_len;
	t->next_seq += info->payload_len;
	t->last_id = info->id;
	t->end_flags = info->tcp_flags & (TCP_FIN | TCP_PSH);
	if (t->end_flags || info->payload_len < t->first.payload_len ||
	    (info->proto == IPPROTO_UDP && t->n_frames == UDP_TRAIN_MAX))
		end_train(g, t);
}

static void merge(struct gro *g, uint16_t slot, struct train *t, const struct gro_info *info, uint64_t now_ns)
{
	struct frame *f = &g->slots[slot].frame;
	unsigned n_pieces = f->n_iov + 1u;
	bool fits = n_pieces <= GRO_TRAIN_PIECES_MAX && g->n_iov + g->n_pieces + n_pieces <= IOV_POOL;

	if (t && fits && t->n_pieces + n_pieces <= GRO_TRAIN_PIECES_MAX && can_extend(g, t, f, info)) {
		extend_train(g, t, slot, info, n_pieces);
		return;
	}
	if (t)
		end_train(g, t);
	if (fits && !(info->tcp_flags & (TCP_FIN | TCP_PSH))) {
		begin_train(g, slot, info, n_pieces, now_ns);
	} else {
		f->offload.flags |= OFFLOAD_DATA_VALID;
		make_ready(g, slot);
	}
}

void gro_push(struct gro *g, const struct frame *f, uint64_t now_ns)
{
	uint16_t slot = g->free[--g->n_free];
	struct slot *s = &g->slots[slot];
	struct gro_info info;
	struct train *t = NULL;
	enum gro_class class;

	s->frame = *f;
	s->next = NO_SLOT;
	s->n_frames = 1;
	g->n_held++;
	class = gro_classify(&s->frame, g->udp, &info);
	if (class >= GRO_END)
		t = find_train(g, &s->frame, &info);
	if (class == GRO_MERGE) {
		s->payload_off = info.payload_off;
		merge(g, slot, t, &info, now_ns);
		return;
	}
	if (t)
		end_train(g, t);
	if (class == GRO_PASS_VALID || class == GRO_END_VALID)
		s->frame.offload.flags |= OFFLOAD_DATA_VALID;
	make_ready(g, slot);
}
