/* SPDX-License-Identifier: Apache-2.0 */
/* runtime_priv.h - What the files of the runtime share. */
#ifndef RINGWAY_CONTROL_RUNTIME_PRIV_H
#define RINGWAY_CONTROL_RUNTIME_PRIV_H

#include "base/numa.h"
#include "control/runtime.h"
#include "switch/snapshot.h"
#include "worker/plan.h"
#include "worker/worker.h"

struct timer;

/* runtime_places.c: where workers run. */
struct places {
	struct numa numa;
	int nodes[PLAN_WORKERS_MAX]; /* of the workers, PLAN_NODE_ANY: not known, or of no importance */
};

/* runtime_balance.c: what is known of the queues' loads. */
struct balance {
	struct timer *timer;
	uint64_t measured_ns, measured_cycles; /* when, on either clock; 0: never */
	unsigned uneven_periods;               /* in a row, in which a move was due */
	uint64_t quiet_until_ns;               /* after a move its effect is waited for */
	unsigned room;                         /* of the two below, which go together */
	struct plan_queue *queues;
	struct runtime_move *at;
};

struct runtime {
	struct event_loop *loop;
	struct runtime_options options;
	struct worker_config pinned[PLAN_WORKERS_MAX]; /* options.pinned, if that is not NULL */
	char run_dir[256];
	char state_dir[264]; /* what the next daemon wants to know; "": nothing is kept */
	size_t n_networks;
	struct runtime_network **networks;
	struct runtime_port *by_idx[SNAPSHOT_PORTS_MAX];
	unsigned
	    n_idx; /* indices ever used: by_idx[n_idx..] are NULL. Never shrinks, so an index is always inside any snapshot */
	uint32_t next_id;
	struct snapshot *published; /* workers read it under QSBR */
	unsigned n_workers;
	struct worker **workers;
	struct timer *ageing;
	struct balance balance;
	struct places places;
};

/* Fill in `e`, if not NULL; returns `status`. */
int runtime_fail(struct runtime_error *e, int status, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* runtime.c */
struct runtime_network *runtime_open_network(struct runtime *rt, const struct network_config *c); /* NULL: no memory */
int runtime_open_in(struct runtime *rt, struct runtime_network *network, const struct port_config *c,
		    const struct runtime_port_state *state, struct runtime_error *e);
void runtime_restore_addresses(struct runtime_network *n);

/* runtime_publish.c: make workers see what rt->networks says. -ENOMEM: they still see what was before. */
int runtime_publish(struct runtime *rt);

/* runtime_port.c: a port of the configured kind, listening but without lanes or a place in the snapshot. `state`: be this one of another
 * process; NULL: be a new one. */
int runtime_open_port(struct runtime *rt, const struct runtime_network *network, const struct port_config *c,
		      const struct runtime_port_state *state, struct port **out, struct runtime_error *e);
/* Let workers poll the port's queues. 0 or -ENOMEM. */
int runtime_add_lanes(struct runtime *rt, struct runtime_port *rp);
void runtime_remove_lanes(struct runtime_port *rp);

/* runtime_places.c */
void runtime_places_init(struct runtime *rt);
/* The CPUs for worker `idx`. False: any that the daemon may use. */
bool runtime_places_cpus(const struct runtime *rt, unsigned idx, cpu_set_t *cpus);
/* The node of the memory that a queue's frames come from. */
int runtime_places_node(const struct runtime *rt, const struct runtime_port *rp, unsigned queue);

/* runtime_balance.c */
void runtime_balance_init(struct runtime *rt);
void runtime_balance_deinit(struct runtime *rt);
/* The worker for one more queue. */
struct worker *runtime_balance_place(struct runtime *rt);
/* What its queues took together. */
unsigned runtime_balance_load(const struct runtime *rt, const struct worker *w);

#endif
