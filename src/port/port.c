/* SPDX-License-Identifier: Apache-2.0 */
/* port.c - What all kinds of ports have in common: their name and their counters. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/barrier.h"
#include "port/port.h"
#include "port/steer.h"

enum { N_COUNTERS = sizeof(struct port_counters) / sizeof(uint64_t) };

static_assert(N_COUNTERS * sizeof(uint64_t) == sizeof(struct port_counters),
	      "counters are 64-bit words and nothing else");

int port_init(struct port *port, const struct port_ops *ops, const char *name, unsigned n_queues)
{
	size_t size = n_queues * sizeof(*port->queues);

	assert(n_queues >= 1 && n_queues <= PORT_QUEUES_MAX);
	*port = (struct port){ .ops = ops, .n_queues = (uint16_t)n_queues };
	snprintf(port->name, sizeof(port->name), "%s", name);
	port->queues = aligned_alloc(CACHE_LINE, size);
	port->steer = n_queues > 1 ? steer_create() : NULL;
	if (!port->queues || (n_queues > 1 && !port->steer)) {
		port_deinit(port);
		return -ENOMEM;
	}
	memset(port->queues, 0, size);
	return 0;
}

void port_deinit(struct port *port)
{
	free(port->queues);
	port->queues = NULL;
	steer_destroy(port->steer);
	port->steer = NULL;
}

void port_count(struct port_counters *c, const struct port_tally *t)
{
	counter_add(&c->frames, t->frames);
	counter_add(&c->bytes, t->bytes);
	counter_add(&c->gso_frames, t->gso_frames);
	counter_add(&c->csum_partial, t->csum_partial);
	counter_add(&c->multicast, t->multicast);
}

void port_count_frame(struct port_counters *c, const struct frame *f)
{
	struct port_tally t = { 0 };

	port_tally_frame(&t, f);
	port_count(c, &t);
}

static void counters_add(struct port_counters *sum, const struct port_counters *c)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)c;

	for (unsigned i = 0; i < N_COUNTERS; i++)
		to[i] += read_once(&from[i]);
}

void port_counters_sum(const struct port *port, struct port_counters *rx, struct port_counters *tx)
{
	memset(rx, 0, sizeof(*rx));
	memset(tx, 0, sizeof(*tx));
	for (unsigned q = 0; q < port->n_queues; q++) {
		counters_add(rx, &port->queues[q].rx);
		counters_add(tx, &port->queues[q].tx);
	}
}
