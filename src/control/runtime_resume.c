/* SPDX-License-Identifier: Apache-2.0 */
/* runtime_resume.c - Becoming what another process runs, see runtime.h. */
#include <errno.h>

#include "base/log.h"
#include "control/fdb_file.h"
#include "control/runtime_priv.h"
#include "port/port_vhost.h"

void runtime_pause(struct runtime *rt)
{
	for (unsigned i = 0; i < rt->n_workers; i++)
		worker_pause_begin(rt->workers[i]);
	for (unsigned i = 0; i < rt->n_workers; i++)
		worker_pause_wait(rt->workers[i]);
}

void runtime_resume(struct runtime *rt)
{
	for (unsigned i = 0; i < rt->n_workers; i++)
		worker_resume(rt->workers[i]);
}

int runtime_network_resume(struct runtime *rt, const struct network_config *c, struct runtime_error *e)
{
	if (runtime_open_network(rt, c))
		return 0;
	return runtime_fail(e, -ENOMEM, "", "out of memory");
}

int runtime_port_resume(struct runtime *rt, const char *network, const struct port_config *c,
			const struct runtime_port_state *s, struct runtime_error *e)
{
	return runtime_open_in(rt, runtime_network_find(rt, network), c, s, e);
}

void runtime_copy_addresses(struct runtime *rt)
{
	for (size_t i = 0; i < rt->n_networks; i++)
		if (rt->networks[i]->fdb_file)
			fdb_file_copy(rt->networks[i]->fdb_file, rt->networks[i]->fdb);
}

void runtime_own(struct runtime *rt)
{
	for (size_t i = 0; i < rt->n_networks; i++) {
		struct runtime_network *n = rt->networks[i];

		runtime_restore_addresses(n);
		for (size_t k = 0; k < n->n_ports; k++)
			if (n->ports[k]->config.type == PORT_TYPE_VHOST_USER)
				port_vhost_own(n->ports[k]->port);
	}
}

uint32_t runtime_next_id(const struct runtime *rt)
{
	return rt->next_id;
}

void runtime_set_next_id(struct runtime *rt, uint32_t id)
{
	rt->next_id = id;
}
