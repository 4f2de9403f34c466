/* SPDX-License-Identifier: Apache-2.0 */
/* connector.h - Connects to a socket that may not be there yet: at once, then again with growing pauses. */
#ifndef RINGWAY_VHOST_CONNECTOR_H
#define RINGWAY_VHOST_CONNECTOR_H

#include <sys/un.h>

struct event_loop;
struct timer;

enum { VHOST_CONNECTOR_DELAY_MIN_MS = 100, VHOST_CONNECTOR_DELAY_MAX_MS = 5000 };

struct vhost_connector {
	struct event_loop *loop;
	struct timer *timer; /* NULL: not trying */
	struct sockaddr_un addr;
	unsigned delay_ms; /* before the next try */
	/* A try has ended: fd, which is the callee's, or negative errno; then another one follows by itself. */
	void (*tried)(void *arg, int fd);
	void *arg;
};

/* -ENAMETOOLONG when the path is empty or does not fit. */
int vhost_connector_init(struct vhost_connector *c, struct event_loop *loop, const char *path,
			 void (*tried)(void *arg, int fd), void *arg);
/* Try from the event loop: at once the first time, later after the pause that has been reached. -ENOMEM. */
int vhost_connector_start(struct vhost_connector *c);
void vhost_connector_stop(struct vhost_connector *c);
/* The peer turned out to be alive: begin with the shortest pause next time. */
void vhost_connector_succeeded(struct vhost_connector *c);

#endif
