/* SPDX-License-Identifier: Apache-2.0 */
/* runtime_balance.c - Which worker polls which queue: measures loads, has a plan made (worker/plan.h), moves queues.
 *
 * By itself it moves one queue at a time, and only when the plan has asked for a move for some seconds: a move costs caches, and a
 * load that comes and goes is not worth following. Then it waits until the measurements show what it did. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/cycles.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "control/runtime_priv.h"
#include "worker/lane.h"
#include "worker/plan.h"

enum {
	PERIOD_MS = 1000,
	MEASURE_LEAST_MS = 500,
	LEAST_DIFFERENCE = PLAN_CORE / 4,
	PATIENCE_PERIODS = 3,
	QUIET_S = 10,
	/* A held batch is given up after 5 ms at most (switch/forward.h); the moment between it and the next has to be met. */
	MOVE_TRIES = 100,
	MOVE_NAP_NS = 100 * 1000,
};

/* Loads */

static void measure_port(struct runtime_port *rp, uint64_t elapsed_cycles)
{
	for (unsigned q = 0; q < rp->port->n_queues; q++) {
		struct runtime_lane *l = &rp->lanes[q];
		uint64_t cycles, load;

		if (!l->lane)
			continue;
		cycles = lane_cycles(l->lane);
		load = (cycles - l->cycles_seen) * PLAN_CORE / elapsed_cycles;
		l->load = (unsigned)MIN(load, (uint64_t)PLAN_CORE);
		l->cycles_seen = cycles;
	}
}

void runtime_measure_load(struct runtime *rt)
{
	struct balance *b = &rt->balance;
	uint64_t now_ns = clock_ns(), cycles = cycles_now();

	if (now_ns - b->measured_ns < MEASURE_LEAST_MS * NSEC_PER_MSEC)
		return;
	for (unsigned i = 0; i < rt->n_idx; i++)
		if (rt->by_idx[i])
			measure_port(rt->by_idx[i], cycles - b->measured_cycles);
	b->measured_ns = now_ns;
	b->measured_cycles = cycles;
}

unsigned runtime_balance_load(const struct runtime *rt, const struct worker *w)
{
	unsigned load = 0;

	for (unsigned i = 0; i < rt->n_idx; i++)
		for (unsigned q = 0; rt->by_idx[i] && q < rt->by_idx[i]->port->n_queues; q++)
			if (rt->by_idx[i]->lanes[q].lane && rt->by_idx[i]->lanes[q].worker == w)
				load += rt->by_idx[i]->lanes[q].load;
	return load;
}

/* The plan */

static int make_room(struct balance *b, unsigned n)
{
	struct plan_queue *queues;
	struct runtime_move *at;

	if (n <= b->room)
		return 0;
	n = MAX(n, 2 * b->room);
	queues = realloc(b->queues, n * sizeof(*queues));
	if (!queues)
		return -ENOMEM;
	b->queues = queues;
	at = realloc(b->at, n * sizeof(*at));
	if (!at)
		return -ENOMEM;
	b->at = at;
	b->room = n;
	return 0;
}

/* All queues that are polled; b->at says where the plan's are. 0 or -ENOMEM. */
static int make_plan(struct runtime *rt, struct plan *p)
{
	struct balance *b = &rt->balance;

	*p = (struct plan){ .n_workers = rt->n_workers, .nodes = rt->places.nodes };
	for (unsigned i = 0; i < rt->n_idx; i++) {
		const struct runtime_port *rp = rt->by_idx[i];

		if (!rp)
			continue;
		if (make_room(b, p->n_queues + rp->port->n_queues))
			return -ENOMEM;
		for (unsigned q = 0; q < rp->port->n_queues; q++) {
			const struct runtime_lane *l = &rp->lanes[q];

			if (!l->lane)
				continue;
			b->queues[p->n_queues] =
			    (struct plan_queue){ worker_idx(l->worker), l->load, runtime_places_node(rt, rp, q) };
			b->at[p->n_queues++] = (struct runtime_move){ .port = rp, .queue = q };
		}
	}
	p->queues = b->queues;
	return 0;
}

struct worker *runtime_balance_place(struct runtime *rt)
{
	struct plan p;

	return make_plan(rt, &p) ? NULL : rt->workers[plan_place(&p, PLAN_NODE_ANY)];
}

static bool find_move(const struct plan *p, unsigned least_difference, struct plan_move *move)
{
	return plan_bring_home(p, move) || plan_even_out(p, least_difference, move);
}

/* Moves */

unsigned runtime_lane_worker(const struct runtime_lane *l)
{
	return worker_idx(l->worker);
}

int runtime_move_lane(struct runtime *rt, struct runtime_port *rp, unsigned queue, unsigned to)
{
	static const struct timespec nap = { .tv_nsec = MOVE_NAP_NS };
	struct runtime_lane *l = &rp->lanes[queue];
	int err = worker_lane_move(l->worker, rt->workers[to], l->lane);

	for (unsigned tries = 1; err == -EAGAIN && tries < MOVE_TRIES; tries++) {
		nanosleep(&nap, NULL);
		err = worker_lane_move(l->worker, rt->workers[to], l->lane);
	}
	if (err)
		return err;
	log_info("port %s: queue %u goes from worker %u to worker %u", rp->config.name, queue, worker_idx(l->worker),
		 to);
	l->worker = rt->workers[to];
	return 0;
}

static void move_one(struct runtime *rt, struct plan *p, const struct plan_move *move, struct runtime_move *done)
{
	struct runtime_move m = rt->balance.at[move->queue];

	m.from = p->queues[move->queue].worker;
	m.to = move->to;
	m.done = runtime_move_lane(rt, rt->by_idx[m.port->port->idx], m.queue, m.to) == 0;
	p->queues[move->queue].worker = move->to;
	*done = m;
}

int runtime_rebalance(struct runtime *rt, struct runtime_move **moves)
{
	struct plan p;
	struct plan_move move;
	unsigned n = 0;

	runtime_measure_load(rt);
	if (make_plan(rt, &p))
		return -ENOMEM;
	*moves = calloc(p.n_queues + 1, sizeof(**moves));
	if (!*moves)
		return -ENOMEM;
	/* More moves than queues: they chase each other. */
	while (n < p.n_queues && find_move(&p, 0, &move))
		move_one(rt, &p, &move, &(*moves)[n++]);
	rt->balance.quiet_until_ns = clock_ns() + QUIET_S * NSEC_PER_SEC;
	return (int)n;
}

static void on_period(void *arg)
{
	struct runtime *rt = arg;
	struct balance *b = &rt->balance;
	struct runtime_move done;
	struct plan_move move;
	struct plan p;

	runtime_measure_load(rt);
	if (clock_ns() < b->quiet_until_ns)
		return;
	if (make_plan(rt, &p) || !find_move(&p, LEAST_DIFFERENCE, &move)) {
		b->uneven_periods = 0;
		return;
	}
	if (++b->uneven_periods < PATIENCE_PERIODS)
		return;
	move_one(rt, &p, &move, &done);
	b->uneven_periods = 0;
	b->quiet_until_ns = clock_ns() + QUIET_S * NSEC_PER_SEC;
}

void runtime_balance_init(struct runtime *rt)
{
	rt->balance.measured_ns = clock_ns();
	rt->balance.measured_cycles = cycles_now();
	if (rt->n_workers > 1 && rt->options.accounting == ACCOUNTING_STAGES)
		rt->balance.timer = timer_add(rt->loop, PERIOD_MS, PERIOD_MS, on_period, rt);
}

void runtime_balance_deinit(struct runtime *rt)
{
	timer_remove(rt->balance.timer);
	free(rt->balance.queues);
	free(rt->balance.at);
}
