/* SPDX-License-Identifier: Apache-2.0 */
/* api_ports.c - /api/ports. */
#include <string.h>

#include "control/api_route.h"
#include "control/counters_json.h"
#include "control/runtime.h"
#include "packet/offload.h"
#include "port/port_vhost.h"

static void add_vhost(json_t *object, const struct api_request *rq, const struct runtime_port *p)
{
	char path[512];

	runtime_path(rq->ctx->rt, p->config.socket, path, sizeof(path));
	json_object_set_new(object, "socket_path", api_text(path));
	json_object_set_new(object, "connected", json_boolean(port_vhost_is_connected(p->port)));
	if (port_vhost_guest_mtu(p->port) > 0)
		json_object_set_new(object, "guest_mtu", json_integer(port_vhost_guest_mtu(p->port)));
	json_object_set_new(object, "features", api_feature_names(port_vhost_features(p->port)));
}

/* Names of OFFLOAD_CAP_*, as in packet/offload.h. */
static json_t *offload_names(uint32_t caps)
{
	static const struct {
		uint32_t cap;
		const char *name;
	} names[] = {
		{ OFFLOAD_CAP_CSUM, "csum" },
		{ OFFLOAD_CAP_TSO4, "tso4" },
		{ OFFLOAD_CAP_TSO6, "tso6" },
		{ OFFLOAD_CAP_ECN, "ecn" },
		{ OFFLOAD_CAP_UFO, "ufo" },
		{ OFFLOAD_CAP_USO4, "uso4" },
		{ OFFLOAD_CAP_USO6, "uso6" },
		{ OFFLOAD_CAP_TUNNEL, "tunnel" },
		{ OFFLOAD_CAP_TUNNEL_CSUM, "tunnel_csum" },
	};
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (caps & names[i].cap)
			json_array_append_new(list, json_string(names[i].name));
	return list;
}

static json_t *port_json(const struct api_request *rq, const struct runtime_port *p)
{
	json_t *object = port_config_to_json(&p->config, true);
	struct port_counters rx, tx;
	char status[256] = "";
	json_t *links = json_array();

	p->port->ops->status(p->port, status, sizeof(status));
	port_counters_sum(p->port, &rx, &tx);
	json_object_set_new(object, "href", json_sprintf("/api/ports/%s", p->config.name));
	json_object_set_new(object, "id", json_integer(p->port->id));
	json_object_set_new(object, "network", json_string(p->network->name));
	json_object_set_new(object, "mtu", json_integer(p->network->config.mtu));
	json_object_set_new(object, "state", api_text(status));
	json_object_set_new(object, "connected", json_boolean(p->port->link_up));
	json_object_set_new(object, "queues_active", json_integer(p->port->n_tx_active));
	json_object_set_new(object, "offloads", offload_names(p->port->ops->caps(p->port)));
	if (p->config.type == PORT_TYPE_VHOST_USER)
		add_vhost(object, rq, p);
	json_object_set_new(object, "rx", counters_to_json(&rx));
	json_object_set_new(object, "tx", counters_to_json(&tx));
	json_array_append_new(links, api_link("network", "/api/networks/%s", p->network->name));
	json_array_append_new(links, api_link("stats", "/api/stats?port=%s", p->config.name));
	json_object_set_new(object, "links", links);
	return object;
}

/* What stays the same until somebody changes the port; a port that was deleted and added again is another. */
static json_t *port_content(const struct runtime_port *p)
{
	json_t *object = port_config_to_json(&p->config, true);

	json_object_set_new(object, "id", json_integer(p->port->id));
	return object;
}

void api_get_ports(const struct api_request *rq, struct api_reply *rp)
{
	const struct runtime *rt = rq->ctx->rt;
	const char *only = api_query(rq, "network");
	json_t *list;

	if (only && !runtime_network_find(rt, only)) {
		api_problem(rp, 404, "network", "there is no network called '%.*s'", NETWORK_NAME_MAX, only);
		return;
	}
	list = json_array();
	for (size_t i = 0; i < runtime_n_networks(rt); i++) {
		const struct runtime_network *n = runtime_network_at(rt, i);

		for (size_t k = 0; k < n->n_ports && (!only || strcmp(only, n->name) == 0); k++)
			json_array_append_new(list, port_json(rq, n->ports[k]));
	}
	api_ok(rp, json_pack("{s:o}", "ports", list));
}

/* The body is a port as in the configuration, and the name of the network that it goes to. */
void api_add_port(const struct api_request *rq, struct api_reply *rp)
{
	json_t *network = json_object_get(rq->tree, "network");
	struct port_config c;
	struct config_error config_error;
	struct runtime_error error = { 0 };

	if (json_is_object(rq->tree) && !json_is_string(network)) {
		api_problem(rp, 422, "network", "%s, allowed: the name of a network",
			    network ? "is no text" : "is missing");
		return;
	}
	json_incref(network);
	json_object_del(rq->tree, "network");
	if (port_config_from_json(rq->tree, &c, &config_error))
		api_problem_config(rp, &config_error);
	else if (runtime_port_add(rq->ctx->rt, json_string_value(network), &c, &error))
		api_problem_runtime(rp, &error);
	else
		api_created(rp, "/api/ports", c.name, port_json(rq, runtime_port_find(rq->ctx->rt, c.name)));
	json_decref(network);
}

static const struct runtime_port *find(const struct api_request *rq, struct api_reply *rp)
{
	const struct runtime_port *p = runtime_port_find(rq->ctx->rt, rq->name);

	if (!p)
		api_problem(rp, 404, "name", "there is no port called '%.*s'", PORT_NAME_MAX, rq->name);
	return p;
}

void api_get_port(const struct api_request *rq, struct api_reply *rp)
{
	const struct runtime_port *p = find(rq, rp);

	if (p)
		api_ok_resource(rp, port_json(rq, p), port_content(p));
}

void api_delete_port(const struct api_request *rq, struct api_reply *rp)
{
	const struct runtime_port *p = find(rq, rp);
	struct runtime_error error = { 0 };

	if (!p || !api_if_match(rq, rp, port_content(p)))
		return;
	if (runtime_port_del(rq->ctx->rt, rq->name, &error))
		api_problem_runtime(rp, &error);
	else
		api_no_content(rp);
}
