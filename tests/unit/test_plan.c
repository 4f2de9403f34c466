/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"

enum { ANY = PLAN_NODE_ANY, NOBODY = 999, QUEUES_MAX = 64, QUARTER = PLAN_CORE / 4 };

static const int one_node[PLAN_WORKERS_MAX], two_nodes[] = { 0, 0, 1, 1 };

static struct plan plan_of(unsigned n_workers, const int *nodes, struct plan_queue *queues)
{
	struct plan p = { .n_workers = n_workers, .nodes = nodes, .queues = queues };

	while (queues[p.n_queues].worker != NOBODY)
		p.n_queues++;
	return p;
}

/* clang-format off */

static void test_place(void **state)
{
	struct {
		unsigned n_workers;
		const int *nodes;
		int node;
		struct plan_queue queues[8];
		unsigned expected;
	} cases[] = {
		{ 1, one_node, ANY, { { 0, 900, ANY }, { NOBODY, 0, 0 } }, 0 },
		{ 3, one_node, ANY, { { NOBODY, 0, 0 } }, 0 },
		{ 3, one_node, ANY, { { 0, 0, ANY }, { NOBODY, 0, 0 } }, 1 },             /* idle ones are spread */
		{ 2, one_node, ANY, { { 0, 300, ANY }, { 1, 0, ANY }, { 1, 0, ANY }, { NOBODY, 0, 0 } }, 1 },
		{ 2, one_node, ANY, { { 0, 0, ANY }, { 1, 5, ANY }, { NOBODY, 0, 0 } }, 0 },
		{ 4, two_nodes, 1, { { NOBODY, 0, 0 } }, 2 },                             /* at home */
		{ 4, two_nodes, 1, { { 2, 500, 1 }, { NOBODY, 0, 0 } }, 3 },
		{ 4, two_nodes, 1, { { 2, 900, 1 }, { 3, 880, 1 }, { NOBODY, 0, 0 } }, 0 }, /* no room at home */
		{ 4, two_nodes, ANY, { { 0, 50, 0 }, { 1, 50, 0 }, { 2, 90, 1 }, { NOBODY, 0, 0 } }, 3 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct plan p = plan_of(cases[i].n_workers, cases[i].nodes, cases[i].queues);

		if (plan_place(&p, cases[i].node) != cases[i].expected)
			fail_msg("case %zu", i);
	}
}

static void test_even_out(void **state)
{
	struct {
		unsigned n_workers, least;
		struct plan_queue queues[8];
		struct plan_move expected;
	} cases[] = {
		{ 1, 0, { { 0, 900, ANY }, { 0, 90, ANY }, { NOBODY, 0, 0 } }, { NOBODY, 0 } },
		{ 2, 0, { { NOBODY, 0, 0 } }, { NOBODY, 0 } },
		/* One alone gains nothing anywhere. */
		{ 2, 0, { { 0, 900, ANY }, { NOBODY, 0, 0 } }, { NOBODY, 0 } },
		{ 2, QUARTER, { { 0, 900, ANY }, { 1, 100, ANY }, { NOBODY, 0, 0 } }, { NOBODY, 0 } },
		{ 2, QUARTER, { { 0, 450, ANY }, { 0, 450, ANY }, { NOBODY, 0, 0 } }, { 0, 1 } },
		/* The one that brings them closest: 700 against 300. */
		{ 2, QUARTER, { { 0, 100, ANY }, { 0, 400, ANY }, { 0, 210, ANY }, { 1, 300, ANY }, { NOBODY, 0, 0 } }, { 2, 1 } },
		/* The idlest of the others takes it. */
		{ 3, QUARTER, { { 0, 400, ANY }, { 0, 300, ANY }, { 1, 300, ANY }, { 2, 100, ANY }, { NOBODY, 0, 0 } }, { 1, 2 } },
		/* A small difference is left alone, unless somebody wants it evened out. */
		{ 2, QUARTER, { { 0, 100, ANY }, { 0, 100, ANY }, { NOBODY, 0, 0 } }, { NOBODY, 0 } },
		{ 2, 0, { { 0, 100, ANY }, { 0, 100, ANY }, { NOBODY, 0, 0 } }, { 0, 1 } },
		/* So is one that a move would hardly change. */
		{ 2, QUARTER, { { 0, 600, ANY }, { 0, 5, ANY }, { 1, 300, ANY }, { NOBODY, 0, 0 } }, { NOBODY, 0 } },
		/* Idle ones: by number, and never to and fro. */
		{ 2, 0, { { 0, 0, ANY }, { 0, 0, ANY }, { 0, 0, ANY }, { 1, 0, ANY }, { NOBODY, 0, 0 } }, { 0, 1 } },
		{ 2, 0, { { 0, 0, ANY }, { 0, 0, ANY }, { 1, 0, ANY }, { NOBODY, 0, 0 } }, { NOBODY, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct plan p = plan_of(cases[i].n_workers, one_node, cases[i].queues);
		struct plan_move move = { NOBODY, 0 };
		bool found = plan_even_out(&p, cases[i].least, &move);

		assert_int_equal(found, move.queue != NOBODY);
		if (move.queue != cases[i].expected.queue || move.to != cases[i].expected.to)
			fail_msg("case %zu: queue %u to %u", i, move.queue, move.to);
	}
}

static void test_nodes(void **state)
{
	struct {
		bool home; /* plan_bring_home(), else plan_even_out() */
		struct plan_queue queues[8];
		struct plan_move expected;
	} cases[] = {
		{ true, { { 0, 100, 0 }, { 2, 100, 1 }, { 3, 100, ANY }, { NOBODY, 0, 0 } }, { NOBODY, 0 } },
		{ true, { { 0, 100, 0 }, { 1, 100, 1 }, { NOBODY, 0, 0 } }, { 1, 2 } },
		{ true, { { 2, 100, 1 }, { 1, 100, 1 }, { NOBODY, 0, 0 } }, { 1, 3 } },
		/* Home is full. */
		{ true, { { 2, 800, 1 }, { 3, 800, 1 }, { 0, 100, 1 }, { NOBODY, 0, 0 } }, { NOBODY, 0 } },
		/* Among those of the node, although others have less to do. */
		{ false, { { 0, 300, 0 }, { 0, 300, 0 }, { 1, 100, 0 }, { NOBODY, 0, 0 } }, { 0, 1 } },
		{ false, { { 0, 300, 0 }, { 0, 300, 0 }, { 1, 500, 0 }, { NOBODY, 0, 0 } }, { NOBODY, 0 } },
		/* Away from it in need, but not for what the distance costs. */
		{ false, { { 0, 500, 0 }, { 0, 400, 0 }, { 1, 850, 0 }, { NOBODY, 0, 0 } }, { 1, 2 } },
		{ false, { { 0, 880, 0 }, { 1, 850, 0 }, { NOBODY, 0, 0 } }, { NOBODY, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct plan p = plan_of(4, two_nodes, cases[i].queues);
		struct plan_move move = { NOBODY, 0 };
		bool found = cases[i].home ? plan_bring_home(&p, &move) : plan_even_out(&p, QUARTER, &move);

		assert_int_equal(found, move.queue != NOBODY);
		if (move.queue != cases[i].expected.queue || move.to != cases[i].expected.to)
			fail_msg("case %zu: queue %u to %u", i, move.queue, move.to);
	}
}

/* clang-format on */

static uint32_t random_below(uint32_t n)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(state >> 33) % n;
}

static void make_plan(struct plan *p, struct plan_queue *queues)
{
	static int nodes[PLAN_WORKERS_MAX];

	*p = (struct plan){
		.n_workers = 1 + random_below(8), .nodes = nodes, .n_queues = random_below(QUEUES_MAX), .queues = queues
	};
	for (unsigned w = 0; w < p->n_workers; w++)
		nodes[w] = (int)random_below(4) - 1;
	for (unsigned i = 0; i < p->n_queues; i++)
		queues[i] = (struct plan_queue){ random_below(p->n_workers), random_below(random_below(2) ? 1000 : 20),
						 (int)random_below(4) - 1 };
}

/* Whatever there is, following the plan comes to an end, and every queue stays with some worker. */
static void test_ends(void **state)
{
	(void)state;
	for (unsigned times = 0; times < 20000; times++) {
		struct plan_queue queues[QUEUES_MAX];
		struct plan p;
		struct plan_move move;
		unsigned least, moves = 0;

		make_plan(&p, queues);
		least = random_below(2) ? QUARTER : 0;
		while (plan_bring_home(&p, &move) || plan_even_out(&p, least, &move)) {
			assert_in_range(move.queue, 0, p.n_queues - 1);
			assert_in_range(move.to, 0, p.n_workers - 1);
			assert_int_not_equal(queues[move.queue].worker, move.to);
			queues[move.queue].worker = move.to;
			assert_in_range(++moves, 0, 10 * QUEUES_MAX);
		}
		assert_in_range(plan_place(&p, (int)random_below(4) - 1), 0, p.n_workers - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_place),
		cmocka_unit_test(test_even_out),
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
