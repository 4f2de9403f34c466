/* SPDX-License-Identifier: Apache-2.0 */
/* test_pressure.c - Receivers that are full, or go while frames are on their way to them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/barrier.h"
#include "base/clock.h"
#include "good_pair.h"
#include "port/port_vhost.h"
#include "port/port_vhost_priv.h"
#include "vhost/wire.h"

enum { DELETIONS = 40, TURNS_STUCK = 300, RING = 256, BURST = 400, BURST_TRIES = 40 };

/* A front-end with a thread of its own that sends as fast as its ring takes it. */
struct flood {
	struct vhost_frontend *f;
	uint8_t self, to;
	bool stop;
	uint64_t n;
};

static struct rig rig;
static struct good_pair good;
static struct flood flood;

static void run_flood(struct rig_thread *t)
{
	struct flood *fl = t->arg;
	uint8_t frame[1000];

	while (!read_once(&fl->stop)) {
		rig_frame(frame, sizeof(frame), fl->to, fl->self, fl->n);
		if (vhost_frontend_send(fl->f, 0, NULL, frame, sizeof(frame)) == 0)
			write_once(&fl->n, fl->n + 1);
		else
			vhost_frontend_in_flight(fl->f, 0);
		vhost_frontend_flush(fl->f, 0);
		while (vhost_frontend_discard(fl->f, 0) >= 0)
			;
	}
}

static void start_all(unsigned workers, enum poll_mode poll)
{
	rig_start(&rig, workers, poll, 50);
	good_pair_start(&good, &rig);
	rig_add_port_to(&rig, "other", "flood", 1);
	flood = (struct flood){
		.self = 8,
		.to = 9,
		.f = rig_attach(&rig, "flood", (struct vhost_frontend_config){ .features = rig_all_features() }),
	};
	rig_say_hello(&rig, flood.f, "flood", flood.self);
}

static void run_all(void (*meanwhile)(void *arg), void *arg)
{
	struct rig_thread threads[] = {
		{ .run = good_pair_run, .arg = &good },
		{ .run = run_flood, .arg = &flood },
	};

	rig_run_threads(&rig, threads, 2, meanwhile, arg);
}

static void stop_all(void)
{
	vhost_frontend_destroy(flood.f);
	good_pair_stop(&good, &rig);
	rig_stop(&rig);
}

static void end_threads(void)
{
	write_once(&good.stop, true);
	write_once(&flood.stop, true);
}

static struct vhost_frontend *attach_victim(void)
{
	struct vhost_frontend_config c = { .features = port_vhost_offered(), .protocol_features = ~0ull };
	struct vhost_frontend *f;

	f = rig_attach(&rig, "victim", c);
	rig_say_hello(&rig, f, "victim", flood.to);
	return f;
}

/* Let frames come, and read them or not. */
static void take_for_a_while(struct vhost_frontend *f, bool read)
{
	for (unsigned i = 0; i < 5; i++) {
		rig_turn(&rig);
		while (read && vhost_frontend_discard(f, 0) >= 0)
			;
	}
}

/* What goes to a port that is no more is flooded, which the good ones' network is spared. Its front-end reads or does not, and goes before the port, after it, or comes back first. */
static void delete_again(void *arg)
{
	unsigned *n = arg;
	struct vhost_frontend *f;

	if (good.stop)
		return;
	rig_add_port_to(&rig, "other", "victim", 1);
	f = attach_victim();
	take_for_a_while(f, *n % 2);
	if (*n % 3 == 0)
		vhost_frontend_destroy(f);
	if (*n % 3 == 0 && *n % 4 < 2) {
		rig_wait_active(&rig, "victim", 0);
		f = attach_victim();
		take_for_a_while(f, *n % 2);
		vhost_frontend_destroy(f);
	}
	rig_del_port(&rig, "victim");
	if (*n % 3 != 0)
		vhost_frontend_destroy(f);
	if (++*n == DELETIONS)
		end_threads();
}

static void test_port_goes_while_others_send_to_it(void **state)
{
	static const enum poll_mode modes[] = { POLL_ADAPTIVE, POLL_NEVER, POLL_ALWAYS };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		unsigned n = 0;

		start_all(1 + i % 2, modes[i]);
		run_all(delete_again, &n);
		stop_all();
	}
}

static void wait_stuck(void *arg)
{
	unsigned *turns = arg;

	if (++*turns >= TURNS_STUCK && read_once(&flood.n) > 2 * RING)
		end_threads();
}

/* The victim has an IOMMU, and has stopped to translate: the next receive buffers, or, when all was taken back, its rings too. */
static void test_front_end_that_translates_no_more(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		bool took_back = i % 2;
		struct vhost_frontend *f;
		unsigned turns = 0;

		start_all(1 + i / 2, POLL_ADAPTIVE);
		rig_add_port_to(&rig, "other", "victim", 1);
		f = rig_attach(&rig, "victim",
			       (struct vhost_frontend_config){
				   .features = i % 2 ? port_vhost_offered() : rig_all_features(),
				   .protocol_features = ~0ull,
				   .iommu = true,
			       });
		rig_say_hello(&rig, f, "victim", flood.to);
		vhost_frontend_set_silent(f, true);
		if (took_back)
			assert_int_equal(vhost_frontend_invalidate(f, 0, 0), 0);
		run_all(wait_stuck, &turns);
		assert_true(rig_tx(&rig, "victim").frames < RING);
		assert_true(rig_tx(&rig, "victim").drops[took_back ? DROP_PAUSED : DROP_RING_FULL] > 0);
		assert_true(flood.n > 2 * RING);
		vhost_frontend_destroy(f);
		stop_all();
	}
}

/* The victim never reads: its ring is full after the first frames. */
static void test_receiver_without_buffers_is_its_own_problem(void **state)
{
	(void)state;
	for (unsigned workers = 1; workers <= 2; workers++) {
		struct port_counters tx;
		struct vhost_frontend *f;
		unsigned turns = 0;

		start_all(workers, POLL_ADAPTIVE);
		rig_add_port_to(&rig, "other", "victim", 1);
		f = attach_victim();
		run_all(wait_stuck, &turns);
		tx = rig_tx(&rig, "victim");
		assert_int_equal(tx.frames, RING);
		assert_true(tx.drops[DROP_RING_FULL] > 0);
		/* Most of the time nobody waits for it. */
		assert_true(flood.n > 2 * RING);
		vhost_frontend_destroy(f);
		stop_all();
	}
}

/* A burst larger than the receiver's ring, which is not read before all is sent. False: this machine was too slow for it to tell. */
static bool try_burst(struct vhost_frontend *from, struct vhost_frontend *to)
{
	uint8_t frame[200], got[200];
	uint64_t sent_ns, read_ns;
	unsigned n = 0;

	for (unsigned i = 0; i < BURST; i++) {
		rig_frame(frame, sizeof(frame), 1, 0, i);
		assert_int_equal(vhost_frontend_send(from, 0, NULL, frame, sizeof(frame)), 0);
	}
	sent_ns = clock_ns();
	vhost_frontend_flush(from, 0);
	rig_spin_ns(800 * NSEC_PER_USEC);
	for (read_ns = clock_ns(); n < BURST && clock_ns() - sent_ns < 1000 * NSEC_PER_MSEC;) {
		long len = vhost_frontend_receive(to, 0, NULL, got, sizeof(got));

		if (len < 0)
			continue;
		if (clock_ns() - read_ns > NSEC_PER_MSEC)
			break; /* we were not running */
		if (rig_frame_number(got, (size_t)len, 1, 0) != n++)
			break;
		read_ns = clock_ns();
	}
	while (n < BURST && clock_ns() - sent_ns < 1000 * NSEC_PER_MSEC)
		vhost_frontend_discard(to, 0);
	return n == BURST;
}

static void test_burst_larger_than_ring(void **state)
{
	struct vhost_frontend_config large = { .features = rig_all_features(), .ring_size = 512 };
	struct vhost_frontend_config small = { .features = rig_all_features(), .ring_size = RING };
	struct vhost_frontend *from, *to;
	unsigned whole = 0;

	(void)state;
	rig_start(&rig, 1, POLL_ADAPTIVE, 50);
	rig_add_port(&rig, "a", 1);
	rig_add_port(&rig, "b", 1);
	from = rig_attach(&rig, "a", large);
	to = rig_attach(&rig, "b", small);
	rig_say_hello(&rig, from, "a", 0);
	rig_say_hello(&rig, to, "b", 1);
	for (unsigned i = 0; i < BURST_TRIES && whole < 3; i++)
		whole += try_burst(from, to);
	vhost_frontend_destroy(from);
	vhost_frontend_destroy(to);
	rig_stop(&rig);
	if (!rig_is_instrumented())
		assert_int_equal(whole, 3);
}

static uint64_t lost_by_b(enum drop_reason reason)
{
	struct port_counters tx = rig_tx(&rig, "b");

	return tx.drops[reason];
}

static bool has_lost_two(void *arg)
{
	(void)arg;
	return lost_by_b(DROP_PAUSED) == 2;
}

static void send_to(struct vhost_frontend *f, uint8_t station)
{
	uint8_t frame[60];

	rig_frame(frame, sizeof(frame), station, 0, 0);
	assert_int_equal(vhost_frontend_send(f, 0, NULL, frame, sizeof(frame)), 0);
	vhost_frontend_flush(f, 0);
}

/* The receiver has buffers, but control has its ring parked, for longer than a frame may wait. What is lost then is not put down to the
 * receiver; and what is lost when the ring is disabled is not ready. */
static void test_receiver_that_is_paused(void **state)
{
	struct vhost_frontend_config c = { .features = rig_all_features(), .protocol_features = ~0ull };
	struct vhost_vring_state off = { 0, 0 };
	struct vhost_frontend *from, *to;
	struct vhost_ring *ring;

	(void)state;
	rig_start(&rig, 1, POLL_ADAPTIVE, 50);
	ring = port_vhost_tx_ring(port_vhost_of(rig_add_port(&rig, "b", 1)), 0);
	rig_add_port(&rig, "a", 1);
	from = rig_attach(&rig, "a", c);
	to = rig_attach(&rig, "b", c);
	rig_say_hello(&rig, from, "a", 0);
	rig_say_hello(&rig, to, "b", 1);
	gate_park(&ring->gate);
	send_to(from, 0xff);
	send_to(from, 1);
	assert_true(rig_wait(&rig, has_lost_two, NULL));
	gate_unpark(&ring->gate);
	send_to(from, 1);
	while (vhost_frontend_discard(to, 0) < 0)
		assert_int_equal(vhost_frontend_wait(to, 0, RIG_PATIENCE_MS), 0);
	assert_int_equal(lost_by_b(DROP_RING_FULL), 0);
	assert_int_equal(vhost_frontend_request(to, VHOST_USER_SET_VRING_ENABLE, &off, sizeof(off), NULL, 0, NULL, 0),
			 0);
	send_to(from, 0xff);
	while (lost_by_b(DROP_NOT_READY) == 0)
		rig_turn(&rig);
	assert_int_equal(lost_by_b(DROP_PAUSED), 2);
	assert_int_equal(lost_by_b(DROP_RING_FULL), 0);
	vhost_frontend_destroy(from);
	vhost_frontend_destroy(to);
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_larger_than_ring),
		cmocka_unit_test(test_receiver_that_is_paused),
		cmocka_unit_test(test_receiver_without_buffers_is_its_own_problem),
		cmocka_unit_test(test_front_end_that_translates_no_more),
		cmocka_unit_test(test_port_goes_while_others_send_to_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
