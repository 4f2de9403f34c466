/* SPDX-License-Identifier: Apache-2.0 */
#include "base/numa.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"

static char dir[] = "/tmp/test-numa-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (strchr(name, '/')) {
		*strrchr(path, '/') = 0;
		mkdir(path, 0700);
		path[strlen(path)] = '/';
	}
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static cpu_set_t cpus_of(unsigned first, unsigned last)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (unsigned i = first; i <= last; i++)
		CPU_SET(i, &set);
	return set;
}

/* Lists as they stand in /sys of real machines: two sockets, one of them with threads; a node that is memory alone; one that is off. */
static void test_nodes(void **state)
{
	static struct numa numa;
	cpu_set_t all = cpus_of(0, CPU_SETSIZE - 1), some = cpus_of(2, 5), few = cpus_of(0, 1);

	(void)state;
	put("online", "0,2-3\n");
	put("node0/cpulist", "0-3,8-11\n");
	put("node1/cpulist", "900\n");
	put("node2/cpulist", "4-7,12-15\n");
	put("node3/cpulist", "\n");
	numa_read(&numa, dir, &all);
	assert_int_equal(numa.n, 2);
	assert_int_equal(numa.nodes[0].id, 0);
	assert_int_equal(numa.nodes[1].id, 2);
	assert_int_equal(CPU_COUNT(&numa.nodes[0].cpus), 8);
	assert_int_equal(CPU_COUNT(&numa.nodes[1].cpus), 8);
	assert_int_equal(numa_node_of_cpu(&numa, 3), 0);
	assert_int_equal(numa_node_of_cpu(&numa, 11), 0);
	assert_int_equal(numa_node_of_cpu(&numa, 4), 2);
	assert_int_equal(numa_node_of_cpu(&numa, 900), NUMA_UNKNOWN);

	numa_read(&numa, dir, &some);
	assert_int_equal(numa.n, 2);
	assert_int_equal(CPU_COUNT(&numa.nodes[0].cpus), 2);
	assert_int_equal(numa_node_of_cpu(&numa, 0), NUMA_UNKNOWN);

	numa_read(&numa, dir, &few); /* all on one node: nothing to choose */
	assert_int_equal(numa.n, 0);
	assert_int_equal(numa_node_of_cpu(&numa, 0), NUMA_UNKNOWN);
}

static void test_nothing_known(void **state)
{
	static const char *const texts[] = { "", "\n", "x", "0-", "0-x", ",", "99999999999", "7-3", "-1" };
	static struct numa numa;
	cpu_set_t all = cpus_of(0, CPU_SETSIZE - 1);

	(void)state;
	numa_read(&numa, "/nonexistent", &all);
	assert_int_equal(numa.n, 0);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		put("online", texts[i]);
		numa_read(&numa, dir, &all);
		assert_int_equal(numa.n, 0);
	}
}

/* Pages of this process: one that was touched is somewhere, and one that was not is nowhere. */
static void test_pages(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *mem = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *at[] = { mem, mem + page, mem + 2 * page };

	(void)state;
	assert_true(mem != MAP_FAILED);
	assert_int_equal(numa_node_of_pages(at, 0), NUMA_UNKNOWN);
	assert_int_equal(numa_node_of_pages(at, 3), NUMA_UNKNOWN);
	mem[page + 5] = 1;
	assert_in_range(numa_node_of_pages(at, 3), 0, 1023);
	assert_int_equal(numa_node_of_pages(at, 1), NUMA_UNKNOWN);
	munmap(mem, 4 * page);
	assert_int_equal(numa_node_of_pages(at, 3), NUMA_UNKNOWN);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = {
		"online", "node0/cpulist", "node1/cpulist", "node2/cpulist", "node3/cpulist",
		"node0",  "node1",         "node2",         "node3",         ""
	};
	char path[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		if (remove(path))
			return -1;
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_nothing_known),
		cmocka_unit_test(test_pages),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
