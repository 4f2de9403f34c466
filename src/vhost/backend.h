/* SPDX-License-Identifier: Apache-2.0 */
/* backend.h - The back-end side of vhost-user: one device, from its socket to its rings.
 *
 * Follows vhost-user.rst (QEMU docs/interop). One back-end serves one front-end at a time: it listens on a socket and accepts
 * (server mode), or connects and tries again with back-off (client mode). Messages are taken in by the control thread's event
 * loop without ever blocking: a slow or silent front-end costs nothing but its own device. A message that may not come in this state,
 * has the wrong size or carries fds that it may not carry ends the connection, with the reason kept for status.
 *
 * Rings: ring 2q is the guest's rx (our tx) of queue pair q, ring 2q + 1 the guest's tx (our rx). Each has a gate
 * (base/gate.h). Workers enter it and use the fields marked so; message handlers park it, or all of them for the memory map,
 * edit, and unpark. After a change the back-end calls ops->ring_changed(), unparked. Descriptors that a ring has lost are closed
 * only after that call: whoever watches a kick fd with epoll(7) takes it out there, because closing alone does not (the
 * front-end keeps the eventfd open).
 *
 * A ring may be used by a worker when vhost_ring_is_usable(): started (a kick, or a kick fd, came; vhost-user.rst "Ring states")
 * and its areas mapped. Started but disabled: guest tx is processed and discarded, guest rx gets nothing. */
#ifndef RINGWAY_VHOST_BACKEND_H
#define RINGWAY_VHOST_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/gate.h"
#include "virtio/guest_mem.h"
#include "virtio/virtq.h"

struct event_loop;
struct watch;
struct vhost_backend;
struct vhost_backend_state;
struct vhost_ring_iotlb;

enum { VHOST_QUEUE_PAIRS_MAX = 16, VHOST_RINGS_MAX = 2 * VHOST_QUEUE_PAIRS_MAX };

struct vhost_ring {
	struct gate gate cache_aligned; /* rings are used by different workers */
	/* Read by workers inside the gate, written by control while parked. */
	struct virtq vq;
	bool started;
	bool enabled;
	int call_fd; /* to notify the guest, an eventfd (vhost_eventfd_signal()); -1: it polls */
	int kick_fd; /* eventfd, becomes readable when the guest notifies us; -1: we have to poll. Never read: edge-triggered */
	int err_fd;
	/* Set by the worker inside the gate when virtq_error() is set; control closes the connection (vhost_backend_check_rings()). */
	bool broken;
	/* Set by the worker that lets the ring rest because its next chain's memory is still to come; control wakes it then. */
	bool starved;
	/* Control only: what the front-end said so far. */
	uint16_t num;
	uint16_t base;
	uint64_t desc_user_addr, avail_user_addr, used_user_addr, log_guest_addr;
	bool has_addr, has_kick, has_num, logs_used;
	bool placed; /* base is where we stood, not what the front-end said */
	/* In-band notifications (backend_inband.c). */
	struct watch *call_watch; /* call_fd is ours; NULL: it is not */
	bool called;              /* it may have a call that is not answered */
	/* Behind an IOMMU (backend_iotlb.c). Written by control while parked. */
	bool
	    waits; /* started, but the front-end has not told yet where its areas are: it counts as full, or as empty */
	struct vhost_ring_iotlb *iotlb;
};

static inline bool vhost_ring_is_usable(const struct vhost_ring *r)
{
	return r->started && r->vq.running && !r->broken;
}

/* Worker inside the gate, after virtq_pop() gave -EAGAIN, or ahead of need on a ring that has vq.iotlb: have control ask the front-end for what
 * the next chains lack. */
void vhost_ring_ask(struct vhost_ring *r, enum virtq_dir dir);

struct vhost_backend_config {
	char socket[108];     /* path; sun_path's size */
	bool client;          /* connect instead of listen */
	unsigned queue_pairs; /* 1..VHOST_QUEUE_PAIRS_MAX */
	uint64_t features;    /* virtio feature bits to offer; VHOST_USER_F_PROTOCOL_FEATURES is added */
	uint16_t mtu;         /* 0: not offered */
	bool paced;           /* server mode: let a front-end wait that comes too often (pace.h) */
	int lost_fd;          /* eventfd to write to when guest memory is lost: vhost_backend_check_rings(); -1: none */
	mode_t socket_mode;   /* server mode; 0600 */
	uid_t socket_uid;     /* (uid_t)-1: leave */
	gid_t socket_gid;
	const struct vhost_backend_state
	    *resume;       /* be the back-end of another process (backend_state.h); NULL: be a new one */
	char journal[304]; /* file that packed rings outlive the process in (virtio/virtq_journal.h); "": none */
};

struct vhost_backend_ops {
	/* Control thread, nothing parked. Ring `ring` was started, stopped, enabled, disabled or got another kick fd. */
	void (*ring_changed)(void *arg, unsigned ring);
	/* Features, memory or the connection changed: read vhost_backend_features() again. Called with all rings PARKED, before any
	 * worker sees the new state. */
	void (*features_changed)(void *arg);
	/* Connected, disconnected, broken, MTU: for status and events. */
	void (*state_changed)(void *arg);
	/* The guest with this address has moved here: tell the network (VHOST_USER_SEND_RARP). NULL: not offered. */
	void (*announce)(void *arg, const uint8_t mac[6]);
};

/* Create and start to listen or connect. A stale socket file is replaced; a live one (somebody answers) is -EADDRINUSE; NULL on failure with
 * the error and a text for people (naming the path) in err. Control thread, as all functions below; none of them may be called from
 * ops, but those that only read. */
struct vhost_backend *vhost_backend_create(struct event_loop *loop, const struct vhost_backend_config *config,
					   const struct vhost_backend_ops *ops, void *arg, int *error, char *err,
					   size_t err_size);
/* Ends the connection, removes the socket file (server mode), unmaps. No worker may use a ring any more. */
void vhost_backend_destroy(struct vhost_backend *b);

/* Ring `idx` < 2 * queue_pairs; the address does not change while the back-end lives. Workers may call it. */
struct vhost_ring *vhost_backend_ring(struct vhost_backend *b, unsigned idx);

/* Acknowledged virtio features; 0 while there is no connection. */
uint64_t vhost_backend_features(const struct vhost_backend *b);
bool vhost_backend_is_connected(const struct vhost_backend *b);
/* MTU the front-end announced with VHOST_USER_NET_SET_MTU, 0: none. */
uint16_t vhost_backend_mtu(const struct vhost_backend *b);
/* Is memory of the guest still to come (POSTCOPY_LISTEN to POSTCOPY_END)? */
bool vhost_backend_is_in_postcopy(const struct vhost_backend *b);
/* Why the last connection ended, what was refused in this one, or why there is none; "" when there is nothing to tell. Stays
 * until a ring runs again, so that a front-end that comes back and fails at once does not hide it. */
const char *vhost_backend_error(const struct vhost_backend *b);

/* Has a ring been waiting for more than a second for the front-end to translate an address? For how long, and for which. */
bool vhost_backend_is_waiting(const struct vhost_backend *b, uint64_t *iova, unsigned *seconds);

/* Some worker marked ring(s) broken, or config.lost_fd was written to: write to err_fd, close the connection, keep the reason.
 * Control thread; workers get there through an eventfd of the port's owner. */
void vhost_backend_check_rings(struct vhost_backend *b);

#endif
