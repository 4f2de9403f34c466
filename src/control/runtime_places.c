/* SPDX-License-Identifier: Apache-2.0 */
/* runtime_places.c - On which CPUs workers run, and what is near to them.
 *
 * A worker that the configuration binds to a CPU runs there. The others are left to the kernel's scheduler; but where there are several NUMA
 * nodes, and a worker for each of them at least, each is left to it within one node, so that it can be said what is near. */
#include <assert.h>
#include <sched.h>
#include <string.h>

#include "control/runtime_priv.h"

/* syscalls control: sched_getaffinity */

static int node_of_worker(const struct runtime *rt, unsigned idx)
{
	const struct numa *numa = &rt->places.numa;

	if (rt->options.pinned)
		return numa_node_of_cpu(numa, rt->options.pinned[idx].cpu);
	return numa->n && rt->options.workers >= numa->n ? numa->nodes[idx % numa->n].id : PLAN_NODE_ANY;
}

void runtime_places_init(struct runtime *rt)
{
	cpu_set_t allowed;

	static_assert((int)NUMA_UNKNOWN == (int)PLAN_NODE_ANY, "an unknown node is any node");
	if (rt->options.pinned || sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		memset(&allowed, 0xff, sizeof(allowed));
	numa_read(&rt->places.numa, "/sys/devices/system/node", &allowed);
	for (unsigned i = 0; i < rt->options.workers; i++)
		rt->places.nodes[i] = node_of_worker(rt, i);
}

bool runtime_places_cpus(const struct runtime *rt, unsigned idx, cpu_set_t *cpus)
{
	const struct numa *numa = &rt->places.numa;

	if (rt->options.pinned) {
		CPU_ZERO(cpus);
		CPU_SET(rt->options.pinned[idx].cpu, cpus);
		return true;
	}
	if (rt->places.nodes[idx] == PLAN_NODE_ANY)
		return false;
	*cpus = numa->nodes[idx % numa->n].cpus;
	return true;
}

int runtime_places_node(const struct runtime *rt, const struct runtime_port *rp, unsigned queue)
{
	const struct port_ops *ops = rp->port->ops;
	void *at[NUMA_PAGES_MAX];

	if (rt->places.numa.n == 0 || !ops->sample_memory)
		return PLAN_NODE_ANY;
	return numa_node_of_pages(at, ops->sample_memory(rp->port, queue, at, NUMA_PAGES_MAX));
}
