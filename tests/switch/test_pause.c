/* SPDX-License-Identifier: Apache-2.0 */
/* test_pause.c - Workers that stand still touch no ring, and lose no frame when they go on.
 *
 * Two front-ends of a thread each exchange numbered frames and sleep when there is nothing; control stops and starts the workers all
 * the while. */
#include <string.h>

#include "base/barrier.h"
#include "control/runtime.h"
#include "good_pair.h"
#include "port/port.h"
#include "port/port_vhost.h"

enum { PAUSES = 300, PAUSES_INSTRUMENTED = 30, LOOKS = 20 };

struct pauses {
	struct rig *rig;
	struct good_pair *pair;
	unsigned left;
};

static uint64_t frames(struct rig *rig)
{
	struct port_counters a = rig_rx(rig, "good0"), b = rig_rx(rig, "good1");

	return a.frames + b.frames;
}

/* By control, while the front-ends' threads run. */
static void pause_once(void *arg)
{
	struct pauses *p = arg;
	uint64_t before;

	if (p->left == 0 || --p->left == 0) {
		write_once(&p->pair->stop, true);
		return;
	}
	runtime_pause(p->rig->rt);
	before = frames(p->rig);
	for (unsigned i = 0; i < LOOKS; i++) {
		rig_spin_ns(10 * 1000);
		assert_int_equal(frames(p->rig), before);
	}
	runtime_resume(p->rig->rt);
	rig_spin_ns(200 * 1000);
}

static void pause_with(enum poll_mode poll, unsigned busy_poll_us, unsigned workers)
{
	struct good_pair pair;
	struct rig rig;
	struct pauses p = { .rig = &rig, .pair = &pair };
	struct rig_thread thread = { .run = good_pair_run, .arg = &pair };

	p.left = rig_is_instrumented() ? PAUSES_INSTRUMENTED : PAUSES;
	rig_start(&rig, workers, poll, busy_poll_us);
	good_pair_start(&pair, &rig);
	rig_run_threads(&rig, &thread, 1, pause_once, &p);
	assert_true(pair.n_frames > 0);
	good_pair_stop(&pair, &rig);
	rig_stop(&rig);
}

static void test_poll_never(void **state)
{
	(void)state;
	pause_with(POLL_NEVER, 0, 1);
}

static void test_poll_adaptive(void **state)
{
	(void)state;
	pause_with(POLL_ADAPTIVE, 20, 2);
}

static void test_poll_always(void **state)
{
	(void)state;
	pause_with(POLL_ALWAYS, 0, 1);
}

/* A paused runtime still does what control asks for. */
static void test_ports_come_and_go(void **state)
{
	uint8_t frame[100];
	struct vhost_frontend *f;
	struct rig rig;

	(void)state;
	rig_start(&rig, 2, POLL_ADAPTIVE, 20);
	rig_add_port(&rig, "a", 1);
	f = rig_attach(&rig, "a", (struct vhost_frontend_config){ .features = rig_all_features() });
	runtime_pause(rig.rt);
	rig_add_port(&rig, "b", 2);
	rig_del_port(&rig, "b");
	vhost_frontend_destroy(f);
	rig_wait_active(&rig, "a", 0);
	f = rig_attach(&rig, "a", (struct vhost_frontend_config){ .features = port_vhost_offered() });
	rig_frame(frame, sizeof(frame), 1, 2, 3);
	assert_int_equal(vhost_frontend_send(f, 0, NULL, frame, sizeof(frame)), 0);
	vhost_frontend_flush(f, 0);
	for (unsigned i = 0; i < LOOKS; i++)
		rig_turn_at_once(&rig);
	assert_int_equal(rig_rx(&rig, "a").frames, 0);
	runtime_resume(rig.rt);
	while (rig_rx(&rig, "a").frames == 0)
		rig_turn(&rig);
	vhost_frontend_destroy(f);
	runtime_pause(rig.rt);
	rig_stop(&rig); /* as it is */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_poll_never),
		cmocka_unit_test(test_poll_adaptive),
		cmocka_unit_test(test_poll_always),
		cmocka_unit_test(test_ports_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
