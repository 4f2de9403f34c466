/* SPDX-License-Identifier: Apache-2.0 */
/* test_fdb.c - Learning and looking up, limits, and who gives way to whom. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "switch/fdb.h"

/* The i-th address of a vendor: as hypervisors give them out, in sequence. */
static uint64_t addr(uint8_t vendor, unsigned i)
{
	const uint8_t mac[6] = { 0x52, 0x54, vendor, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i };

	return fdb_key(mac);
}

static void test_learn_and_look_up(void **state)
{
	struct fdb *fdb = fdb_create(64, 0, 300);

	(void)state;
	assert_int_equal(fdb_lookup(fdb, addr(0, 1)), FDB_NO_PORT);
	assert_true(fdb_learn(fdb, addr(0, 1), 7, 0));
	assert_true(fdb_learn(fdb, addr(0, 2), 0, 0));
	assert_true(fdb_learn(fdb, addr(0, 3), 0xfffe, 0));
	assert_true(fdb_learn(fdb, addr(0, 1), 7, 0));
	assert_int_equal(fdb_lookup(fdb, addr(0, 1)), 7);
	assert_int_equal(fdb_lookup(fdb, addr(0, 2)), 0);
	assert_int_equal(fdb_lookup(fdb, addr(0, 3)), 0xfffe);
	assert_int_equal(fdb_lookup(fdb, addr(0, 4)), FDB_NO_PORT);
	assert_int_equal(fdb_count(fdb), 3);
	assert_int_equal(fdb_count_port(fdb, 7), 1);
	fdb_destroy(fdb);
	fdb_destroy(NULL);
}

/* Empty places are zero words: the zero address must not be found in them, nor a port 0 or FDB_NO_PORT come of it. */
static void test_addresses_that_are_not_learned(void **state)
{
	static const uint8_t macs[][6] = {
		{ 0, 0, 0, 0, 0, 0 },
		{ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		{ 0x01, 0x00, 0x5e, 0, 0, 1 },
		{ 0x33, 0x33, 0, 0, 0, 1 },
	};
	struct fdb *fdb = fdb_create(64, 0, 300);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(macs); i++) {
		assert_false(fdb_learn(fdb, fdb_key(macs[i]), 0, 0));
		assert_int_equal(fdb_lookup(fdb, fdb_key(macs[i])), FDB_NO_PORT);
	}
	assert_false(fdb_learn(fdb, 0, FDB_NO_PORT, 0));
	assert_false(fdb_learn(fdb, addr(0, 1), FDB_NO_PORT, 0));
	assert_int_equal(fdb_count(fdb), 0);
	fdb_destroy(fdb);
}

static void test_capacity_is_rounded_up(void **state)
{
	static const unsigned rows[][2] = {
		{ 0, 64 },
		{ 64, 64 },
		{ 65, 128 },
		{ 8192, 8192 },
		{ FDB_CAPACITY_MAX, FDB_CAPACITY_MAX },
		{ ~0u, FDB_CAPACITY_MAX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fdb *fdb = fdb_create(rows[i][0], 0, 0);

		assert_int_equal(fdb_capacity(fdb), rows[i][1]);
		fdb_destroy(fdb);
	}
}

static void test_move(void **state)
{
	struct fdb *fdb = fdb_create(64, 2, 300);

	(void)state;
	assert_true(fdb_learn(fdb, addr(0, 1), 1, 0));
	assert_true(fdb_learn(fdb, addr(0, 1), 2, 1));
	assert_int_equal(fdb_lookup(fdb, addr(0, 1)), 2);
	assert_int_equal(fdb_count_port(fdb, 1), 0);
	assert_int_equal(fdb_count_port(fdb, 2), 1);
	assert_int_equal(fdb_count(fdb), 1);
	fdb_destroy(fdb);
}

/* An address cannot be moved to a port that is at its limit, unless that port gives up one of its own. */
static void test_move_to_a_port_at_its_limit(void **state)
{
	struct fdb *fdb = fdb_create(FDB_CAPACITY_MAX, 1, 300);

	(void)state;
	assert_true(fdb_learn(fdb, addr(0, 1), 1, 0));
	assert_true(fdb_learn(fdb, addr(0, 2), 2, 0));
	if (!fdb_learn(fdb, addr(0, 1), 2, 1)) { /* but for one in 2^16 tables, the two share no bucket */
		assert_int_equal(fdb_lookup(fdb, addr(0, 1)), 1);
		assert_int_equal(fdb_lookup(fdb, addr(0, 2)), 2);
	}
	assert_int_equal(fdb_count_port(fdb, 2), 1);
	fdb_destroy(fdb);
}

static void test_ageing(void **state)
{
	static const struct {
		uint32_t seen_s, refreshed_s, aged_s;
		bool stays;
	} rows[] = {
		{ 100, 100, 399, true },
		{ 100, 100, 400, false },
		{ 100, 350, 400, true },
		{ 100, 350, 650, false },
		{ 0xffffff00, 0xffffff00, 0x0000002b, true },  /* 299 s later, over the end */
		{ 0xffffff00, 0xffffff00, 0x0000002c, false }, /* 300 s */
		{ 500, 500, 499, true },                       /* a worker's clock was ahead of ours */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fdb *fdb = fdb_create(64, 0, 300);

		fdb_learn(fdb, addr(0, 1), 1, rows[i].seen_s);
		fdb_learn(fdb, addr(0, 1), 1, rows[i].refreshed_s);
		assert_int_equal(fdb_age(fdb, rows[i].aged_s), rows[i].stays ? 0 : 1);
		assert_int_equal(fdb_lookup(fdb, addr(0, 1)), rows[i].stays ? 1 : FDB_NO_PORT);
		assert_int_equal(fdb_count(fdb), rows[i].stays);
		fdb_destroy(fdb);
	}
}

static void test_ageing_can_be_off(void **state)
{
	struct fdb *fdb = fdb_create(64, 0, 0);

	(void)state;
	fdb_learn(fdb, addr(0, 1), 1, 0);
	assert_int_equal(fdb_age(fdb, 1000000), 0);
	assert_int_equal(fdb_lookup(fdb, addr(0, 1)), 1);
	fdb_destroy(fdb);
}

static void learn_many(struct fdb *fdb, uint8_t vendor, unsigned n, uint16_t port)
{
	for (unsigned i = 0; i < n; i++)
		fdb_learn(fdb, addr(vendor, i), port, 0);
}

static unsigned n_found(const struct fdb *fdb, uint8_t vendor, unsigned n, uint16_t port)
{
	unsigned found = 0;

	for (unsigned i = 0; i < n; i++)
		found += fdb_lookup(fdb, addr(vendor, i)) == port;
	return found;
}

static void test_flush(void **state)
{
	struct fdb *fdb = fdb_create(1024, 0, 300);

	(void)state;
	learn_many(fdb, 1, 100, 1);
	learn_many(fdb, 2, 200, 2);
	assert_int_equal(fdb_flush_port(fdb, 1), 100);
	assert_int_equal(fdb_flush_port(fdb, 1), 0);
	assert_int_equal(n_found(fdb, 1, 100, 1), 0);
	assert_int_equal(n_found(fdb, 2, 200, 2), 200);
	assert_int_equal(fdb_flush_port(fdb, 2), 200);
	assert_int_equal(fdb_count(fdb), 0);
	assert_int_equal(fdb_count_port(fdb, 2), 0);
	assert_int_equal(n_found(fdb, 2, 200, 2), 0);
	fdb_destroy(fdb);
}

static void test_port_limit(void **state)
{
	struct fdb *fdb = fdb_create(1024, 50, 300);

	(void)state;
	learn_many(fdb, 1, 50, 1);
	assert_int_equal(fdb_evictions(fdb), 0);
	assert_int_equal(n_found(fdb, 1, 50, 1), 50);
	learn_many(fdb, 2, 50, 2);
	for (unsigned i = 50; i < 20000; i++) {
		bool learned = fdb_learn(fdb, addr(1, i), 1, 1);

		assert_int_equal(fdb_lookup(fdb, addr(1, i)), learned ? 1 : FDB_NO_PORT);
		assert_int_equal(fdb_count_port(fdb, 1), 50);
	}
	assert_int_equal(n_found(fdb, 2, 50, 2), 50);
	assert_true(fdb_evictions(fdb) > 0);
	fdb_destroy(fdb);
}

/* One port invents a million addresses; the table is as full as it gets, and others keep what they had, and can add. */
static void test_flood_of_invented_addresses(void **state)
{
	struct fdb *fdb = fdb_create(1024, 0, 300);

	(void)state;
	learn_many(fdb, 1, 10, 1);
	learn_many(fdb, 2, 300, 2);
	learn_many(fdb, 3, 1000000, 3);
	assert_int_equal(n_found(fdb, 1, 10, 1), 10);
	assert_int_equal(n_found(fdb, 2, 300, 2), 300);
	assert_int_equal(fdb_count(fdb), 1024);
	assert_int_equal(fdb_count_port(fdb, 3), 1024 - 310);
	for (unsigned i = 10; i < 100; i++)
		assert_true(fdb_learn(fdb, addr(1, i), 1, 0));
	assert_int_equal(n_found(fdb, 1, 100, 1), 100);
	assert_int_equal(n_found(fdb, 2, 300, 2), 300);
	assert_int_equal(fdb_count(fdb), 1024);
	fdb_destroy(fdb);
}

/* The lowest key >> 8 * 5, which is the last byte of the address, among the entries of the buckets where `key` may go. */
static unsigned lowest_last_byte(const struct fdb *fdb, uint64_t key)
{
	const struct fdb_table *t = (const struct fdb_table *)(const void *)fdb;
	const struct fdb_bucket *buckets[] = {
		fdb_first_bucket(t, fdb_hash(t, key)),
		fdb_second_bucket(t, fdb_hash(t, key)),
	};
	unsigned lowest = 0x100;

	for (unsigned i = 0; i < 2 * FDB_WAYS; i++) {
		uint64_t entry = buckets[i / FDB_WAYS]->entries[i % FDB_WAYS];

		if (entry)
			lowest = MIN(lowest, (unsigned)(entry >> 40 & 0xff));
	}
	return lowest;
}

/* Address i was seen at second i; so of the entries of one port that may give way, the one with the lowest i does. */
static void test_oldest_entry_gives_way(void **state)
{
	struct fdb *fdb = fdb_create(64, 0, 300);

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		assert_true(fdb_learn(fdb, addr(1, i), 1, i));
	for (unsigned i = 64; i < 256; i++) {
		unsigned oldest = lowest_last_byte(fdb, addr(1, i));

		if (oldest == 0x100) /* both buckets are empty: nothing can give way */
			continue;
		assert_int_equal(fdb_lookup(fdb, addr(1, oldest)), 1);
		assert_true(fdb_learn(fdb, addr(1, i), 1, i));
		assert_int_equal(fdb_lookup(fdb, addr(1, oldest)), FDB_NO_PORT);
		assert_int_equal(fdb_lookup(fdb, addr(1, i)), 1);
		assert_int_equal(fdb_count(fdb), 64);
	}
	fdb_destroy(fdb);
}

static void test_hundred_thousand_addresses(void **state)
{
	enum { N = 100000 };
	struct fdb *fdb = fdb_create(N, 0, 300);

	(void)state;
	for (unsigned i = 0; i < N; i++)
		assert_true(fdb_learn(fdb, addr(0, i), (uint16_t)(i % 50), 0));
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(fdb_lookup(fdb, addr(0, i)), i % 50);
	assert_int_equal(fdb_count(fdb), N);
	assert_int_equal(fdb_count_port(fdb, 49), N / 50);
	assert_int_equal(fdb_evictions(fdb), 0);
	assert_int_equal(fdb_age(fdb, 300), N);
	assert_int_equal(fdb_count(fdb), 0);
	fdb_destroy(fdb);
}

/* A table is filled to its capacity with hardly a bucket that overflows, whatever the pattern of the addresses. */
static void test_buckets_do_not_overflow(void **state)
{
	enum { N = 8192 };

	(void)state;
	for (unsigned shift = 1; shift <= 34; shift++) {
		struct fdb *fdb = fdb_create(N, 0, 300);
		unsigned learned = 0;

		for (uint64_t i = 1; i <= N; i++)
			learned += fdb_learn(fdb, i << shift & 0xfffffffffffe, 1, 0);
		assert_int_equal(learned, N);
		assert_int_equal(fdb_evictions(fdb), 0);
		fdb_destroy(fdb);
	}
}

/* A look-up touches one line: even in a full table, hardly one address in ten is in its second bucket. */
static void test_most_are_in_their_first_bucket(void **state)
{
	enum { N = 8192 };
	struct fdb *fdb = fdb_create(N, 0, 300);
	const struct fdb_table *t = (const struct fdb_table *)(const void *)fdb;
	unsigned n_first = 0;

	(void)state;
	for (unsigned i = 0; i < N; i++)
		assert_true(fdb_learn(fdb, addr(1, i), 1, 0));
	for (unsigned i = 0; i < N; i++)
		n_first += fdb_bucket_entry(fdb_first_bucket(t, fdb_hash(t, addr(1, i))), addr(1, i)) != 0;
	assert_in_range(n_first, N * 4 / 5, N - 1); /* and some are in the other, which is looked at, too */
	assert_int_equal(n_found(fdb, 1, N, 1), N);
	fdb_destroy(fdb);
}

struct listing {
	unsigned n, stop_at;
	uint64_t ports_sum, ages_sum;
	bool wrong_mac;
};

static bool list_one(void *arg, const struct fdb_entry *e)
{
	struct listing *l = arg;

	l->n++;
	l->ports_sum += e->port;
	l->ages_sum += e->age_s;
	if (fdb_key(e->mac) != addr(9, e->port))
		l->wrong_mac = true;
	return l->n != l->stop_at;
}

static void test_for_each(void **state)
{
	struct fdb *fdb = fdb_create(1024, 0, 300);
	struct listing all = { 0 }, some = { .stop_at = 10 };

	(void)state;
	for (uint16_t i = 0; i < 100; i++)
		fdb_learn(fdb, addr(9, i), i, i);
	fdb_for_each(fdb, 100, list_one, &all);
	assert_int_equal(all.n, 100);
	assert_int_equal(all.ports_sum, 99 * 100 / 2);
	assert_int_equal(all.ages_sum, 100 * 101 / 2);
	assert_false(all.wrong_mac);
	fdb_for_each(fdb, 100, list_one, &some);
	assert_int_equal(some.n, 10);
	fdb_destroy(fdb);
}

/* Threads */

enum { N_STEADY = 500, N_ROUNDS = 30, N_READERS = 3 };

struct shared {
	struct fdb *fdb;
	bool stop;
	unsigned wrong;
};

/* What was learned before and is left alone must be found at any time, and what moves is on one of its two ports. */
static void *read_all_the_time(void *arg)
{
	struct shared *s = arg;
	unsigned wrong = 0;

	while (!read_once(&s->stop)) {
		wrong += N_STEADY - n_found(s->fdb, 1, N_STEADY, 1);
		for (unsigned i = 0; i < N_STEADY; i++) {
			uint16_t port = fdb_lookup(s->fdb, addr(2, i));

			wrong += port != 2 && port != 3;
		}
	}
	__atomic_fetch_add(&s->wrong, wrong, __ATOMIC_RELAXED);
	return NULL;
}

/* The same new addresses as every other thread that does this: each is learned once. */
static void *learn_all_the_time(void *arg)
{
	struct shared *s = arg;

	for (unsigned r = 0; r < N_ROUNDS; r++) {
		learn_many(s->fdb, 2, N_STEADY, (uint16_t)(2 + r % 2));
		learn_many(s->fdb, 4, N_STEADY, 4);
	}
	return NULL;
}

static void test_readers_and_learners(void **state)
{
	struct shared s = { .fdb = fdb_create(4096, 0, 300) };
	pthread_t readers[N_READERS], learners[2];

	(void)state;
	learn_many(s.fdb, 1, N_STEADY, 1);
	learn_many(s.fdb, 2, N_STEADY, 2);
	for (unsigned i = 0; i < N_READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_all_the_time, &s), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&learners[i], NULL, learn_all_the_time, &s), 0);
	for (unsigned r = 0; r < N_ROUNDS; r++) {
		fdb_flush_port(s.fdb, 4);
		fdb_age(s.fdb, 10);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(learners[i], NULL);
	write_once(&s.stop, true);
	for (unsigned i = 0; i < N_READERS; i++)
		pthread_join(readers[i], NULL);
	assert_int_equal(s.wrong, 0);
	learn_many(s.fdb, 4, N_STEADY, 4);
	assert_int_equal(fdb_count(s.fdb), 3 * N_STEADY);
	assert_int_equal(fdb_count_port(s.fdb, 4), N_STEADY);
	assert_int_equal(fdb_count_port(s.fdb, 2) + fdb_count_port(s.fdb, 3), N_STEADY);
	fdb_destroy(s.fdb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_learn_and_look_up),
		cmocka_unit_test(test_addresses_that_are_not_learned),
		cmocka_unit_test(test_capacity_is_rounded_up),
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_move_to_a_port_at_its_limit),
		cmocka_unit_test(test_ageing),
		cmocka_unit_test(test_ageing_can_be_off),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_port_limit),
		cmocka_unit_test(test_flood_of_invented_addresses),
		cmocka_unit_test(test_oldest_entry_gives_way),
		cmocka_unit_test(test_hundred_thousand_addresses),
		cmocka_unit_test(test_buckets_do_not_overflow),
		cmocka_unit_test(test_most_are_in_their_first_bucket),
		cmocka_unit_test(test_for_each),
		cmocka_unit_test(test_readers_and_learners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
