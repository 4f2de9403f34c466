/* SPDX-License-Identifier: Apache-2.0 */
/* runtime.c - Networks and ports come and go.
 *
 * The order of things, which keeps workers and control apart: a port is opened, gets an index, is published, then polled. It is
 * taken out of the snapshot first, then off the workers, then out of the forwarding table, and its index is free again last. */
#include "control/runtime.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "control/fdb_file.h"
#include "control/runtime_priv.h"
#include "switch/fdb.h"

enum { AGEING_RUNS_PER_LIFE = 5, AGEING_PERIOD_MAX_S = 60 };

int runtime_fail(struct runtime_error *e, int status, const char *field, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return status;
	e->status = status;
	snprintf(e->field, sizeof(e->field), "%s", field);
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return status;
}

const char *runtime_error_format(const struct runtime_error *e, char buf[RUNTIME_ERROR_MAX])
{
	snprintf(buf, RUNTIME_ERROR_MAX, "%s%s%s", e->field, *e->field ? ": " : "", e->text);
	return buf;
}

static int out_of_memory(struct runtime_error *e)
{
	return runtime_fail(e, -ENOMEM, "", "out of memory");
}

/* Reading */

size_t runtime_n_networks(const struct runtime *rt)
{
	return rt->n_networks;
}

struct runtime_network *runtime_network_at(const struct runtime *rt, size_t i)
{
	return i < rt->n_networks ? rt->networks[i] : NULL;
}

struct runtime_network *runtime_network_find(const struct runtime *rt, const char *name)
{
	for (size_t i = 0; i < rt->n_networks; i++)
		if (strcmp(rt->networks[i]->name, name) == 0)
			return rt->networks[i];
	return NULL;
}

struct runtime_port *runtime_port_find(const struct runtime *rt, const char *name)
{
	for (unsigned i = 0; i < rt->n_idx; i++)
		if (rt->by_idx[i] && strcmp(rt->by_idx[i]->config.name, name) == 0)
			return rt->by_idx[i];
	return NULL;
}

struct runtime_port *runtime_port_by_idx(const struct runtime *rt, uint16_t idx)
{
	return idx < rt->n_idx ? rt->by_idx[idx] : NULL;
}

const struct runtime_options *runtime_options(const struct runtime *rt)
{
	return &rt->options;
}

void runtime_path(const struct runtime *rt, const char *path, char *buf, size_t size)
{
	if (path[0] == '/')
		snprintf(buf, size, "%s", path);
	else
		snprintf(buf, size, "%s/%s", rt->run_dir, path);
}

unsigned runtime_n_workers(const struct runtime *rt)
{
	return rt->n_workers;
}

void runtime_worker_info(const struct runtime *rt, unsigned idx, struct runtime_worker_info *info)
{
	struct worker_info w;

	worker_get_info(rt->workers[idx], &w);
	*info = (struct runtime_worker_info){
		.idx = idx,
		.tid = w.tid,
		.lanes = w.n_lanes,
		.polled = w.n_polled,
		.rounds = w.stats.rounds,
		.empty_polls = w.stats.empty_polls,
		.batches = w.stats.batches,
		.frames = w.stats.frames,
		.sleeps = w.stats.sleeps,
		.wakeups = w.stats.wakeups,
		.cpu_ns = w.cpu_ns,
		.cpu = rt->options.pinned ? (int)rt->options.pinned[idx].cpu : -1,
		.node = rt->places.nodes[idx],
		.load = runtime_balance_load(rt, rt->workers[idx]),
		.account = w.account,
	};
}

/* Lists of pointers that grow by one. */
static int append(void *list, size_t *n, void *item)
{
	void ***array = list;
	void **bigger = realloc(*array, (*n + 1) * sizeof(void *));

	if (!bigger)
		return -ENOMEM;
	bigger[(*n)++] = item;
	*array = bigger;
	return 0;
}

static void take_out(void *list, size_t *n, const void *item)
{
	void **array = *(void ***)list;
	size_t i = 0;

	while (i < *n && array[i] != item)
		i++;
	if (i == *n)
		return;
	memmove(&array[i], &array[i + 1], (*n - i - 1) * sizeof(void *));
	(*n)--;
}

/* Ageing */

static void age_tables(void *arg)
{
	struct runtime *rt = arg;

	for (size_t i = 0; i < rt->n_networks; i++)
		fdb_age(rt->networks[i]->fdb, (uint32_t)(clock_ns() / NSEC_PER_SEC));
}

/* Often enough for the shortest life of all networks; an idle daemon should rarely wake up. */
static void set_ageing_timer(struct runtime *rt)
{
	unsigned period_s = AGEING_PERIOD_MAX_S;

	timer_remove(rt->ageing);
	rt->ageing = NULL;
	for (size_t i = 0; i < rt->n_networks; i++) {
		unsigned life_s = rt->networks[i]->config.fdb_ageing_s;

		if (life_s)
			period_s = MIN(period_s, MAX(life_s / AGEING_RUNS_PER_LIFE, 1u));
	}
	if (rt->n_networks)
		rt->ageing = timer_add(rt->loop, period_s * 1000, period_s * 1000, age_tables, rt);
}

/* Ports */

static int find_index(const struct runtime *rt)
{
	for (unsigned i = 0; i < SNAPSHOT_PORTS_MAX; i++)
		if (!rt->by_idx[i])
			return (int)i;
	return -ENOSPC;
}

static void close_port(struct runtime *rt, struct runtime_port *rp)
{
	struct runtime_network *network = rp->network;
	struct port *port = rp->port;

	take_out(&network->ports, &network->n_ports, rp);
	/* Without memory for a new snapshot the port cannot be taken from the workers: keep trying, it is a few kilobytes. */
	while (runtime_publish(rt) != 0)
		log_error("out of memory while port %s is deleted", port->name);
	for (unsigned i = 0; i < rt->n_workers; i++)
		worker_forget_port(rt->workers[i], port->idx);
	runtime_remove_lanes(rp);
	fdb_flush_port(network->fdb, port->idx);
	rt->by_idx[port->idx] = NULL;
	port->ops->destroy(port);
	free(rp);
}

/* Another port on the same device would take a part of its frames. */
static const struct runtime_port *find_on_device(const struct runtime *rt, const char *ifname)
{
	for (size_t i = 0; i < rt->n_networks; i++)
		for (size_t k = 0; k < rt->networks[i]->n_ports; k++) {
			const struct runtime_port *rp = rt->networks[i]->ports[k];

			if (rp->config.type == PORT_TYPE_TAP && strcmp(rp->config.ifname, ifname) == 0)
				return rp;
		}
	return NULL;
}

static int check_new_port(struct runtime *rt, const struct port_config *c, struct runtime_error *e)
{
	const struct runtime_port *other;

	if (runtime_port_find(rt, c->name))
		return runtime_fail(e, -EEXIST, "name", "a port called '%s' exists already", c->name);
	if (c->type == PORT_TYPE_TAP && (other = find_on_device(rt, c->ifname)))
		return runtime_fail(e, -EEXIST, "ifname", "port %s is on the device %s already", other->config.name,
				    c->ifname);
	if (find_index(rt) < 0)
		return runtime_fail(e, -ENOSPC, "", "there are %d ports already, which is the limit",
				    SNAPSHOT_PORTS_MAX);
	return 0;
}

int runtime_open_in(struct runtime *rt, struct runtime_network *network, const struct port_config *c,
		    const struct runtime_port_state *state, struct runtime_error *e)
{
	struct runtime_port *rp;
	struct port *port;
	int err = check_new_port(rt, c, e);

	if (err)
		return err;
	rp = calloc(1, sizeof(*rp));
	if (!rp)
		return out_of_memory(e);
	err = runtime_open_port(rt, network, c, state, &port, e);
	if (err) {
		free(rp);
		return err;
	}
	*rp = (struct runtime_port){ .port = port, .config = *c, .network = network };
	rp->created_ns = state ? state->created_ns : clock_ns();
	port->idx = (uint16_t)find_index(rt);
	port->id = state ? state->id : rt->next_id++;
	port->coalesce = c->coalesce;
	port->owner = rp;
	rt->by_idx[port->idx] = rp;
	rt->n_idx = MAX(rt->n_idx, port->idx + 1u);
	if (network->fdb_file)
		fdb_file_set_port(network->fdb_file, port->idx, c->name);
	if (append(&network->ports, &network->n_ports, rp) || runtime_publish(rt) || runtime_add_lanes(rt, rp)) {
		close_port(rt, rp);
		return out_of_memory(e);
	}
	log_info("port %s: added to network %s", port->name, network->name);
	return 0;
}

int runtime_port_add(struct runtime *rt, const char *network, const struct port_config *c, struct runtime_error *e)
{
	struct runtime_network *n = runtime_network_find(rt, network);

	if (!n)
		return runtime_fail(e, -ENOENT, "network", "there is no network called '%s'", network);
	return runtime_open_in(rt, n, c, NULL, e);
}

int runtime_port_del(struct runtime *rt, const char *name, struct runtime_error *e)
{
	struct runtime_port *rp = runtime_port_find(rt, name);

	if (!rp)
		return runtime_fail(e, -ENOENT, "name", "there is no port called '%s'", name);
	log_info("port %s: deleted", name); /* `name` may be the port's own */
	close_port(rt, rp);
	return 0;
}

/* Networks */

static void close_network(struct runtime *rt, struct runtime_network *n)
{
	while (n->n_ports)
		close_port(rt, n->ports[n->n_ports - 1]);
	take_out(&rt->networks, &rt->n_networks, n);
	while (runtime_publish(rt) != 0)
		log_error("out of memory while network %s is deleted", n->name);
	set_ageing_timer(rt);
	fdb_destroy(n->fdb);
	fdb_file_destroy(n->fdb_file);
	free(n->ports);
	free(n);
}

struct runtime_network *runtime_open_network(struct runtime *rt, const struct network_config *c)
{
	struct runtime_network *n = calloc(1, sizeof(*n));
	unsigned port_limit = c->fdb_port_limit ? c->fdb_port_limit : c->fdb_size / 2;

	if (!n)
		return NULL;
	n->config = *c;
	n->config.ports = NULL;
	n->config.n_ports = 0;
	snprintf(n->name, sizeof(n->name), "%s", c->name);
	if (rt->state_dir[0])
		n->fdb_file = fdb_file_create(rt->state_dir, n->name, c->fdb_size);
	n->fdb = n->fdb_file ? fdb_create_in(fdb_file_storage(n->fdb_file), c->fdb_size, port_limit, c->fdb_ageing_s)
			     : fdb_create(c->fdb_size, port_limit, c->fdb_ageing_s);
	if (!n->fdb || append(&rt->networks, &rt->n_networks, n)) {
		fdb_destroy(n->fdb);
		fdb_file_destroy(n->fdb_file);
		free(n);
		return NULL;
	}
	set_ageing_timer(rt);
	return n;
}

void runtime_restore_addresses(struct runtime_network *n)
{
	unsigned n_restored = n->fdb_file ? fdb_file_restore(n->fdb_file, n->fdb) : 0;

	if (n_restored)
		log_info("network %s: %u addresses are known from before", n->name, n_restored);
}

int runtime_network_add(struct runtime *rt, const struct network_config *c, struct runtime_error *e)
{
	struct runtime_network *n;

	if (runtime_network_find(rt, c->name))
		return runtime_fail(e, -EEXIST, "name", "a network called '%s' exists already", c->name);
	n = runtime_open_network(rt, c);
	if (!n)
		return out_of_memory(e);
	for (size_t i = 0; i < c->n_ports; i++) {
		int err = runtime_open_in(rt, n, &c->ports[i], NULL, e);

		if (err) {
			close_network(rt, n);
			return err;
		}
	}
	runtime_restore_addresses(n);
	return 0;
}

int runtime_network_del(struct runtime *rt, const char *name, struct runtime_error *e)
{
	struct runtime_network *n = runtime_network_find(rt, name);

	if (!n)
		return runtime_fail(e, -ENOENT, "name", "there is no network called '%s'", name);
	close_network(rt, n);
	return 0;
}

/* Life */

/* Binding a thread to CPUs is refused with EINVAL when none of them is there, or left to this process (cpuset). */
static int no_worker(const struct runtime *rt, unsigned idx, int error, struct runtime_error *e)
{
	char field[32];

	if (!rt->options.pinned || error != EINVAL)
		return runtime_fail(e, -error, "workers", "worker %u cannot be started: %s", idx, strerror(error));
	snprintf(field, sizeof(field), "workers[%u].cpu", idx);
	return runtime_fail(e, -error, field, "is %u, on which this daemon may not run", rt->options.pinned[idx].cpu);
}

static int start_workers(struct runtime *rt, struct runtime_error *e)
{
	static const enum worker_poll modes[N_POLL_MODES] = {
		[POLL_ADAPTIVE] = WORKER_POLL_ADAPTIVE,
		[POLL_ALWAYS] = WORKER_POLL_ALWAYS,
		[POLL_NEVER] = WORKER_POLL_NEVER,
	};
	struct worker_options o = {
		.poll = modes[rt->options.poll],
		.busy_poll_us = rt->options.busy_poll_us,
		.account = rt->options.accounting == ACCOUNTING_STAGES,
		.published = &rt->published,
		.started = rt->options.worker_started,
	};

	rt->workers = calloc(rt->options.workers, sizeof(struct worker *));
	if (!rt->workers)
		return out_of_memory(e);
	for (unsigned i = 0; i < rt->options.workers; i++) {
		cpu_set_t cpus;

		o.idx = i;
		o.cpus = runtime_places_cpus(rt, i, &cpus) ? &cpus : NULL;
		rt->workers[i] = worker_create(&o);
		if (!rt->workers[i])
			return no_worker(rt, i, errno, e);
		rt->n_workers++;
	}
	runtime_balance_init(rt);
	return 0;
}

static void make_state_dir(struct runtime *rt)
{
	snprintf(rt->state_dir, sizeof(rt->state_dir), "%s/state", rt->run_dir);
	if (mkdir(rt->state_dir, 0700) == 0 || errno == EEXIST)
		return;
	log_warning("%s: %s: nothing is kept for the next daemon", rt->state_dir, strerror(errno));
	rt->state_dir[0] = '\0';
}

struct runtime *runtime_create(struct event_loop *loop, const struct runtime_options *options, struct runtime_error *e)
{
	struct runtime *rt = calloc(1, sizeof(*rt));

	if (!rt) {
		out_of_memory(e);
		return NULL;
	}
	rt->loop = loop;
	rt->options = *options;
	snprintf(rt->run_dir, sizeof(rt->run_dir), "%s", options->run_dir);
	rt->options.run_dir = rt->run_dir;
	if (options->pinned) {
		memcpy(rt->pinned, options->pinned, options->workers * sizeof(rt->pinned[0]));
		rt->options.pinned = rt->pinned;
	}
	make_state_dir(rt);
	runtime_places_init(rt);
	if (runtime_publish(rt))
		out_of_memory(e);
	else if (start_workers(rt, e) == 0)
		return rt;
	runtime_destroy(rt);
	return NULL;
}

void runtime_destroy(struct runtime *rt)
{
	if (!rt)
		return;
	for (size_t i = 0; i < rt->n_networks; i++)
		if (rt->networks[i]->fdb_file)
			fdb_file_freeze(rt->networks[i]->fdb_file);
	while (rt->n_networks)
		close_network(rt, rt->networks[rt->n_networks - 1]);
	timer_remove(rt->ageing);
	runtime_balance_deinit(rt);
	for (unsigned i = 0; i < rt->n_workers; i++)
		worker_destroy(rt->workers[i]);
	free(rt->workers);
	free(rt->networks);
	snapshot_destroy(rt->published);
	free(rt);
}
