/* SPDX-License-Identifier: Apache-2.0 */
/* test_gate.c - Workers and control in one ring: never two at a time, and control always gets in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/barrier.h"
#include "base/compiler.h"
#include "base/gate.h"

enum { WORKERS = 3, PARKS = 2000, ROUNDS = 20000 };

struct ring {
	struct gate gate;
	/* Not atomic: whoever is inside is alone, which ThreadSanitizer knows better than a count. */
	unsigned long entered;
	bool parked;
	bool stop;
};

/* cmocka's assertions are for its own thread. */
static void check(bool ok)
{
	if (!ok)
		abort();
}

static void use(struct ring *r)
{
	check(!r->parked);
	r->entered++;
}

static void *receiving_worker(void *arg)
{
	struct ring *r = arg;

	while (!read_once(&r->stop)) {
		if (!gate_try_enter(&r->gate))
			continue;
		use(r);
		gate_leave(&r->gate);
	}
	return NULL;
}

static void *sending_worker(void *arg)
{
	struct ring *r = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		if (!gate_enter(&r->gate)) {
			sched_yield();
			continue;
		}
		use(r);
		gate_leave(&r->gate);
	}
	return NULL;
}

/* One receives for ever, others send a while: control gets in as often as it wants, and then stays alone. */
static void test_one_at_a_time(void **state)
{
	static struct ring r;
	pthread_t threads[WORKERS];

	(void)state;
	gate_init(&r.gate);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, i ? sending_worker : receiving_worker, &r), 0);
	for (unsigned i = 0; i < PARKS; i++) {
		unsigned long entered;

		gate_park(&r.gate);
		r.parked = true;
		entered = r.entered;
		assert_true(gate_wanted(&r.gate));
		assert_false(gate_try_enter(&r.gate));
		assert_false(gate_enter(&r.gate));
		assert_int_equal(r.entered, entered);
		r.parked = false;
		gate_unpark(&r.gate);
	}
	for (unsigned i = 1; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	write_once(&r.stop, true);
	pthread_join(threads[0], NULL);
	assert_false(gate_wanted(&r.gate));
	assert_true(gate_try_enter(&r.gate));
	assert_true(r.entered > 0);
}

struct visitor {
	struct gate *gate;
	bool inside;
};

static void *park_and_leave(void *arg)
{
	struct visitor *v = arg;

	gate_park(v->gate);
	write_once(&v->inside, true);
	gate_unpark(v->gate);
	return NULL;
}

/* Who keeps frames sees that it is waited for, and control waits until it leaves. */
static void test_control_waits_for_who_is_inside(void **state)
{
	struct gate gate;
	struct visitor v = { .gate = &gate };
	pthread_t control;

	(void)state;
	gate_init(&gate);
	assert_true(gate_try_enter(&gate));
	assert_false(gate_wanted(&gate));
	assert_int_equal(pthread_create(&control, NULL, park_and_leave, &v), 0);
	while (!gate_wanted(&gate))
		sched_yield();
	for (unsigned i = 0; i < 100; i++) {
		assert_false(read_once(&v.inside));
		sched_yield();
	}
	gate_leave(&gate);
	pthread_join(control, NULL);
	assert_true(v.inside);
	assert_true(gate_try_enter(&gate));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_control_waits_for_who_is_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
