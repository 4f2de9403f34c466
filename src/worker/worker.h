/* SPDX-License-Identifier: Apache-2.0 */
/* worker.h - A data-plane thread: it owns lanes and turns round over them.
 *
 * A turn polls each polled lane once with a budget of one batch, forwards what came, and ends in a quiescent state. Adaptive
 * like NAPI: a lane that has been empty for busy_poll_us, or less where its frames come rarely (lane.h), has its notifications
 * enabled and is not looked at again until its wake_fd reports; a worker without polled lanes sleeps in epoll_wait. While some lanes
 * are polled, the others' events are looked for at least every EVENT_CHECK_NS, so the cost of a turn does not depend on how many
 * ports are idle.
 *
 * The lanes, the epoll set and the batches are the worker thread's alone. Control asks for changes: the functions below run
 * on the worker between two turns, and the caller waits for it, some tens of microseconds. Workers never wait for control. */
#ifndef RINGWAY_WORKER_WORKER_H
#define RINGWAY_WORKER_WORKER_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/account.h"

struct lane;
struct port;
struct snapshot;
struct worker;

enum worker_poll {
	WORKER_POLL_ADAPTIVE, /* poll for up to busy_poll_us after the last frame, then sleep */
	WORKER_POLL_ALWAYS,   /* never sleep; guests need never notify */
	WORKER_POLL_NEVER,    /* sleep as soon as there is nothing */
};

struct worker_options {
	unsigned idx; /* for its name and for people */
	enum worker_poll poll;
	unsigned busy_poll_us;             /* at most */
	const cpu_set_t *cpus;             /* where it may run; NULL: where the calling thread may */
	bool account;                      /* keep an account of its cycles, by stage */
	struct snapshot *const *published; /* where control publishes; read with load_acquire() */
	void (*started)(void);             /* called by the thread before all else; NULL: nothing */
};

/* Written by the worker, read by control at any time. */
struct worker_stats {
	uint64_t rounds, empty_polls, batches, frames, sleeps, wakeups;
};

/* Control thread, as everything below. Starts the thread. NULL and errno on failure. */
struct worker *worker_create(const struct worker_options *options);
/* Ends the thread; what lanes hold is dropped. NULL is fine. */
void worker_destroy(struct worker *w);

/* Poll queue `queue` of `port` from now on. NULL: out of memory. The lane is the worker's. */
struct lane *worker_lane_add(struct worker *w, struct port *port, unsigned queue);
/* Stop polling it, give up what it holds. Afterwards this worker does not touch the port's rx side any more. */
void worker_lane_remove(struct worker *w, struct lane *lane);
/* Let `to` poll the lane from now on. No frame is lost, sent twice or out of order. -EAGAIN: the lane holds frames for a full receiver,
 * try again in a moment; -ENOMEM. It stays where it is then. */
int worker_lane_move(struct worker *from, struct worker *to, struct lane *lane);
/* The queue notifies through `fd` now (-1: not at all), and may have frames. The fd stays the caller's; it is duplicated, because an
 * epoll set can only forget an fd that is open. */
void worker_lane_wake_fd(struct worker *w, struct lane *lane, int fd);
/* Drop all frames that wait for the port with index `dst`. */
void worker_forget_port(struct worker *w, uint16_t dst);

/* Have the worker touch no ring and no descriptor of a port until it is resumed: it takes in no more frames, sees those that it holds
 * through (a few milliseconds at most, see forward.h), then sleeps. It still does what control asks for. begin() returns at once, so that
 * several workers come to a stop together; wait() returns when this one has. */
void worker_pause_begin(struct worker *w);
void worker_pause_wait(struct worker *w);
void worker_resume(struct worker *w);

unsigned worker_idx(const struct worker *w);

struct worker_info {
	int tid;
	unsigned n_lanes, n_polled;
	uint64_t cpu_ns; /* of the thread */
	struct worker_stats stats;
	struct account account; /* zeroes without one */
};
void worker_get_info(const struct worker *w, struct worker_info *info);

#endif
