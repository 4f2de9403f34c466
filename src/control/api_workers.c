/* SPDX-License-Identifier: Apache-2.0 */
/* api_workers.c - /api/workers: the threads that move frames, which queues each polls, and another distribution of those. */
#include <stdlib.h>

#include "control/api_route.h"
#include "control/runtime.h"

enum { LOAD_OF_CORE = 1000 };

/* Cycles have no fixed length; what they are good for is comparing stages, and finding the price of a frame. */
static json_t *account_json(const struct account *a)
{
	json_t *stages = json_object();

	for (unsigned i = 0; i < N_ACCOUNT_STAGES; i++)
		json_object_set_new(stages, account_stage_name(i),
				    json_pack("{s:I, s:I}", "cycles", (json_int_t)a->cycles[i], "frames",
					      (json_int_t)a->frames[i]));
	return json_pack("{s:o, s:I, s:I}", "stages", stages, "notifications", (json_int_t)a->notifications,
			 "notifications_suppressed", (json_int_t)a->notifications_suppressed);
}

static json_t *worker_json(const struct runtime_worker_info *w)
{
	return json_pack("{s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:o}", "idx", (int)w->idx, "tid",
			 w->tid, "queues", (int)w->lanes, "queues_polled", (int)w->polled, "rounds",
			 (json_int_t)w->rounds, "empty_polls", (json_int_t)w->empty_polls, "batches",
			 (json_int_t)w->batches, "frames", (json_int_t)w->frames, "sleeps", (json_int_t)w->sleeps,
			 "wakeups", (json_int_t)w->wakeups, "cpu_ns", (json_int_t)w->cpu_ns, "load",
			 (double)w->load / LOAD_OF_CORE, "account", account_json(&w->account));
}

/* The queues of all workers, as one list for each. */
static void add_assignments(const struct runtime_network *n, json_t *workers)
{
	for (size_t i = 0; i < n->n_ports; i++) {
		const struct runtime_port *p = n->ports[i];

		for (unsigned q = 0; q < p->port->n_queues; q++) {
			json_t *worker = json_array_get(workers, runtime_lane_worker(&p->lanes[q]));

			json_array_append_new(json_object_get(worker, "assigned"),
					      json_pack("{s:s, s:i, s:f}", "port", p->config.name, "queue", (int)q,
							"load", (double)p->lanes[q].load / LOAD_OF_CORE));
		}
	}
}

void api_get_workers(const struct api_request *rq, struct api_reply *rp)
{
	struct runtime *rt = rq->ctx->rt;
	json_t *list = json_array();

	runtime_measure_load(rt);
	for (unsigned i = 0; i < runtime_n_workers(rt); i++) {
		struct runtime_worker_info info;
		json_t *worker;

		runtime_worker_info(rt, i, &info);
		worker = worker_json(&info);
		if (info.cpu >= 0)
			json_object_set_new(worker, "cpu", json_integer(info.cpu));
		if (info.node >= 0)
			json_object_set_new(worker, "node", json_integer(info.node));
		json_object_set_new(worker, "assigned", json_array());
		json_array_append_new(list, worker);
	}
	for (size_t i = 0; i < runtime_n_networks(rt); i++)
		add_assignments(runtime_network_at(rt, i), list);
	api_ok(rp, json_pack("{s:o}", "workers", list));
}

static bool is_empty_object(json_t *tree, struct api_reply *rp)
{
	const char *key = json_object_iter_key(json_object_iter(tree));

	if (!json_is_object(tree))
		api_problem(rp, 422, "", "the body is not an object");
	else if (key)
		api_problem(rp, 422, key, "is not a known key: there is nothing to choose");
	return json_is_object(tree) && !key;
}

void api_rebalance_workers(const struct api_request *rq, struct api_reply *rp)
{
	struct runtime_move *moves = NULL;
	json_t *list;
	int n;

	if (!is_empty_object(rq->tree, rp))
		return;
	n = runtime_rebalance(rq->ctx->rt, &moves);
	if (n < 0) {
		api_problem(rp, 500, "", "out of memory");
		return;
	}
	list = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:i, s:b}", "port", moves[i].port->config.name,
						      "queue", (int)moves[i].queue, "from", (int)moves[i].from, "to",
						      (int)moves[i].to, "done", moves[i].done));
	free(moves);
	api_ok(rp, json_pack("{s:o}", "moves", list));
}
