/* SPDX-License-Identifier: Apache-2.0 */
/* port.h - The one interface between the switch and what is attached to it.
 *
 * rx is into the switch, tx out of it, for every kind of port. A port has queues, each with an rx and a tx side; the rx side of
 * a queue is polled by one worker (its lane, see worker/lane.h), the tx side may be reached by all.
 *
 *	n = ops->rx(port, q, batch)        frames point into the sender's memory; n > 0: the caller is inside the rx gate
 *	... forward ...
 *	ops->rx_done(port, q, batch)       gives the memory back, publishes, notifies at most once, leaves the gate
 *
 *	taken = ops->tx(port, q, frames, n)    copies, publishes, notifies at most once. Every frame in frames[0..taken) is dealt
 *	                                       with, sent or dropped and counted; frames[taken] found the ring full, and the
 *	                                       caller decides whether it waits or is dropped. -EAGAIN: the receiver is paused.
 *
 * Sleeping: when rx has been empty for a while the worker calls rx_arm(); from then on wake_fd becomes readable when
 * frames arrive. Edge-triggered: nobody reads the fd.
 *
 * Ports are created and destroyed by the control thread. They appear to workers only through the published snapshot and are
 * destroyed after a grace period, with all gates parked. */
#ifndef RINGWAY_PORT_PORT_H
#define RINGWAY_PORT_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/counter.h"
#include "packet/batch.h"
#include "packet/drop_reason.h"

enum {
	PORT_NAME_MAX = 32, /* with the terminating 0 */
	PORT_QUEUES_MAX = 16,
};

struct port;
struct steer;

/* What one direction of a queue has seen. Written by whoever is inside that side's gate (drops: by anyone, atomically),
 * read by control at any time: single 64-bit words, relaxed. */
struct port_counters {
	uint64_t frames;
	uint64_t bytes;
	uint64_t gso_frames;    /* larger than the MTU: passed with a gso_type */
	uint64_t csum_partial;  /* passed with NEEDS_CSUM */
	uint64_t coalesced;     /* rx: went on inside another frame, and are not among `frames` */
	uint64_t sw_csum;       /* tx: checksums completed in software for this receiver */
	uint64_t sw_gso_frames; /* tx: frames that were segmented in software for this receiver */
	uint64_t sw_segments;   /* tx: ... into so many */
	uint64_t notifications; /* sent to the guest */
	uint64_t multicast;     /* group addressed, broadcast included */
	uint64_t drops[N_DROP_REASONS];
};

/* How long a full tx queue may still keep its senders waiting (see forward.h). Relaxed: an update that is lost does no harm. */
struct tx_patience {
	int64_t credit_ns;    /* below 0: overdrawn */
	uint64_t refilled_ns; /* CLOCK_MONOTONIC */
};

struct port_queue {
	struct port_counters rx cache_aligned;
	struct port_counters tx cache_aligned;
	struct tx_patience patience;
};

enum port_coalesce { COALESCE_NONE, COALESCE_TCP, COALESCE_TCP_UDP, N_COALESCE };

struct port_ops {
	const char *type; /* "vhost-user", "tap": as in the configuration */

	/* Worker that owns the lane. Fills an empty batch; returns batch->n. 0: nothing there, not ready, or parked. */
	unsigned (*rx)(struct port *port, unsigned queue, struct batch *batch);
	void (*rx_done)(struct port *port, unsigned queue, struct batch *batch);
	/* Control wants in: a worker that holds a batch across rounds gives it up when true. */
	bool (*rx_wanted)(struct port *port, unsigned queue);
	/* True: armed, wake_fd tells of new frames. False: frames are there already, poll on. */
	bool (*rx_arm)(struct port *port, unsigned queue);
	void (*rx_disarm)(struct port *port, unsigned queue);

	/* Any worker. 0..n. Frames that can never be sent (not ready, no room) are dropped, counted and taken. -EAGAIN: none was looked at,
	 * because control changes the receiver's rings or memory, or its front-end has to say where they are. */
	int (*tx)(struct port *port, unsigned queue, struct frame *const *frames, unsigned n);

	/* Control thread. */
	void (*destroy)(struct port *port);
	/* One line for people: "connected", "waiting for a front-end on /run/...", "broken: descriptor 5 ...". */
	void (*status)(const struct port *port, char *buf, size_t size);
	/* OFFLOAD_CAP_*: what the receiver behind this port takes undone at this moment. */
	uint32_t (*caps)(const struct port *port);
	/* At most `max` addresses in the memory that the queue's frames are in, to ask the kernel for their NUMA node. NULL: frames come out
	 * of the kernel. */
	unsigned (*sample_memory)(struct port *port, unsigned queue, void **at, unsigned max);
};

struct port {
	const struct port_ops *ops;
	char name[PORT_NAME_MAX];
	uint32_t id;       /* never used again for another port */
	uint16_t idx;      /* place in the snapshot and in the forwarding tables; used again after a grace period */
	uint16_t n_queues; /* 1..PORT_QUEUES_MAX, fixed */
	/* What comes in as small frames goes on as few large ones (gro.h). Set by the owner before the port goes into use. */
	enum port_coalesce coalesce;
	/* Changed at run time by control, read by workers once per batch (relaxed). */
	uint16_t n_tx_active; /* tx queues that have a receiver: queues 0..n_tx_active-1; 0: none, drop */
	bool link_up;
	uint32_t max_frame_len; /* bytes, without VLAN tags: what is longer and not to be segmented is not sent here */
	struct port_queue *queues; /* [n_queues] */
	struct steer *steer;       /* NULL: there is one queue */

	/* Called by the port, control thread: queue `q` of the port has a new wake_fd (-1: none any more), or just started and
	 * may have frames. Set by the owner before the port goes into use. */
	void (*lane_changed)(struct port *port, unsigned queue, int wake_fd);
	/* Called by the port, control thread: something that port show would print has changed ("connected", ...). */
	void (*state_changed)(struct port *port);
	void *owner;
};

static inline void port_count_drop(struct port_counters *c, enum drop_reason reason, uint64_t n)
{
	__atomic_fetch_add(&c->drops[reason], n, __ATOMIC_RELAXED);
}

/* Fill in the common part: name (cut to fit), counters. 0 or -ENOMEM. */
int port_init(struct port *port, const struct port_ops *ops, const char *name, unsigned n_queues);
void port_deinit(struct port *port);

/* What frames add to the counters of one direction. A frame with segs_sent > 0 counts once, but not as one that passed undone. */
struct port_tally {
	uint64_t frames, bytes, gso_frames, csum_partial, multicast;
};
static_assert(OFFLOAD_NEEDS_CSUM == 1, "is added to a tally");

static inline void port_tally_frame(struct port_tally *t, const struct frame *f)
{
	t->frames++;
	t->bytes += f->len;
	t->multicast += f->head[0] & 1; /* IEEE 802.3, 3.2.3.1: the I/G bit is sent first */
	if ((f->offload.gso_type | (f->offload.flags & OFFLOAD_NEEDS_CSUM)) && f->segs_sent == 0) {
		t->gso_frames += f->offload.gso_type != GSO_NONE;
		t->csum_partial += f->offload.flags & OFFLOAD_NEEDS_CSUM;
	}
}

/* Add a batch's tally. Whoever is inside that side's gate. */
void port_count(struct port_counters *c, const struct port_tally *t);
/* The same for a single frame. */
void port_count_frame(struct port_counters *c, const struct frame *f);

/* Sum over all queues, each counter read once. */
void port_counters_sum(const struct port *port, struct port_counters *rx, struct port_counters *tx);

#endif
