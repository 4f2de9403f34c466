/* SPDX-License-Identifier: Apache-2.0 */
/* test_fdb_file.c - Addresses that a daemon has learned are known to the next one. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/fdb_file.h"
#include "switch/fdb.h"

enum { CAPACITY = 1024, KEY = 0x0200, PORTS_MAX = 8 };

/* A daemon's table of network "lan", until it is killed or ends. */
struct table {
	struct fdb_file *file;
	struct fdb *fdb;
};

static char dir[64], path[128], new_path[128];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/ringway-fdb-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/lan.fdb", dir);
	snprintf(new_path, sizeof(new_path), "%s/lan.fdb.new", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	unlink(new_path);
	return rmdir(dir);
}

static struct table start(unsigned capacity, const char *const ports[], unsigned n_ports, unsigned n_restored)
{
	struct table t = { .file = fdb_file_create(dir, "lan", capacity) };

	assert_non_null(t.file);
	t.fdb = fdb_create_in(fdb_file_storage(t.file), capacity, 0, 0);
	assert_non_null(t.fdb);
	for (unsigned i = 0; i < n_ports; i++)
		if (ports[i])
			fdb_file_set_port(t.file, (uint16_t)i, ports[i]);
	assert_int_equal(fdb_file_restore(t.file, t.fdb), n_restored);
	return t;
}

static void learn(const struct table *t, unsigned from, unsigned to, uint16_t port)
{
	for (unsigned i = from; i < to; i++)
		assert_true(fdb_learn(t->fdb, KEY + (i << 16), port, 1));
}

static uint16_t lookup(const struct table *t, unsigned i)
{
	return fdb_lookup(t->fdb, KEY + (i << 16));
}

static void end(struct table *t, bool frozen)
{
	if (frozen)
		fdb_file_freeze(t->file);
	for (unsigned i = 0; i < PORTS_MAX; i++) /* all are closed */
		fdb_flush_port(t->fdb, (uint16_t)i);
	fdb_destroy(t->fdb);
	fdb_file_destroy(t->file);
}

static void test_killed_daemon(void **state)
{
	static const char *const before[] = { "a", "b", "c" }, *const after[] = { NULL, "c", NULL, NULL, "a" };
	struct table killed, next;

	(void)state;
	killed = start(CAPACITY, before, 3, 0);
	learn(&killed, 0, 100, 0);
	learn(&killed, 100, 150, 1);
	learn(&killed, 150, 160, 2);
	next = start(2 * CAPACITY, after, 5, 110);
	for (unsigned i = 0; i < 160; i++)
		assert_int_equal(lookup(&next, i), i < 100 ? 4 : i < 150 ? FDB_NO_PORT : 1);
	end(&next, false);
	assert_int_equal(access(path, F_OK), -1);
	end(&killed, false);
}

static void test_daemon_that_ended(void **state)
{
	static const char *const ports[] = { "a" };
	struct table t;

	(void)state;
	t = start(CAPACITY, ports, 1, 0);
	learn(&t, 0, 10, 0);
	end(&t, true);
	t = start(CAPACITY, ports, 1, 10);
	end(&t, true);
	t = start(CAPACITY, ports, 1, 10);
	end(&t, false); /* the network is deleted */
	t = start(CAPACITY, ports, 1, 0);
	end(&t, false);
}

/* Killed between making the new file and having read the old one. */
static void test_killed_while_starting(void **state)
{
	static const char *const ports[] = { "a" };
	struct fdb_file *half;
	struct table t;

	(void)state;
	t = start(CAPACITY, ports, 1, 0);
	learn(&t, 0, 10, 0);
	end(&t, true);
	half = fdb_file_create(dir, "lan", CAPACITY);
	assert_non_null(half);
	t = start(CAPACITY, ports, 1, 10);
	fdb_file_freeze(half); /* so that it leaves the other's file alone */
	fdb_file_destroy(half);
	end(&t, false);
}

/* What was learned just now is newer than the file. */
static void test_newer_knowledge_stays(void **state)
{
	static const char *const ports[] = { "a", "b" };
	struct table t;

	(void)state;
	t = start(CAPACITY, ports, 2, 0);
	learn(&t, 0, 10, 0);
	end(&t, true);
	t.file = fdb_file_create(dir, "lan", CAPACITY);
	t.fdb = fdb_create_in(fdb_file_storage(t.file), CAPACITY, 0, 0);
	fdb_file_set_port(t.file, 0, "a");
	fdb_file_set_port(t.file, 1, "b");
	learn(&t, 0, 3, 1);
	assert_int_equal(fdb_file_restore(t.file, t.fdb), 7);
	assert_int_equal(lookup(&t, 2), 1);
	assert_int_equal(lookup(&t, 3), 0);
	end(&t, false);
}

static void damage(off_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void test_damaged_file(void **state)
{
	static const char *const ports[] = { "a" };
	static const off_t places[] = { 0, 8, 12, 16, 20, 63, 64 /* the first port's name */, 96 };
	struct table t;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		t = start(CAPACITY, ports, 1, 0);
		learn(&t, 0, 10, 0);
		end(&t, true);
		damage(places[i]);
		t = start(CAPACITY, ports, 1, 0);
		end(&t, false);
	}
	for (off_t size = 0; size < 200000; size += 66666) {
		t = start(CAPACITY, ports, 1, 0);
		learn(&t, 0, 10, 0);
		end(&t, true);
		assert_int_equal(truncate(path, size), 0);
		t = start(CAPACITY, ports, 1, 0);
		end(&t, false);
	}
}

static void test_no_directory(void **state)
{
	(void)state;
	assert_null(fdb_file_create("/nonexistent", "lan", CAPACITY));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_killed_daemon),
		T(test_daemon_that_ended),
		T(test_killed_while_starting),
		T(test_newer_knowledge_stays),
		T(test_damaged_file),
		T(test_no_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
