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

#include <sched.h>
#include <stdbool.h>
#include <time.h>

#include "base/barrier.h"

enum {
	GATE_TRIES_PER_YIELD = 256,
	GATE_YIELDS = 64,
	GATE_NAP_NS = 10 * 1000,
};

struct gate {
	bool inside;     /* somebody is */
	unsigned wanted; /* control threads that want in or are in */
};

/* Fill in a gate that is open. */
static inline void gate_init(struct gate *g)
{
	*g = (struct gate){ 0 };
}

/* What the last one inside did happens before what the caller does next. */
static inline bool gate_take(struct gate *g)
{
	return !__atomic_exchange_n(&g->inside, true, __ATOMIC_ACQUIRE);
}

/* Worker: true when the caller is inside now and has to leave again. Never blocks. */
static inline bool gate_try_enter(struct gate *g)
{
	return read_once(&g->wanted) == 0 && gate_take(g);
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

/* Worker: leave. */
static inline void gate_leave(struct gate *g)
{
	store_release(&g->inside, false);
}

/* Worker, inside: is somebody waiting to park the queue? */
static inline bool gate_wanted(const struct gate *g)
{
	return read_once(&g->wanted) != 0;
}

/* Control: returns when no worker is inside; none enters until gate_unpark(). Several gates are parked in the order of their
 * queues. Not recursive. Who is inside for longer than some batches take has lost its CPU, and may need this one. */
static inline void gate_park(struct gate *g)
{
	const struct timespec nap = { .tv_nsec = GATE_NAP_NS };

	__atomic_add_fetch(&g->wanted, 1, __ATOMIC_SEQ_CST);
	for (unsigned tries = 1; !gate_take(g); tries++) {
		if (tries > GATE_YIELDS * GATE_TRIES_PER_YIELD)
			nanosleep(&nap, NULL);
		else if (tries % GATE_TRIES_PER_YIELD == 0)
			sched_yield();
		else
			cpu_relax();
	}
}

static inline void gate_unpark(struct gate *g)
{
	store_release(&g->inside, false);
	__atomic_sub_fetch(&g->wanted, 1, __ATOMIC_SEQ_CST);
}

#endif
