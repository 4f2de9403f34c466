/* SPDX-License-Identifier: Apache-2.0 */
/* lane.c - One look at one queue: take in, forward, give back. */
#include "worker/lane.h"

#include <stdlib.h>

#include "base/account.h"
#include "base/counter.h"
#include "packet/batch.h"
#include "packet/gro.h"
#include "port/port.h"
#include "switch/forward.h"
#include "worker/worker.h"

struct lane *lane_create(struct port *port, unsigned queue)
{
	struct lane *lane = calloc(1, sizeof(*lane));

	if (!lane)
		return NULL;
	*lane = (struct lane){ .port = port, .queue = queue, .wake_fd = -1, .polled_at = -1 };
	if (port->coalesce == COALESCE_NONE)
		return lane;
	lane->gro = gro_create(port->coalesce == COALESCE_TCP_UDP);
	if (!lane->gro) {
		free(lane);
		return NULL;
	}
	return lane;
}

void lane_destroy(struct lane *lane)
{
	gro_destroy(lane->gro);
	free(lane);
}

enum { POLL_LEAST_SHIFT = 3, LONG_PAUSE = 4 };

void lane_adapt(struct lane *lane, uint64_t now_ns, uint64_t most_ns)
{
	bool was_long = now_ns - lane->last_frame_ns > LONG_PAUSE * most_ns;
	uint64_t poll_ns = was_long ? lane->poll_ns / 2 : lane->poll_ns * 2;

	lane->poll_ns = MIN(MAX(poll_ns, most_ns >> POLL_LEAST_SHIFT), most_ns);
}

/* How long frames gather behind others. The first after a pause does not wait, and when a whole batch is there, nobody does. */
enum { GATHER_NS = 20 * 1000 };

/* Put the payload of small frames into the first of each train. All stay in the batch, so that what the sender gets back, and
 * when, does not change; the trains' scatter lists live until the lane's next batch. */
static void coalesce(struct lane *lane, struct batch *b, uint64_t now_ns)
{
	const struct gro_out *out;

	gro_recycle(lane->gro);
	for (unsigned i = 0; i < b->n; i++)
		if (likely(!b->frames[i].drop))
			gro_push(lane->gro, &b->frames[i], 1, now_ns);
	gro_flush(lane->gro, GRO_FLUSH_ALL);
	while ((out = gro_pop(lane->gro)))
		for (unsigned k = 1; k < out->n_pieces; k++)
			out->pieces[k]->drop = FRAME_COALESCED;
	lane->gather_until_ns = b->n < BATCH_FRAMES ? now_ns + GATHER_NS : 0;
}

/* Waiting is paid for with twice its time, from what the lane has gathered while nothing waited. */
enum { WAITED_MOST_NS = 10 * 1000 * 1000 };

static uint64_t waited_until(const struct lane *lane, uint64_t now_ns)
{
	return MAX(lane->waited_until_ns, now_ns - WAITED_MOST_NS);
}

static bool has_waited_enough(const struct lane *lane, uint64_t now_ns)
{
	return waited_until(lane, lane->held_since_ns) + 2 * (now_ns - lane->held_since_ns) > now_ns;
}

/* Keep the context's batch for this lane and give the context another. Without one, or when it has waited enough, what waits is dropped
 * after all. */
static bool hold(struct lane *lane, struct lane_context *ctx)
{
	struct batch *other = NULL;

	lane->held_since_ns = ctx->now_ns;
	if (!has_waited_enough(lane, ctx->now_ns))
		other = ctx->n_spare ? ctx->spare[--ctx->n_spare] : batch_create();
	if (!other) {
		forward_drop_waiting(ctx->snapshot, ctx->batch, DROP_NONE);
		return false;
	}
	lane->held = ctx->batch;
	ctx->batch = other;
	return true;
}

static void give_back(struct lane *lane, struct lane_context *ctx)
{
	struct batch *b = lane->held;

	lane->waited_until_ns = waited_until(lane, lane->held_since_ns) + 2 * (ctx->now_ns - lane->held_since_ns);
	lane->port->ops->rx_done(lane->port, lane->queue, b);
	lane->held = NULL;
	if (ctx->n_spare < ctx->max_spare)
		ctx->spare[ctx->n_spare++] = b;
	else
		batch_destroy(b);
}

void lane_release(struct lane *lane, struct lane_context *ctx)
{
	if (!lane->held)
		return;
	forward_drop_waiting(ctx->snapshot, lane->held, DROP_PORT_GONE);
	give_back(lane, ctx);
}

static enum lane_result retry(struct lane *lane, struct lane_context *ctx)
{
	if (lane->port->ops->rx_wanted(lane->port, lane->queue)) {
		lane_release(lane, ctx);
		return LANE_BUSY;
	}
	if (!forward_retry(ctx->snapshot, lane->held, ctx->now_ns)) {
		if (!has_waited_enough(lane, ctx->now_ns))
			return LANE_WAITING;
		forward_drop_waiting(ctx->snapshot, lane->held, DROP_NONE);
	}
	give_back(lane, ctx);
	return LANE_BUSY;
}

static enum lane_result poll_once(struct lane *lane, struct lane_context *ctx)
{
	struct port *port = lane->port;
	unsigned n;

	if (unlikely(ctx->now_ns < lane->gather_until_ns))
		return LANE_EMPTY;
	n = port->ops->rx(port, lane->queue, ctx->batch);
	if (n == 0) {
		account_lap(ACCOUNT_POLL, 1);
		return LANE_EMPTY;
	}
	if (unlikely(lane->gro))
		coalesce(lane, ctx->batch, ctx->now_ns);
	account_lap(ACCOUNT_RX, n);
	counter_add(&ctx->stats->batches, 1);
	counter_add(&ctx->stats->frames, n);
	forward_batch(ctx->snapshot, port, lane->queue, ctx->batch, ctx->now_ns);
	if (unlikely(ctx->batch->waiting) && hold(lane, ctx))
		return LANE_WAITING;
	port->ops->rx_done(port, lane->queue, ctx->batch);
	account_lap(ACCOUNT_PUBLISH, n);
	return LANE_BUSY;
}

enum lane_result lane_turn(struct lane *lane, struct lane_context *ctx)
{
	uint64_t start = account_clock();
	enum lane_result result;

	if (unlikely(lane->held)) {
		result = retry(lane, ctx);
		account_lap(ACCOUNT_RETRY, 0);
		return result;
	}
	result = poll_once(lane, ctx);
	if (result != LANE_EMPTY)
		counter_add(&lane->cycles, account_clock() - start);
	return result;
}
