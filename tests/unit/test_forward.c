/* SPDX-License-Identifier: Apache-2.0 */
/* test_forward.c - The switch's decisions, with ports that live in memory. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "switch/fdb.h"
#include "switch/forward.h"

enum { N_PORTS = 5, SEEN_MAX = 512 };

/* A port that remembers what it was given, and takes at most `room` frames. */
struct memory_port {
	struct port port;
	unsigned room;
	bool paused;
	unsigned n_seen;
	uint32_t seen[SEEN_MAX]; /* lengths, by which tests tell frames apart */
};

static struct memory_port ports[N_PORTS];
static struct fdb *fdb_a, *fdb_b;
static struct snapshot *snap;
static struct batch *batch;
static uint64_t now_ns;

static int memory_tx(struct port *port, unsigned queue, struct frame *const *frames, unsigned n)
{
	struct memory_port *p = container_of(port, struct memory_port, port);
	unsigned i;

	(void)queue;
	if (p->paused)
		return -EAGAIN;
	for (i = 0; i < n && p->room; i++, p->room--)
		p->seen[p->n_seen++] = frames[i]->len;
	return (int)i;
}

static const struct port_ops memory_ops = { .type = "memory", .tx = memory_tx };

/* Ports 0..2 are one network, 3 and 4 another. */
static int setup(void **state)
{
	struct snapshot_network *a, *b;

	(void)state;
	now_ns = 1000 * NSEC_PER_SEC;
	fdb_a = fdb_create(1024, 0, 300);
	fdb_b = fdb_create(1024, 0, 300);
	snap = snapshot_create(N_PORTS, 2);
	a = snapshot_add_network(snap, fdb_a, 1500, 3);
	b = snapshot_add_network(snap, fdb_b, 1500, 2);
	for (unsigned i = 0; i < N_PORTS; i++) {
		memset(&ports[i], 0, sizeof(ports[i]));
		assert_int_equal(port_init(&ports[i].port, &memory_ops, "port", 1), 0);
		ports[i].port.idx = (uint16_t)i;
		ports[i].port.n_tx_active = 1;
		ports[i].room = SEEN_MAX;
		snapshot_add_port(snap, i < 3 ? a : b, &ports[i].port);
	}
	batch = batch_create();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	batch_destroy(batch);
	snapshot_destroy(snap);
	fdb_destroy(fdb_a);
	fdb_destroy(fdb_b);
	for (unsigned i = 0; i < N_PORTS; i++)
		port_deinit(&ports[i].port);
	return 0;
}

/* One frame of `len` bytes; addresses are 02:00:00:00:00:xx, or broadcast for 0xff. */
static struct frame *add_frame(uint8_t dst, uint8_t src, uint32_t len)
{
	struct frame *f = &batch->frames[batch->n];
	uint8_t *head = batch->heads[batch->n++];

	memset(head, 0, FRAME_HEAD_FIRST);
	memset(head, dst == 0xff ? 0xff : 0, 6);
	if (dst != 0xff) {
		head[0] = 2;
		head[5] = dst;
	}
	head[6] = 2;
	head[11] = src;
	*f = (struct frame){ .head = head, .head_len = (uint16_t)MIN(len, FRAME_HEAD_FIRST), .len = len };
	return f;
}

static void from(unsigned port)
{
	forward_batch(snap, &ports[port].port, 0, batch, now_ns);
}

static uint64_t rx_drops(unsigned port, enum drop_reason reason)
{
	return ports[port].port.queues[0].rx.drops[reason];
}

static uint64_t tx_drops(unsigned port, enum drop_reason reason)
{
	return ports[port].port.queues[0].tx.drops[reason];
}

static void learn(unsigned port, uint8_t addr)
{
	batch_reset(batch);
	add_frame(0xff, addr, 60);
	from(port);
	for (unsigned i = 0; i < N_PORTS; i++)
		ports[i].n_seen = 0;
	batch_reset(batch);
}

static void expect_seen(unsigned port, unsigned n, const uint32_t *lens)
{
	assert_int_equal(ports[port].n_seen, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(ports[port].seen[i], lens[i]);
}

static void test_unknown_is_flooded_inside_its_network(void **state)
{
	(void)state;
	add_frame(9, 1, 100);
	from(0);
	expect_seen(0, 0, NULL); /* never back */
	expect_seen(1, 1, (uint32_t[]){ 100 });
	expect_seen(2, 1, (uint32_t[]){ 100 });
	expect_seen(3, 0, NULL);
	expect_seen(4, 0, NULL);
}

static void test_known_goes_to_its_port_alone(void **state)
{
	(void)state;
	learn(1, 7);
	add_frame(7, 1, 100);
	add_frame(7, 1, 101);
	from(0);
	expect_seen(1, 2, (uint32_t[]){ 100, 101 });
	expect_seen(2, 0, NULL);
}

static void test_destinations_of_one_batch_keep_their_order(void **state)
{
	(void)state;
	learn(1, 7);
	learn(2, 8);
	for (unsigned i = 0; i < BATCH_FRAMES; i++)
		add_frame(i % 3 ? 7 : 8, 1, 100 + i);
	from(0);
	assert_int_equal(ports[1].n_seen + ports[2].n_seen, BATCH_FRAMES);
	for (unsigned p = 1; p <= 2; p++)
		for (unsigned i = 1; i < ports[p].n_seen; i++)
			assert_true(ports[p].seen[i - 1] < ports[p].seen[i]);
}

static void test_broadcast_goes_to_all_but_the_sender(void **state)
{
	(void)state;
	add_frame(0xff, 1, 60);
	from(1);
	expect_seen(0, 1, (uint32_t[]){ 60 });
	expect_seen(1, 0, NULL);
	expect_seen(2, 1, (uint32_t[]){ 60 });
	expect_seen(3, 0, NULL);
}

static void test_same_address_in_two_networks(void **state)
{
	(void)state;
	learn(1, 7);
	learn(4, 7);
	add_frame(7, 1, 100);
	from(0);
	expect_seen(1, 1, (uint32_t[]){ 100 });
	expect_seen(4, 0, NULL);
}

static void test_source_that_moves(void **state)
{
	(void)state;
	learn(1, 7);
	learn(2, 7);
	add_frame(7, 1, 100);
	from(0);
	expect_seen(1, 0, NULL);
	expect_seen(2, 1, (uint32_t[]){ 100 });
}

static void test_bad_sources_are_dropped_and_not_learned(void **state)
{
	(void)state;
	memset(add_frame(9, 0, 100)->head, 0, 12);
	memset(add_frame(9, 0, 100)->head + 6, 0, 6);
	for (unsigned i = 0; i < 2; i++)
		add_frame(9, 1, 100)->head[6] = 3; /* multicast */
	from(0);
	assert_int_equal(rx_drops(0, DROP_BAD_SOURCE), 4);
	assert_int_equal(fdb_count(fdb_a), 0);
	expect_seen(1, 0, NULL);
}

static void test_hairpin_is_dropped(void **state)
{
	(void)state;
	learn(0, 7);
	add_frame(7, 1, 100);
	from(0);
	assert_int_equal(rx_drops(0, DROP_HAIRPIN), 1);
	expect_seen(1, 0, NULL);
}

static void test_frame_that_rx_dropped_goes_nowhere(void **state)
{
	(void)state;
	add_frame(0xff, 1, 100)->drop = DROP_BAD_OFFLOAD;
	from(0);
	assert_int_equal(rx_drops(0, DROP_BAD_OFFLOAD), 1);
	expect_seen(1, 0, NULL);
}

static void test_longer_than_the_mtu(void **state)
{
	(void)state;
	learn(1, 7);
	add_frame(7, 1, 1514);
	add_frame(7, 1, 1522); /* two VLAN tags */
	add_frame(7, 1, 1523);
	add_frame(7, 1, 9014)->offload.gso_type = GSO_TCPV4;
	from(0);
	expect_seen(1, 3, (uint32_t[]){ 1514, 1522, 9014 });
	assert_int_equal(rx_drops(0, DROP_TOO_LONG), 1);
}

static void test_full_receiver_gets_a_burst_later(void **state)
{
	(void)state;
	learn(1, 7);
	learn(2, 8);
	ports[1].room = 1;
	for (uint32_t i = 0; i < 4; i++)
		add_frame(7, 1, 100 + i);
	add_frame(8, 1, 200);
	from(0);
	expect_seen(1, 1, (uint32_t[]){ 100 });
	expect_seen(2, 1, (uint32_t[]){ 200 }); /* not held up */
	assert_int_equal(batch->waiting, 0xe);
	now_ns += 100 * NSEC_PER_USEC;
	assert_false(forward_retry(snap, batch, now_ns));
	ports[1].room = 2;
	assert_false(forward_retry(snap, batch, now_ns));
	ports[1].room = 9;
	assert_true(forward_retry(snap, batch, now_ns));
	expect_seen(1, 4, (uint32_t[]){ 100, 101, 102, 103 });
	assert_int_equal(tx_drops(1, DROP_RING_FULL), 0);
}

/* How long did senders wait for port 1, which never takes a frame, in one second of trying? */
static uint64_t waited_in_a_second(void)
{
	uint64_t waited = 0, end = now_ns + NSEC_PER_SEC;

	while (now_ns < end) {
		batch_reset(batch);
		add_frame(7, 1, 100);
		from(0);
		while (batch->waiting) {
			now_ns += 50 * NSEC_PER_USEC;
			waited += 50 * NSEC_PER_USEC;
			forward_retry(snap, batch, now_ns);
		}
		now_ns += 50 * NSEC_PER_USEC;
	}
	return waited;
}

static void test_receiver_that_never_takes_costs_its_senders_little(void **state)
{
	uint64_t waited;

	(void)state;
	learn(1, 7);
	ports[1].room = 0;
	waited = waited_in_a_second();
	assert_in_range(waited, 1, NSEC_PER_SEC * 3 / 10);
	assert_true(tx_drops(1, DROP_RING_FULL) > 1000);
}

static void test_flood_does_not_wait(void **state)
{
	(void)state;
	ports[1].room = 0;
	add_frame(0xff, 1, 60);
	from(0);
	assert_int_equal(batch->waiting, 0);
	expect_seen(2, 1, (uint32_t[]){ 60 });
	assert_int_equal(tx_drops(1, DROP_RING_FULL), 1);
}

/* What is lost says whether the receiver was full or paused: when it was last tried. */
static void test_paused_receiver(void **state)
{
	(void)state;
	learn(1, 7);
	learn(2, 8);
	ports[1].paused = true;
	ports[2].room = 1;
	add_frame(0xff, 1, 60);
	add_frame(7, 1, 100);
	add_frame(8, 1, 200);
	from(0);
	assert_int_equal(tx_drops(1, DROP_PAUSED), 1);
	assert_int_equal(tx_drops(2, DROP_PAUSED), 0);
	expect_seen(2, 1, (uint32_t[]){ 60 });
	assert_int_equal(batch->waiting, 0x6);
	forward_drop_waiting(snap, batch, DROP_NONE);
	assert_int_equal(tx_drops(1, DROP_PAUSED), 2);
	assert_int_equal(tx_drops(1, DROP_RING_FULL), 0);
	assert_int_equal(tx_drops(2, DROP_RING_FULL), 1);

	batch_reset(batch);
	add_frame(7, 1, 100);
	from(0);
	ports[1].paused = false;
	ports[1].room = 0;
	now_ns += 10 * NSEC_PER_MSEC;
	assert_true(forward_retry(snap, batch, now_ns)); /* for too long */
	assert_int_equal(tx_drops(1, DROP_PAUSED), 2);
	assert_int_equal(tx_drops(1, DROP_RING_FULL), 1);
	ports[1].paused = true;
	batch_reset(batch);
	add_frame(7, 1, 100);
	from(0);
	now_ns += 10 * NSEC_PER_MSEC;
	forward_retry(snap, batch, now_ns);
	assert_int_equal(batch->waiting, 0);
	assert_int_equal(tx_drops(1, DROP_PAUSED), 3);
	expect_seen(1, 0, NULL);
}

static void test_waiting_for_a_port_that_goes_away(void **state)
{
	(void)state;
	learn(1, 7);
	ports[1].room = 0;
	add_frame(7, 1, 100);
	from(0);
	assert_int_equal(batch->waiting, 1);
	forward_drop_waiting_for(batch, 2);
	assert_int_equal(batch->waiting, 1);
	forward_drop_waiting_for(batch, 1);
	assert_int_equal(batch->waiting, 0);
}

static void test_stale_entry_of_another_network_is_flooded(void **state)
{
	(void)state;
	assert_true(fdb_learn(fdb_a, fdb_key((const uint8_t[]){ 2, 0, 0, 0, 0, 7 }), 4, 1000));
	add_frame(7, 1, 100);
	from(0);
	expect_seen(4, 0, NULL);
	expect_seen(1, 1, (uint32_t[]){ 100 });
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_unknown_is_flooded_inside_its_network),
		T(test_known_goes_to_its_port_alone),
		T(test_destinations_of_one_batch_keep_their_order),
		T(test_broadcast_goes_to_all_but_the_sender),
		T(test_same_address_in_two_networks),
		T(test_source_that_moves),
		T(test_bad_sources_are_dropped_and_not_learned),
		T(test_hairpin_is_dropped),
		T(test_frame_that_rx_dropped_goes_nowhere),
		T(test_longer_than_the_mtu),
		T(test_full_receiver_gets_a_burst_later),
		T(test_receiver_that_never_takes_costs_its_senders_little),
		T(test_flood_does_not_wait),
		T(test_paused_receiver),
		T(test_waiting_for_a_port_that_goes_away),
		T(test_stale_entry_of_another_network_is_flooded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
