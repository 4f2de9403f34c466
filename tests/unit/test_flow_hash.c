/* SPDX-License-Identifier: Apache-2.0 */
/* test_flow_hash.c - Against the numbers that Microsoft publishes for its receive side scaling ("Verifying the RSS Hash Calculation"). */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/compiler.h"
#include "packet/flow_hash.h"
#include "packets.h"

static const struct {
	int family;
	const char *dst;
	uint16_t dport;
	const char *src;
	uint16_t sport;
	uint32_t addresses, ports;
} rows[] = {
	{ AF_INET, "161.142.100.80", 1766, "66.9.149.187", 2794, 0x323e8fc2, 0x51ccc178 },
	{ AF_INET, "65.69.140.83", 4739, "199.92.111.2", 14230, 0xd718262a, 0xc626b0ea },
	{ AF_INET, "12.22.207.184", 38024, "24.19.198.95", 12898, 0xd2d0a5de, 0x5c2b394a },
	{ AF_INET, "209.142.163.6", 2217, "38.27.205.30", 48228, 0x82989176, 0xafc7327f },
	{ AF_INET, "202.188.127.2", 1303, "153.39.163.191", 44251, 0x5d1809c5, 0x10e828a2 },
	{ AF_INET6, "3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x2cc18cd5, 0x40207d3d },
	{ AF_INET6, "ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0x0f0c461c, 0xdde51bbf },
	{ AF_INET6, "fe80::200:f8ff:fe21:67cf", 38024, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, 0x4b61e985,
	  0x02d1feef },
};

struct ends {
	const char *src, *dst;
	uint16_t sport, dport;
};

/* A TCP frame of these ends, and what the hash says. */
static uint32_t hash_of(const struct flow_hash *h, int family, struct ends e, bool fragment)
{
	static uint8_t buf[PACKET_ROOM];
	struct packet spec = { .v6 = family == AF_INET6, .payload_len = 10 };
	struct offload o;
	struct packet_map m = packet_build(buf, &spec, 1, &o);
	size_t addrs = m.l3 + (spec.v6 ? 8 : 12), addr_len = spec.v6 ? 16 : 4;
	uint16_t ports[2] = { htons(e.sport), htons(e.dport) };
	struct parsed p;

	assert_int_equal(inet_pton(family, e.src, buf + addrs), 1);
	assert_int_equal(inet_pton(family, e.dst, buf + addrs + addr_len), 1);
	memcpy(buf + m.l4, ports, sizeof(ports));
	if (fragment)
		buf[m.l3 + 6] = 0x20;
	assert_true(parse_frame(buf, m.len, &p));
	return flow_hash_frame(h, buf, &p);
}

static void published(void **state)
{
	struct flow_hash h;

	(void)state;
	flow_hash_init(&h, flow_hash_default_key, false);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ends e = { rows[i].src, rows[i].dst, rows[i].sport, rows[i].dport };
		uint8_t input[32];
		size_t n = rows[i].family == AF_INET ? 4 : 16;

		inet_pton(rows[i].family, rows[i].src, input);
		inet_pton(rows[i].family, rows[i].dst, input + n);
		assert_int_equal(flow_hash_bytes(&h, input, 2 * n), rows[i].addresses);
		assert_int_equal(hash_of(&h, rows[i].family, e, false), rows[i].ports);
		if (rows[i].family == AF_INET)
			assert_int_equal(hash_of(&h, AF_INET, e, true), rows[i].addresses);
	}
}

static void both_directions(void **state)
{
	static struct flow_hash plain, symmetric;

	(void)state;
	flow_hash_init(&plain, flow_hash_default_key, false);
	flow_hash_init(&symmetric, flow_hash_default_key, true);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ends to = { rows[i].src, rows[i].dst, rows[i].sport, rows[i].dport };
		struct ends fro = { rows[i].dst, rows[i].src, rows[i].dport, rows[i].sport };
		struct ends same_host = { rows[i].dst, rows[i].dst, rows[i].dport, rows[i].sport };
		struct ends same_host_fro = { rows[i].dst, rows[i].dst, rows[i].sport, rows[i].dport };
		int family = rows[i].family;

		assert_int_equal(hash_of(&symmetric, family, to, false), hash_of(&symmetric, family, fro, false));
		assert_int_equal(hash_of(&symmetric, family, same_host, false),
				 hash_of(&symmetric, family, same_host_fro, false));
		assert_int_not_equal(hash_of(&plain, family, to, false), hash_of(&plain, family, fro, false));
	}
}

static void not_ip(void **state)
{
	uint8_t frame[60] = { [12] = 0x88, [13] = 0xcc };
	struct flow_hash h;
	struct parsed p;

	(void)state;
	flow_hash_init(&h, flow_hash_default_key, false);
	parse_frame(frame, sizeof(frame), &p);
	assert_int_equal(flow_hash_frame(&h, frame, &p), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published),
		cmocka_unit_test(both_directions),
		cmocka_unit_test(not_ip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
