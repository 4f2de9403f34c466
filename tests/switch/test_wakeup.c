/* SPDX-License-Identifier: Apache-2.0 */
/* test_wakeup.c - Frames that come one at a time, with pauses in which workers and front-ends fall asleep. A wake-up that is lost
 * once stops everything. */
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <unistd.h>

#include "base/barrier.h"
#include "port/port_vhost.h"
#include "switch_rig.h"

enum { TRIPS = 1500, TRIPS_INSTRUMENTED = 200, PAUSE_MAX_NS = 120 * 1000 };

struct player {
	struct rig *rig;
	const char *name;
	struct port *port;
	const struct port *other_port;
	uint64_t features;
	bool inband;              /* kicks and interrupts are messages */
	struct vhost_frontend *f; /* made by its thread, so that it waits for its interrupts and for nothing else */
	uint8_t self, other;
	bool serves;
	unsigned trips;
};

/* Sleep until the other's frame is there. NULL, or what is wrong. */
static const char *catch_ball(struct player *p, uint64_t number)
{
	uint8_t frame[100];
	long len;

	while ((len = vhost_frontend_receive(p->f, 0, NULL, frame, sizeof(frame))) < 0)
		if (vhost_frontend_wait(p->f, 0, RIG_PATIENCE_MS) < 0)
			return "a wake-up is lost";
	if (rig_frame_number(frame, (size_t)len, p->self, p->other) != (int64_t)number)
		return "not the frame that was sent";
	return NULL;
}

static void throw_ball(struct player *p, uint64_t number)
{
	uint8_t frame[60];

	rig_frame(frame, sizeof(frame), p->other, p->self, number);
	vhost_frontend_send(p->f, 0, NULL, frame, sizeof(frame));
	vhost_frontend_flush(p->f, 0);
}

static bool is_up(const struct port *port)
{
	for (unsigned ms = 0; ms < RIG_PATIENCE_MS && !read_once(&port->link_up); ms++)
		usleep(1000);
	return read_once(&port->link_up);
}

static const char *enter(struct player *p)
{
	char path[128], err[256];
	struct vhost_frontend_config c = {
		.socket = path,
		.queue_pairs = 1,
		.features = p->features,
		.protocol_features = ~0ull,
		.inband = p->inband,
		.timeout_ms = RIG_PATIENCE_MS,
	};
	int error;

	snprintf(path, sizeof(path), "%s/%s.sock", p->rig->dir, p->name);
	p->f = vhost_frontend_create(&c, &error, err, sizeof(err));
	return p->f && is_up(p->port) && is_up(p->other_port) ? NULL : "it does not come up";
}

static void play(struct rig_thread *t)
{
	struct player *p = t->arg;
	struct rig_random random = { p->self };

	t->fault = enter(p);
	for (unsigned i = 0; i < p->trips && !t->fault; i++) {
		if (p->serves)
			throw_ball(p, i);
		t->fault = catch_ball(p, i);
		/* Long enough for the worker to arm and sleep, or not quite. */
		rig_spin_ns(rig_random(&random, PAUSE_MAX_NS));
		if (!p->serves)
			throw_ball(p, i);
	}
}

static void play_with(enum poll_mode poll, unsigned busy_poll_us, unsigned workers, uint64_t a, uint64_t b,
		      unsigned n_inband)
{
	static const char *const names[] = { "a", "b" };
	const uint64_t features[] = { a, b };
	struct player players[2];
	struct rig_thread threads[2];
	struct rig rig;

	rig_start(&rig, workers, poll, busy_poll_us);
	for (unsigned i = 0; i < 2; i++) {
		players[i] = (struct player){
			.rig = &rig,
			.name = names[i],
			.port = rig_add_port(&rig, names[i], 1),
			.features = features[i],
			.inband = i < n_inband,
			.self = (uint8_t)i,
			.other = (uint8_t)(1 - i),
			.serves = i == 0,
			.trips = rig_is_instrumented() ? TRIPS_INSTRUMENTED : TRIPS,
		};
		threads[i] = (struct rig_thread){ .run = play, .arg = &players[i] };
	}
	for (unsigned i = 0; i < 2; i++)
		players[i].other_port = players[1 - i].port;
	rig_run_threads(&rig, threads, 2, NULL, NULL);
	for (unsigned i = 0; i < 2; i++)
		vhost_frontend_destroy(players[i].f);
	rig_stop(&rig);
}

#define SPLIT    rig_all_features()
#define PACKED   port_vhost_offered()
#define NO_EVENT (~BIT(VIRTIO_RING_F_EVENT_IDX))

static void test_poll_never(void **state)
{
	(void)state;
	play_with(POLL_NEVER, 0, 1, SPLIT, PACKED, 0);
	play_with(POLL_NEVER, 0, 2, SPLIT & NO_EVENT, PACKED & NO_EVENT, 0);
}

static void test_poll_adaptive(void **state)
{
	(void)state;
	play_with(POLL_ADAPTIVE, 20, 1, SPLIT, PACKED, 0);
	play_with(POLL_ADAPTIVE, 50, 2, SPLIT & NO_EVENT, PACKED & NO_EVENT, 0);
	play_with(POLL_ADAPTIVE, 0, 2, PACKED, SPLIT, 0);
}

static void test_inband(void **state)
{
	(void)state;
	play_with(POLL_NEVER, 0, 1, SPLIT, PACKED, 2);
	play_with(POLL_ADAPTIVE, 20, 2, SPLIT & NO_EVENT, PACKED & NO_EVENT, 2);
	play_with(POLL_ADAPTIVE, 20, 1, PACKED, SPLIT, 1);
}

static void test_poll_always(void **state)
{
	(void)state;
	play_with(POLL_ALWAYS, 0, 1, SPLIT, PACKED, 0);
}

/* Does the back-end want to be kicked for one more frame? */
static bool wants_kick(struct rig *rig, struct vhost_frontend *f, const char *port)
{
	struct port_counters before = rig_rx(rig, port), now;
	struct virtq_driver *d = vhost_frontend_driver(f, 1);
	uint8_t frame[60];
	bool wanted;

	rig_frame(frame, sizeof(frame), 1, 1, 0);
	assert_int_equal(vhost_frontend_send(f, 0, NULL, frame, sizeof(frame)), 0);
	virtq_driver_publish(d);
	wanted = virtq_driver_should_kick(d);
	if (wanted)
		vhost_frontend_kick(f, 1);
	do
		now = rig_rx(rig, port);
	while (now.drops[DROP_HAIRPIN] == before.drops[DROP_HAIRPIN]);
	return wanted;
}

/* poll: always. The lane is polled before its ring starts. */
static void test_polled_queue_wants_no_kicks(void **state)
{
	static const bool packed[] = { false, true };
	struct rig rig;

	(void)state;
	rig_start(&rig, 1, POLL_ALWAYS, 0);
	rig_add_port(&rig, "a", 1);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t features = (packed[i] ? PACKED : SPLIT) & NO_EVENT;
		struct vhost_frontend *f =
		    rig_attach(&rig, "a", (struct vhost_frontend_config){ .features = features });

		wants_kick(&rig, f, "a"); /* the first may have come before the first look */
		for (unsigned k = 0; k < 10; k++)
			assert_false(wants_kick(&rig, f, "a"));
		vhost_frontend_destroy(f);
		rig_wait_active(&rig, "a", 0);
	}
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_polled_queue_wants_no_kicks),
		cmocka_unit_test(test_poll_never),
		cmocka_unit_test(test_poll_adaptive),
		cmocka_unit_test(test_poll_always),
		cmocka_unit_test(test_inband),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
