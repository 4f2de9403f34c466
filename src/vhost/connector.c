/* SPDX-License-Identifier: Apache-2.0 */
/* connector.c - Connects with back-off; see connector.h.
 *
 * connect(2) on a unix socket does not take time: it succeeds, or says no, or EAGAIN when too many wait already. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/event_loop.h"
#include "vhost/connector.h"

/* syscalls control: socket(AF_UNIX) connect close */

int vhost_connector_init(struct vhost_connector *c, struct event_loop *loop, const char *path,
			 void (*tried)(void *arg, int fd), void *arg)
{
	size_t len = strlen(path);

	*c = (struct vhost_connector){ .loop = loop, .addr.sun_family = AF_UNIX, .tried = tried, .arg = arg };
	if (len == 0 || len >= sizeof(c->addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(c->addr.sun_path, path, len);
	return 0;
}

static int try_connect(const struct vhost_connector *c)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&c->addr, sizeof(c->addr)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static void timer_expired(void *arg)
{
	struct vhost_connector *c = arg;
	int fd;

	c->timer = NULL;
	fd = try_connect(c);
	if (fd < 0)
		vhost_connector_start(c);
	c->tried(c->arg, fd);
}

int vhost_connector_start(struct vhost_connector *c)
{
	c->timer = timer_add(c->loop, c->delay_ms, 0, timer_expired, c);
	if (!c->timer)
		return -ENOMEM;
	c->delay_ms = MAX(2 * c->delay_ms, (unsigned)VHOST_CONNECTOR_DELAY_MIN_MS);
	c->delay_ms = MIN(c->delay_ms, (unsigned)VHOST_CONNECTOR_DELAY_MAX_MS);
	return 0;
}

void vhost_connector_stop(struct vhost_connector *c)
{
	timer_remove(c->timer);
	c->timer = NULL;
}

void vhost_connector_succeeded(struct vhost_connector *c)
{
	c->delay_ms = VHOST_CONNECTOR_DELAY_MIN_MS;
}
