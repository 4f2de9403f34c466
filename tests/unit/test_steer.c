/* SPDX-License-Identifier: Apache-2.0 */
/* test_steer.c - Flows and their queues. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "packet/frame.h"
#include "packets.h"
#include "port/steer.h"

static struct steer *table;

static int setup(void **state)
{
	(void)state;
	table = steer_create();
	return table ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	steer_destroy(table);
	return 0;
}

static struct frame frame_of(uint8_t *buf, const struct packet *p, struct packet_map *map)
{
	struct offload o;

	*map = packet_build(buf, p, 1, &o);
	return (struct frame){ .head = buf,
			       .head_len = (uint16_t)MIN(map->len, (size_t)FRAME_HEAD_FIRST),
			       .len = (uint32_t)map->len };
}

static void swap(uint8_t *a, uint8_t *b, size_t len)
{
	uint8_t tmp[16];

	memcpy(tmp, a, len);
	memcpy(a, b, len);
	memcpy(b, tmp, len);
}

/* The same packet from the other end: addresses stand at byte 12 of IPv4, 8 of IPv6 (RFC 791, RFC 8200). */
static void turn_round(uint8_t *buf, const struct packet *p, const struct packet_map *map)
{
	uint8_t *ip = buf + map->l3, *l4 = buf + map->l4;

	if (p->v6)
		swap(ip + 8, ip + 24, 16);
	else
		swap(ip + 12, ip + 16, 4);
	swap(l4, l4 + 2, 2);
}

static const struct packet kinds[] = {
	{ .payload_len = 100 },
	{ .udp = true, .payload_len = 100 },
	{ .n_tags = 1, .payload_len = 100 },
	{ .n_tags = 2, .udp = true, .payload_len = 100 },
	{ .ip_opt_words = 3, .payload_len = 100 },
	{ .v6 = true, .payload_len = 100 },
	{ .v6 = true, .udp = true, .ext_units = 1, .payload_len = 100 },
};

static void test_both_directions_are_one_flow(void **state)
{
	static uint8_t buf[PACKET_ROOM];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct packet p = kinds[i];
		struct packet_map map;
		struct frame f = frame_of(buf, &p, &map);
		uint32_t there = steer_hash(&f);

		assert_int_not_equal(there, 0);
		turn_round(buf, &p, &map);
		assert_int_equal(steer_hash(&f), there);
		p.port = 7;
		f = frame_of(buf, &p, &map);
		assert_int_not_equal(steer_hash(&f), there); /* fails once in 2^32 keys */
	}
}

/* What a packet carries besides is not part of its flow. */
static void test_tags_and_options_are_not_the_flow(void **state)
{
	static uint8_t buf[PACKET_ROOM];
	struct packet_map map;
	struct frame plain = frame_of(buf, &kinds[0], &map);
	uint32_t hash = steer_hash(&plain);

	(void)state;
	for (size_t i = 2; i < 5; i += 2) {
		struct frame f = frame_of(buf, &kinds[i], &map);

		assert_int_equal(steer_hash(&f), hash);
	}
}

static void test_fragments_of_a_datagram_are_one_flow(void **state)
{
	static uint8_t buf[PACKET_ROOM];
	const struct packet p = { .udp = true, .payload_len = 100 };
	struct packet_map map;
	struct frame f = frame_of(buf, &p, &map);
	uint32_t first;

	(void)state;
	buf[map.l3 + 6] = 0x20; /* more fragments */
	first = steer_hash(&f);
	buf[map.l3 + 6] = 0;
	buf[map.l3 + 7] = 185; /* the last one, without ports */
	buf[map.l4] ^= 0xff;
	assert_int_equal(steer_hash(&f), first);
}

static void test_others_have_no_flow(void **state)
{
	static uint8_t arp[60] = { [12] = 0x08, [13] = 0x06 }, shortest[14] = { [12] = 0x08 };
	struct frame f = { .head = arp, .head_len = sizeof(arp), .len = sizeof(arp) };

	(void)state;
	assert_int_equal(steer_hash(&f), 0);
	f = (struct frame){ .head = shortest, .head_len = sizeof(shortest), .len = sizeof(shortest) };
	assert_int_equal(steer_hash(&f), 0);
}

static void test_choice_is_followed(void **state)
{
	(void)state;
	for (unsigned queue = 0; queue < 4; queue++) {
		steer_learn(table, 12345, queue, 100);
		assert_int_equal(steer_pick(table, 12345, 4), queue);
	}
	/* A choice that is not there any more: any that is. */
	assert_in_range(steer_pick(table, 12345, 3), 0, 2);
	assert_in_range(steer_pick(table, 12345, 1), 0, 0);
}

/* 65536 hashes that are spread evenly must fill four queues evenly. */
static void test_unknown_flows_are_spread(void **state)
{
	unsigned n[4] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 65536; i++)
		n[steer_pick(table, i << 16 | i, 4)]++;
	for (unsigned q = 0; q < 4; q++)
		assert_int_equal(n[q], 65536 / 4);
}

static unsigned count_known(uint32_t first, unsigned n, unsigned queue)
{
	unsigned known = 0;

	/* By the hash alone they would go to queue 0. */
	for (uint32_t i = 0; i < n; i++)
		known += steer_pick(table, first + i, 16) == queue;
	return known;
}

static void test_table_is_bounded_and_fair(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= STEER_FLOWS; i++)
		steer_learn(table, i, 7, 100);
	assert_int_equal(count_known(1, STEER_FLOWS, 7), STEER_FLOWS);
	/* Newcomers find no place while those send, ... */
	for (uint32_t i = 1; i <= STEER_FLOWS; i++)
		steer_learn(table, 100000 + i, 9, 100 + STEER_IDLE_S - 1);
	assert_int_equal(count_known(1, STEER_FLOWS, 7), STEER_FLOWS);
	assert_int_equal(count_known(100001, STEER_FLOWS, 9), 0);
	/* ... and take those of whoever stopped. */
	for (uint32_t i = 1; i <= STEER_FLOWS / 2; i++)
		steer_learn(table, i, 7, 102);
	for (uint32_t i = 1; i <= STEER_FLOWS; i++)
		steer_learn(table, 200000 + i, 11, 100 + STEER_IDLE_S);
	assert_int_equal(count_known(1, STEER_FLOWS / 2, 7), STEER_FLOWS / 2);
	assert_int_equal(count_known(1 + STEER_FLOWS / 2, STEER_FLOWS / 2, 7), 0);
	assert_int_equal(count_known(200001, STEER_FLOWS, 11), STEER_FLOWS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_both_directions_are_one_flow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tags_and_options_are_not_the_flow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fragments_of_a_datagram_are_one_flow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_others_have_no_flow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_choice_is_followed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_flows_are_spread, setup, teardown),
		cmocka_unit_test_setup_teardown(test_table_is_bounded_and_fair, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
