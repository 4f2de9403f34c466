/* SPDX-License-Identifier: Apache-2.0 */
/* gate.h - Who may touch a ring at this moment.
 *
 * Each queue of a port has a gate. A worker enters it for the time of one batch and leaves it; the control thread parks the
 * queue (nobody inside, nobody gets in) to edit the ring, the guest's memory map or the file descriptors, and unparks it.
 *
 *   - A worker never waits for control: gate_enter() and gate_try_enter() fail when control wants in, and the worker treats the
 *     queue as empty (rx) or full (tx) for this round. On the tx side, which several workers reach and each leaves after a batch,
 *     gate_enter() waits for other workers.
 *   - Control waits in gate_park() until whoever is inside has left. A worker that keeps frames across rounds, because
 *     their receiver is full, stays inside meanwhile; it asks gate_wanted() every round and gives up the frames then.
 *     So the wait is a batch, some tens of microseconds.
 *   - Waiters are preferred: once control wants in, no worker enters again. A busy worker cannot starve control. */
#ifndef RINGWAY_BASE_GATE_H
#define RINGWAY_BASE_GATE_H

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

#include "base/barrier.h"

enum { GATE_TRIES_PER_YIELD = 256 };

struct gate {
	pthread_mutex_t inside;
	unsigned wanted; /* control threads that want in or are in */
};

/* Fill in a gate that is open. */
static inline void gate_init(struct gate *g)
{
	int err = pthread_mutex_init(&g->inside, NULL);

	assert(err == 0);
	(void)err;
	g->wanted = 0;
}

static inline void gate_deinit(struct gate *g)
{
	pthread_mutex_destroy(&g->inside);
}

/* Worker: true when the caller is inside now and has to leave again. Never blocks. */
static inline bool gate_try_enter(struct gate *g)
{
	return read_once(&g->wanted) == 0 && pthread_mutex_trylock(&g->inside) == 0;
}

/* Worker: waits for other workers, as long as control does not want in. Not for a gate that is held across rounds. */
static inline bool gate_enter(struct gate *g)
{
	for (unsigned tries = 1; !gate_try_enter(g); tries++) {
		if (read_once(&g->wanted) != 0)
			return false;
		if (tries % GATE_TRIES_PER_YIELD == 0)
			sched_yield(); /* whoever is inside may have lost its CPU */
		else
			cpu_relax();
	}
	return true;
}

/* Worker: leave. The thread that entered leaves. */
static inline void gate_leave(struct gate *g)
{
	pthread_mutex_unlock(&g->inside);
}

/* Worker, inside: is somebody waiting to park the queue? */
static inline bool gate_wanted(const struct gate *g)
{
	return read_once(&g->wanted) != 0;
}

/* Control: returns when no worker is inside; none enters until gate_unpark(). Several gates are parked in the order of their
 * queues. Not recursive. */
static inline void gate_park(struct gate *g)
{
	__atomic_add_fetch(&g->wanted, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_lock(&g->inside);
}

static inline void gate_unpark(struct gate *g)
{
	pthread_mutex_unlock(&g->inside);
	__atomic_sub_fetch(&g->wanted, 1, __ATOMIC_SEQ_CST);
}

#endif
