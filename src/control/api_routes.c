/* SPDX-License-Identifier: Apache-2.0 */
/* api_routes.c - What every path means, and how a request finds its handler. */
#include <stdio.h>
#include <string.h>

#include "control/api_route.h"

#define GET    [API_GET]
#define POST   [API_POST]
#define PUT    [API_PUT]
#define DELETE [API_DELETE]

const struct api_route api_routes[] = {
	{ "/api", "self", "What there is.", { GET = api_get_entry } },
	{ "/api/status", "status", "The daemon: version, age, settings.", { GET = api_get_status } },
	{ "/api/workers",
	  "workers",
	  "The threads that move frames, and what they have done.",
	  { GET = api_get_workers } },
	{ "/api/workers/rebalance",
	  "rebalance",
	  "Spread the queues over the workers by load, now. The body is {}.",
	  { POST = api_rebalance_workers } },
	{ "/api/networks", "networks", "All networks.", { GET = api_get_networks, POST = api_add_network } },
	{ "/api/networks/{name}", "network", "One network.", { GET = api_get_network, DELETE = api_delete_network } },
	{ "/api/ports",
	  "ports",
	  "All ports, or those of ?network=. A new one names its network.",
	  { GET = api_get_ports, POST = api_add_port } },
	{ "/api/ports/{name}", "port", "One port.", { GET = api_get_port, DELETE = api_delete_port } },
	{ "/api/fdb", "fdb", "Learned addresses, or those of ?network=.", { GET = api_get_fdb } },
	{ "/api/stats", "stats", "Counters of all ports, or of ?port=.", { GET = api_get_stats } },
	{ "/api/config",
	  "config",
	  "The configuration as of ringway.yaml(5); ?defaults writes them out. PUT makes it so.",
	  { GET = api_get_config, PUT = api_put_config } },
};
const size_t api_n_routes = ARRAY_SIZE(api_routes);

static const char *const method_names[N_API_METHODS] = { "GET", "POST", "PUT", "DELETE" };

/* Does the path fit the route's? A {name} is one part, not empty, and goes to *name. */
static bool route_matches(const struct api_route *r, const char *path, const char **name)
{
	const char *variable = strchr(r->path, '{');
	size_t fixed = variable ? (size_t)(variable - r->path) : 0;

	*name = NULL;
	if (!variable)
		return strcmp(r->path, path) == 0;
	*name = path + fixed;
	return strncmp(r->path, path, fixed) == 0 && path[fixed] && !strchr(path + fixed, '/');
}

static const struct api_route *find_route(struct api_request *rq)
{
	for (size_t i = 0; i < api_n_routes; i++)
		if (route_matches(&api_routes[i], rq->path, &rq->name))
			return &api_routes[i];
	return NULL;
}

static api_handler *find_handler(const struct api_route *r, const char *method)
{
	for (size_t i = 0; i < N_API_METHODS; i++)
		if (strcmp(method, method_names[i]) == 0)
			return r->handlers[i];
	return strcmp(method, "HEAD") == 0 ? r->handlers[API_GET] : NULL;
}

static void refuse_method(const struct api_route *r, const struct api_request *rq, struct api_reply *rp)
{
	size_t len = 0;

	for (size_t i = 0; i < N_API_METHODS; i++)
		if (r->handlers[i])
			len += (size_t)snprintf(rp->allow + len, sizeof(rp->allow) - len, "%s%s%s", len ? ", " : "",
						method_names[i], i == API_GET ? ", HEAD" : "");
	api_problem(rp, 405, "", "%.16s is not possible here, allowed: %s", rq->method, rp->allow);
}

static bool parse_body(struct api_request *rq, struct api_reply *rp)
{
	json_error_t e;

	rq->tree = json_loadb(rq->body ? rq->body : "", rq->body_len, JSON_REJECT_DUPLICATES, &e);
	if (rq->tree)
		return true;
	api_problem(rp, 400, "", "the body is not JSON: line %d, column %d: %s", e.line, e.column, e.text);
	json_object_set_new(rp->body, "line", json_integer(e.line));
	json_object_set_new(rp->body, "column", json_integer(e.column));
	return false;
}

void api_dispatch(struct api_request *rq, struct api_reply *rp)
{
	const struct api_route *route = find_route(rq);
	api_handler *handler = route ? find_handler(route, rq->method) : NULL;

	if (!route)
		api_problem(rp, 404, "", "there is nothing at this path; GET /api lists what there is");
	else if (!handler)
		refuse_method(route, rq, rp);
	else if ((handler != route->handlers[API_POST] && handler != route->handlers[API_PUT]) || parse_body(rq, rp))
		handler(rq, rp);
	if (rp->status == 0)
		api_problem(rp, 500, "", "the request was not answered");
	json_decref(rq->tree);
	rq->tree = NULL;
}
