/* SPDX-License-Identifier: Apache-2.0 */
/* api_route.h - A request and its reply without HTTP, and the handlers between the two.
 *
 * api.c turns HTTP into an api_request, api_routes.c finds the handler, and api_entry.c, api_networks.c, api_ports.c,
 * api_stats.c, api_workers.c, api_config.c hold the handlers. A handler fills in the reply with one of the functions below; nothing
 * done means 500. Requests may come from anybody who can open the socket: a handler trusts nothing in them. */
#ifndef RINGWAY_CONTROL_API_ROUTE_H
#define RINGWAY_CONTROL_API_ROUTE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "control/config.h"

struct api_process;
struct runtime;
struct runtime_error;

enum api_method { API_GET, API_POST, API_PUT, API_DELETE, N_API_METHODS };

enum { API_BODY_MAX = 1 << 20 };

struct api_context {
	struct runtime *rt;
	const char *socket_path;
	uint64_t started_ns;
	const struct api_process *process;
};

struct api_request {
	const struct api_context *ctx;
	const char *method; /* as sent */
	const char *path;
	const char *body;
	size_t body_len;
	const char *if_match; /* NULL: not sent */
	const char *(*query)(void *arg, const char *key);
	void *query_arg;
	/* Found by api_dispatch(): */
	const char *name; /* the {name} in the path */
	json_t *tree;     /* body of POST and PUT */
};

struct api_reply {
	unsigned status;
	json_t *body; /* NULL: none */
	bool is_problem;
	char etag[24]; /* quoted; "": none */
	char location[96];
	char allow[48]; /* of a 405 */
};

typedef void api_handler(const struct api_request *rq, struct api_reply *rp);

struct api_route {
	const char *path; /* may end in {name} */
	const char *rel;
	const char *help;
	api_handler *handlers[N_API_METHODS];
};
extern const struct api_route api_routes[];
extern const size_t api_n_routes;

/* Answer a request. `rp` zeroed; the caller releases it. */
void api_dispatch(struct api_request *rq, struct api_reply *rp);
void api_reply_deinit(struct api_reply *rp);

/* The value of ?key= or NULL. */
const char *api_query(const struct api_request *rq, const char *key);
/* ?key, ?key=1 and ?key=true are true. */
bool api_query_flag(const struct api_request *rq, const char *key);

/* Replies. They take over `body`. */

void api_ok(struct api_reply *rp, json_t *body);
/* A resource: with an ETag made from `content`, the part of it that changes are made to (taken over as well). */
void api_ok_resource(struct api_reply *rp, json_t *body, json_t *content);
/* 201; the resource stands at `collection`/`name`. */
void api_created(struct api_reply *rp, const char *collection, const char *name, json_t *body);
void api_no_content(struct api_reply *rp);

/* A problem (RFC 9457). `field`: what of the request is wrong, or "". */
void api_problem(struct api_reply *rp, unsigned status, const char *field, const char *fmt, ...) printf_like(4, 5);
void api_problem_config(struct api_reply *rp, const struct config_error *e);
void api_problem_runtime(struct api_reply *rp, const struct runtime_error *e);

/* If-Match (RFC 9110, 13.1.1) against a resource whose content is this (taken over). False: 412 was filled in. */
bool api_if_match(const struct api_request *rq, struct api_reply *rp, json_t *content);

/* Pieces of JSON that several handlers use. New references. */

/* Text of any bytes: what is not UTF-8 becomes '?'. */
json_t *api_text(const char *text);
/* {"rel": rel, "href": fmt} */
json_t *api_link(const char *rel, const char *fmt, ...) printf_like(2, 3);
/* The names of a set of virtio feature bits. */
json_t *api_feature_names(uint64_t features);

/* Handlers */
api_handler api_get_entry, api_get_status;
api_handler api_get_workers, api_rebalance_workers;
api_handler api_get_networks, api_add_network, api_get_network, api_delete_network;
api_handler api_get_ports, api_add_port, api_get_port, api_delete_port;
api_handler api_get_fdb, api_get_stats;
api_handler api_get_config, api_put_config;

#endif
