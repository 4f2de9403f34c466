/* SPDX-License-Identifier: Apache-2.0 */
/* account.h - Where a worker's cycles go: one stage at a time, with nothing left out in between.
 *
 * A worker thread that keeps an account makes it its own with account_open(). Whoever finishes a stage of the work on a batch calls
 * account_lap(): the time since the last lap is the stage's. So the stages sum up to the time that the thread was awake, and a
 * clock is read per stage and batch, never per frame (but for frames that have to be changed for their receiver, which
 * cost far more than that). On threads without an account all of this is one test of a thread's own variable.
 *
 * Written by its thread, read by others at any time. The unit is that of base/cycles.h. */
#ifndef RINGWAY_BASE_ACCOUNT_H
#define RINGWAY_BASE_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/cycles.h"

/* name, explanation */
#define ACCOUNT_STAGES(X)                                                                   \
	X(POLL, "poll", "looking at queues without frames")                                 \
	X(RX, "rx", "taking frames in")                                                     \
	X(LOOKUP, "lookup", "learning and looking up addresses")                            \
	X(FIT, "fit", "cutting and checksumming for receivers that need it, copy included") \
	X(COPY, "copy", "copying to receivers")                                             \
	X(PUBLISH, "publish", "showing what was done to guests, notifying them")            \
	X(RETRY, "retry", "trying receivers again that were full")                          \
	X(OTHER, "other", "clocks, events, requests of control")

enum account_stage {
#define X(constant, name, explanation) ACCOUNT_##constant,
	ACCOUNT_STAGES(X)
#undef X
	    N_ACCOUNT_STAGES
};

struct account {
	uint64_t last; /* the clock at the last lap */
	uint64_t cycles[N_ACCOUNT_STAGES];
	uint64_t frames[N_ACCOUNT_STAGES]; /* that passed the stage; POLL: looks */
	uint64_t notifications, notifications_suppressed;
};

/* The calling thread's, or NULL. */
extern _Thread_local struct account *account_of_thread __attribute__((tls_model("initial-exec")));

/* The calling thread keeps `account` (zeroed) from now on; NULL: none. */
void account_open(struct account *account);
const char *account_stage_name(enum account_stage stage);

/* The time since the last lap, and `n` frames, are the stage's. */
static inline void account_lap(enum account_stage stage, unsigned n)
{
	struct account *a = account_of_thread;
	uint64_t now;

	if (!a)
		return;
	now = cycles_now();
	counter_add(&a->cycles[stage], now - a->last);
	counter_add(&a->frames[stage], n);
	a->last = now;
}

/* When the last lap ended; 0 without an account. */
static inline uint64_t account_clock(void)
{
	return account_of_thread ? account_of_thread->last : 0;
}

/* The thread has slept: the time since the last lap is nobody's. */
static inline void account_skip(void)
{
	if (account_of_thread)
		account_of_thread->last = cycles_now();
}

static inline void account_notification(bool sent)
{
	struct account *a = account_of_thread;

	if (a)
		counter_add(sent ? &a->notifications : &a->notifications_suppressed, 1);
}

/* A copy for another thread to read. */
void account_read(const struct account *account, struct account *copy);

#endif
