/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot.h - What workers know of networks and ports: data that never changes once it is published.
 *
 * Control builds a new snapshot for every change, publishes it with one pointer store and frees the old one after a grace
 * period (liburcu, QSBR: every worker passes a quiescent state between two turns). A worker takes the pointer once per
 * turn. The ports and tables that it points to outlive every snapshot that names them. */
#ifndef RINGWAY_SWITCH_SNAPSHOT_H
#define RINGWAY_SWITCH_SNAPSHOT_H

#include <stdint.h>

#include "port/port.h"

struct fdb;

enum { SNAPSHOT_PORTS_MAX = 4096 };

/* One broadcast domain. */
struct snapshot_network {
	struct fdb *fdb;
	uint32_t max_frame_len; /* bytes, without VLAN tags, of a frame that is not to be segmented */
	uint16_t n_ports;
	uint16_t ports[]; /* indices into snapshot.at */
};

struct snapshot_port {
	struct port *port; /* NULL: no port has this index */
	const struct snapshot_network *network;
};

struct snapshot {
	unsigned n; /* entries of at */
	unsigned n_networks;
	struct snapshot_network **networks; /* owned */
	struct snapshot_port at[];
};

/* Control. An empty snapshot for port indices 0..n-1, and a network in it with room for n_ports. NULL: out of memory. */
struct snapshot *snapshot_create(unsigned n, unsigned n_networks);
struct snapshot_network *snapshot_add_network(struct snapshot *s, struct fdb *fdb, unsigned mtu, unsigned n_ports);
/* `network` is one of this snapshot and has room; port->idx < n. */
void snapshot_add_port(struct snapshot *s, struct snapshot_network *network, struct port *port);
void snapshot_destroy(struct snapshot *s);

/* The entry of `port`, or NULL when this snapshot does not have it (any more). */
static inline const struct snapshot_port *snapshot_find(const struct snapshot *s, const struct port *port)
{
	return port->idx < s->n && s->at[port->idx].port == port ? &s->at[port->idx] : NULL;
}

#endif
