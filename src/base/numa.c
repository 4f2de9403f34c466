/* SPDX-License-Identifier: Apache-2.0 */
#include "base/numa.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* syscalls control: move_pages */

/* A list as of /sys: "0-3,8,10-11". What cannot be read ends it. */
static void parse_list(const char *text, cpu_set_t *set)
{
	char *end;

	while (*text >= '0' && *text <= '9') {
		unsigned long first = strtoul(text, &end, 10), last = first;

		if (*end == '-') {
			text = end + 1;
			last = strtoul(text, &end, 10);
			if (end == text)
				return;
		}
		for (unsigned long i = first; i <= last && i < CPU_SETSIZE; i++)
			CPU_SET(i, set);
		text = *end == ',' ? end + 1 : "";
	}
}

static void read_list(const char *path, cpu_set_t *set)
{
	char text[4096];
	FILE *file = fopen(path, "re");

	CPU_ZERO(set);
	if (!file)
		return;
	if (fgets(text, sizeof(text), file))
		parse_list(text, set);
	fclose(file);
}

void numa_read(struct numa *numa, const char *dir, const cpu_set_t *allowed)
{
	char path[256];
	cpu_set_t online;

	numa->n = 0;
	snprintf(path, sizeof(path), "%s/online", dir);
	read_list(path, &online);
	for (int id = 0; id < CPU_SETSIZE && numa->n < NUMA_NODES_MAX; id++) {
		cpu_set_t *cpus = &numa->nodes[numa->n].cpus;

		if (!CPU_ISSET(id, &online))
			continue;
		snprintf(path, sizeof(path), "%s/node%d/cpulist", dir, id);
		read_list(path, cpus);
		CPU_AND(cpus, cpus, allowed);
		if (CPU_COUNT(cpus))
			numa->nodes[numa->n++].id = id;
	}
	if (numa->n == 1)
		numa->n = 0;
}

int numa_node_of_cpu(const struct numa *numa, unsigned cpu)
{
	for (unsigned i = 0; i < numa->n; i++)
		if (CPU_ISSET(cpu, &numa->nodes[i].cpus))
			return numa->nodes[i].id;
	return NUMA_UNKNOWN;
}

int numa_node_of_pages(void *const *pages, unsigned n)
{
	int status[NUMA_PAGES_MAX], best = NUMA_UNKNOWN;
	unsigned most = 0;

	/* Without nodes to move to, the call only tells where pages are; below 0: it has none there. */
	if (n == 0 || syscall(SYS_move_pages, 0, (unsigned long)n, pages, NULL, status, 0) < 0)
		return NUMA_UNKNOWN;
	for (unsigned i = 0; i < n; i++) {
		unsigned same = 0;

		for (unsigned k = 0; k < n && status[i] >= 0; k++)
			same += status[k] == status[i];
		if (same > most) {
			most = same;
			best = status[i];
		}
	}
	return best;
}
