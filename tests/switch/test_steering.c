/* SPDX-License-Identifier: Apache-2.0 */
/* test_steering.c - Flows between a guest with four queues and one with one. */
#include <arpa/inet.h>
#include <string.h>

#include "base/clock.h"
#include "packets.h"
#include "switch_rig.h"

enum { QUEUES = 4, FLOWS = 64, LEN_MAX = 256 };

static struct rig rig;
static struct vhost_frontend *many, *one;

/* A datagram of flow `flow` from station 1 to 0 (`back`: from 0 to 1), its number behind the headers. Returns its length. */
static size_t build(uint8_t *frame, unsigned flow, bool back, uint32_t number)
{
	static uint8_t buf[PACKET_ROOM];
	const struct packet p = { .udp = true, .port = (uint16_t)flow, .payload_len = 64 };
	struct offload o;
	struct packet_map map = packet_build(buf, &p, 1, &o);
	uint8_t tmp[4];

	assert_in_range(map.len, 60, LEN_MAX);
	memcpy(frame, buf, map.len);
	memcpy(frame, (uint8_t[]){ 2, 0, 0, 0, 0, back ? 1 : 0, 2, 0, 0, 0, 0, back ? 0 : 1 }, 12);
	if (back) {
		memcpy(tmp, frame + map.l3 + 12, 4);
		memcpy(frame + map.l3 + 12, frame + map.l3 + 16, 4);
		memcpy(frame + map.l3 + 16, tmp, 4);
		memcpy(tmp, frame + map.l4, 2);
		memcpy(frame + map.l4, frame + map.l4 + 2, 2);
		memcpy(frame + map.l4 + 2, tmp, 2);
	}
	memcpy(frame + map.payload, &number, sizeof(number));
	return map.len;
}

static void send_one(struct vhost_frontend *f, unsigned pair, const uint8_t *frame, size_t len)
{
	assert_int_equal(vhost_frontend_send(f, pair, NULL, frame, len), 0);
	vhost_frontend_flush(f, pair);
}

/* Wait for a frame that is the one given; the pair it came on. */
static unsigned expect(struct vhost_frontend *f, unsigned pairs, const uint8_t *frame, size_t len)
{
	uint64_t deadline_ns = clock_ns() + RIG_PATIENCE_MS * NSEC_PER_MSEC;
	uint8_t got[LEN_MAX];

	while (clock_ns() < deadline_ns) {
		for (unsigned pair = 0; pair < pairs; pair++) {
			long n = vhost_frontend_receive(f, pair, NULL, got, sizeof(got));

			if (n < 0)
				continue;
			assert_int_equal(n, len);
			assert_memory_equal(got, frame, len);
			return pair;
		}
		rig_turn_at_once(&rig);
	}
	fail_msg("a frame did not come");
	return 0;
}

static void exchange_hello(void)
{
	uint8_t frame[LEN_MAX];
	size_t len;

	/* The first is flooded, and so is the answer to nobody: both stations are known then. */
	len = build(frame, 0, true, 0);
	send_one(many, 0, frame, len);
	(void)expect(one, 1, frame, len);
	len = build(frame, 0, false, 0);
	send_one(one, 0, frame, len);
	(void)expect(many, QUEUES, frame, len);
}

static int setup(void **state)
{
	const struct vhost_frontend_config c = { .queue_pairs = QUEUES,
						 .features = rig_all_features(),
						 .protocol_features = ~0ull },
					   single = { .features = rig_all_features(), .protocol_features = ~0ull };

	(void)state;
	rig_start(&rig, 2, POLL_ADAPTIVE, 50);
	rig_add_port(&rig, "many", QUEUES);
	rig_add_port(&rig, "one", 1);
	many = rig_attach(&rig, "many", c);
	one = rig_attach(&rig, "one", single);
	exchange_hello();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vhost_frontend_destroy(many);
	vhost_frontend_destroy(one);
	rig_del_port(&rig, "many");
	rig_del_port(&rig, "one");
	rig_stop(&rig);
	return 0;
}

static void test_flows_are_spread_and_stay(void **state)
{
	unsigned first[FLOWS], used[QUEUES] = { 0 };
	uint8_t frame[LEN_MAX];

	(void)state;
	for (uint32_t i = 0; i < 3 * FLOWS; i++) {
		unsigned flow = 1 + i % FLOWS, pair;
		size_t len = build(frame, flow, false, i);

		send_one(one, 0, frame, len);
		pair = expect(many, QUEUES, frame, len);
		if (i < FLOWS)
			first[i] = pair;
		assert_int_equal(pair, first[i % FLOWS]);
		used[pair]++;
	}
	for (unsigned q = 0; q < QUEUES; q++) /* 64 flows miss one of four queues once in 25 million keys */
		assert_int_not_equal(used[q], 0);
}

static void test_replies_follow_the_guest(void **state)
{
	uint8_t frame[LEN_MAX];

	(void)state;
	for (uint32_t i = 0; i < 4 * FLOWS; i++) {
		unsigned flow = 1 + i % FLOWS, choice = (i + i / FLOWS) % QUEUES;
		size_t len = build(frame, flow, true, i);

		send_one(many, choice, frame, len);
		assert_int_equal(expect(one, 1, frame, len), 0);
		len = build(frame, flow, false, i);
		send_one(one, 0, frame, len);
		assert_int_equal(expect(many, QUEUES, frame, len), choice);
	}
}

/* All flows at once: what arrives of each is in order. */
static void test_order_within_a_flow(void **state)
{
	enum { FRAMES = 128 };
	uint8_t frame[LEN_MAX];
	uint32_t last[FLOWS + 1] = { 0 }, n = 0;
	uint64_t deadline_ns = clock_ns() + RIG_PATIENCE_MS * NSEC_PER_MSEC;

	(void)state;
	for (uint32_t i = 0; i < FRAMES; i++) {
		size_t len = build(frame, 1 + i % 8, false, i + 1);

		assert_int_equal(vhost_frontend_send(one, 0, NULL, frame, len), 0);
	}
	vhost_frontend_flush(one, 0);
	while (n < FRAMES && clock_ns() < deadline_ns) {
		for (unsigned pair = 0; pair < QUEUES; pair++) {
			uint8_t got[LEN_MAX];
			uint32_t number;
			unsigned flow;

			if (vhost_frontend_receive(many, pair, NULL, got, sizeof(got)) < 0)
				continue;
			memcpy(&number, got + 14 + 20 + 8, sizeof(number));
			flow = 1 + (number - 1) % 8;
			assert_true(number > last[flow]);
			last[flow] = number;
			n++;
		}
		rig_turn_at_once(&rig);
	}
	assert_int_equal(n, FRAMES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flows_are_spread_and_stay),
		cmocka_unit_test(test_replies_follow_the_guest),
		cmocka_unit_test(test_order_within_a_flow),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
