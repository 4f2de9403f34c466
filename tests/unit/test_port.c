/* SPDX-License-Identifier: Apache-2.0 */
/* test_port.c - Names and counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "port/port.h"

static const struct port_ops ops = { .type = "test" };

static void test_init(void **state)
{
	struct port port;

	(void)state;
	assert_int_equal(port_init(&port, &ops, "a name with more than the thirty-one characters", 3), 0);
	assert_string_equal(port.name, "a name with more than the thirt");
	assert_int_equal(port.n_queues, 3);
	assert_int_equal((uintptr_t)port.queues % CACHE_LINE, 0);
	port_deinit(&port);
}

static void test_count_frame(void **state)
{
	static const struct {
		uint8_t first_byte, flags, gso_type;
		uint16_t segs_sent;
		unsigned multicast, csum_partial, gso;
	} rows[] = {
		{ 0x52, 0, GSO_NONE, 0, 0, 0, 0 },
		{ 0x33, 0, GSO_NONE, 0, 1, 0, 0 },
		{ 0xff, OFFLOAD_NEEDS_CSUM, GSO_NONE, 0, 1, 1, 0 },
		{ 0x02, OFFLOAD_NEEDS_CSUM, GSO_TCPV6, 0, 0, 1, 1 },
		{ 0x02, OFFLOAD_NEEDS_CSUM, GSO_TCPV4, 45, 0, 0, 0 }, /* cut into 45 segments: not passed */
		{ 0x02, OFFLOAD_DATA_VALID, GSO_NONE, 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct port_counters c = { 0 };
		struct frame f = {
			.head = (uint8_t *)&rows[i].first_byte,
			.len = 1000,
			.segs_sent = rows[i].segs_sent,
			.offload = { .flags = rows[i].flags, .gso_type = rows[i].gso_type },
		};

		port_count_frame(&c, &f);
		assert_int_equal(c.frames, 1);
		assert_int_equal(c.bytes, 1000);
		assert_int_equal(c.multicast, rows[i].multicast);
		assert_int_equal(c.csum_partial, rows[i].csum_partial);
		assert_int_equal(c.gso_frames, rows[i].gso);
	}
}

static void test_sum_covers_every_counter(void **state)
{
	struct port_counters rx, tx;
	struct port port;
	uint64_t *word;

	(void)state;
	assert_int_equal(port_init(&port, &ops, "p", PORT_QUEUES_MAX), 0);
	for (unsigned q = 0; q < PORT_QUEUES_MAX; q++) {
		port.queues[q].rx.frames = 1;
		port_count_drop(&port.queues[q].rx, DROP_PORT_GONE, 2);
		word = (uint64_t *)&port.queues[q].tx;
		for (size_t i = 0; i < sizeof(tx) / sizeof(*word); i++)
			word[i] = i;
	}
	port_counters_sum(&port, &rx, &tx);
	assert_int_equal(rx.frames, PORT_QUEUES_MAX);
	assert_int_equal(rx.bytes, 0);
	assert_int_equal(rx.drops[DROP_PORT_GONE], 2 * PORT_QUEUES_MAX);
	word = (uint64_t *)&tx;
	for (size_t i = 0; i < sizeof(tx) / sizeof(*word); i++)
		assert_int_equal(word[i], i * PORT_QUEUES_MAX);
	port_deinit(&port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_count_frame),
		cmocka_unit_test(test_sum_covers_every_counter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
