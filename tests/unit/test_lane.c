/* SPDX-License-Identifier: Apache-2.0 */
/* test_lane.c - How long a lane is held up, and how long it is looked at in vain. Ports live in memory, and time is the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "packet/batch.h"
#include "switch/fdb.h"
#include "switch/snapshot.h"
#include "worker/lane.h"
#include "worker/worker.h"

enum { N_RECEIVERS = 16, N_PORTS = N_RECEIVERS + 1, TURN_NS = 20 * 1000 };

static struct port ports[N_PORTS]; /* 0 sends to the others, which never take a frame */
static unsigned n_receivers, n_sent;
static struct worker_stats stats;
static struct lane_context ctx;
static struct lane *lane;
static struct fdb *fdb;

static uint64_t address(unsigned port)
{
	return (uint64_t)port << 40 | 2;
}

static unsigned rx(struct port *port, unsigned queue, struct batch *b)
{
	uint64_t dst = address(1 + n_sent++ % n_receivers), src = address(0);

	(void)port, (void)queue;
	batch_reset(b);
	memset(b->heads[0], 0, FRAME_HEAD_FIRST);
	memcpy(b->heads[0], &dst, 6);
	memcpy(b->heads[0] + 6, &src, 6);
	b->frames[0] = (struct frame){ .head = b->heads[0], .head_len = 60, .len = 60 };
	b->n = 1;
	return 1;
}

static void rx_done(struct port *port, unsigned queue, struct batch *b)
{
	(void)port, (void)queue, (void)b;
}

static bool rx_wanted(struct port *port, unsigned queue)
{
	(void)port, (void)queue;
	return false;
}

static int tx(struct port *port, unsigned queue, struct frame *const *frames, unsigned n)
{
	(void)port, (void)queue, (void)frames, (void)n;
	return 0;
}

static const struct port_ops ops = { .type = "memory", .rx = rx, .rx_done = rx_done, .rx_wanted = rx_wanted, .tx = tx };

static int setup(void **state)
{
	struct snapshot *snap = snapshot_create(N_PORTS, 1);
	struct snapshot_network *network;

	(void)state;
	fdb = fdb_create(1024, 0, 300);
	network = snapshot_add_network(snap, fdb, 1500, N_PORTS);
	for (unsigned i = 0; i < N_PORTS; i++) {
		memset(&ports[i], 0, sizeof(ports[i]));
		assert_int_equal(port_init(&ports[i], &ops, "port", 1), 0);
		ports[i].idx = (uint16_t)i;
		ports[i].n_tx_active = 1;
		snapshot_add_port(snap, network, &ports[i]);
		fdb_learn(fdb, fdb_key((uint8_t *)&(uint64_t){ address(i) }), (uint16_t)i, 1000);
	}
	ctx = (struct lane_context){
		.snapshot = snap, .now_ns = 1000 * NSEC_PER_SEC, .batch = batch_create(), .stats = &stats
	};
	lane = lane_create(&ports[0], 0);
	n_sent = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lane_release(lane, &ctx);
	lane_destroy(lane);
	batch_destroy(ctx.batch);
	snapshot_destroy((struct snapshot *)ctx.snapshot);
	fdb_destroy(fdb);
	for (unsigned i = 0; i < N_PORTS; i++)
		port_deinit(&ports[i]);
	return 0;
}

/* Turns of a hundred in which the lane waited, in some seconds. */
static unsigned share_waited(void)
{
	unsigned waited = 0, n = 3 * NSEC_PER_SEC / TURN_NS;

	for (unsigned i = 0; i < n; i++) {
		waited += lane_turn(lane, &ctx) == LANE_WAITING;
		ctx.now_ns += TURN_NS;
	}
	return waited * 100 / n;
}

static uint64_t dropped(void)
{
	uint64_t n = 0;

	for (unsigned i = 1; i < N_PORTS; i++)
		n += ports[i].queues[0].tx.drops[DROP_RING_FULL];
	return n;
}

/* One by itself gets a quarter of the time; many that take turns get half of it together. */
static void test_receivers_that_never_take_a_frame(void **state)
{
	static const struct {
		unsigned n_receivers, least, most;
	} rows[] = { { 1, 15, 27 }, { 2, 30, 52 }, { N_RECEIVERS, 30, 52 } };

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		n_receivers = rows[i].n_receivers;
		assert_in_range(share_waited(), rows[i].least, rows[i].most);
		assert_int_equal(dropped(), n_sent - (lane->held ? 1 : 0)); /* each is counted once */
		if (i + 1 < sizeof(rows) / sizeof(rows[0])) {
			teardown(state);
			setup(state);
		}
	}
}

/* Pauses of a sender, in microseconds, and for how long its lane is looked at in vain after each. */
static void test_polling_adapts_to_pauses(void **state)
{
	static const struct {
		unsigned pause_us, poll_us;
	} rows[] = {
		{ 1000, 40 }, { 321, 20 }, { 1000, 10 }, { 1000, 10 }, /* no less than an eighth */
		{ 30, 20 },   { 320, 40 }, { 20, 80 },   { 100, 80 },  /* no more than all of it */
		{ 1000, 40 }, { 85, 80 },  { 1000, 40 }, { 1000, 20 },
	};
	const uint64_t most_ns = 80 * NSEC_PER_USEC;

	(void)state;
	lane->poll_ns = most_ns;
	lane->last_frame_ns = NSEC_PER_SEC;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		lane_adapt(lane, NSEC_PER_SEC + rows[i].pause_us * NSEC_PER_USEC, most_ns);
		assert_int_equal(lane->poll_ns, rows[i].poll_us * NSEC_PER_USEC);
	}
	lane_adapt(lane, 2 * NSEC_PER_SEC, 0); /* never polled */
	assert_int_equal(lane->poll_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_receivers_that_never_take_a_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(test_polling_adapts_to_pauses, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
