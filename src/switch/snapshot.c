/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot.c - Building and freeing what workers read. */
#include "switch/snapshot.h"

#include <assert.h>
#include <stdlib.h>

struct snapshot *snapshot_create(unsigned n, unsigned n_networks)
{
	struct snapshot *s = calloc(1, sizeof(*s) + n * sizeof(s->at[0]));

	assert(n <= SNAPSHOT_PORTS_MAX);
	if (!s)
		return NULL;
	s->n = n;
	s->networks = calloc(n_networks + 1, sizeof(struct snapshot_network *));
	if (!s->networks) {
		free(s);
		return NULL;
	}
	return s;
}

struct snapshot_network *snapshot_add_network(struct snapshot *s, struct fdb *fdb, unsigned mtu, unsigned n_ports)
{
	struct snapshot_network *network = calloc(1, sizeof(*network) + n_ports * sizeof(network->ports[0]));

	if (!network)
		return NULL;
	network->fdb = fdb;
	network->max_frame_len = mtu + FRAME_LEN_MIN;
	s->networks[s->n_networks++] = network;
	return network;
}

void snapshot_add_port(struct snapshot *s, struct snapshot_network *network, struct port *port)
{
	assert(port->idx < s->n && !s->at[port->idx].port);
	s->at[port->idx] = (struct snapshot_port){ port, network };
	network->ports[network->n_ports++] = port->idx;
}

void snapshot_destroy(struct snapshot *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->n_networks; i++)
		free(s->networks[i]);
	free(s->networks);
	free(s);
}
