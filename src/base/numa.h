/* SPDX-License-Identifier: Apache-2.0 */
/* numa.h - Which CPUs are near each other, and on which node memory is.
 *
 * What the kernel says in /sys and what move_pages(2) says of pages; nothing is moved. On a machine with one node, or none that is known,
 * there are no nodes to choose from: `n` is 0 and nobody needs to ask for memory. Control thread. */
#ifndef RINGWAY_BASE_NUMA_H
#define RINGWAY_BASE_NUMA_H

#include <sched.h>

enum { NUMA_NODES_MAX = 64, NUMA_PAGES_MAX = 32, NUMA_UNKNOWN = -1 };

struct numa {
	unsigned n; /* 0 or 2.. */
	struct {
		int id; /* the kernel's number */
		cpu_set_t cpus;
	} nodes[NUMA_NODES_MAX];
};

/* The nodes that have some of the CPUs in `allowed`, each with these alone. `dir`: /sys/devices/system/node, but in tests. */
void numa_read(struct numa *numa, const char *dir, const cpu_set_t *allowed);

int numa_node_of_cpu(const struct numa *numa, unsigned cpu);

/* The node of most of `n` <= NUMA_PAGES_MAX pages (any address in each), of those that this process has touched. */
int numa_node_of_pages(void *const *pages, unsigned n);

#endif
