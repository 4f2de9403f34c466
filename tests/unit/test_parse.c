/* SPDX-License-Identifier: Apache-2.0 */
/* test_parse.c - Headers of all kinds, whole and cut off at every byte, in front of a page that may not be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/compiler.h"
#include "guard.h"
#include "packet/parse.h"
#include "packets.h"

static const struct packet kinds[] = {
	{ .payload_len = 10 },
	{ .udp = true, .payload_len = 1 },
	{ .v6 = true },
	{ .v6 = true, .udp = true, .n_tags = 1 },
	{ .n_tags = 2, .ip_opt_words = 10, .tcp_opt_words = 10, .payload_len = 3 },
	{ .v6 = true, .n_tags = 3, .ext_units = 3, .tcp_opt_words = 3, .payload_len = 3 },
	{ .v6 = true, .ext_units = 64, .udp = true },
};

static void find_all_headers(void **state)
{
	static uint8_t buf[PACKET_ROOM];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct packet *k = &kinds[i];
		struct offload o;
		struct packet_map m = packet_build(buf, k, i, &o);
		struct parsed p;

		assert_true(parse_frame(buf, m.len, &p));
		assert_int_equal(p.l3, k->v6 ? PARSE_L3_IPV6 : PARSE_L3_IPV4);
		assert_int_equal(p.ethertype, k->v6 ? 0x86dd : 0x0800);
		assert_int_equal(p.l3_off, m.l3);
		assert_int_equal(p.l4_off, m.l4);
		assert_int_equal(p.payload_off, m.payload);
		assert_int_equal(p.l4_proto, k->udp ? 17 : 6);
		assert_int_equal(buf[p.nexthdr_off], p.l4_proto);
		assert_int_equal(p.n_tags, MIN(k->n_tags, PARSE_TAGS_MAX));
		for (unsigned t = 0; t < p.n_tags; t++)
			assert_int_equal(p.tci[t], 100 + t);
		assert_int_equal(p.flags,
				 (k->ip_opt_words ? PARSE_IP_OPTIONS : 0) | (k->ext_units ? PARSE_EXT_HDR : 0));
	}
}

/* Whatever is cut off, nothing beyond the end is read, and no offset points there. */
static void stop_at_the_end(void **state)
{
	static uint8_t buf[PACKET_ROOM];
	struct guarded mem = guarded_alloc(4096);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct offload o;
		struct packet_map m = packet_build(buf, &kinds[i], i, &o);

		for (size_t len = 0; len < m.len; len++) {
			struct parsed p;
			bool whole;

			memcpy(mem.end - len, buf, len);
			whole = parse_frame(mem.end - len, len, &p);
			assert_int_equal(whole, len >= m.payload);
			assert_int_equal(!(p.flags & PARSE_TRUNCATED), whole);
			assert_true(p.l3_off <= len && p.l4_off <= len && p.payload_off <= len);
		}
	}
	guarded_free(mem);
}

static void never_beyond_the_end(void **state)
{
	struct guarded mem = guarded_alloc(4096);
	static uint8_t buf[PACKET_ROOM];
	uint64_t seed = 7;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		struct offload o;
		struct packet_map m = packet_build(buf, &kinds[i % ARRAY_SIZE(kinds)], i, &o);
		size_t len = random_below(&seed, (unsigned)m.len + 1);
		uint8_t *frame = mem.end - len;
		struct parsed p, inner;
		uint16_t inner_off = 0;

		memcpy(frame, buf, len);
		for (unsigned k = 0; k < 4 && len > 12; k++)
			frame[12 + random_below(&seed, (unsigned)MIN(len - 12, 60))] = (uint8_t)random_next(&seed);
		parse_frame(frame, len, &p);
		assert_true(p.l3_off <= len && p.l4_off <= len && p.payload_off <= len && p.nexthdr_off <= len);
		parse_ip(frame, len, random_below(&seed, (unsigned)len + 1), &p);
		assert_true(p.l3_off <= len && p.l4_off <= len && p.payload_off <= len && p.nexthdr_off <= len);
		parse_frame(frame, len, &p);
		if (parse_tunnel(frame, len, &p, &inner, &inner_off))
			assert_true(inner_off <= len && inner.payload_off <= len);
	}
	guarded_free(mem);
}

static void fragments(void **state)
{
	static uint8_t buf[PACKET_ROOM];
	static const struct {
		uint16_t field;
		uint8_t flags;
	} rows[] = {
		{ 0x4000, 0 },
		{ 0x8000, 0 },
		{ 0x2000, PARSE_FRAGMENT },
		{ 0x0001, PARSE_FRAGMENT | PARSE_NOT_FIRST },
		{ 0x3fff, PARSE_FRAGMENT | PARSE_NOT_FIRST },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct packet spec = { .udp = true, .payload_len = 8 };
		struct offload o;
		struct packet_map m = packet_build(buf, &spec, 1, &o);
		struct parsed p;

		buf[m.l3 + 6] = (uint8_t)(rows[i].field >> 8);
		buf[m.l3 + 7] = (uint8_t)rows[i].field;
		assert_true(parse_frame(buf, m.len, &p));
		assert_int_equal(p.flags, rows[i].flags);
		assert_int_equal(p.l4_off, rows[i].flags & PARSE_NOT_FIRST ? 0 : m.l4);
	}
}

static void ipv6_fragments(void **state)
{
	/* next header TCP, offset 0 and 8, identification */
	static const uint8_t atomic[8] = { 6, 0, 0, 0, 1, 2, 3, 4 };
	static uint8_t buf[PACKET_ROOM];
	struct packet spec = { .v6 = true, .ext_units = 1 };
	struct offload o;
	struct packet_map m = packet_build(buf, &spec, 1, &o);
	struct parsed p;

	(void)state;
	buf[m.l3 + 6] = 44;
	memcpy(buf + m.l3 + 40, atomic, sizeof(atomic));
	assert_true(parse_frame(buf, m.len, &p));
	assert_int_equal(p.flags, PARSE_FRAGMENT);
	assert_int_equal(p.l4_off, m.l4);
	buf[m.l3 + 43] = 8;
	assert_true(parse_frame(buf, m.len, &p));
	assert_int_equal(p.flags, PARSE_FRAGMENT | PARSE_NOT_FIRST);
	assert_int_equal(p.l4_off, 0);
	assert_int_equal(p.l4_proto, 6);
}

static void malformed(void **state)
{
	static const struct {
		size_t at; /* from the IP header on */
		uint8_t value;
	} rows[] = { { 0, 0x44 }, { 0, 0x65 }, { 0, 0x00 }, { 20 + 12, 0x40 }, { 20 + 12, 0x00 } };
	static uint8_t buf[PACKET_ROOM];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct packet spec = { .payload_len = 100 };
		struct offload o;
		struct packet_map m = packet_build(buf, &spec, 1, &o);
		struct parsed p;

		buf[m.l3 + rows[i].at] = rows[i].value;
		assert_false(parse_frame(buf, m.len, &p));
		assert_true(p.flags & PARSE_MALFORMED);
	}
}

static void neighbours(void **state)
{
	uint8_t arp[42] = { [12] = 8, 6, 0, 1, 8, 0, 6, 4, 0, 1 };
	static uint8_t nd[PACKET_ROOM];
	struct packet spec = { .v6 = true, .payload_len = 40 };
	struct offload o;
	struct packet_map m = packet_build(nd, &spec, 1, &o);
	struct parsed p;

	(void)state;
	assert_true(parse_frame(arp, sizeof(arp), &p));
	assert_int_equal(p.l3, PARSE_L3_ARP);
	assert_int_equal(p.l3_off, 14);
	assert_false(parse_frame(arp, sizeof(arp) - 1, &p));
	arp[18] = 8;
	assert_false(parse_frame(arp, sizeof(arp), &p));

	nd[m.l3 + 6] = 58;
	nd[m.l4] = 135;
	assert_true(parse_frame(nd, m.len, &p));
	assert_int_equal(p.flags, PARSE_ND);
	nd[m.l4] = 128;
	assert_true(parse_frame(nd, m.len, &p));
	assert_int_equal(p.flags, 0);
}

static void tunnels(void **state)
{
	static uint8_t buf[PACKET_ROOM];

	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		struct packet spec = { .tunnel = i & 1 ? TUNNEL_VXLAN : TUNNEL_GENEVE,
				       .tunnel_v6 = i & 2,
				       .v6 = i & 4,
				       .udp = i & 8,
				       .n_tags = (uint8_t)(i % 3),
				       .payload_len = 30 };
		struct offload o;
		struct packet_map m = packet_build(buf, &spec, i, &o);
		struct parsed p, inner;
		uint16_t off;

		assert_true(parse_frame(buf, m.len, &p));
		assert_int_equal(p.l3_off, m.outer_l3);
		assert_int_equal(p.l4_off, m.outer_l4);
		assert_true(parse_tunnel(buf, m.len, &p, &inner, &off));
		assert_int_equal(off, m.l3 - 14 - 4 * (i % 3));
		assert_int_equal(inner.l3_off, m.l3);
		assert_int_equal(inner.l4_off, m.l4);
		assert_int_equal(inner.payload_off, m.payload);
		assert_int_equal(inner.n_tags, spec.n_tags % 3);
		assert_false(parse_tunnel(buf, m.payload - 1, &p, &inner, &off));
		buf[m.outer_l4 + 2] ^= 1; /* another port */
		assert_false(parse_tunnel(buf, m.len, &p, &inner, &off));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(find_all_headers),     cmocka_unit_test(stop_at_the_end),
		cmocka_unit_test(never_beyond_the_end), cmocka_unit_test(fragments),
		cmocka_unit_test(ipv6_fragments),       cmocka_unit_test(malformed),
		cmocka_unit_test(neighbours),           cmocka_unit_test(tunnels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
