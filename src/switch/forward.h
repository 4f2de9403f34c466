/* SPDX-License-Identifier: Apache-2.0 */
/* forward.h - The switch's decision, one batch at a time.
 *
 * Two passes. The first looks at each frame once: learn where its source is, look up its destination, which is written into
 * the frame. The second visits each destination once with all frames for it, in their order. Group addressed and unknown
 * destinations are flooded to the other ports of the network, before the known ones. A receiver with several queues gets a flow
 * on the one that it sends the flow on itself (port/steer.h), floods and what is not IP on the one of the sender.
 *
 * A known destination whose ring is full may keep frames waiting: they stay where they are, in the sender's ring, and the batch
 * keeps its bits in batch->waiting. The worker holds such a batch and calls forward_retry() every turn. How long a
 * receiver may keep its senders waiting is bounded twice: WAIT_MAX_NS at a time, and a credit that refills with a
 * quarter of the time that passes. A receiver that never empties its ring therefore costs its senders little, and
 * those who do not talk to it nothing. Floods never wait. */
#ifndef RINGWAY_SWITCH_FORWARD_H
#define RINGWAY_SWITCH_FORWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "switch/snapshot.h"

/* Forward the frames of `b`, which came in on queue `queue` of `from`. now_ns: CLOCK_MONOTONIC, not older than a turn.
 * Afterwards b->waiting says which frames still wait for their receiver. Worker, inside the rx gate. */
void forward_batch(const struct snapshot *s, struct port *from, unsigned queue, struct batch *b, uint64_t now_ns);

/* Try again what waits; what has waited too long is dropped. True when nothing waits any more. */
bool forward_retry(const struct snapshot *s, struct batch *b, uint64_t now_ns);

/* Drop what waits, of all destinations, counted as `reason` there (DROP_NONE: as what it waits for, a full or a paused receiver); or
 * only of the one with index `dst`. */
void forward_drop_waiting(const struct snapshot *s, struct batch *b, enum drop_reason reason);
void forward_drop_waiting_for(struct batch *b, uint16_t dst);

#endif
