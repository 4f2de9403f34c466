/* SPDX-License-Identifier: Apache-2.0 */
/* api_entry.c - /api, /api/status: the daemon itself. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/api.h"
#include "control/api_route.h"
#include "control/handover.h"
#include "control/runtime.h"
#include "port/port.h"

/* Clients start here and follow links by `rel`; a {name} in a link is to be replaced, and where a method is named
 * there is nothing to get. */
void api_get_entry(const struct api_request *rq, struct api_reply *rp)
{
	json_t *links = json_array();

	(void)rq;
	for (size_t i = 0; i < api_n_routes; i++) {
		const struct api_route *r = &api_routes[i];
		json_t *link = api_link(r->rel, "%s", r->path);

		json_object_set_new(link, "title", json_string(r->help));
		if (!r->handlers[API_GET]) /* an action */
			json_object_set_new(link, "method", json_string("POST"));
		if (strchr(r->path, '{'))
			json_object_set_new(link, "templated", json_true());
		json_array_append_new(links, link);
	}
	api_ok(rp, json_pack("{s:s, s:s, s:o}", "name", "ringway", "version", RINGWAY_VERSION, "links", links));
}

static uint64_t process_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static size_t count_ports(const struct runtime *rt, size_t *n_connected)
{
	size_t n = 0;

	*n_connected = 0;
	for (size_t i = 0; i < runtime_n_networks(rt); i++) {
		const struct runtime_network *network = runtime_network_at(rt, i);

		n += network->n_ports;
		for (size_t k = 0; k < network->n_ports; k++)
			*n_connected += network->ports[k]->port->link_up;
	}
	return n;
}

static json_t *process_json(const struct api_process *p)
{
	json_t *arguments = json_array();

	for (unsigned i = 0; i < p->n_arguments; i++)
		json_array_append_new(arguments, api_text(p->arguments[i]));
	return json_pack("{s:o, s:o, s:o, s:b}", "program", api_text(p->program), "arguments", arguments, "directory",
			 api_text(p->directory), "supervised", p->is_supervised);
}

static json_t *handover_json(const struct handover *h)
{
	if (!h)
		return json_null();
	return json_pack("{s:i, s:o, s:I}", "pid", h->pid, "version", api_text(h->program), "pause_ns",
			 (json_int_t)h->pause_ns);
}

void api_get_status(const struct api_request *rq, struct api_reply *rp)
{
	const struct runtime *rt = rq->ctx->rt;
	const struct runtime_options *o = runtime_options(rt);
	size_t n_connected, n_ports = count_ports(rt, &n_connected);
	uint64_t age_ns = clock_ns() - rq->ctx->started_ns;

	api_ok(rp, json_pack("{s:s, s:i, s:f, s:I, s:o, s:o, s:i, s:s, s:i, s:i, s:i, s:i, s:o, s:o}", "version",
			     RINGWAY_VERSION, "pid", (int)getpid(), "uptime_s", (double)age_ns / NSEC_PER_SEC, "cpu_ns",
			     (json_int_t)process_cpu_ns(), "run_dir", api_text(o->run_dir), "api_socket",
			     api_text(rq->ctx->socket_path), "workers", (int)runtime_n_workers(rt), "poll",
			     poll_mode_name(o->poll), "busy_poll_us", (int)o->busy_poll_us, "networks",
			     (int)runtime_n_networks(rt), "ports", (int)n_ports, "ports_connected", (int)n_connected,
			     "process", process_json(rq->ctx->process), "took_over",
			     handover_json(rq->ctx->process->took_over)));
}
