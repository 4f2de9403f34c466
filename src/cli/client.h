/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - Requests to the daemon's API socket. */
#ifndef RINGWAY_CLI_CLIENT_H
#define RINGWAY_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/compiler.h"

struct client;

/* Nothing is connected yet. NULL after a message on stderr. `run_dir` and `api_socket` as given by the user, or NULL;
 * the socket wins. */
struct client *client_create(const char *run_dir, const char *api_socket);
void client_destroy(struct client *c);

/* A reply that came. */
struct client_reply {
	long status;  /* HTTP */
	json_t *body; /* NULL: none */
};

/* Send a request; `body` may be NULL. Of the path's format each %s is escaped to be one part of a path or one value. False after
 * a message on stderr: there was no reply. The caller releases reply->body. */
bool client_request(struct client *c, struct client_reply *reply, const char *method, const json_t *body,
		    const char *path_fmt, ...) printf_like(5, 6);

/* The same where anything but success is a failure to report. The body (an empty object when there is none), or NULL
 * after a message on stderr. */
json_t *client_get(struct client *c, const char *path_fmt, ...) printf_like(2, 3);
json_t *client_post(struct client *c, const json_t *body, const char *path_fmt, ...) printf_like(3, 4);
json_t *client_delete(struct client *c, const char *path_fmt, ...) printf_like(2, 3);

/* GET, while it is not certain that anybody answers: false and no message when there is no whole reply. */
bool client_try(struct client *c, struct client_reply *reply, const char *path);

/* Print the problem that a reply carries. */
void client_print_problem(const struct client_reply *reply);

#endif
