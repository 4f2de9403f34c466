/* SPDX-License-Identifier: Apache-2.0 */
/* test_account.c - A worker's account of its cycles: nothing is lost between two laps, and threads without one do nothing. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/account.h"

static uint64_t sum(const struct account *a)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < N_ACCOUNT_STAGES; i++)
		total += a->cycles[i];
	return total;
}

static void stages_sum_up_to_the_time_between_first_and_last_lap(void **state)
{
	struct account account = { .last = 0 };
	uint64_t first;

	(void)state;
	account_open(&account);
	first = account.last;
	for (unsigned i = 0; i < 1000; i++)
		account_lap(i % N_ACCOUNT_STAGES, i);
	account_open(NULL);
	assert_int_equal(sum(&account), account.last - first);
}

static void time_asleep_is_nobodys(void **state)
{
	struct account account = { .last = 0 };
	uint64_t slept_from, slept_to;

	(void)state;
	account_open(&account);
	slept_from = account.last;
	account_skip();
	slept_to = account.last;
	account_lap(ACCOUNT_RX, 1);
	account_open(NULL);
	assert_int_equal(sum(&account), account.last - slept_to);
	assert_true(slept_to >= slept_from);
}

static void frames_and_notifications_are_counted(void **state)
{
	struct account account = { .last = 0 }, copy;

	(void)state;
	account_open(&account);
	account_lap(ACCOUNT_RX, 64);
	account_lap(ACCOUNT_RX, 3);
	account_lap(ACCOUNT_FIT, 1);
	account_notification(true);
	account_notification(false);
	account_notification(false);
	account_open(NULL);
	account_read(&account, &copy);
	assert_int_equal(copy.frames[ACCOUNT_RX], 67);
	assert_int_equal(copy.frames[ACCOUNT_FIT], 1);
	assert_int_equal(copy.frames[ACCOUNT_COPY], 0);
	assert_int_equal(copy.notifications, 1);
	assert_int_equal(copy.notifications_suppressed, 2);
	assert_memory_equal(copy.cycles, account.cycles, sizeof(copy.cycles));
}

static void *count_without_account(void *arg)
{
	(void)arg;
	account_lap(ACCOUNT_RX, 1);
	account_notification(true);
	account_skip();
	return account_of_thread;
}

static void an_account_is_its_threads_alone(void **state)
{
	struct account account = { .last = 0 };
	pthread_t thread;
	void *other = &account;

	(void)state;
	account_open(&account);
	assert_int_equal(pthread_create(&thread, NULL, count_without_account, NULL), 0);
	pthread_join(thread, &other);
	account_open(NULL);
	assert_null(other);
	assert_int_equal(account.frames[ACCOUNT_RX] + account.notifications + sum(&account), 0);
}

static void stages_have_names(void **state)
{
	(void)state;
	assert_string_equal(account_stage_name(ACCOUNT_POLL), "poll");
	assert_string_equal(account_stage_name(ACCOUNT_OTHER), "other");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stages_sum_up_to_the_time_between_first_and_last_lap),
		cmocka_unit_test(time_asleep_is_nobodys),
		cmocka_unit_test(frames_and_notifications_are_counted),
		cmocka_unit_test(an_account_is_its_threads_alone),
		cmocka_unit_test(stages_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
