/* SPDX-License-Identifier: Apache-2.0 */
/* port_vhost_priv.h - What the files of the vhost-user port share. */
#ifndef RINGWAY_PORT_PORT_VHOST_PRIV_H
#define RINGWAY_PORT_PORT_VHOST_PRIV_H

#include "port/port.h"
#include "vhost/backend.h"
#include "virtio/vnet_hdr.h"

struct port_vhost {
	struct port port;
	struct vhost_backend *backend;
	/* Written by control with every ring parked, read by workers inside a gate. */
	uint32_t caps;    /* OFFLOAD_CAP_*: what the guest's driver takes undone */
	uint16_t hdr_len; /* of virtio_net_hdr: VNET_HDR_LEN_* */
	bool mergeable;   /* VIRTIO_NET_F_MRG_RXBUF */
	/* Set by control with the rx ring of queue 0 parked, cleared by its worker: send a frame in the guest's name. */
	bool announcing;
	uint8_t announced_mac[6];
	/* Workers tell control that a ring broke or that guest memory is gone. */
	int trouble_fd;
	struct watch *trouble_watch;
	char socket[108];
};

static inline struct port_vhost *port_vhost_of(struct port *port)
{
	return container_of(port, struct port_vhost, port);
}

/* Queue pair q: the guest's transmit ring is where we receive (vhost-user.rst, "Multiple queue support"; VIRTIO 1.2, 5.1.2). */
static inline struct vhost_ring *port_vhost_rx_ring(struct port_vhost *p, unsigned q)
{
	return vhost_backend_ring(p->backend, 2 * q + 1);
}

static inline struct vhost_ring *port_vhost_tx_ring(struct port_vhost *p, unsigned q)
{
	return vhost_backend_ring(p->backend, 2 * q);
}

/* Worker, inside the gate: publish what was pushed, and interrupt the guest if it wants that. */
void port_vhost_publish(struct vhost_ring *r, struct port_counters *counters);

/* Worker, inside the gate: the driver broke the rules; stop using the ring and let control end the connection. */
void port_vhost_ring_broken(struct port_vhost *p, struct vhost_ring *r);

/* port_vhost_rx.c */
unsigned port_vhost_rx(struct port *port, unsigned queue, struct batch *batch);
void port_vhost_rx_done(struct port *port, unsigned queue, struct batch *batch);

/* port_vhost_tx.c */
int port_vhost_tx(struct port *port, unsigned queue, struct frame *const *frames, unsigned n);

#endif
