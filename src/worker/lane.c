/* SPDX-License-Identifier: Apache-2.0 */
/* lane.c - One look at one queue: take in, forward, give back. */
#include "worker/lane.h"

#include "base/account.h"
#include "base/counter.h"
#include "packet/batch.h"
#include "port/port.h"
#include "switch/forward.h"
#include "worker/worker.h"

/* Keep the context's batch for this lane and give the context another. Without one, what waits is dropped after all. */
static bool hold(struct lane *lane, struct lane_context *ctx)
{
	struct batch *other = ctx->n_spare ? ctx->spare[--ctx->n_spare] : batch_create();

	if (!other) {
		forward_drop_waiting(ctx->snapshot, ctx->batch, DROP_RING_FULL);
		return false;
	}
	lane->held = ctx->batch;
	ctx->batch = other;
	return true;
}

static void give_back(struct lane *lane, struct lane_context *ctx)
{
	struct batch *b = lane->held;

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
	if (!forward_retry(ctx->snapshot, lane->held, ctx->now_ns))
		return LANE_WAITING;
	give_back(lane, ctx);
	return LANE_BUSY;
}

enum lane_result lane_turn(struct lane *lane, struct lane_context *ctx)
{
	struct port *port = lane->port;
	unsigned n;

	if (unlikely(lane->held)) {
		enum lane_result result = retry(lane, ctx);

		account_lap(ACCOUNT_RETRY, 0);
		return result;
	}
	n = port->ops->rx(port, lane->queue, ctx->batch);
	if (n == 0) {
		account_lap(ACCOUNT_POLL, 1);
		return LANE_EMPTY;
	}
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
