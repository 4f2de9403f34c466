/* SPDX-License-Identifier: Apache-2.0 */
/* test_gso.c - Random requests of every kind: each segment is a packet by the book, and together they carry what went in.
 *
 * Bit by bit the segments are compared with Linux's in test-vectors; here it is about all the combinations. */
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
#include "packet/offload_fit.h"
#include "packets.h"
#include "wire_check.h"

enum { ROUNDS = 3000, ETHERNET_AND_TAGS_MAX = 30 };

static struct packet random_packet(uint64_t *seed)
{
	struct packet p = {
		.v6 = random_below(seed, 2),
		.udp = random_below(seed, 2),
		.df = random_below(seed, 2),
		.n_tags = (uint8_t)random_below(seed, 4),
		.ip_opt_words = (uint8_t)(random_below(seed, 4) ? 0 : random_below(seed, 11)),
		.ext_units = (uint8_t)(random_below(seed, 4) ? 0 : random_below(seed, 60)),
		.tcp_opt_words = (uint8_t)random_below(seed, 11),
		.tcp_flags = (uint8_t)(random_below(seed, 3) ? 0x10 : random_next(seed)),
		.tos = (uint8_t)random_next(seed),
		.id = (uint16_t)random_next(seed),
		.window = (uint16_t)random_next(seed),
		.seq = (uint32_t)random_next(seed),
		.partial = true,
		.gso_size = (uint16_t)(1 + random_below(seed, random_below(seed, 2) ? 100 : 9000)),
	};

	p.payload_len = p.gso_size + 1 + random_below(seed, MIN(60000u - p.gso_size, p.gso_size * 100u));
	if (random_below(seed, 4) == 0) {
		p.tunnel = random_below(seed, 2) ? TUNNEL_VXLAN : TUNNEL_GENEVE;
		p.tunnel_v6 = random_below(seed, 2);
		p.tunnel_csum = random_below(seed, 2);
	} else if (p.udp && random_below(seed, 2)) {
		p.ufo = true;
		p.gso_size = (uint16_t)MAX(8, p.gso_size & ~7);
	}
	return p;
}

static void cut(struct frame *f, uint32_t caps, struct frames *out)
{
	struct offload_fit fit;
	const struct frame *seg;
	int n = offload_fit_begin(&fit, f, caps);

	assert_true(n > 1);
	while ((seg = offload_fit_next(&fit))) {
		struct frame copy = *seg;

		if (random_below(&(uint64_t){ seg->len }, 2))
			assert_true(layout_write_iov(out, &copy));
		else
			layout_write_copy(out, seg, 1);
		n--;
	}
	assert_int_equal(n, 0);
}

static void same_payload(const struct packet_map *m, const uint8_t *whole, const struct frames *segs)
{
	size_t pos = m->payload;

	for (size_t i = 0; i < segs->n; i++) {
		size_t n = segs->at[i].len - m->payload;

		assert_true(pos + n <= m->len);
		assert_memory_equal(segs->at[i].data + m->payload, whole + pos, n);
		pos += n;
	}
	assert_int_equal(pos, m->len);
}

static void same_datagram(const struct packet *spec, const struct packet_map *m, const uint8_t *whole,
			  const struct frames *fragments)
{
	struct frames one = { 0 };

	assert_true(wire_reassemble(fragments, &one));
	assert_null(wire_fault(one.at[0].data, one.at[0].len, 0));
	assert_int_equal(one.at[0].len, m->len);
	/* From UDP's ports to its length, and the payload; the checksum between them was found right. */
	assert_memory_equal(one.at[0].data + m->l4, whole + m->l4, 6);
	assert_memory_equal(one.at[0].data + m->payload, whole + m->payload, spec->payload_len);
	frames_free(&one);
}

static void check_by_the_book(const struct packet *spec, const struct packet_map *m, const struct frames *segs)
{
	for (size_t i = 0; i < segs->n; i++) {
		const char *fault = wire_fault(segs->at[i].data, segs->at[i].len, spec->tunnel ? m->l3 : 0);

		if (fault)
			fail_msg("segment %zu: %s", i, fault);
		if (!spec->ufo)
			assert_int_equal(segs->at[i].len - m->payload,
					 i + 1 < segs->n ? spec->gso_size
							 : (spec->payload_len - 1) % spec->gso_size + 1);
	}
}

static void segments_by_the_book(void **state)
{
	static uint8_t whole[PACKET_ROOM];
	uint64_t seed = 42;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct packet spec = random_packet(&seed);
		struct offload o;
		struct packet_map m = packet_build(whole, &spec, round, &o);
		struct layout *l = layout_create((struct bytes){ whole, m.len }, round % LAYOUTS);
		struct frames segs = { 0 };

		l->frame.offload = o;
		assert_int_equal(offload_check(&l->frame), DROP_NONE);
		assert_true(l->frame.offload.gso_type != GSO_NONE);
		cut(&l->frame, 0, &segs);
		check_by_the_book(&spec, &m, &segs);
		if (spec.ufo)
			same_datagram(&spec, &m, whole, &segs);
		else
			same_payload(&m, whole, &segs);
		frames_free(&segs);
		layout_destroy(l);
	}
}

/* With checksums left to the receiver, its completing them gives the same as doing all of it here. */
static void partial_segments_become_the_same(void **state)
{
	static uint8_t whole[PACKET_ROOM];
	uint64_t seed = 43;

	(void)state;
	for (unsigned round = 0; round < ROUNDS / 4; round++) {
		struct packet spec = random_packet(&seed);
		struct offload o;
		struct packet_map m = packet_build(whole, &spec, round, &o);
		struct layout *l = layout_create((struct bytes){ whole, m.len }, round % LAYOUTS);
		struct frames done = { 0 }, left = { 0 };
		struct offload_fit fit;
		const struct frame *seg;

		l->frame.offload = o;
		assert_int_equal(offload_check(&l->frame), DROP_NONE);
		if (spec.ufo) {
			layout_destroy(l);
			continue;
		}
		cut(&l->frame, 0, &done);
		assert_int_equal(offload_fit_begin(&fit, &l->frame, OFFLOAD_CAP_CSUM), done.n);
		while ((seg = offload_fit_next(&fit))) {
			struct frame copy = *seg;

			assert_true(offload_passes(seg, OFFLOAD_CAP_CSUM));
			assert_int_equal(seg->finish_csum, FINISH_CSUM_NONE);
			copy.finish_csum = spec.udp ? FINISH_CSUM : FINISH_CSUM_KEEP_0;
			layout_write_copy(&left, &copy, 2);
			assert_memory_equal(left.at[left.n - 1].data, done.at[left.n - 1].data, seg->len);
		}
		frames_free(&done);
		frames_free(&left);
		layout_destroy(l);
	}
}

/* A receiver that is full after any segment gets the rest later. */
static void go_on_anywhere(void **state)
{
	static uint8_t whole[PACKET_ROOM];
	uint64_t seed = 44;

	(void)state;
	for (unsigned round = 0; round < ROUNDS / 10; round++) {
		struct packet spec = random_packet(&seed);
		struct offload o;
		struct packet_map m = packet_build(whole, &spec, round, &o);
		struct layout *l = layout_create((struct bytes){ whole, m.len }, round % LAYOUTS);
		struct frames once = { 0 }, again = { 0 };

		l->frame.offload = o;
		assert_int_equal(offload_check(&l->frame), DROP_NONE);
		cut(&l->frame, 0, &once);
		if (spec.ufo && spec.v6) {
			/* Another identification by design, when it starts anew. */
			frames_free(&once);
			layout_destroy(l);
			continue;
		}
		for (size_t i = 0; i < once.n; i++) {
			struct offload_fit fit;

			l->frame.segs_sent = (uint16_t)i;
			assert_int_equal(offload_fit_begin(&fit, &l->frame, 0), once.n - i);
			layout_write_copy(&again, offload_fit_next(&fit), 1);
			assert_int_equal(again.at[i].len, once.at[i].len);
			assert_memory_equal(again.at[i].data, once.at[i].data, once.at[i].len);
		}
		l->frame.segs_sent = (uint16_t)once.n;
		assert_int_equal(offload_fit_begin(&(struct offload_fit){ 0 }, &l->frame, 0), -DROP_BAD_OFFLOAD);
		frames_free(&once);
		frames_free(&again);
		layout_destroy(l);
	}
}

/* The identification is the same for all fragments, resumed or not, and another for the next datagram. */
static void ipv6_fragment_ids(void **state)
{
	static uint8_t whole[PACKET_ROOM];
	struct packet spec = {
		.v6 = true, .udp = true, .ufo = true, .partial = true, .gso_size = 104, .payload_len = 1000
	};
	struct offload o;
	struct packet_map m = packet_build(whole, &spec, 1, &o);
	uint32_t ids[8];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
		struct layout *l = layout_create((struct bytes){ whole, m.len }, 0);
		struct offload_fit fit;
		uint32_t id;
		int n;

		l->frame.offload = o;
		n = offload_fit_begin(&fit, &l->frame, 0);
		memcpy(&ids[i], offload_fit_next(&fit)->head + m.l4 + 4, sizeof(id));
		for (unsigned sent = 1; sent < (unsigned)n; sent++) {
			l->frame.segs_sent = (uint16_t)sent;
			offload_fit_begin(&fit, &l->frame, 0);
			memcpy(&id, offload_fit_next(&fit)->head + m.l4 + 4, sizeof(id));
			assert_int_equal(id, ids[i]);
		}
		for (unsigned k = 0; k < i; k++)
			assert_int_not_equal(ids[i], ids[k]);
		layout_destroy(l);
	}
}

static int begin(const struct packet *spec, uint16_t gso_size,
		 void (*spoil)(uint8_t *frame, const struct packet_map *m))
{
	static uint8_t whole[PACKET_ROOM];
	struct offload o;
	struct packet_map m = packet_build(whole, spec, 1, &o);
	struct layout *l;
	struct offload_fit fit;
	int n;

	if (spoil)
		spoil(whole, &m);
	l = layout_create((struct bytes){ whole, m.len }, 0);
	l->frame.offload = o;
	l->frame.offload.gso_size = gso_size;
	n = offload_fit_begin(&fit, &l->frame, 0);
	layout_destroy(l);
	return n;
}

/* A sender cannot make us work on more packets than this. */
static void bounded(void **state)
{
	struct packet spec = { .partial = true, .gso_size = 1, .payload_len = FIT_SEGMENTS_MAX };

	(void)state;
	assert_int_equal(begin(&spec, 1, NULL), FIT_SEGMENTS_MAX);
	spec.payload_len++;
	assert_int_equal(begin(&spec, 1, NULL), -DROP_UNSUPPORTED);
	assert_int_equal(begin(&spec, 2, NULL), FIT_SEGMENTS_MAX / 2 + 1);
	spec.payload_len = 65495;
	assert_int_equal(begin(&spec, 32, NULL), 2047);
	assert_int_equal(begin(&spec, 31, NULL), -DROP_UNSUPPORTED);
	/* Headers of 14 + 40 + 8 * 116 + 20 = 1002 bytes are repeated, longer ones are not. */
	spec = (struct packet){ .v6 = true, .ext_units = 116, .partial = true, .gso_size = 900, .payload_len = 4000 };
	assert_int_equal(begin(&spec, 1000, NULL), 4);
	spec.ext_units = 120;
	assert_int_equal(begin(&spec, 1000, NULL), -DROP_UNSUPPORTED);
}

static void no_ihl(uint8_t *frame, const struct packet_map *m)
{
	frame[m->l3] = 0x44;
}

static void short_doff(uint8_t *frame, const struct packet_map *m)
{
	frame[m->l4 + 12] = 0x40;
}

static void other_protocol(uint8_t *frame, const struct packet_map *m)
{
	frame[m->l3 + 9] = 1;
}

static void other_ethertype(uint8_t *frame, const struct packet_map *m)
{
	frame[m->l3 - 1] = 0x06;
}

static void fragment(uint8_t *frame, const struct packet_map *m)
{
	frame[m->l3 + 6] = 0x20;
}

static void header_moved(uint8_t *frame, const struct packet_map *m)
{
	frame[m->l3] = 0x46;
}

/* What the headers do not bear out is dropped when somebody has to cut it. */
static void refuse_what_is_not_there(void **state)
{
	void (*const spoils[])(uint8_t *, const struct packet_map *) = { no_ihl,          short_doff, other_protocol,
									 other_ethertype, fragment,   header_moved };
	struct packet spec = { .partial = true, .gso_size = 900, .payload_len = 4000 };

	(void)state;
	assert_int_equal(begin(&spec, 900, NULL), 5);
	for (size_t i = 0; i < ARRAY_SIZE(spoils); i++)
		assert_int_equal(begin(&spec, 900, spoils[i]), -DROP_BAD_OFFLOAD);
	/* UFO: less than 8 bytes per fragment cannot be. */
	spec = (struct packet){ .udp = true, .ufo = true, .partial = true, .gso_size = 8, .payload_len = 400 };
	assert_int_equal(begin(&spec, 15, NULL), 51);
	assert_int_equal(begin(&spec, 7, NULL), -DROP_BAD_OFFLOAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_by_the_book),
		cmocka_unit_test(partial_segments_become_the_same),
		cmocka_unit_test(go_on_anywhere),
		cmocka_unit_test(ipv6_fragment_ids),
		cmocka_unit_test(bounded),
		cmocka_unit_test(refuse_what_is_not_there),
	};

	csum_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
