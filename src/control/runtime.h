/* SPDX-License-Identifier: Apache-2.0 */
/* runtime.h - The running state: networks, ports, workers, and how they are changed.
 *
 * The control thread alone calls this. A change builds what is new, publishes one snapshot, waits for a grace period (some
 * microseconds) and frees what is old; workers never wait. REST, the configuration file and signals all end up here, so
 * there is one place where names are unique, indices are handed out and order is kept. */
#ifndef RINGWAY_CONTROL_RUNTIME_H
#define RINGWAY_CONTROL_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/account.h"
#include "base/log.h"
#include "control/config.h"

struct event_loop;
struct fdb;
struct fdb_file;
struct lane;
struct port;
struct port_tap_state;
struct runtime;
struct vhost_backend_state;
struct worker;

/* Where a queue's rx side is polled. */
struct runtime_lane {
	struct worker *worker;
	struct lane *lane;    /* NULL: not yet, or no more */
	uint64_t cycles_seen; /* of the lane, when loads were last measured */
	unsigned load;        /* thousandths of a core */
};

struct runtime_port {
	struct port *port;
	struct runtime_lane lanes[PORT_QUEUES_MAX];
	struct port_config config;
	struct runtime_network *network;
	uint64_t created_ns;        /* CLOCK_MONOTONIC */
	struct log_limit log_limit; /* of its changes of state, which a front-end causes */
};

struct runtime_network {
	char name[NETWORK_NAME_MAX];
	struct network_config config; /* ports: NULL, n_ports: 0; the running list is here: */
	size_t n_ports;
	struct runtime_port **ports;
	struct fdb *fdb;
	struct fdb_file *fdb_file; /* NULL: addresses do not outlive the daemon */
};

struct runtime_options {
	const char *run_dir; /* where relative sockets are */
	unsigned workers;
	const struct worker_config *pinned; /* [workers], or NULL: not bound to CPUs */
	enum poll_mode poll;
	unsigned busy_poll_us;
	enum accounting accounting;
	void (*worker_started)(void); /* called by each worker thread before all else; NULL: nothing */
};

/* What went wrong, for a person; `field` names the field of the configuration that it is about, or is "". */
struct runtime_error {
	int status; /* negative errno: -EEXIST (name taken), -ENOENT, -EBUSY, -EPERM, -EADDRINUSE, ... */
	char field[32];
	char text[384];
};
enum { RUNTIME_ERROR_MAX = 448 }; /* as text, with the terminating 0 */
/* "socket: is in use" into buf, which is returned. */
const char *runtime_error_format(const struct runtime_error *e, char buf[RUNTIME_ERROR_MAX]);

struct runtime *runtime_create(struct event_loop *loop, const struct runtime_options *options, struct runtime_error *e);
/* Deletes all ports and networks, ends the workers. */
void runtime_destroy(struct runtime *rt);

/* All return 0 or e->status. On failure nothing has changed. */
int runtime_apply(struct runtime *rt, const struct config *c,
		  struct runtime_error *e); /* make it so: add, delete, change */
int runtime_network_add(struct runtime *rt, const struct network_config *c,
			struct runtime_error *e);                                       /* with its ports */
int runtime_network_del(struct runtime *rt, const char *name, struct runtime_error *e); /* with its ports */
int runtime_port_add(struct runtime *rt, const char *network, const struct port_config *c, struct runtime_error *e);
int runtime_port_del(struct runtime *rt, const char *name, struct runtime_error *e);

/* Handing over to another process (handover.h).
 *
 * The workers of a paused runtime touch no port; everything else goes on. */
void runtime_pause(struct runtime *rt);
void runtime_resume(struct runtime *rt);

/* What another process knows of a port; of vhost and tap, that of its kind. */
struct runtime_port_state {
	uint32_t id;
	uint64_t created_ns;
	const struct vhost_backend_state *vhost;
	const struct port_tap_state *tap;
};

/* With the runtime paused: networks and ports of that process, which goes on itself if this comes to nothing. As those above. */
int runtime_network_resume(struct runtime *rt, const struct network_config *c, struct runtime_error *e); /* no ports */
int runtime_port_resume(struct runtime *rt, const char *network, const struct port_config *c,
			const struct runtime_port_state *s, struct runtime_error *e);
/* Learn what that process has learned by now. */
void runtime_copy_addresses(struct runtime *rt);
/* That process is out of it: files in the run directory are ours now. Learns the rest of what it has learned. */
void runtime_own(struct runtime *rt);

/* No port gets an id below `id` any more. */
uint32_t runtime_next_id(const struct runtime *rt);
void runtime_set_next_id(struct runtime *rt, uint32_t id);

/* What runs now, as a configuration; config_deinit() it, whatever the result. 0 or -ENOMEM. */
int runtime_get_config(const struct runtime *rt, struct config *c);

/* Reading. Pointers stay valid until the next change. NULL: none. */
size_t runtime_n_networks(const struct runtime *rt);
struct runtime_network *runtime_network_at(const struct runtime *rt, size_t i);
struct runtime_network *runtime_network_find(const struct runtime *rt, const char *name);
struct runtime_port *runtime_port_find(const struct runtime *rt, const char *name);
struct runtime_port *runtime_port_by_idx(const struct runtime *rt, uint16_t idx);
const struct runtime_options *runtime_options(const struct runtime *rt);

/* The absolute path of a port's socket, or of any path relative to the run directory. */
void runtime_path(const struct runtime *rt, const char *path, char *buf, size_t size);

struct runtime_worker_info {
	unsigned idx;
	int tid;
	unsigned lanes, polled; /* assigned, and polled at this moment (the others sleep) */
	uint64_t rounds, empty_polls, batches, frames, sleeps, wakeups;
	uint64_t cpu_ns;        /* of the thread */
	int cpu;                /* that it is bound to; -1: none */
	int node;               /* NUMA node of its CPUs; -1: not known, or the only one */
	unsigned load;          /* thousandths of a core that its queues' frames took of late */
	struct account account; /* zeroes when none is kept */
};
unsigned runtime_n_workers(const struct runtime *rt);
void runtime_worker_info(const struct runtime *rt, unsigned idx, struct runtime_worker_info *info);
unsigned runtime_lane_worker(const struct runtime_lane *l);

/* Which worker polls which queue. With two workers or more, loads are measured every second; when one worker stays busier than
 * another, one queue at a time goes over to it. Without an account of cycles queues only count. */
struct runtime_move {
	const struct runtime_port *port;
	unsigned queue, from, to;
	bool done; /* false: its frames waited for a full receiver all the time, and it stayed */
};
/* Measure now, if it was not done within the last half second. */
void runtime_measure_load(struct runtime *rt);
/* Even the load out as well as it goes, now. Returns how many moves that took, in an array that the
 * caller frees; or -ENOMEM. */
int runtime_rebalance(struct runtime *rt, struct runtime_move **moves);
/* Let worker `to` poll a queue. 0, -EAGAIN or -ENOMEM. */
int runtime_move_lane(struct runtime *rt, struct runtime_port *rp, unsigned queue, unsigned to);

#endif
