/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of every length and at odd addresses: all of it arrives, and nothing around it is touched. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/copy.h"

enum { LEN_MAX = COPY_STREAM_MIN + 100, ROOM = 64, GUARD = 0xa5 };

static uint8_t from[ROOM + LEN_MAX + ROOM], to[ROOM + LEN_MAX + ROOM];

static void check(void (*copy)(void *, const void *, size_t), size_t n, size_t to_off, size_t from_off)
{
	uint8_t *dst = to + to_off;

	memset(to, GUARD, sizeof(to));
	copy(dst, from + from_off, n);
	assert_memory_equal(dst, from + from_off, n);
	for (size_t i = 0; i < to_off; i++)
		assert_int_equal(to[i], GUARD);
	for (const uint8_t *p = dst + n; p < to + sizeof(to); p++)
		assert_int_equal(*p, GUARD);
}

static void copy_short_call(void *dst, const void *src, size_t n)
{
	copy_short(dst, src, n);
}

static void copy_far_call(void *dst, const void *src, size_t n)
{
	copy_far(dst, src, n);
}

static void copy_on_call(void *dst, const void *src, size_t n)
{
	copy_on(dst, src, n);
}

static void copy_and_ask_call(void *dst, const void *src, size_t n)
{
	copy_and_ask(dst, src, n, to + ROOM, from); /* anywhere will do */
}

static void test_short(void **state)
{
	(void)state;
	for (size_t n = 0; n <= COPY_SHORT_MAX; n++)
		for (size_t off = 0; off < 16; off++)
			check(copy_short_call, n, ROOM + off, ROOM - off);
}

static void test_far(void **state)
{
	(void)state;
	for (size_t n = 0; n <= LEN_MAX; n += n < COPY_LONG_MIN + 70 ? 1 : 61)
		check(copy_far_call, n, ROOM - n % 7, n % 5);
	for (size_t around = COPY_STREAM_MIN - 2; around <= COPY_STREAM_MIN + 2; around++)
		check(copy_far_call, around, 1, 2);
}

static void test_long(void **state)
{
	(void)state;
	for (size_t n = 0; n <= LEN_MAX; n += n < 3 * CACHE_LINE ? 1 : 97) {
		check(copy_on_call, n, ROOM - n % 7, n % 5);
		check(copy_and_ask_call, n, ROOM - n % 3, n % 11);
	}
}

static int know_machine(void **state)
{
	(void)state;
	copy_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_far), /* as on a machine that has nothing */
		cmocka_unit_test_setup(test_far, know_machine),
	};

	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (uint8_t)(i * 131 + i / 251);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
