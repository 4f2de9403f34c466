/* SPDX-License-Identifier: Apache-2.0 */
/* api_networks.c - /api/networks and /api/fdb. */
#include "base/clock.h"
#include "control/api_route.h"
#include "control/runtime.h"
#include "port/port.h"
#include "switch/fdb.h"

static json_t *port_links(const struct runtime_network *n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n->n_ports; i++)
		json_array_append_new(list, json_pack("{s:s, s:o}", "name", n->ports[i]->config.name, "href",
						      json_sprintf("/api/ports/%s", n->ports[i]->config.name)));
	return list;
}

static json_t *network_json(const struct runtime_network *n)
{
	json_t *object = network_config_to_json(&n->config, true);
	json_t *links = json_array();

	json_object_set_new(object, "href", json_sprintf("/api/networks/%s", n->name));
	json_object_set_new(object, "ports", port_links(n));
	json_object_set_new(object, "fdb",
			    json_pack("{s:i, s:i, s:I}", "entries", (int)fdb_count(n->fdb), "capacity",
				      (int)fdb_capacity(n->fdb), "evictions", (json_int_t)fdb_evictions(n->fdb)));
	json_array_append_new(links, api_link("ports", "/api/ports?network=%s", n->name));
	json_array_append_new(links, api_link("fdb", "/api/fdb?network=%s", n->name));
	json_object_set_new(object, "links", links);
	return object;
}

/* What a client may rely on when it deletes the network: its settings and ports. */
static json_t *network_content(const struct runtime_network *n)
{
	json_t *object = network_config_to_json(&n->config, true);
	json_t *ports = json_array();

	for (size_t i = 0; i < n->n_ports; i++)
		json_array_append_new(ports, json_integer(n->ports[i]->port->id));
	json_object_set_new(object, "ports", ports);
	return object;
}

void api_get_networks(const struct api_request *rq, struct api_reply *rp)
{
	json_t *list = json_array();

	for (size_t i = 0; i < runtime_n_networks(rq->ctx->rt); i++)
		json_array_append_new(list, network_json(runtime_network_at(rq->ctx->rt, i)));
	api_ok(rp, json_pack("{s:o}", "networks", list));
}

void api_add_network(const struct api_request *rq, struct api_reply *rp)
{
	struct network_config c;
	struct config_error config_error;
	struct runtime_error error = { 0 };

	if (network_config_from_json(rq->tree, &c, &config_error)) {
		api_problem_config(rp, &config_error);
		return;
	}
	if (runtime_network_add(rq->ctx->rt, &c, &error))
		api_problem_runtime(rp, &error);
	else
		api_created(rp, "/api/networks", c.name, network_json(runtime_network_find(rq->ctx->rt, c.name)));
	network_config_deinit(&c);
}

static const struct runtime_network *find(const struct api_request *rq, struct api_reply *rp)
{
	const struct runtime_network *n = runtime_network_find(rq->ctx->rt, rq->name);

	if (!n)
		api_problem(rp, 404, "name", "there is no network called '%.*s'", NETWORK_NAME_MAX, rq->name);
	return n;
}

void api_get_network(const struct api_request *rq, struct api_reply *rp)
{
	const struct runtime_network *n = find(rq, rp);

	if (n)
		api_ok_resource(rp, network_json(n), network_content(n));
}

void api_delete_network(const struct api_request *rq, struct api_reply *rp)
{
	const struct runtime_network *n = find(rq, rp);
	struct runtime_error error = { 0 };

	if (!n || !api_if_match(rq, rp, network_content(n)))
		return;
	if (runtime_network_del(rq->ctx->rt, rq->name, &error))
		api_problem_runtime(rp, &error);
	else
		api_no_content(rp);
}

struct fdb_list {
	const struct runtime *rt;
	const char *network;
	json_t *entries;
};

static bool add_fdb_entry(void *arg, const struct fdb_entry *entry)
{
	const struct fdb_list *list = arg;
	const struct runtime_port *port = runtime_port_by_idx(list->rt, entry->port);
	const uint8_t *m = entry->mac;

	json_array_append_new(
	    list->entries, json_pack("{s:s, s:o, s:s, s:I}", "network", list->network, "mac",
				     json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]),
				     "port", port ? port->config.name : "", "age_s", (json_int_t)entry->age_s));
	return true;
}

void api_get_fdb(const struct api_request *rq, struct api_reply *rp)
{
	struct fdb_list list = { .rt = rq->ctx->rt };
	const char *only = api_query(rq, "network");

	if (only && !runtime_network_find(rq->ctx->rt, only)) {
		api_problem(rp, 404, "network", "there is no network called '%.*s'", NETWORK_NAME_MAX, only);
		return;
	}
	list.entries = json_array();
	for (size_t i = 0; i < runtime_n_networks(rq->ctx->rt); i++) {
		const struct runtime_network *n = runtime_network_at(rq->ctx->rt, i);

		list.network = n->name;
		if (!only || n == runtime_network_find(rq->ctx->rt, only))
			fdb_for_each(n->fdb, (uint32_t)(clock_ns() / NSEC_PER_SEC), add_fdb_entry, &list);
	}
	api_ok(rp, json_pack("{s:o}", "fdb", list.entries));
}
