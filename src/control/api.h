/* SPDX-License-Identifier: Apache-2.0 */
/* api.h - The REST API on a unix socket.
 *
 * Served by the control thread's event loop, between everything else it does: libmicrohttpd runs without threads of its own,
 * and a handler calls the runtime directly. What a path means stands in one table, api_routes.c. */
#ifndef RINGWAY_CONTROL_API_H
#define RINGWAY_CONTROL_API_H

#include <stddef.h>

struct api;
struct event_loop;
struct runtime;

/* Listen on `socket_path` (absolute; made with mode 0600). A socket file that nobody listens on is replaced, a live one is
 * refused. NULL on failure, with a text for people in err. Control thread. */
struct api *api_create(struct event_loop *loop, struct runtime *rt, const char *socket_path, char *err,
		       size_t err_size);
/* Ends all connections, removes the socket file. destroy(NULL) is fine. */
void api_destroy(struct api *api);

#endif
