/* SPDX-License-Identifier: Apache-2.0 */
/* config_check.c - Rules about several values: defaults made of other keys, and what has to be unique. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_parse.h"
#include "control/config_path.h"

int port_config_finish(struct port_config *c, const char *path, struct config_error *e)
{
	char field[sizeof(e->field)];

	if (c->type == PORT_TYPE_VHOST_USER && !c->socket[0])
		snprintf(c->socket, sizeof(c->socket), "%s.sock", c->name);
	if (c->type != PORT_TYPE_TAP)
		return 0;
	snprintf(field, sizeof(field), "%s%sifname", path, *path ? "." : "");
	if (!c->ifname[0]) {
		size_t len = strlen(c->name);

		if (len >= sizeof(c->ifname))
			return config_fail(e, field,
					   "is missing, and the port's name is too long for a device, allowed: "
					   "text of up to 15 bytes without blanks, / and :");
		memcpy(c->ifname, c->name, len + 1);
	}
	/* The kernel's dev_valid_name() refuses these two; a '%' would be taken for a pattern. */
	if (strcmp(c->ifname, ".") == 0 || strcmp(c->ifname, "..") == 0 || strchr(c->ifname, '%'))
		return config_fail(e, field, "is \"%s\", which is no name for a device", c->ifname);
	return 0;
}

/* Values seen so far, each with the path where it stands first. */
struct seen {
	json_t *networks, *ports, *sockets, *ifnames;
};

/* Note that `value` stands at `path`.key; fails when it stood elsewhere before. */
static int note(json_t *seen, const struct config_path *path, const char *key, const char *value,
		struct config_error *e)
{
	struct config_path at = *path;
	const char *first = json_string_value(json_object_get(seen, value));

	config_path_key(&at, key);
	if (first)
		return config_fail(e, at.text, "is \"%s\", which %s is already", value, first);
	return json_object_set_new_nocheck(seen, value, json_string_nocheck(at.text)) ? -ENOMEM : 0;
}

static int check_port(struct seen *seen, const struct config_path *path, const struct port_config *c,
		      struct config_error *e)
{
	int err = note(seen->ports, path, "name", c->name, e);

	if (err)
		return err;
	if (c->type == PORT_TYPE_TAP)
		return note(seen->ifnames, path, "ifname", c->ifname, e);
	return note(seen->sockets, path, "socket", c->socket, e);
}

static int check_network(struct seen *seen, struct config_path *path, const struct network_config *c,
			 struct config_error *e)
{
	int err = note(seen->networks, path, "name", c->name, e);

	for (size_t i = 0; i < c->n_ports && !err; i++) {
		size_t before = config_path_key(path, "ports");

		config_path_index(path, i);
		err = check_port(seen, path, &c->ports[i], e);
		config_path_cut(path, before);
	}
	return err;
}

static void seen_deinit(struct seen *seen)
{
	json_decref(seen->networks);
	json_decref(seen->ports);
	json_decref(seen->sockets);
	json_decref(seen->ifnames);
}

static bool seen_init(struct seen *seen)
{
	*seen = (struct seen){ json_object(), json_object(), json_object(), json_object() };
	return seen->networks && seen->ports && seen->sockets && seen->ifnames;
}

int network_config_check(const struct network_config *c, struct config_error *e)
{
	struct config_path path = { 0 };
	struct seen seen;
	int err = seen_init(&seen) ? check_network(&seen, &path, c, e) : -ENOMEM;

	seen_deinit(&seen);
	return err;
}

static int check_cpus(const struct config *c, struct config_error *e)
{
	for (size_t i = 0; i < c->n_pinned; i++) {
		for (size_t k = 0; k < i; k++) {
			char field[sizeof(e->field)];

			if (c->pinned[i].cpu != c->pinned[k].cpu)
				continue;
			snprintf(field, sizeof(field), "workers[%zu].cpu", i);
			return config_fail(e, field, "is %u, which workers[%zu].cpu is already", c->pinned[i].cpu, k);
		}
	}
	return 0;
}

int config_check(const struct config *c, struct config_error *e)
{
	struct config_path path = { 0 };
	struct config_path api = { .text = "api", .len = 3 };
	struct seen seen;
	int err = seen_init(&seen) ? note(seen.sockets, &api, "socket", c->api_socket, e) : -ENOMEM;

	if (!err)
		err = check_cpus(c, e);
	for (size_t i = 0; i < c->n_networks && !err; i++) {
		size_t before = config_path_key(&path, "networks");

		config_path_index(&path, i);
		err = check_network(&seen, &path, &c->networks[i], e);
		config_path_cut(&path, before);
	}
	seen_deinit(&seen);
	return err;
}
