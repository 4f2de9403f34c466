/* SPDX-License-Identifier: Apache-2.0 */
/* gro.c - Which frame goes to which train, and what is finished.
 *
 * Most frames of a burst follow the one before: they are recognized by comparing all of their headers at once with those of the train's
 * first frame (gro_shape), in which case nothing is parsed, because headers that are equal lie where those do, and what was
 * found out about the first holds for them. Everything else goes the long way. */
#include "packet/gro.h"

#include <stdlib.h>

#include "packet/csum.h"
#include "packet/gro_train.h"

enum {
	/* A train of more than one frame is kept until it is recycled. */
	TRAINS = GRO_TRAINS_MAX + GRO_FRAMES_MAX / 2,
	PORTS_LEN = 4,
};

/* An open train, and what tells at a glance that a frame is not of its flow. */
struct open_train {
	struct train *train;
	uint32_t ports;
	uint32_t l4_off;
};

struct gro {
	bool udp;
	unsigned n_open, n_idle, n_done; /* the trains: open, not in use, ended and not recycled */
	unsigned n_in;                   /* frames pushed and not recycled */
	unsigned n_finished, n_popped;   /* of them */
	unsigned n_ready, ready_at;
	struct open_train open[GRO_TRAINS_MAX]; /* oldest first */
	struct train *idle[TRAINS];
	struct train *done[TRAINS];
	struct gro_out ready[GRO_FRAMES_MAX];
	struct train trains[TRAINS] cache_aligned;
};

struct gro *gro_create(bool udp)
{
	struct gro *g = aligned_alloc(CACHE_LINE, sizeof(*g));

	if (!g)
		return NULL;
	memset(g, 0, offsetof(struct gro, trains));
	g->udp = udp;
	g->n_idle = TRAINS;
	for (unsigned i = 0; i < TRAINS; i++)
		g->idle[i] = &g->trains[TRAINS - 1 - i];
	return g;
}

void gro_destroy(struct gro *g)
{
	free(g);
}

unsigned gro_room(const struct gro *g)
{
	return GRO_FRAMES_MAX - g->n_in;
}

unsigned gro_held(const struct gro *g)
{
	return g->n_in - g->n_popped;
}

/* Finished frames */

static void finish(struct gro *g, struct frame *f, struct frame *const *pieces, unsigned n)
{
	struct gro_out *out = &g->ready[g->n_ready++];

	out->frame = f;
	out->pieces = pieces ? pieces : &out->frame;
	out->n_pieces = n;
	g->n_finished += n;
}

const struct gro_out *gro_pop(struct gro *g)
{
	const struct gro_out *out;

	if (g->ready_at == g->n_ready)
		return NULL;
	out = &g->ready[g->ready_at++];
	g->n_popped += out->n_pieces;
	return out;
}

void gro_recycle(struct gro *g)
{
	if (g->ready_at < g->n_ready)
		return;
	while (g->n_done > 0)
		g->idle[g->n_idle++] = g->done[--g->n_done];
	g->n_in -= g->n_finished;
	g->n_finished = g->n_popped = 0;
	g->n_ready = g->ready_at = 0;
}

/* g->open[at] */
static void end_train(struct gro *g, unsigned at)
{
	struct train *t = g->open[at].train;

	train_end(t);
	if (train_n_frames(t) > 1) {
		finish(g, t->frames[0], t->frames, train_n_frames(t));
		g->done[g->n_done++] = t;
	} else {
		finish(g, t->frames[0], NULL, 1);
		g->idle[g->n_idle++] = t;
	}
	g->n_open--;
	memmove(&g->open[at], &g->open[at + 1], (g->n_open - at) * sizeof(g->open[0]));
}

void gro_flush(struct gro *g, uint64_t begun_ns)
{
	while (g->n_open > 0 && g->open[0].train->begun_ns <= begun_ns)
		end_train(g, 0);
}

/* The long way */

/* Index into g->open, of the train of the flow that `f` belongs to, or -1. */
static int find_train(const struct gro *g, const struct frame *f)
{
	for (int at = (int)g->n_open - 1; at >= 0; at--) {
		const struct open_train *o = &g->open[at];

		if (f->head_len >= o->l4_off + PORTS_LEN && load_raw32(f->head + o->l4_off) == o->ports &&
		    gro_same_flow(o->train->frames[0]->head, &o->train->first, f->head))
			return at;
	}
	return -1;
}

static void begin_train(struct gro *g, struct frame *f, const struct gro_info *info, uint64_t now_ns)
{
	struct train *t;

	if (g->n_open == GRO_TRAINS_MAX)
		end_train(g, 0);
	t = g->idle[--g->n_idle];
	train_begin(t, f, info, now_ns);
	g->open[g->n_open++] = (struct open_train){ t, info->ports, info->l4_off };
}

static bool extend(struct gro *g, unsigned at, struct frame *f, const struct gro_info *info)
{
	struct train *t = g->open[at].train;
	bool ends;

	if (info->payload_off != t->first.payload_off || !gro_same_headers(t->frames[0]->head, &t->first, f->head) ||
	    !train_extend(t, f, &ends))
		return false;
	if (ends)
		end_train(g, at);
	return true;
}

static void push_the_long_way(struct gro *g, struct frame *f, uint64_t now_ns)
{
	struct gro_info info;
	enum gro_class class = gro_classify(f, g->udp, &info);
	int at = class >= GRO_END ? find_train(g, f) : -1;

	if (class == GRO_MERGE && at >= 0 && extend(g, (unsigned)at, f, &info))
		return;
	if (at >= 0)
		end_train(g, (unsigned)at);
	if (class == GRO_MERGE && !(info.tcp_flags & (TCP_FIN | TCP_PSH)) && train_can_begin(f)) {
		begin_train(g, f, &info, now_ns);
		return;
	}
	if (class != GRO_PASS && class != GRO_END)
		gro_set_valid(f);
	finish(g, f, NULL, 1);
}

/* The short way */

/* A head has room for FRAME_HEAD_MAX bytes, so that many may be read; what is not the frame's is compared with nothing that matters:
 * train_expects() knows the length. Ports further out than a shape are those of a train without one. */
static struct train *find_expecting(const struct gro *g, const struct frame *f)
{
	for (unsigned at = g->n_open; at-- > 0;) {
		const struct open_train *o = &g->open[at];

		if (o->l4_off < GRO_SHAPE_MAX && load_raw32(f->head + o->l4_off) == o->ports &&
		    train_expects(o->train, f))
			return o->train;
	}
	return NULL;
}

static bool is_valid(const struct frame *f, const struct train *t)
{
	return ((f->offload.flags & (OFFLOAD_DATA_VALID | OFFLOAD_NEEDS_CSUM)) == OFFLOAD_DATA_VALID &&
		!t->first.has_ext) ||
	       gro_sum_is_good(f, &t->first);
}

void gro_push(struct gro *g, struct frame *frames, unsigned n, uint64_t now_ns)
{
	g->n_in += n;
	for (struct frame *f = frames; f < frames + n; f++) {
		struct train *t = find_expecting(g, f);

		if (t && is_valid(f, t))
			train_extend_expected(t, f);
		else
			push_the_long_way(g, f, now_ns);
	}
}
