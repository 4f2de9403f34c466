/* SPDX-License-Identifier: Apache-2.0 */
/* lane.h - The rx side of one queue of one port, as its worker sees it.
 *
 * A lane belongs to one worker thread, which alone touches it; control changes lanes by asking the worker (worker.h). It can
 * be given to another worker between two batches; what it took in before is delivered by then, so that order is kept. Its states:
 *
 *	polled   looked at every turn; the sender is told not to notify
 *	armed    the sender notifies through wake_fd; costs nothing until it does
 *
 * For how long it is polled in vain before it is armed depends on its pauses, as KVM's polling before it halts a virtual CPU does: frames
 * that come soon are worth waiting for, those of a guest that says something now and then are not.
 *
 * and a polled lane may hold a batch: frames that wait for a receiver whose ring is full. It takes in no more until they are
 * gone, and gives them up at once when control wants the queue. A receiver may hold up its senders a quarter of the time
 * (switch/forward.h); a lane is held up half of the time at most, or a few receivers that take turns could stop it. */
#ifndef RINGWAY_WORKER_LANE_H
#define RINGWAY_WORKER_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/barrier.h"
#include "base/compiler.h"

struct batch;
struct gro;
struct port;
struct snapshot;
struct worker_stats;

struct lane {
	struct port *port;
	unsigned queue;
	unsigned slot;          /* index in its worker's table of lanes */
	int polled_at;          /* index in the worker's list of polled lanes; -1: armed */
	int wake_fd;            /* our own duplicate, registered with the worker's epoll; -1: none */
	uint64_t last_frame_ns; /* CLOCK_MONOTONIC, of the turn in which frames were last seen */
	uint64_t poll_ns;       /* how long after it to look before it is armed */
	struct batch *held;
	/* How long it may be held up in all, whoever the receivers are: as long as it was not, which is up to WAITED_MOST_NS. */
	uint64_t held_since_ns, waited_until_ns;
	/* Of a port that coalesces what comes in, else NULL. Its frames are left to gather for a moment after others were taken, or
	 * a worker that is quicker than the sender would see them one by one. */
	struct gro *gro;
	uint64_t gather_until_ns;
	uint64_t cycles; /* spent on its frames, by the worker's account (base/account.h); others read it */
	/* The next piece of memory may be another worker's lane, and each is written to in every turn. */
	uint8_t apart[CACHE_LINE];
};

/* What a lane works with, the worker's. */
struct lane_context {
	const struct snapshot *snapshot;
	uint64_t now_ns;
	struct batch *batch;         /* empty; swapped for another when a lane holds on to it */
	struct batch **spare;        /* stack of empty batches */
	unsigned n_spare, max_spare; /* entries used, room */
	struct worker_stats *stats;
};

enum lane_result { LANE_EMPTY, LANE_BUSY, LANE_WAITING };

/* NULL: out of memory. Any thread. */
struct lane *lane_create(struct port *port, unsigned queue);
void lane_destroy(struct lane *lane);

/* Any thread. */
static inline uint64_t lane_cycles(const struct lane *lane)
{
	return read_once(&lane->cycles);
}

/* An armed lane is woken at now_ns. Adapts poll_ns, which stays between an eighth of most_ns and most_ns: longer after a short pause, shorter
 * after one of more than four times most_ns. Waking up is part of the pause, and takes as long as most polls. */
void lane_adapt(struct lane *lane, uint64_t now_ns, uint64_t most_ns);

/* Poll once, forward what came. */
enum lane_result lane_turn(struct lane *lane, struct lane_context *ctx);

/* Give up a held batch: what waits is dropped, the rest of it is given back to the sender. */
void lane_release(struct lane *lane, struct lane_context *ctx);

#endif
