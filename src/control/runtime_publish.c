/* SPDX-License-Identifier: Apache-2.0 */
/* runtime_publish.c - From the running state to the snapshot that workers read. */
#include <errno.h>
#include <urcu-qsbr.h>

#include "base/barrier.h"
#include "base/tsan.h"
#include "control/runtime_priv.h"

static int build_network(struct snapshot *s, const struct runtime_network *n)
{
	struct snapshot_network *network = snapshot_add_network(s, n->fdb, n->config.mtu, (unsigned)n->n_ports);

	if (!network)
		return -ENOMEM;
	for (size_t i = 0; i < n->n_ports; i++)
		snapshot_add_port(s, network, n->ports[i]->port);
	return 0;
}

int runtime_publish(struct runtime *rt)
{
	struct snapshot *old = rt->published, *new = snapshot_create(rt->n_idx, (unsigned)rt->n_networks);

	if (!new)
		return -ENOMEM;
	for (size_t i = 0; i < rt->n_networks; i++) {
		if (build_network(new, rt->networks[i])) {
			snapshot_destroy(new);
			return -ENOMEM;
		}
	}
	store_release(&rt->published, new); /* what it says before the pointer to it */
	urcu_qsbr_synchronize_rcu();        /* every worker has ended the turn in which it may have used the old one */
	tsan_acquire(old);
	snapshot_destroy(old);
	return 0;
}
