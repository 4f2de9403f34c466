/* SPDX-License-Identifier: Apache-2.0 */
/* test_iotlb.c - Translations: what a lookup finds, also while the table changes, and how much the table takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/barrier.h"
#include "virtio/iotlb.h"

enum { RO = IOTLB_READ, WO = IOTLB_WRITE, RW = RO | WO, K = 1024 };
#define TOP UINT64_MAX

static uint8_t memory[1024 * K];
static struct iotlb table;
static bool stop;

static int setup(void **state)
{
	(void)state;
	return iotlb_init(&table);
}

static int teardown(void **state)
{
	(void)state;
	iotlb_deinit(&table);
	return 0;
}

/* Where the byte at `iova` is, NULL: nowhere for this purpose. */
static const uint8_t *find(uint64_t iova, uint32_t perm)
{
	struct iotlb_entry e;
	uint32_t changes;

	if (!iotlb_find(&table, iova, perm, &e, &changes))
		return NULL;
	assert_true(iova - e.iova < e.size);
	assert_int_equal(changes, iotlb_changes(&table));
	return e.host + (iova - e.iova);
}

static void test_what_may_be_added(void **state)
{
	struct iotlb_entry e;
	uint32_t changes;

	(void)state;
	assert_int_equal(iotlb_add(&table, 0, 0, memory, RO), -EINVAL);
	assert_int_equal(iotlb_add(&table, 1, TOP, memory, RO), 0); /* ends at 2^64 */
	assert_int_equal(iotlb_add(&table, 2, TOP, memory, RO), -EINVAL);
	assert_int_equal(iotlb_add(&table, 0, 1, memory, 0), -EINVAL);
	assert_int_equal(iotlb_add(&table, 0, 1, memory, 4), -EINVAL);
	assert_ptr_equal(find(1, RO), memory);
	assert_true(iotlb_find(&table, TOP, RO, &e, &changes)); /* where that is, no pointer can say */
	assert_null(find(0, RO));
}

static void test_permissions(void **state)
{
	static const uint32_t perms[] = { RO, WO, RW };

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		iotlb_add(&table, 0x1000 * i, 0x1000, memory, perms[i]);
	for (unsigned i = 0; i < 3; i++)
		for (unsigned k = 0; k < 3; k++)
			assert_int_equal(find(0x1000 * i + 5, perms[k]) != NULL, (perms[i] & perms[k]) == perms[k]);
}

/* A new translation takes the place of all that it overlaps. */
static void test_overlaps(void **state)
{
	static const struct {
		uint64_t iova, size;
		unsigned left; /* of [0x1000, 0x2000), [0x2000, 0x3000), [0x4000, 0x5000): bit each */
	} t[] = {
		{ 0x0000, 0x1000, 7 },
		{ 0x0000, 0x1001, 6 },
		{ 0x1fff, 1, 6 },
		{ 0x1fff, 2, 4 },
		{ 0x3000, 0x1000, 7 },
		{ 0x2fff, 2, 5 },
		{ 0x1800, 0x3000, 0 },
		{ 0x4fff, 1, 3 },
		{ 0x5000, 0x1000, 7 },
		{ 0, TOP, 0 },
		{ 0x4fff, TOP - 0x4ffe, 3 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		static const uint64_t at[] = { 0x1000, 0x2000, 0x4000 };

		iotlb_remove(&table, 0, TOP);
		assert_int_equal(table.n, 0);
		for (unsigned k = 0; k < 3; k++)
			iotlb_add(&table, at[k], 0x1000, memory + at[k], RO);
		assert_int_equal(iotlb_add(&table, t[i].iova, t[i].size, memory, WO), 0);
		for (unsigned k = 0; k < 3; k++)
			assert_int_equal(find(at[k] + 0x400, RO) != NULL, t[i].left >> k & 1);
		assert_ptr_equal(find(t[i].iova, WO), memory);
	}
}

static void test_contradictions(void **state)
{
	(void)state;
	iotlb_add(&table, 0x1000, 0x1000, memory + 0x1000, RO);
	assert_false(iotlb_contradicts(&table, 0x1000, 0x1000, memory + 0x1000, RO));
	assert_false(iotlb_contradicts(&table, 0, 0x10000, memory, RW)); /* more of the same */
	assert_false(iotlb_contradicts(&table, 0x2000, 0x1000, memory, RO));
	assert_true(iotlb_contradicts(&table, 0x1000, 0x1000, memory, RO));
	assert_true(iotlb_contradicts(&table, 0, 0x10000, memory + 1, RW));
	assert_true(iotlb_contradicts(&table, 0x1000, 0x1000, memory + 0x1000, WO)); /* no reading any more */
}

/* A flood of translations: the oldest go. */
static void test_table_is_bounded(void **state)
{
	enum { N = 3 * IOTLB_ENTRIES_MAX };

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		/* In no order: 1021 is odd, so it goes round all of them. */
		uint64_t page = i * 1021 % N;

		iotlb_add(&table, page * IOTLB_PAGE, IOTLB_PAGE, memory + page, RW);
		assert_true(table.n <= IOTLB_ENTRIES_MAX);
	}
	for (unsigned i = 0; i < N; i++) {
		uint64_t page = i * 1021 % N;

		assert_ptr_equal(find(page * IOTLB_PAGE, RW), i < N - IOTLB_ENTRIES_MAX ? NULL : memory + page);
	}
}

/* Pages [0, 512) and one large entry behind them; pages come and go, each at its own place, all the time. */
static void *change(void *arg)
{
	unsigned seed = 1;

	(void)arg;
	while (!read_once(&stop)) {
		uint64_t page = (uint64_t)rand_r(&seed) % 512;

		if (rand_r(&seed) % 3)
			iotlb_add(&table, page * IOTLB_PAGE, IOTLB_PAGE, memory + page, RO);
		else
			iotlb_remove(&table, page * IOTLB_PAGE, (page + 8) * IOTLB_PAGE - 1);
	}
	return NULL;
}

static void test_lookups_while_it_changes(void **state)
{
	unsigned seed = 2, found = 0;
	pthread_t control;

	(void)state;
	stop = false;
	iotlb_add(&table, 1024 * IOTLB_PAGE, 64 * K, memory, WO);
	assert_int_equal(pthread_create(&control, NULL, change, NULL), 0);
	for (unsigned i = 0; i < 200000 || found < 1000; i++) {
		uint64_t page = (uint64_t)rand_r(&seed) % 512;
		struct iotlb_entry e;
		uint32_t changes;

		if (iotlb_find(&table, page * IOTLB_PAGE + 7, RO, &e, &changes)) {
			found++;
			assert_int_equal(e.iova, page * IOTLB_PAGE);
			assert_int_equal(e.size, IOTLB_PAGE);
			assert_ptr_equal(e.host, memory + page);
		}
		assert_false(iotlb_find(&table, 600 * IOTLB_PAGE, RO, &e, &changes));
	}
	write_once(&stop, true);
	pthread_join(control, NULL);
	assert_ptr_equal(find(1024 * IOTLB_PAGE + 5, WO), memory + 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_what_may_be_added),
		T(test_permissions),
		T(test_overlaps),
		T(test_contradictions),
		T(test_table_is_bounded),
		T(test_lookups_while_it_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
