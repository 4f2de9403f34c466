/* SPDX-License-Identifier: Apache-2.0 */
/* config_merge.c - See config_merge.h. */
#include "control/config_merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/config.h"

/* Two configurations are the same when they print the same. */
static bool json_same(json_t *a, json_t *b)
{
	bool same = a && b && json_equal(a, b);

	json_decref(a);
	json_decref(b);
	return same;
}

bool port_config_same(const struct port_config *a, const struct port_config *b)
{
	return json_same(port_config_to_json(a, true), port_config_to_json(b, true));
}

bool network_config_same(const struct network_config *a, const struct network_config *b)
{
	struct network_config x = *a, y = *b;

	x.ports = y.ports = NULL;
	x.n_ports = y.n_ports = 0;
	return json_same(network_config_to_json(&x, true), network_config_to_json(&y, true));
}

/* Lists */

static void remove_port(struct network_config *n, const char *name)
{
	struct port_config *p = network_config_find_port(n, name);

	if (!p)
		return;
	n->n_ports--;
	memmove(p, p + 1, (size_t)(n->ports + n->n_ports - p) * sizeof(*p));
}

static void remove_network(struct config *c, const char *name)
{
	struct network_config *n = config_find_network(c, name);

	if (!n)
		return;
	network_config_deinit(n);
	c->n_networks--;
	memmove(n, n + 1, (size_t)(c->networks + c->n_networks - n) * sizeof(*n));
}

static int set_port(struct network_config *n, const struct port_config *to)
{
	struct port_config *p = network_config_find_port(n, to->name);
	struct port_config *ports;

	if (p) {
		*p = *to;
		return 0;
	}
	ports = reallocarray(n->ports, n->n_ports + 1, sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	n->ports = ports;
	ports[n->n_ports++] = *to;
	return 0;
}

/* Without its ports. */
static int add_network(struct config *c, const struct network_config *from)
{
	struct network_config *networks = reallocarray(c->networks, c->n_networks + 1, sizeof(*networks));

	if (!networks)
		return -ENOMEM;
	c->networks = networks;
	networks[c->n_networks] = *from;
	networks[c->n_networks].ports = NULL;
	networks[c->n_networks++].n_ports = 0;
	return 0;
}

/* All but the ports. */
static void set_network(struct network_config *n, const struct network_config *to)
{
	struct network_config now = *to;

	now.ports = n->ports;
	now.n_ports = n->n_ports;
	*n = now;
}

/* Merging */

static int merge_ports(struct network_config *running, const struct network_config *before,
		       const struct network_config *after)
{
	int err = 0;

	for (size_t i = 0; i < before->n_ports; i++)
		if (!network_config_find_port(after, before->ports[i].name))
			remove_port(running, before->ports[i].name);
	for (size_t i = 0; i < after->n_ports && !err; i++) {
		const struct port_config *old = network_config_find_port(before, after->ports[i].name);

		if (!old || !port_config_same(old, &after->ports[i]))
			err = set_port(running, &after->ports[i]);
	}
	return err;
}

/* `before` NULL: the file did not have it. */
static int merge_network(struct config *running, const struct network_config *before,
			 const struct network_config *after)
{
	static const struct network_config empty;
	bool changed = !before || !network_config_same(before, after);
	int err = 0;

	if (!config_find_network(running, after->name)) {
		if (!changed)
			return 0;
		err = add_network(running, after);
		before = NULL; /* it comes with all of its ports */
	} else if (changed) {
		set_network(config_find_network(running, after->name), after);
	}
	return err ? err : merge_ports(config_find_network(running, after->name), before ? before : &empty, after);
}

int config_merge(struct config *running, const struct config *before, const struct config *after)
{
	int err = 0;

	for (size_t i = 0; i < before->n_networks; i++)
		if (!config_find_network(after, before->networks[i].name))
			remove_network(running, before->networks[i].name);
	for (size_t i = 0; i < after->n_networks && !err; i++)
		err = merge_network(running, config_find_network(before, after->networks[i].name), &after->networks[i]);
	return err;
}
