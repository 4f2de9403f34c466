/* SPDX-License-Identifier: Apache-2.0 */
/* test_moves.c - Queues go from worker to worker while frames flow. Nothing is lost, sent twice, or overtaken. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/barrier.h"
#include "base/counter.h"
#include "base/cycles.h"
#include "base/numa.h"
#include "good_pair.h"
#include "worker/lane.h"

enum { WORKERS = 3, PRESSURE_MOVES = 60, FRAME_LEN = 200, BURST = 64 };

static struct rig rig;
static struct good_pair good;
static struct rig_random dice = { 1 };

static struct runtime_lane *lane_of(const char *port, unsigned queue)
{
	return &runtime_port_find(rig.rt, port)->lanes[queue];
}

static int move_to(const char *port, unsigned queue, unsigned to)
{
	return runtime_move_lane(rig.rt, runtime_port_find(rig.rt, port), queue, to);
}

static void move_away(const char *port, unsigned queue)
{
	unsigned from = runtime_lane_worker(lane_of(port, queue));

	assert_int_equal(move_to(port, queue, (from + 1 + rig_random(&dice, WORKERS - 1)) % WORKERS), 0);
	assert_int_not_equal(runtime_lane_worker(lane_of(port, queue)), from);
}

static uint64_t frames_of_worker(unsigned idx)
{
	struct runtime_worker_info info;

	runtime_worker_info(rig.rt, idx, &info);
	return info.frames;
}

/* Traffic that may lose nothing */

static void move_good_ones(void *arg)
{
	static const char *const names[] = { "good0", "good1" };
	unsigned *moves_left = arg;

	move_away(names[rig_random(&dice, 2)], 0);
	if (*moves_left)
		--*moves_left;
	else
		write_once(&good.stop, true);
}

static void check_traffic(enum poll_mode poll, unsigned moves)
{
	struct rig_thread thread = { .run = good_pair_run, .arg = &good };

	rig_start(&rig, WORKERS, poll, 50);
	good_pair_start(&good, &rig);
	rig_run_threads(&rig, &thread, 1, move_good_ones, &moves);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_not_equal(frames_of_worker(i), 0);
	good_pair_stop(&good, &rig);
	rig_stop(&rig);
}

static void test_traffic_adaptive(void **state)
{
	(void)state;
	check_traffic(POLL_ADAPTIVE, 300);
}

static void test_traffic_always(void **state)
{
	(void)state;
	check_traffic(POLL_ALWAYS, 30); /* fewer: threads that spin are more than the machine has cores */
}

static void test_traffic_never(void **state)
{
	(void)state;
	check_traffic(POLL_NEVER, 300);
}

/* A receiver that is often full: frames are held, and some dropped. What comes is in order, and what does not was counted. */

struct pressed {
	struct vhost_frontend *from, *to;
	uint64_t sent, received, next;
	uint64_t counted; /* received and dropped, by the switch's counters at the end */
	unsigned moves;
};

static void press(struct pressed *p)
{
	uint8_t frame[FRAME_LEN];

	for (unsigned i = 0; i < BURST; i++) {
		rig_frame(frame, sizeof(frame), 1, 0, p->sent);
		if (vhost_frontend_send(p->from, 0, NULL, frame, sizeof(frame)) != 0)
			break;
		p->sent++;
	}
	vhost_frontend_flush(p->from, 0);
}

static void take(struct pressed *p, unsigned max)
{
	uint8_t frame[2048];
	long len;

	for (unsigned i = 0; i < max && (len = vhost_frontend_receive(p->to, 0, NULL, frame, sizeof(frame))) >= 0;
	     i++) {
		int64_t number = rig_frame_number(frame, (size_t)len, 1, 0);

		assert_true(number >= (int64_t)p->next);
		p->next = (uint64_t)number + 1;
		p->received++;
	}
}

static bool all_is_there(void *arg)
{
	struct pressed *p = arg;
	struct port_counters tx;

	take(p, UINT32_MAX);
	tx = rig_tx(&rig, "to");
	return vhost_frontend_in_flight(p->from, 0) == 0 && p->received + rig_drops(&tx) == p->sent;
}

static void test_full_receiver(void **state)
{
	struct vhost_frontend_config c = { .features = rig_all_features(), .ring_size = 64 };
	struct pressed p = { 0 };

	(void)state;
	rig_start(&rig, WORKERS, POLL_ADAPTIVE, 50);
	rig_add_port(&rig, "from", 1);
	rig_add_port(&rig, "to", 1);
	p.from = rig_attach(&rig, "from", (struct vhost_frontend_config){ .features = rig_all_features() });
	p.to = rig_attach(&rig, "to", c);
	rig_say_hello(&rig, p.from, "from", 0);
	rig_say_hello(&rig, p.to, "to", 1);
	while (p.moves < PRESSURE_MOVES) {
		unsigned to = (runtime_lane_worker(lane_of("from", 0)) + 1) % WORKERS;
		int err;

		press(&p);
		err = move_to("from", 0, to);
		assert_true(err == 0 || err == -EAGAIN);
		p.moves += err == 0;
		take(&p, rig_random(&dice, 2 * BURST));
	}
	assert_true(rig_wait(&rig, all_is_there, &p));
	vhost_frontend_destroy(p.from);
	vhost_frontend_destroy(p.to);
	rig_stop(&rig);
}

/* A queue that sleeps on its new worker wakes up there. */

static bool all_sleep(void *arg)
{
	unsigned polled = 0;

	(void)arg;
	for (unsigned i = 0; i < WORKERS; i++) {
		struct runtime_worker_info info;

		runtime_worker_info(rig.rt, i, &info);
		polled += info.polled;
	}
	return polled == 0;
}

struct arrival {
	struct vhost_frontend *f;
	uint64_t number;
};

static bool has_arrived(void *arg)
{
	struct arrival *a = arg;
	uint8_t frame[2048];
	long len = vhost_frontend_receive(a->f, 0, NULL, frame, sizeof(frame));

	if (len < 0)
		return false;
	assert_int_equal(rig_frame_number(frame, (size_t)len, 1, 0), a->number);
	return true;
}

static void test_sleeping_queue(void **state)
{
	struct vhost_frontend_config c = { .features = rig_all_features() };
	struct vhost_frontend *from, *to;
	uint8_t frame[FRAME_LEN];

	(void)state;
	rig_start(&rig, WORKERS, POLL_ADAPTIVE, 50);
	rig_add_port(&rig, "from", 1);
	rig_add_port(&rig, "to", 1);
	from = rig_attach(&rig, "from", c);
	to = rig_attach(&rig, "to", c);
	rig_say_hello(&rig, from, "from", 0);
	rig_say_hello(&rig, to, "to", 1);
	for (unsigned i = 0; i < 4 * WORKERS; i++) {
		struct arrival a = { to, i };

		move_away("from", 0);
		assert_true(rig_wait(&rig, all_sleep, NULL));
		rig_frame(frame, sizeof(frame), 1, 0, i);
		assert_int_equal(vhost_frontend_send(from, 0, NULL, frame, sizeof(frame)), 0);
		vhost_frontend_flush(from, 0);
		assert_true(rig_wait(&rig, has_arrived, &a));
	}
	vhost_frontend_destroy(from);
	vhost_frontend_destroy(to);
	rig_stop(&rig);
}

/* Who decides */

static void count_queues(unsigned counts[WORKERS])
{
	for (unsigned i = 0; i < WORKERS; i++) {
		struct runtime_worker_info info;

		runtime_worker_info(rig.rt, i, &info);
		counts[i] = info.lanes;
	}
}

static void test_idle_queues_are_spread(void **state)
{
	unsigned counts[WORKERS];
	struct runtime_move *moves;
	int n;

	(void)state;
	rig_start(&rig, WORKERS, POLL_ADAPTIVE, 50);
	rig_add_port(&rig, "p", 2 * WORKERS);
	count_queues(counts);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(counts[i], 2);
	for (unsigned q = 0; q < 2 * WORKERS; q++)
		if (runtime_lane_worker(lane_of("p", q)) != 1)
			assert_int_equal(move_to("p", q, 1), 0);
	n = runtime_rebalance(rig.rt, &moves);
	assert_int_equal(n, 2 * (WORKERS - 1));
	for (int i = 0; i < n; i++) {
		assert_true(moves[i].done);
		assert_int_equal(moves[i].from, 1);
		assert_int_equal(runtime_lane_worker(lane_of("p", moves[i].queue)), moves[i].to);
	}
	free(moves);
	count_queues(counts);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(counts[i], 2);
	assert_int_equal(runtime_rebalance(rig.rt, &moves), 0);
	free(moves);
	rig_stop(&rig);
}

/* The lanes' own cycles, given instead of earned, because this machine may have better to do: 45 % of a core each. */
static bool are_apart(void *arg)
{
	uint64_t since = cycles_now() - *(uint64_t *)arg;

	for (unsigned q = 0; q < 2; q++)
		counter_add(&lane_of("p", q)->lane->cycles, since * 45 / 100);
	*(uint64_t *)arg += since;
	return runtime_lane_worker(lane_of("p", 0)) != runtime_lane_worker(lane_of("p", 1));
}

static void test_busy_queues_part(void **state)
{
	uint64_t last = cycles_now();

	(void)state;
	rig_start(&rig, 2, POLL_ADAPTIVE, 50);
	rig_add_port(&rig, "p", 2);
	assert_int_equal(move_to("p", 1, runtime_lane_worker(lane_of("p", 0))), 0);
	assert_true(rig_wait(&rig, are_apart, &last));
	rig_stop(&rig);
}

/* Where a guest's memory is can be asked as long as there is one. */
static void test_node_of_memory(void **state)
{
	struct vhost_frontend *f;
	void *at[NUMA_PAGES_MAX];
	struct port *port;
	unsigned n;

	(void)state;
	rig_start(&rig, 1, POLL_ADAPTIVE, 50);
	port = rig_add_port(&rig, "p", 1);
	assert_int_equal(port->ops->sample_memory(port, 0, at, NUMA_PAGES_MAX), 0);
	f = rig_attach(&rig, "p", (struct vhost_frontend_config){ .features = rig_all_features() });
	rig_say_hello(&rig, f, "p", 1);
	n = port->ops->sample_memory(port, 0, at, NUMA_PAGES_MAX);
	assert_int_equal(n, NUMA_PAGES_MAX);
	assert_in_range(numa_node_of_pages(at, n), 0, 1023);
	vhost_frontend_destroy(f);
	rig_wait_active(&rig, "p", 0);
	assert_int_equal(port->ops->sample_memory(port, 0, at, NUMA_PAGES_MAX), 0);
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_traffic_adaptive), cmocka_unit_test(test_traffic_always),
		cmocka_unit_test(test_traffic_never),    cmocka_unit_test(test_full_receiver),
		cmocka_unit_test(test_sleeping_queue),   cmocka_unit_test(test_idle_queues_are_spread),
		cmocka_unit_test(test_busy_queues_part), cmocka_unit_test(test_node_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
