/* SPDX-License-Identifier: Apache-2.0 */
/* test_ports.c - Ports come, are used, and go, and nothing of them stays. */
#include <malloc.h>
#include <unistd.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "port/port_vhost.h"
#include "switch_rig.h"

enum { ROUNDS = 100, ROUNDS_INSTRUMENTED = 40, WARM_UP = 30, FRAMES = 40, SMALLEST_CHUNK = 32 };

static const char *const names[] = { "a", "b", "c" };

/* Send numbered frames of many sizes and see each of them come. */
static void exchange(struct rig *rig, struct vhost_frontend *from, uint8_t src, struct vhost_frontend *to, uint8_t dst)
{
	static uint8_t sent[65550], got[65550];

	for (unsigned i = 0; i < FRAMES; i++) {
		size_t len = 60 + (size_t)i * i * 40;
		uint64_t deadline_ns = clock_ns() + RIG_PATIENCE_MS * NSEC_PER_MSEC;
		long n;

		rig_frame(sent, len, dst, src, i);
		assert_int_equal(vhost_frontend_send(from, 0, NULL, sent, len), 0);
		vhost_frontend_flush(from, 0);
		while ((n = vhost_frontend_receive(to, 0, NULL, got, sizeof(got))) < 0 && clock_ns() < deadline_ns)
			rig_turn_at_once(rig);
		assert_int_equal(n, len);
		assert_int_equal(rig_frame_number(got, len, dst, src), i);
	}
}

static void use_once(struct rig *rig, unsigned round)
{
	struct vhost_frontend_config c = { .protocol_features = ~0ull, .n_regions = 1 + round % 3 };
	struct vhost_frontend *f[3];

	for (unsigned i = 0; i < 3; i++) {
		rig_add_port(rig, names[i], 1 + i);
		c.queue_pairs = 1 + i;
		c.features = i == 1 ? port_vhost_offered() : rig_all_features();
		f[i] = rig_attach(rig, names[i], c);
		rig_say_hello(rig, f[i], names[i], (uint8_t)i);
	}
	exchange(rig, f[0], 0, f[1], 1);
	exchange(rig, f[1], 1, f[0], 0);
	/* In use or not when it goes, and its front-end before or after it. */
	for (unsigned i = 0; i < 3; i++) {
		if ((round + i) % 2)
			vhost_frontend_destroy(f[i]);
		rig_del_port(rig, names[i]);
		if (!((round + i) % 2))
			vhost_frontend_destroy(f[i]);
	}
}

static void test_ports_leave_nothing_behind(void **state)
{
	const unsigned rounds = rig_is_instrumented() ? ROUNDS_INSTRUMENTED : ROUNDS;
	unsigned fds = 0, maps = 0;
	size_t heap = 0;
	struct rig rig;

	(void)state;
	rig_start(&rig, 2, POLL_ADAPTIVE, 50);
	for (unsigned round = 0; round < rounds; round++) {
		if (round == WARM_UP) {
			fds = rig_count_fds();
			maps = rig_count_maps();
			heap = mallinfo2().uordblks;
		}
		use_once(&rig, round);
	}
	/* The C library keeps some for itself; what leaks in each round is more than that. */
	heap += (ROUNDS - WARM_UP) * SMALLEST_CHUNK - 1;
	rig_wait_for_fds(fds);
	/* What named them is freed after that. */
	for (unsigned ms = 0; ms < RIG_PATIENCE_MS && mallinfo2().uordblks > heap; ms++)
		usleep(1000);
	if (!rig_is_instrumented()) {
		assert_int_equal(rig_count_maps(), maps);
		assert_in_range(mallinfo2().uordblks, 0, heap);
	}
	rig_stop(&rig);
}

static void test_everything_ends_with_ports_in_use(void **state)
{
	struct vhost_frontend *a, *b;
	unsigned fds = rig_count_fds();
	struct rig rig;

	(void)state;
	rig_start(&rig, 2, POLL_ADAPTIVE, 50);
	rig_add_port(&rig, "a", 1);
	rig_add_port(&rig, "b", 1);
	a = rig_attach(&rig, "a", (struct vhost_frontend_config){ .features = rig_all_features() });
	b = rig_attach(&rig, "b", (struct vhost_frontend_config){ .features = port_vhost_offered() });
	exchange(&rig, a, 0, b, 1);
	rig_stop(&rig);
	vhost_frontend_destroy(a);
	vhost_frontend_destroy(b);
	rig_wait_for_fds(fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_ends_with_ports_in_use),
		cmocka_unit_test(test_ports_leave_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
