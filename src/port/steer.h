/* SPDX-License-Identifier: Apache-2.0 */
/* steer.h - Which queue of a receiver a flow's frames go to.
 *
 * A flow is what has the same two ends, in either direction: addresses, and ports of TCP and UDP. By itself it goes to a queue
 * that its hash says. But the receiver knows better where its program runs: once it has sent frames of the flow, the others come
 * back on the queue that it used last, as with the kernel's multi-queue tun devices.
 *
 * Each port with several queues has one table of what it chose: STEER_FLOWS entries, one 64-bit word each, in buckets of a cache
 * line. A flow keeps its entry while it sends at least every STEER_IDLE_S; in a bucket full of such flows, others go by
 * their hash, so nobody moves because of a neighbour. A guest that invents flows fills its own table, and what it spoils is the
 * choice among its own queues. The hash is keyed with random bits: nobody outside can aim all flows at one queue.
 *
 * Any worker, without a lock. */
#ifndef RINGWAY_PORT_STEER_H
#define RINGWAY_PORT_STEER_H

#include <stdint.h>

struct frame;
struct steer;

enum { STEER_FLOWS = 1024, STEER_IDLE_S = 3 };

/* Control. NULL: out of memory. destroy(NULL) is fine. */
struct steer *steer_create(void);
void steer_destroy(struct steer *s);

/* The number of the frame's flow, the same for both directions and all fragments of a datagram that was cut; 0: not IP. */
uint32_t steer_hash(const struct frame *f);

/* The port of this table has sent a frame of this flow on `queue`. now_s: monotonic seconds. */
void steer_learn(struct steer *s, uint32_t hash, unsigned queue, uint32_t now_s);

/* The queue for a frame of this flow to the port of this table, one of 0..n_active-1. */
unsigned steer_pick(const struct steer *s, uint32_t hash, unsigned n_active);

#endif
