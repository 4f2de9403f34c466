/* SPDX-License-Identifier: Apache-2.0 */
/* port_tap_priv.h - What the files of the tap port share. */
#ifndef RINGWAY_PORT_PORT_TAP_PRIV_H
#define RINGWAY_PORT_PORT_TAP_PRIV_H

#include <limits.h>
#include <net/if.h>

#include "base/gate.h"
#include "port/port.h"
#include "port/port_tap.h"
#include "virtio/vnet_hdr.h"

enum {
	/* Room for the frames of one batch: four of 64 KiB, or their copies would have left a cache of 1 MiB, where they are written and
	 * read and written again, before they are read again. Small ones take 20 KiB. */
	TAP_ARENA_SIZE = 260 * 1024,
	TAP_SCRATCH_SIZE = VNET_HDR_LEN + FRAME_LEN_MAX,
};

struct tap_queue {
	int fd; /* -1: none */
	struct gate rx_gate cache_aligned;
	uint8_t *arena; /* [TAP_ARENA_SIZE]; whoever is inside rx_gate */
	bool was_empty; /* the last look found no frame; rx_gate */
	struct gate tx_gate cache_aligned;
	struct iovec *iov; /* [IOV_MAX]; tx_gate */
	uint8_t *scratch;  /* [TAP_SCRATCH_SIZE], for frames that are made whole before they are written; tx_gate */
};

struct port_tap {
	struct port port;
	char ifname[IFNAMSIZ];
	unsigned queues_wanted;
	uint32_t caps;  /* OFFLOAD_CAP_*: what the kernel takes undone */
	bool gone;      /* the device was deleted; set by a worker, never cleared */
	int trouble_fd; /* eventfd: the worker that set `gone` tells control */
	int sock;       /* for SIOC* ioctls */
	struct watch *trouble_watch;
	struct tap_queue queues[]; /* [port.n_queues] */
};

static inline struct port_tap *port_tap_of(struct port *port)
{
	return container_of(port, struct port_tap, port);
}

/* port_tap_open.c. An open device. */
struct tap_device {
	char ifname[IFNAMSIZ];
	unsigned n_queues;
	int fds[PORT_QUEUES_MAX];
	uint32_t caps;
};
/* 0, or negative errno with a text in err; nothing stays open then. */
int tap_device_open(const struct port_tap_config *config, struct tap_device *dev, char *err, size_t err_size);
void tap_device_close(struct tap_device *dev);
/* Set the MTU, and set the interface up. Without the right to, they stay as whoever made the device set them. `sock`: any. */
void tap_device_configure(const struct tap_device *dev, int sock, unsigned mtu);

/* port_tap.c. Worker: a call said that the device is gone. */
void port_tap_gone(struct port_tap *p);

/* port_tap_rx.c */
unsigned port_tap_rx(struct port *port, unsigned queue, struct batch *batch);
void port_tap_rx_done(struct port *port, unsigned queue, struct batch *batch);
bool port_tap_rx_wanted(struct port *port, unsigned queue);
bool port_tap_rx_arm(struct port *port, unsigned queue);
void port_tap_rx_disarm(struct port *port, unsigned queue);

/* port_tap_tx.c */
int port_tap_tx(struct port *port, unsigned queue, struct frame *const *frames, unsigned n);

#endif
