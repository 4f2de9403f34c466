/* SPDX-License-Identifier: Apache-2.0 */
/* runtime_apply.c - From one configuration to another, touching only what differs.
 *
 * A port or network that reads the same before and after keeps running and loses no frame. What differs is deleted and made
 * again. When a step fails, the configuration from before is applied again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "control/config_merge.h"
#include "control/runtime_priv.h"

/* Deleting first makes names and sockets free for what comes. */
static int delete_ports(struct runtime *rt, struct runtime_network *n, const struct network_config *want)
{
	for (size_t i = n->n_ports; i-- > 0;) {
		const struct port_config *p = network_config_find_port(want, n->ports[i]->config.name);
		int err;

		if (p && port_config_same(p, &n->ports[i]->config))
			continue;
		err = runtime_port_del(rt, n->ports[i]->config.name, NULL);
		if (err)
			return err;
	}
	return 0;
}

static int delete_old(struct runtime *rt, const struct config *c)
{
	for (size_t i = rt->n_networks; i-- > 0;) {
		struct runtime_network *n = rt->networks[i];
		const struct network_config *want = config_find_network(c, n->name);
		int err;

		if (want && network_config_same(want, &n->config))
			err = delete_ports(rt, n, want);
		else
			err = runtime_network_del(rt, n->name, NULL);
		if (err)
			return err;
	}
	return 0;
}

static int add_new(struct runtime *rt, const struct config *c, struct runtime_error *e)
{
	for (size_t i = 0; i < c->n_networks; i++) {
		const struct network_config *want = &c->networks[i];
		int err;

		if (!runtime_network_find(rt, want->name)) {
			err = runtime_network_add(rt, want, e);
			if (err)
				return err;
			continue;
		}
		for (size_t k = 0; k < want->n_ports; k++) {
			if (runtime_port_find(rt, want->ports[k].name))
				continue;
			err = runtime_port_add(rt, want->name, &want->ports[k], e);
			if (err)
				return err;
		}
	}
	return 0;
}

int runtime_get_config(const struct runtime *rt, struct config *c)
{
	config_init_default(c);
	c->workers = rt->options.workers;
	c->poll = rt->options.poll;
	c->busy_poll_us = rt->options.busy_poll_us;
	c->accounting = rt->options.accounting;
	if (rt->options.pinned) {
		c->pinned = malloc(c->workers * sizeof(*c->pinned));
		if (!c->pinned)
			return -ENOMEM;
		memcpy(c->pinned, rt->options.pinned, c->workers * sizeof(*c->pinned));
		c->n_pinned = c->workers;
	}
	c->networks = calloc(rt->n_networks + 1, sizeof(*c->networks));
	if (!c->networks)
		return -ENOMEM;
	for (size_t i = 0; i < rt->n_networks; i++) {
		const struct runtime_network *n = rt->networks[i];
		struct network_config *nc = &c->networks[c->n_networks++];

		*nc = n->config;
		nc->ports = calloc(n->n_ports + 1, sizeof(*nc->ports));
		if (!nc->ports)
			return -ENOMEM;
		for (nc->n_ports = 0; nc->n_ports < n->n_ports; nc->n_ports++)
			nc->ports[nc->n_ports] = n->ports[nc->n_ports]->config;
	}
	return 0;
}

static int check_fixed(const struct runtime *rt, const struct config *c, struct runtime_error *e)
{
	const struct runtime_options *o = &rt->options;

	if (c->workers != o->workers)
		return runtime_fail(e, -EBUSY, "workers", "is %u, the running daemon has %u: restart it to change this",
				    c->workers, o->workers);
	if ((c->n_pinned > 0) != (o->pinned != NULL) ||
	    (o->pinned && memcmp(c->pinned, o->pinned, c->workers * sizeof(*c->pinned)) != 0))
		return runtime_fail(e, -EBUSY, "workers",
				    "have other CPUs than in the running daemon: restart it to change this");
	if (c->poll != o->poll)
		return runtime_fail(e, -EBUSY, "poll", "is %s, the running daemon has %s: restart it to change this",
				    poll_mode_name(c->poll), poll_mode_name(o->poll));
	if (c->busy_poll_us != o->busy_poll_us)
		return runtime_fail(e, -EBUSY, "busy_poll_us",
				    "is %u, the running daemon has %u: restart it to change this", c->busy_poll_us,
				    o->busy_poll_us);
	if (c->accounting != o->accounting)
		return runtime_fail(e, -EBUSY, "accounting",
				    "is %s, the running daemon has %s: restart it to change this",
				    accounting_name(c->accounting), accounting_name(o->accounting));
	return 0;
}

int runtime_apply(struct runtime *rt, const struct config *c, struct runtime_error *e)
{
	struct config before;
	int err = check_fixed(rt, c, e);

	if (err)
		return err;
	err = runtime_get_config(rt, &before);
	if (err) {
		config_deinit(&before);
		return runtime_fail(e, err, "", "out of memory");
	}
	err = delete_old(rt, c);
	if (!err)
		err = add_new(rt, c, e);
	if (err && (delete_old(rt, &before) || add_new(rt, &before, NULL)))
		log_error("the configuration from before could not be restored completely");
	config_deinit(&before);
	return err;
}
