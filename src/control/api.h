/* SPDX-License-Identifier: Apache-2.0 */
/* api.h - The REST API on a unix socket.
 *
 * Served by the control thread's event loop, between everything else it does: libmicrohttpd runs without threads of its own,
 * and a handler calls the runtime directly. What a path means stands in one table, api_routes.c. */
#ifndef RINGWAY_CONTROL_API_H
#define RINGWAY_CONTROL_API_H

#include <stdbool.h>
#include <stddef.h>

struct api;
struct event_loop;
struct handover;
struct runtime;
struct vhost_listener;
struct vhost_listener_state;

/* How this process was started, for those who start another one in its place. */
struct api_process {
	const char *program; /* the executable's path */
	const char *directory;
	char *const *arguments; /* [n_arguments] */
	unsigned n_arguments;
	bool is_supervised;               /* by a service manager, which starts it again itself */
	const struct handover *took_over; /* NULL: it began with nothing */
};

struct api_options {
	const char *socket_path; /* absolute */
	const struct vhost_listener_state
	    *resume;                       /* the socket of the process that we take over from; NULL: make one */
	const struct api_process *process; /* outlives the API */
};

/* Listen on options->socket_path, made with mode 0600. A socket file that nobody listens on is replaced, a live one is
 * refused. NULL on failure, with a text for people in err. Control thread. */
struct api *api_create(struct event_loop *loop, struct runtime *rt, const struct api_options *options, char *err,
		       size_t err_size);
/* For handing over: its socket; and that the socket's file is ours now. */
const struct vhost_listener *api_listener(const struct api *api);
void api_own(struct api *api);
/* Ends all connections, removes the socket file. destroy(NULL) is fine. */
void api_destroy(struct api *api);

#endif
