/* SPDX-License-Identifier: Apache-2.0 */
/* plan.h - Which worker should poll which queue: arithmetic, nothing else.
 *
 * A queue's load is the share of a core that its frames took of late. A queue is best polled where its guest's memory is: on
 * another NUMA node it takes more time, and goes there only when the workers of its own node have no more to give. One move is
 * found at a time, so that the next one can be decided on with what was measured after it. */
#ifndef RINGWAY_WORKER_PLAN_H
#define RINGWAY_WORKER_PLAN_H

#include <stdbool.h>

enum {
	PLAN_CORE = 1000, /* the load of a whole core */
	PLAN_FULL = 875,  /* above this a worker takes nothing more in from afar */
	PLAN_QUEUE = 10,  /* what a queue without frames counts: those are spread as well */
	PLAN_WORKERS_MAX = 64,
	PLAN_NODE_ANY = -1, /* not known, or of no importance */
};

struct plan_queue {
	unsigned worker;
	unsigned load; /* of PLAN_CORE */
	int node;      /* of its memory */
};

struct plan {
	unsigned n_workers; /* 1..PLAN_WORKERS_MAX */
	const int *nodes;   /* [n_workers] of the workers */
	unsigned n_queues;
	struct plan_queue *queues;
};

struct plan_move {
	unsigned queue, to;
};

/* The worker for one more queue, without load so far, whose memory is on `node`. */
unsigned plan_place(const struct plan *p, int node);

/* A queue that should go to a worker on its memory's node, where there is room. False: none. */
bool plan_bring_home(const struct plan *p, struct plan_move *move);

/* The one queue of the busiest worker whose move makes the greatest difference, if that worker and the idlest are
 * `least_difference` apart. False: none, or nothing is gained. */
bool plan_even_out(const struct plan *p, unsigned least_difference, struct plan_move *move);

#endif
