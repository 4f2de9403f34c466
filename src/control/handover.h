/* SPDX-License-Identifier: Apache-2.0 */
/* handover.h - A planned upgrade: a new process takes over everything that this one has, and no front-end notices.
 *
 * The new process (ringwayd --handover) connects to RUN_DIR/handover.sock of the old one; both have to be the same user's. Then, with
 * the control threads of both waiting for each other and the old one's workers going on:
 *
 *	new                                        old
 *	{"versions": [1], ...}              ->     chooses a version
 *	                                    <-     the state: configuration, ports, all descriptors
 *	maps, watches, listens  {"ready"}   ->     lets its workers come to rest; from here on no frame moves
 *	                                    <-     the places: where each ring stands, counters
 *	starts the rings        {"taken"}   ->     ends, without closing anything that the other end would see
 *	lets its workers run
 *
 * Until "taken" is in the socket the old process can go on as if nothing had happened, and does so when the new one refuses
 * ({"refused": why}), dies, or takes too long. Then it shuts the socket first: so "taken" is either in it, or can never get there,
 * and there is no moment at which both or none of the two serve. Neither writes to guest memory between rest and "taken".
 *
 * The same two documents go into systemd's file descriptor store when the daemon is stopped, and come from there when it is started again.
 *
 * The documents are JSON with numbers for descriptors. Readers ignore keys that they do not know: what a reader can do without may be
 * added. Everything else is a new version. A program reads the versions before as long as it can, and writes the newest that the other one
 * reads; when there is none, nothing is handed over.
 *
 * Control thread. */
#ifndef RINGWAY_CONTROL_HANDOVER_H
#define RINGWAY_CONTROL_HANDOVER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/handover_fds.h"
#include "vhost/listener.h"

struct api;
struct config;
struct event_loop;
struct runtime;
struct runtime_error;

enum { HANDOVER_VERSION = 1 };

/* Giving */

/* What there is besides the runtime. */
struct handover_source {
	struct runtime *rt;
	const struct vhost_listener *api; /* the API's socket */
	const struct config *file;        /* what the configuration file said when it was last read */
};

struct handover_server;
/* Listen at `path`; `resume`: the socket that another process has open there, NULL: open it. `given` is called when process `pid` has taken over: end then, and leave
 * everything as it is. NULL on failure, with a text in err. */
struct handover_server *handover_server_create(struct event_loop *loop, const struct handover_source *source,
					       const char *path, const struct vhost_listener_state *resume,
					       void (*given)(void *arg, int pid), void *arg, char *err,
					       size_t err_size);
void handover_server_destroy(struct handover_server *s);
void handover_server_own(struct handover_server *s);

/* The two documents, when nobody asks for the first one: pauses the runtime. One object; NULL, with a text, and the runtime goes on. */
json_t *handover_store(const struct handover_source *source, struct handover_fds *fds, struct runtime_error *e);

/* Taking */

/* What came, while it is being taken. */
struct handover {
	int fd;         /* of the old process; -1: everything is here already */
	json_t *state;  /* first document */
	json_t *places; /* second */
	struct handover_fds fds;
	struct config *running, *file; /* what ran, and what the old process had read of the configuration file */
	/* The old process's own sockets. */
	char api_path[512];
	struct vhost_listener_state api, server;
	int log_fd; /* its log; -1: none */
	int pid;
	char program[32];  /* its version */
	uint64_t pause_ns; /* how long no frame moved; when all is done */
};

/* From the process that serves `path`. 0 or negative errno with e->text; then nothing is left to be released. */
int handover_connect(struct handover *h, const char *path, struct runtime_error *e);
/* From a store: takes over `document` and `fds`. 0 or negative errno with e->text; then, too, handover_close() it. */
int handover_open_store(struct handover *h, json_t *document, struct handover_fds *fds, struct runtime_error *e);
/* Make all networks and ports. The runtime is empty and stays paused. 0 or negative errno. */
int handover_prepare(struct handover *h, struct runtime *rt, struct runtime_error *e);
/* Let it run. 0, or negative errno: it does not, and the old process, if there is one, goes on. */
int handover_take(struct handover *h, struct runtime *rt, struct runtime_error *e);
/* Release, tell the old process if nothing was taken (why, or NULL). */
void handover_close(struct handover *h, const char *why);

#endif
