/* SPDX-License-Identifier: Apache-2.0 */
/* port_tap.h - A port to the host's own network stack: a tap device.
 *
 * What we write to the device the host receives (tx); what the host sends out through it we read (rx). Frames carry a
 * virtio_net_hdr both ways, so unfinished checksums and unsegmented TCP and UDP cross as they are. port_tap_open.c gets hold of the
 * device, port_tap_rx.c and port_tap_tx.c move frames, port_tap.c is the port's life.
 *
 * The device is created, and vanishes with the port, or one is taken that was made for this user; that one stays:
 *	ip tuntap add dev rw0 mode tap user NAME [multi_queue] vnet_hdr */
#ifndef RINGWAY_PORT_PORT_TAP_H
#define RINGWAY_PORT_PORT_TAP_H

#include "port/port.h"

struct event_loop;

/* The device as another process can take it over. Descriptors are borrowed. */
struct port_tap_state {
	char ifname[16]; /* IFNAMSIZ: as it was called when it was opened */
	uint32_t caps;   /* OFFLOAD_CAP_*: what the kernel takes undone */
	uint16_t n_queues;
	int fds[PORT_QUEUES_MAX];
};

struct port_tap_config {
	const char *name;   /* of the port */
	const char *ifname; /* of the device */
	unsigned
	    queues; /* 1..PORT_QUEUES_MAX; a device that was made without multi_queue has one, whatever is asked for */
	unsigned mtu;            /* set when we have the right to */
	uint32_t max_frame_len;  /* as in struct port */
	struct event_loop *loop; /* where the port learns that its device was deleted; NULL: only status() tells */
	const struct port_tap_state *resume; /* the device that another process has open; NULL: open it */
};

/* Control thread. 0, or negative errno with a text for people in err. Frames move after port_tap_start(). */
int port_tap_create(const struct port_tap_config *config, struct port **out, char *err, size_t err_size);

/* lane_changed is set: tell it the queues. */
void port_tap_start(struct port *port);

/* For a process that takes over. */
void port_tap_save(const struct port *port, struct port_tap_state *s);

#endif
