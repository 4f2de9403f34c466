/* SPDX-License-Identifier: Apache-2.0 */
/* api_config.c - /api/config: what runs, as a configuration; and another configuration made to run. */
#include <stdio.h>
#include <string.h>

#include "control/api_route.h"
#include "control/runtime.h"

/* The socket as the configuration names it: relative when it is in the run directory. */
static void api_socket(const struct api_context *ctx, char *buf, size_t size)
{
	const char *run_dir = runtime_options(ctx->rt)->run_dir;
	size_t len = strlen(run_dir);
	bool inside = strncmp(ctx->socket_path, run_dir, len) == 0 && ctx->socket_path[len] == '/';

	snprintf(buf, size, "%s", inside ? ctx->socket_path + len + 1 : ctx->socket_path);
}

/* As the daemon would read it now; NULL: out of memory. */
static json_t *config_json(const struct api_context *ctx, bool with_defaults)
{
	json_t *tree = NULL;
	struct config c;

	if (runtime_get_config(ctx->rt, &c) == 0) {
		api_socket(ctx, c.api_socket, sizeof(c.api_socket));
		tree = config_to_json(&c, with_defaults);
	}
	config_deinit(&c);
	return tree;
}

void api_get_config(const struct api_request *rq, struct api_reply *rp)
{
	api_ok_resource(rp, config_json(rq->ctx, api_query_flag(rq, "defaults")), config_json(rq->ctx, true));
}

/* The socket that the request came through is one thing that a request cannot move. */
static bool socket_stays(const struct api_request *rq, const struct config *c, struct api_reply *rp)
{
	char wanted[512];

	runtime_path(rq->ctx->rt, c->api_socket, wanted, sizeof(wanted));
	if (strcmp(wanted, rq->ctx->socket_path) == 0)
		return true;
	api_problem(rp, 409, "api.socket", "is \"%s\", the running daemon has %s: restart it to change this",
		    c->api_socket, rq->ctx->socket_path);
	return false;
}

void api_put_config(const struct api_request *rq, struct api_reply *rp)
{
	struct config c;
	struct config_error config_error;
	struct runtime_error error = { 0 };

	if (!api_if_match(rq, rp, config_json(rq->ctx, true)))
		return;
	if (config_from_json(rq->tree, &c, &config_error)) {
		api_problem_config(rp, &config_error);
		return;
	}
	if (socket_stays(rq, &c, rp)) {
		if (runtime_apply(rq->ctx->rt, &c, &error))
			api_problem_runtime(rp, &error);
		else
			api_get_config(rq, rp);
	}
	config_deinit(&c);
}
