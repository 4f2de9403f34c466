/* SPDX-License-Identifier: Apache-2.0 */
/* test_gro.c - What was cut and is coalesced is what it was; what was coalesced and is cut is what it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "guard.h"
#include "layout.h"
#include "packet/csum.h"
#include "packet/drop_reason.h"
#include "packet/gro.h"
#include "packet/offload_fit.h"
#include "packets.h"

/* Returns what is left to be done to each. */
static struct offload cut_for(struct frame *f, uint32_t caps, struct frames *out)
{
	struct offload left = f->offload;
	struct offload_fit fit;
	const struct frame *seg;

	if (offload_passes(f, caps)) {
		layout_write_copy(out, f, 1);
		return left;
	}
	assert_true(offload_fit_begin(&fit, f, caps) >= 1);
	while ((seg = offload_fit_next(&fit))) {
		layout_write_copy(out, seg, 1);
		left = seg->offload;
	}
	return left;
}

static void cut(struct frame *f, struct frames *out)
{
	cut_for(f, 0, out);
}

/* Frames in memory of their own, as a port without offloads receives them. */
struct received {
	struct layout *l[GRO_FRAMES_MAX];
	unsigned n;
};

static void receive_undone(struct received *r, struct gro *g, struct bytes b, unsigned how, uint64_t now_ns,
			   const struct offload *undone)
{
	struct layout *l = layout_create(b, how);

	l->frame.offload = *undone;
	l->frame.rx_id = (uint16_t)r->n;
	r->l[r->n++] = l;
	assert_true(gro_room(g) > 0);
	gro_push(g, &l->frame, 1, now_ns);
}

static void receive(struct received *r, struct gro *g, struct bytes b, unsigned how, uint64_t now_ns)
{
	receive_undone(r, g, b, how, now_ns, &(struct offload){ 0 });
}

static void received_free(struct received *r)
{
	while (r->n > 0)
		layout_destroy(r->l[--r->n]);
}

static struct frame *pop(struct gro *g)
{
	const struct gro_out *out = gro_pop(g);

	return out ? out->frame : NULL;
}

/* There has to be one. */
static struct frame *pop_one(struct gro *g)
{
	struct frame *f = pop(g);

	if (!f)
		abort();
	return f;
}

static struct packet random_mergeable(uint64_t *seed)
{
	struct packet p = {
		.v6 = random_below(seed, 2),
		.udp = random_below(seed, 2),
		.df = random_below(seed, 2),
		.n_tags = (uint8_t)random_below(seed, 4),
		.ext_units = (uint8_t)(random_below(seed, 3) ? 0 : random_below(seed, 10)),
		.tcp_opt_words = (uint8_t)random_below(seed, 11),
		.tcp_flags = (uint8_t)(0x10 | random_below(seed, 2) * 0x40 |
				       random_below(seed, 4) * (random_below(seed, 2) ? 8 : 1)),
		.tos = (uint8_t)random_next(seed),
		.id = (uint16_t)random_next(seed),
		.window = (uint16_t)random_next(seed),
		.seq = (uint32_t)random_next(seed),
		.partial = true,
		.gso_size = (uint16_t)(7 + random_below(seed, 9000)),
	};

	p.tcp_flags &= 0x59; /* FIN, PSH, ACK, ECE */
	p.payload_len = p.gso_size + 1 + random_below(seed, MIN(64000u - p.gso_size, p.gso_size * 63u));
	return p;
}

/* segment, then coalesce: the original, header and request included. Every other time the checksums are left undone. */
static void whole_again(void **state)
{
	static uint8_t whole[PACKET_ROOM];
	uint64_t seed = 5;

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		struct packet spec = random_mergeable(&seed);
		struct offload o;
		struct packet_map m = packet_build(whole, &spec, round, &o);
		struct layout *l = layout_create((struct bytes){ whole, m.len }, 0);
		struct gro *g = gro_create(true);
		struct frames segs = { 0 }, out = { 0 };
		struct received r = { 0 };
		struct offload undone;
		struct frame *f;

		l->frame.offload = o;
		undone = cut_for(&l->frame, round % 2 ? OFFLOAD_CAP_CSUM : 0, &segs);
		assert_int_equal(undone.flags, round % 2 ? OFFLOAD_NEEDS_CSUM : 0);
		for (size_t i = 0; i < segs.n; i++)
			receive_undone(&r, g, segs.at[i], round % 3, 0, &undone);
		gro_flush(g, GRO_FLUSH_ALL);
		f = pop(g);
		assert_non_null(f);
		assert_null(pop(g));
		layout_write_copy(&out, f, 1);
		assert_int_equal(f->len, m.len);
		assert_memory_equal(out.at[0].data, whole, m.len);
		assert_memory_equal(&f->offload, &o, sizeof(o));
		frames_free(&segs);
		frames_free(&out);
		received_free(&r);
		gro_destroy(g);
		layout_destroy(l);
	}
}

/* One frame of a stream in which things go wrong. */
static struct packet next_of_stream(struct packet *s, uint64_t *seed)
{
	struct packet p;

	s->payload_len = random_below(seed, 8) ? 1000 : random_below(seed, 1200);
	switch (random_below(seed, 24)) {
	case 0:
		s->tos ^= 3;
		break;
	case 1:
		s->ack += 100;
		break;
	case 2:
		s->window ^= 1;
		break;
	case 3:
		s->id = (uint16_t)(s->id + 7);
		break;
	case 4:
		s->seq += 1000;
		break;
	case 5:
		s->seq -= 1000;
		break;
	case 6:
		s->tcp_opt_words = (uint8_t)(3 - s->tcp_opt_words);
		break;
	case 7:
		s->id--;
		break;
	}
	p = *s;
	p.tcp_flags = 0x10;
	if (random_below(seed, 10) == 0)
		p.tcp_flags |= (uint8_t)random_next(seed);
	s->seq += p.payload_len;
	s->id++;
	return p;
}

enum { FLOWS = 6 };

struct stream {
	struct frames in;
	uint8_t flow[GRO_FRAMES_MAX];
	bool spoiled[GRO_FRAMES_MAX]; /* wrong checksum */
};

static void make_stream(struct stream *s, uint64_t *seed)
{
	static uint8_t buf[PACKET_ROOM];
	struct packet flows[FLOWS] = { 0 };
	unsigned n = 1 + random_below(seed, GRO_FRAMES_MAX);

	for (unsigned i = 0; i < FLOWS; i++) {
		flows[i].v6 = i & 1;
		flows[i].udp = i >= 4;
		flows[i].port = (uint16_t)i;
		flows[i].n_tags = (uint8_t)random_below(seed, 3);
	}
	for (unsigned i = 0; i < n; i++) {
		unsigned flow = random_below(seed, FLOWS);
		struct packet p = next_of_stream(&flows[flow], seed);
		struct offload o;
		struct packet_map m = packet_build(buf, &p, i, &o);

		s->flow[i] = (uint8_t)flow;
		s->spoiled[i] = random_below(seed, 40) == 0;
		if (s->spoiled[i])
			buf[m.l4 + 4] ^= 0x55; /* sequence number, UDP length */
		memcpy(frames_add(&s->in, m.len), buf, m.len);
	}
}

/* `got` has the frames of the stream, each once; those of a flow in order, but that one with a wrong checksum may overtake. */
static void same_frames(const struct stream *s, const struct frames *got)
{
	bool taken[GRO_FRAMES_MAX] = { false };
	size_t next[FLOWS] = { 0 };

	assert_int_equal(got->n, s->in.n);
	for (size_t i = 0; i < got->n; i++) {
		size_t k = 0;

		while (k < s->in.n && (taken[k] || s->in.at[k].len != got->at[i].len ||
				       memcmp(s->in.at[k].data, got->at[i].data, got->at[i].len) != 0))
			k++;
		assert_true(k < s->in.n);
		taken[k] = true;
		if (s->spoiled[k])
			continue;
		assert_true(k >= next[s->flow[k]]);
		next[s->flow[k]] = k;
	}
}

/* coalesce, then segment: every frame as it was */
static void streams_come_back(void **state)
{
	uint64_t seed = 6;
	size_t n_in = 0, n_out = 0;

	(void)state;
	for (unsigned round = 0; round < 500; round++) {
		struct gro *g = gro_create(true);
		struct frames got = { 0 };
		struct stream s = { 0 };
		struct received r = { 0 };
		struct frame *f;

		make_stream(&s, &seed);
		for (size_t i = 0; i < s.in.n; i++)
			receive(&r, g, s.in.at[i], round % LAYOUTS, 0);
		gro_flush(g, GRO_FLUSH_ALL);
		while ((f = pop(g))) {
			n_out++;
			cut(f, &got);
		}
		assert_int_equal(gro_held(g), 0);
		same_frames(&s, &got);
		n_in += s.in.n;
		frames_free(&s.in);
		frames_free(&got);
		received_free(&r);
		gro_destroy(g);
	}
	/* It did merge. */
	assert_true(n_out < n_in * 3 / 4);
}

/* Push frame `i` of a TCP flow, 1000 bytes each. */
static void push_nth(struct received *r, struct gro *g, uint16_t flow, uint32_t i, uint64_t now_ns)
{
	static uint8_t buf[PACKET_ROOM];
	struct packet p = { .port = flow, .seq = 1000 * i, .id = (uint16_t)i, .payload_len = 1000 };
	struct offload o;
	struct packet_map m = packet_build(buf, &p, i, &o);

	receive(r, g, (struct bytes){ buf, m.len }, 0, now_ns);
}

static void hold_for_a_time(void **state)
{
	struct gro *g = gro_create(false);
	struct received r = { 0 };
	const struct gro_out *out;
	struct frame *f;

	(void)state;
	push_nth(&r, g, 1, 0, 1000);
	push_nth(&r, g, 2, 0, 2000);
	gro_flush(g, 999);
	assert_null(pop(g));
	assert_int_equal(gro_held(g), 2);
	push_nth(&r, g, 1, 1, 3000); /* its train began at 1000 */
	gro_flush(g, 1500);
	f = pop_one(g);
	assert_int_equal(f->len, 54 + 2000);
	assert_int_equal(f->rx_id, 0);
	assert_null(pop(g));
	assert_int_equal(gro_held(g), 1);
	/* What was popped goes, what is held stays. */
	gro_recycle(g);
	assert_int_equal(gro_room(g), GRO_FRAMES_MAX - 1);
	push_nth(&r, g, 2, 1, 4000);
	push_nth(&r, g, 2, 2, 4000);
	gro_flush(g, GRO_FLUSH_ALL);
	gro_recycle(g); /* nothing, while something waits */
	assert_int_equal(gro_room(g), GRO_FRAMES_MAX - 3);
	out = gro_pop(g);
	assert_int_equal(out->frame->len, 54 + 3000);
	assert_int_equal(out->n_pieces, 3);
	assert_ptr_equal(out->frame, out->pieces[0]);
	assert_int_equal(out->pieces[0]->rx_id, 1);
	assert_int_equal(out->pieces[1]->rx_id, 3);
	assert_int_equal(out->pieces[2]->rx_id, 4);
	gro_recycle(g);
	assert_int_equal(gro_held(g), 0);
	assert_int_equal(gro_room(g), GRO_FRAMES_MAX);
	received_free(&r);
	gro_destroy(g);
}

/* Room comes back, round after round; frames that wait to be popped take room, too. */
static void room(void **state)
{
	struct gro *g = gro_create(false);

	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		struct received r = { 0 };
		const struct gro_out *out;
		unsigned n = 0;

		for (; gro_room(g) > 0; n++)
			push_nth(&r, g, (uint16_t)(n % 50), n / 50, 0); /* more flows than trains */
		assert_int_equal(n, GRO_FRAMES_MAX);
		assert_int_equal(gro_held(g), GRO_FRAMES_MAX);
		gro_flush(g, GRO_FLUSH_ALL);
		assert_int_equal(gro_room(g), 0);
		while ((out = gro_pop(g)))
			n -= out->n_pieces;
		assert_int_equal(n, 0);
		gro_recycle(g);
		received_free(&r);
	}
	gro_destroy(g);
}

/* Every frame of two makes a train that has to be kept. */
static void many_trains(void **state)
{
	struct gro *g = gro_create(false);
	struct received r = { 0 };
	const struct gro_out *out;
	unsigned n = 0;

	(void)state;
	for (uint16_t flow = 0; flow < GRO_FRAMES_MAX / 2; flow++) {
		push_nth(&r, g, flow, 0, 0);
		push_nth(&r, g, flow, 1, 0);
	}
	gro_flush(g, GRO_FLUSH_ALL);
	while ((out = gro_pop(g))) {
		assert_int_equal(out->n_pieces, 2);
		n++;
	}
	assert_int_equal(n, GRO_FRAMES_MAX / 2);
	received_free(&r);
	gro_destroy(g);
}

/* A port that knows that a checksum is right is believed. */
static void valid_already(void **state)
{
	static uint8_t buf[PACKET_ROOM];
	struct packet p = { .payload_len = 500 };
	struct offload o;
	struct packet_map m = packet_build(buf, &p, 1, &o);
	struct gro *g = gro_create(false);
	struct layout *l;
	struct frame *f;

	(void)state;
	buf[m.payload] ^= 1;
	l = layout_create((struct bytes){ buf, m.len }, 0);
	gro_push(g, &l->frame, 1, 0);
	f = pop_one(g); /* at once */
	assert_int_equal(f->offload.flags, 0);
	l->frame.offload.flags = OFFLOAD_DATA_VALID;
	gro_push(g, &l->frame, 1, 0);
	assert_null(pop(g));
	gro_flush(g, 0);
	assert_int_equal(pop_one(g)->offload.flags, OFFLOAD_DATA_VALID);
	layout_destroy(l);
	gro_destroy(g);
}

/* Two datagrams, the second with a request that cannot be its own; they come out as they went in, and in order. */
static void undone_wrongly(void **state)
{
	static const struct {
		int start, offset, spoil;
		unsigned n_out;
	} rows[] = {
		{ 0, 0, 0, 1 }, /* nothing is wrong */
		{ 0, 0, 1, 2 },
		{ 2, 0, 0, 2 },
		{ 0, 4, 0, 2 },
	};
	static uint8_t buf[2][PACKET_ROOM];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct gro *g = gro_create(true);
		struct received r = { 0 };
		struct frame *f;
		unsigned n = 0;

		for (unsigned k = 0; k < 2; k++) {
			struct packet p = { .udp = true, .partial = true, .payload_len = 100, .id = (uint16_t)(7 + k) };
			struct offload o;
			struct packet_map m = packet_build(buf[k], &p, k, &o);

			assert_int_equal(o.flags, OFFLOAD_NEEDS_CSUM);
			if (k == 1) {
				buf[k][o.csum_start + o.csum_offset] ^= (uint8_t)rows[i].spoil;
				o.csum_start = (uint16_t)(o.csum_start + rows[i].start);
				o.csum_offset = (uint16_t)(o.csum_offset + rows[i].offset);
			}
			receive_undone(&r, g, (struct bytes){ buf[k], m.len }, 0, 0, &o);
		}
		gro_flush(g, GRO_FLUSH_ALL);
		while ((f = pop(g))) {
			assert_int_equal(f->rx_id, n);
			assert_int_equal(f->offload.flags, OFFLOAD_NEEDS_CSUM);
			assert_int_equal(f->offload.gso_type, rows[i].n_out == 1 ? GSO_UDP_L4 : GSO_NONE);
			n++;
		}
		assert_int_equal(n, rows[i].n_out);
		received_free(&r);
		gro_destroy(g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(undone_wrongly),  cmocka_unit_test(whole_again), cmocka_unit_test(streams_come_back),
		cmocka_unit_test(hold_for_a_time), cmocka_unit_test(room),        cmocka_unit_test(many_trains),
		cmocka_unit_test(valid_already),
	};

	csum_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
