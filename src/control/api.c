/* SPDX-License-Identifier: Apache-2.0 */
/* api.c - libmicrohttpd inside the control thread's event loop.
 *
 * libmicrohttpd keeps an epoll set of its own for its sockets; that set is one descriptor in our loop. When it becomes
 * readable MHD_run() does what is to be done, then MHD_get_timeout() says when it wants to be called without an event: at
 * once, when a connection can go on, or when the next idle connection is to be closed. Without connections there is no
 * timer and no wake-up. */
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "control/api.h"
#include "control/api_route.h"
#include "vhost/listener.h"

enum {
	CONNECTIONS_MAX = 64,
	IDLE_TIMEOUT_S = 30,
	TURNS_MAX = 16,        /* of MHD_run() before others have a turn */
	UPLOAD_MAX = 64 << 20, /* of a body that is too large and thrown away */
};

struct api {
	struct api_context ctx;
	struct event_loop *loop;
	struct vhost_listener listener;
	char socket_path[512];
	struct MHD_Daemon *daemon;
	struct watch *watch;
	struct timer *timer;
};

/* One request while its body comes in. */
struct upload {
	char *body;
	size_t len, room;
	bool is_too_large;
};

/* Body */

static bool upload_append(struct upload *u, const char *data, size_t len)
{
	if (u->is_too_large || len > API_BODY_MAX - u->len) {
		/* Read on, so that the client gets to read the answer. */
		u->is_too_large = true;
		u->len += len;
		return u->len <= UPLOAD_MAX;
	}
	if (u->len + len > u->room) {
		size_t room = MAX(2 * u->room, u->len + len);
		char *body = realloc(u->body, room);

		if (!body)
			return false;
		u->body = body;
		u->room = room;
	}
	memcpy(u->body + u->len, data, len);
	u->len += len;
	return true;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **con_cls,
			 enum MHD_RequestTerminationCode code)
{
	struct upload *u = *con_cls;

	(void)arg;
	(void)connection;
	(void)code;
	if (u)
		free(u->body);
	free(u);
	*con_cls = NULL;
}

/* Reply */

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
	if (*value)
		MHD_add_response_header(response, name, value);
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, const struct api_reply *rp)
{
	char *text = rp->body ? json_dumps(rp->body, JSON_INDENT(1)) : strdup("");
	struct MHD_Response *response = NULL;
	enum MHD_Result result = MHD_NO;

	if (text)
		response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return MHD_NO;
	}
	if (rp->body)
		add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
			   rp->is_problem ? "application/problem+json" : "application/json");
	add_header(response, MHD_HTTP_HEADER_ETAG, rp->etag);
	add_header(response, MHD_HTTP_HEADER_LOCATION, rp->location);
	add_header(response, MHD_HTTP_HEADER_ALLOW, rp->allow);
	result = MHD_queue_response(connection, rp->status, response);
	MHD_destroy_response(response);
	return result;
}

/* Request */

/* The value of a query argument; "" for one that is only named. */
static const char *query_value(void *arg, const char *key)
{
	const char *value = NULL;

	if (MHD_lookup_connection_value_n(arg, MHD_GET_ARGUMENT_KIND, key, strlen(key), &value, NULL) != MHD_YES)
		return NULL;
	return value ? value : "";
}

static enum MHD_Result answer(struct api *api, struct MHD_Connection *connection, const char *url, const char *method,
			      const struct upload *u)
{
	struct api_request rq = {
		.ctx = &api->ctx,
		.method = method,
		.path = url,
		.body = u->body,
		.body_len = u->len,
		.if_match = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_MATCH),
		.query = query_value,
		.query_arg = connection,
	};
	struct api_reply rp = { 0 };
	enum MHD_Result result;

	if (u->is_too_large)
		api_problem(&rp, MHD_HTTP_CONTENT_TOO_LARGE, "", "the body is too large, allowed: up to %d bytes",
			    API_BODY_MAX);
	else
		api_dispatch(&rq, &rp);
	log_debug("api: %s %s: %u", method, url, rp.status);
	result = send_reply(connection, &rp);
	api_reply_deinit(&rp);
	return result;
}

/* Called first with the headers, then for each piece of the body, then once more to be answered. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *data, size_t *data_len, void **con_cls)
{
	struct upload *u = *con_cls;

	(void)version;
	if (!u) {
		*con_cls = calloc(1, sizeof(*u));
		return *con_cls ? MHD_YES : MHD_NO;
	}
	if (*data_len > 0) {
		bool ok = upload_append(u, data, *data_len);

		*data_len = 0;
		return ok ? MHD_YES : MHD_NO;
	}
	return answer(arg, connection, url, method, u);
}

/* Loop */

static void serve(struct api *api);

static void on_timer(void *arg)
{
	struct api *api = arg;

	api->timer = NULL;
	serve(api);
}

static void on_event(void *arg, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	serve(arg);
}

static void serve(struct api *api)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms = 0;

	timer_remove(api->timer);
	api->timer = NULL;
	for (unsigned i = 0; i < TURNS_MAX && timeout_ms == 0; i++) {
		MHD_run(api->daemon);
		if (MHD_get_timeout(api->daemon, &timeout_ms) != MHD_YES)
			return;
	}
	api->timer = timer_add(api->loop, (unsigned)MIN(timeout_ms, IDLE_TIMEOUT_S * 1000), 0, on_timer, api);
	if (!api->timer)
		log_warning("api: out of memory, connections may stay open");
}

/* Life */

static void printf_like(2, 0) on_log(void *arg, const char *fmt, va_list args)
{
	char text[512];

	(void)arg;
	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = 0;
	log_debug("api: %s", text);
}

/* libmicrohttpd closes the socket that it is given: a copy of ours. */
static struct MHD_Daemon *start_daemon(struct api *api)
{
	int fd = fcntl(api->listener.fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return NULL;
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, api,
				MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
				MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
				(unsigned)IDLE_TIMEOUT_S, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
				MHD_OPTION_END);
}

static int watch_daemon(struct api *api)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(api->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	if (!info)
		return -ENOTSUP;
	api->watch = watch_add(api->loop, info->epoll_fd, EPOLLIN, on_event, api);
	return api->watch ? 0 : -errno;
}

struct api *api_create(struct event_loop *loop, struct runtime *rt, const struct api_options *options, char *err,
		       size_t err_size)
{
	struct api *api = calloc(1, sizeof(*api));

	if (!api) {
		snprintf(err, err_size, "out of memory");
		return NULL;
	}
	api->loop = loop;
	snprintf(api->socket_path, sizeof(api->socket_path), "%s", options->socket_path);
	api->ctx = (struct api_context){
		.rt = rt, .socket_path = api->socket_path, .started_ns = clock_ns(), .process = options->process
	};
	if (vhost_listener_resume_or_open(&api->listener, options->resume, api->socket_path, 0600, (uid_t)-1, (gid_t)-1,
					  err, err_size) < 0) {
		free(api);
		return NULL;
	}
	listen(api->listener.fd, CONNECTIONS_MAX);
	api->daemon = start_daemon(api);
	if (api->daemon && watch_daemon(api) == 0)
		return api;
	snprintf(err, err_size, "%s: the HTTP server cannot be started: %s", api->socket_path, strerror(errno));
	api_destroy(api);
	return NULL;
}

void api_destroy(struct api *api)
{
	if (!api)
		return;
	timer_remove(api->timer);
	watch_remove(api->watch);
	if (api->daemon)
		MHD_stop_daemon(api->daemon);
	vhost_listener_close(&api->listener);
	free(api);
}

const struct vhost_listener *api_listener(const struct api *api)
{
	return &api->listener;
}

void api_own(struct api *api)
{
	api->listener.borrowed = false;
}
