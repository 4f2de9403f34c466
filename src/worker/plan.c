/* SPDX-License-Identifier: Apache-2.0 */
/* plan.c - The move that brings the workers closest. */
#include "worker/plan.h"

#include "base/compiler.h"

/* Of a difference that is acted upon, a move has to gain so much, or queues would change places for nothing. */
enum { GAIN_SHARE = 8 };

static bool is_far(const struct plan *p, unsigned worker, int node)
{
	return node != PLAN_NODE_ANY && p->nodes[worker] != PLAN_NODE_ANY && p->nodes[worker] != node;
}

/* What a queue takes, or would take, of a worker: memory of another node is slower, by a quarter as a rule of thumb. */
static unsigned cost(const struct plan *p, const struct plan_queue *q, unsigned worker)
{
	unsigned load = q->load + PLAN_QUEUE;

	return is_far(p, worker, q->node) ? load + load / 4 : load;
}

/* What was measured has the distance in it already. */
static void sum_up(const struct plan *p, unsigned loads[PLAN_WORKERS_MAX])
{
	for (unsigned w = 0; w < p->n_workers; w++)
		loads[w] = 0;
	for (unsigned i = 0; i < p->n_queues; i++)
		loads[p->queues[i].worker] += p->queues[i].load + PLAN_QUEUE;
}

unsigned plan_place(const struct plan *p, int node)
{
	unsigned loads[PLAN_WORKERS_MAX], best = 0;
	bool best_far = true;

	sum_up(p, loads);
	for (unsigned w = 0; w < p->n_workers; w++) {
		bool far = is_far(p, w, node) || loads[w] > PLAN_FULL;

		if (w == 0 || far < best_far || (far == best_far && loads[w] < loads[best])) {
			best = w;
			best_far = far;
		}
	}
	return best;
}

bool plan_bring_home(const struct plan *p, struct plan_move *move)
{
	unsigned loads[PLAN_WORKERS_MAX];

	sum_up(p, loads);
	for (unsigned i = 0; i < p->n_queues; i++) {
		const struct plan_queue *q = &p->queues[i];
		unsigned best = q->worker;

		if (!is_far(p, q->worker, q->node))
			continue;
		for (unsigned w = 0; w < p->n_workers; w++)
			if (p->nodes[w] == q->node && loads[w] + cost(p, q, w) <= PLAN_FULL &&
			    (best == q->worker || loads[w] < loads[best]))
				best = w;
		if (best != q->worker) {
			*move = (struct plan_move){ i, best };
			return true;
		}
	}
	return false;
}

/* The load of the busier one of two workers after a move. */
static unsigned busier_after(const struct plan *p, const unsigned *loads, const struct plan_queue *q, unsigned to)
{
	return MAX(loads[q->worker] - q->load - PLAN_QUEUE, loads[to] + cost(p, q, to));
}

/* May a queue of `from` go to `to`? It leaves its node only in need. */
static bool may_go(const struct plan *p, const unsigned *loads, int node, unsigned from, unsigned to)
{
	return to != from && (loads[from] > PLAN_FULL || is_far(p, from, node) || !is_far(p, to, node));
}

bool plan_even_out(const struct plan *p, unsigned least_difference, struct plan_move *move)
{
	unsigned loads[PLAN_WORKERS_MAX] = { 0 }, busiest = 0, idlest = 0, bound;
	unsigned gain = MAX(least_difference / GAIN_SHARE, (unsigned)PLAN_QUEUE);
	bool found = false;

	sum_up(p, loads);
	for (unsigned w = 1; w < p->n_workers; w++) {
		busiest = loads[w] > loads[busiest] ? w : busiest;
		idlest = loads[w] < loads[idlest] ? w : idlest;
	}
	if (loads[busiest] - loads[idlest] < MAX(least_difference, gain))
		return false;
	bound = loads[busiest] - gain;
	for (unsigned i = 0; i < p->n_queues; i++) {
		const struct plan_queue *q = &p->queues[i];

		for (unsigned w = 0; w < p->n_workers && q->worker == busiest; w++) {
			unsigned after;

			if (!may_go(p, loads, q->node, busiest, w))
				continue;
			after = busier_after(p, loads, q, w);
			if (after > bound || (found && after == bound && loads[w] >= loads[move->to]))
				continue;
			bound = after;
			*move = (struct plan_move){ i, w };
			found = true;
		}
	}
	return found;
}
