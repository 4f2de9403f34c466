/* SPDX-License-Identifier: Apache-2.0 */
/* port_vhost.h - A port that a VM attaches to over vhost-user.
 *
 * Joins a vhost-user back-end (src/vhost) to the port interface: port_vhost_rx.c turns descriptor chains of the guest's tx
 * rings into frames, port_vhost_tx.c copies frames into the guest's receive buffers, this file follows what the front-end
 * negotiates. Queue q of the port is queue pair q of the device. */
#ifndef RINGWAY_PORT_PORT_VHOST_H
#define RINGWAY_PORT_PORT_VHOST_H

#include <sys/types.h>

#include "port/port.h"

struct event_loop;
struct vhost_backend_places;
struct vhost_backend_state;

struct port_vhost_config {
	const char *name;
	const char *socket;  /* absolute path */
	const char *journal; /* file that the place in packed rings is kept in; NULL or "": none */
	bool client;         /* connect to the front-end's socket instead of listening */
	unsigned queues;     /* pairs, 1..PORT_QUEUES_MAX */
	unsigned mtu;        /* of the network; offered to the guest */
	bool paced;          /* let a front-end wait that comes too often */
	bool ring_reset;     /* offer VIRTIO_F_RING_RESET; QEMU lets a guest have it and tells nobody of the resets */
	mode_t socket_mode;  /* server mode */
	uid_t socket_uid;    /* (uid_t)-1: leave */
	gid_t socket_gid;
	const struct vhost_backend_state *resume; /* be the port of another process; NULL: be a new one */
};

/* Control thread. 0, or negative errno with a text for people in err. The port listens or connects from now on; frames move
 * after port_vhost_start(). */
int port_vhost_create(struct event_loop *loop, const struct port_vhost_config *config, struct port **out, char *err,
		      size_t err_size);

/* lane_changed and state_changed are set: tell them how things are. */
void port_vhost_start(struct port *port);

/* For the API: what was negotiated (0: not connected), virtio feature bits. */
uint64_t port_vhost_features(const struct port *port);
bool port_vhost_is_connected(const struct port *port);
/* What the front-end has told the guest, 0: it has not said. */
unsigned port_vhost_guest_mtu(const struct port *port);

/* Handing the port over to another process; vhost/backend_state.h has the order and who may call. */
struct port_vhost_places {
	struct vhost_backend_places *backend;
	bool announcing; /* a frame in the name of this address is to be sent */
	uint8_t announced_mac[6];
};
int port_vhost_save(const struct port *port, struct vhost_backend_state *s);
void port_vhost_save_places(struct port *port, struct port_vhost_places *p);
int port_vhost_go_on(struct port *port, const struct port_vhost_places *p, char *err, size_t err_size);
void port_vhost_own(struct port *port);

/* Virtio feature bits that the device offers. */
uint64_t port_vhost_offered(void);

#endif
