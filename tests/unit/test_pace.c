/* SPDX-License-Identifier: Apache-2.0 */
/* test_pace.c - Who comes how often waits how long. Time is the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "vhost/pace.h"

/* Connections that a front-end gets within `ms`, when it comes whenever it may and each costs `cost_ms`. */
static unsigned connections(struct vhost_pace *p, uint64_t *now_ns, unsigned ms, unsigned cost_ms)
{
	const uint64_t end_ns = *now_ns + ms * NSEC_PER_MSEC;
	unsigned n = 0, wait_ms;

	for (;;) {
		wait_ms = vhost_pace_wait_ms(p, *now_ns);
		if (*now_ns + wait_ms * NSEC_PER_MSEC >= end_ns)
			break;
		*now_ns += wait_ms * NSEC_PER_MSEC;
		vhost_pace_charge(p, *now_ns, cost_ms);
		n++;
	}
	*now_ns = end_ns;
	return n;
}

static void test_burst_then_rate(void **state)
{
	static const struct {
		unsigned cost_ms, burst, per_10_s;
	} rows[] = {
		{ PACE_CONNECTION_MS, 50, 100 },
		{ PACE_CONNECTION_MS + PACE_FAULT_MS, 10, 20 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vhost_pace p = { 0 };
		uint64_t now_ns = 1000 * NSEC_PER_SEC;
		unsigned n = connections(&p, &now_ns, 1, rows[i].cost_ms);

		assert_in_range(n, rows[i].burst, rows[i].burst + 1);
		n = connections(&p, &now_ns, 10000, rows[i].cost_ms);
		assert_in_range(n, rows[i].per_10_s - 2, rows[i].per_10_s + 1);
	}
}

/* Who stays away for a day has no more to spend than who stays away for some seconds. */
static void test_what_is_gathered_has_an_end(void **state)
{
	struct vhost_pace p = { 0 };
	uint64_t now_ns = NSEC_PER_MSEC; /* since the machine has started */

	(void)state;
	connections(&p, &now_ns, 20000, PACE_CONNECTION_MS);
	now_ns += 86400 * NSEC_PER_SEC;
	assert_in_range(connections(&p, &now_ns, 1, PACE_CONNECTION_MS), 50, 51);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_then_rate),
		cmocka_unit_test(test_what_is_gathered_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
