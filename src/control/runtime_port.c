/* SPDX-License-Identifier: Apache-2.0 */
/* runtime_port.c - Opening a port of each kind, and giving its queues to workers. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/allowed_paths.h"
#include "base/log.h"
#include "control/runtime_priv.h"
#include "port/port_tap.h"
#include "port/port_vhost.h"

/* A user or group by name or number; (id_t)-1 for "". */
static int find_uid(const char *name, uid_t *uid)
{
	const struct passwd *pw;
	char *end;

	*uid = (uid_t)-1;
	if (!*name)
		return 0;
	*uid = (uid_t)strtoul(name, &end, 10);
	if (!*end)
		return 0;
	pw = getpwnam(name);
	if (!pw)
		return -ENOENT;
	*uid = pw->pw_uid;
	return 0;
}

static int find_gid(const char *name, gid_t *gid)
{
	const struct group *gr;
	char *end;

	*gid = (gid_t)-1;
	if (!*name)
		return 0;
	*gid = (gid_t)strtoul(name, &end, 10);
	if (!*end)
		return 0;
	gr = getgrnam(name);
	if (!gr)
		return -ENOENT;
	*gid = gr->gr_gid;
	return 0;
}

static int open_vhost(struct runtime *rt, const struct runtime_network *network, const struct port_config *c,
		      const struct vhost_backend_state *resume, struct port **out, struct runtime_error *e)
{
	char path[256], journal[304] = "", text[sizeof(e->text)] = "";
	struct port_vhost_config pc = {
		.name = c->name,
		.socket = path,
		.journal = journal,
		.client = c->role == SOCKET_CLIENT,
		.queues = c->queues,
		.mtu = network->config.mtu,
		.paced = true,
		.ring_reset = c->ring_reset,
		.socket_mode = c->socket_mode,
		.resume = resume,
	};
	int err;

	runtime_path(rt, c->socket, path, sizeof(path));
	if (!pc.client && !resume && !allowed_paths_permit(path))
		return runtime_fail(
		    e, -EACCES, "socket",
		    "%s: the sandbox lets this daemon make sockets in its run directory and in those of "
		    "its configuration at the start: restart it with --allow-path and that directory",
		    path);
	if (rt->state_dir[0])
		snprintf(journal, sizeof(journal), "%s/%s.rings", rt->state_dir, c->name);
	if (find_uid(c->socket_owner, &pc.socket_uid))
		return runtime_fail(e, -EINVAL, "socket_owner", "no user is called '%s'", c->socket_owner);
	if (find_gid(c->socket_group, &pc.socket_gid))
		return runtime_fail(e, -EINVAL, "socket_group", "no group is called '%s'", c->socket_group);
	err = port_vhost_create(rt->loop, &pc, out, text, sizeof(text));
	return err ? runtime_fail(e, err, "socket", "%s", text) : 0;
}

static int open_tap(struct runtime *rt, const struct runtime_network *network, const struct port_config *c,
		    const struct port_tap_state *resume, struct port **out, struct runtime_error *e)
{
	struct port_tap_config pc = {
		.name = c->name,
		.ifname = c->ifname,
		.queues = c->queues,
		.mtu = network->config.mtu,
		.max_frame_len = network->config.mtu + FRAME_LEN_MIN,
		.loop = rt->loop,
		.resume = resume,
	};
	char text[sizeof(e->text)] = "";
	int err = port_tap_create(&pc, out, text, sizeof(text));

	return err ? runtime_fail(e, err, "ifname", "%s", text) : 0;
}

int runtime_open_port(struct runtime *rt, const struct runtime_network *network, const struct port_config *c,
		      const struct runtime_port_state *state, struct port **out, struct runtime_error *e)
{
	switch (c->type) {
	case PORT_TYPE_VHOST_USER:
		return open_vhost(rt, network, c, state ? state->vhost : NULL, out, e);
	case PORT_TYPE_TAP:
		return open_tap(rt, network, c, state ? state->tap : NULL, out, e);
	case N_PORT_TYPES:
		break;
	}
	return runtime_fail(e, -EINVAL, "type", "unknown");
}

/* Lanes */

static void on_lane_changed(struct port *port, unsigned queue, int wake_fd)
{
	const struct runtime_port *rp = port->owner;
	const struct runtime_lane *l = &rp->lanes[queue];

	if (l->lane)
		worker_lane_wake_fd(l->worker, l->lane, wake_fd);
}

static void on_state_changed(struct port *port)
{
	struct runtime_port *rp = port->owner;
	char text[256];

	port->ops->status(port, text, sizeof(text));
	log_limited(&rp->log_limit, 10, LOG_LEVEL_INFO, "port %s: %s", port->name, text);
}

int runtime_add_lanes(struct runtime *rt, struct runtime_port *rp)
{
	struct port *port = rp->port;

	for (unsigned q = 0; q < port->n_queues; q++) {
		struct runtime_lane *l = &rp->lanes[q];

		*l = (struct runtime_lane){ .worker = runtime_balance_place(rt) };
		l->lane = l->worker ? worker_lane_add(l->worker, port, q) : NULL;
		if (!l->lane)
			return -ENOMEM;
	}
	port->lane_changed = on_lane_changed;
	port->state_changed = on_state_changed;
	if (rp->config.type == PORT_TYPE_VHOST_USER)
		port_vhost_start(port);
	else
		port_tap_start(port);
	return 0;
}

void runtime_remove_lanes(struct runtime_port *rp)
{
	rp->port->lane_changed = NULL;
	for (unsigned q = 0; q < rp->port->n_queues; q++) {
		if (rp->lanes[q].lane)
			worker_lane_remove(rp->lanes[q].worker, rp->lanes[q].lane);
		rp->lanes[q].lane = NULL;
	}
}
