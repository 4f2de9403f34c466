/* SPDX-License-Identifier: Apache-2.0 */
/* test_guest_mem.c - The map of a guest's memory: what may be added, and where addresses lead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "virtio/guest_mem.h"

enum { K = 1024, PAGE = 4096 };
#define TOP UINT64_MAX

static uint8_t memory[3][64 * K];

static void test_what_may_be_added(void **state)
{
	static const struct {
		uint64_t gpa, user, size;
		int result;
	} cases[] = {
		{ 0x10000, 0, 0, -EINVAL },
		{ 0x10000, 0x70000, 0x1000, 0 },
		{ 0x10000, 0x90000, 0x1000, -EEXIST },   /* the same */
		{ 0x0f000, 0x90000, 0x1001, -EEXIST },   /* last byte in it */
		{ 0x10fff, 0x90000, 0x1000, -EEXIST },   /* first byte in it */
		{ 0x10800, 0x90000, 0x10, -EEXIST },     /* inside */
		{ 0x00000, 0x90000, 0x100000, -EEXIST }, /* around */
		{ 0x0f000, 0x90000, 0x1000, 0 },         /* before, adjacent */
		{ 0x11000, 0x90000, 0x1000, 0 },         /* behind, adjacent */
		{ TOP, 0, 1, -EINVAL },                  /* its end is 2^64 */
		{ TOP - 1, 0, 1, 0 },
		{ 1, TOP, 2, -EINVAL },
		{ 0, 0, TOP, -EEXIST },
		{ 2, 0, TOP, -EINVAL },
	};
	struct guest_mem m;

	(void)state;
	assert_int_equal(guest_mem_init(&m), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(guest_mem_add_host(&m, cases[i].gpa, cases[i].user, cases[i].size, memory),
				 cases[i].result);
	for (unsigned i = 1; i < m.n; i++)
		assert_true(m.regions[i - 1].guest_addr < m.regions[i].guest_addr);
	guest_mem_deinit(&m);
}

static void test_as_many_as_the_protocol_has(void **state)
{
	struct guest_mem m;

	(void)state;
	assert_int_equal(guest_mem_init(&m), 0);
	for (uint64_t i = 0; i < GUEST_MEM_REGIONS_MAX; i++) /* in an order that is none */
		assert_int_equal(guest_mem_add_host(&m, i * 211 % 509 * 0x1000, i << 32, 0x1000, memory), 0);
	assert_int_equal(guest_mem_add_host(&m, TOP / 2, 0, 1, memory), -ENOSPC);
	for (uint64_t i = 0; i < GUEST_MEM_REGIONS_MAX; i++) {
		assert_int_equal(guest_mem_find(&m, i * 0x1000)->guest_addr, i * 0x1000);
		assert_int_equal(guest_mem_find(&m, i * 0x1000 + 0xfff)->guest_addr, i * 0x1000);
	}
	assert_null(guest_mem_find(&m, GUEST_MEM_REGIONS_MAX * 0x1000));
	for (uint64_t i = 0; i < GUEST_MEM_REGIONS_MAX; i++) {
		assert_int_equal(guest_mem_remove(&m, i * 211 % 509 * 0x1000, i << 32, 0x1000), 0);
		assert_null(guest_mem_find(&m, i * 211 % 509 * 0x1000));
	}
	assert_int_equal(m.n, 0);
	guest_mem_deinit(&m);
}

static void test_remove_wants_the_exact_region(void **state)
{
	struct guest_mem m;

	(void)state;
	assert_int_equal(guest_mem_init(&m), 0);
	assert_int_equal(guest_mem_add_host(&m, 0x1000, 0x5000, 0x1000, memory), 0);
	assert_int_equal(guest_mem_remove(&m, 0x1000, 0x5000, 0xfff), -ENOENT);
	assert_int_equal(guest_mem_remove(&m, 0x1000, 0x5001, 0x1000), -ENOENT);
	assert_int_equal(guest_mem_remove(&m, 0x1001, 0x5000, 0x1000), -ENOENT);
	assert_int_equal(guest_mem_remove(&m, 0x1000, 0x5000, 0x1000), 0);
	assert_int_equal(guest_mem_remove(&m, 0x1000, 0x5000, 0x1000), -ENOENT);
	guest_mem_deinit(&m);
}

/* Two adjacent regions of 64 KiB at 1 MiB, one at the top of the address space. */
static void map_three(struct guest_mem *m)
{
	assert_int_equal(guest_mem_init(m), 0);
	assert_int_equal(guest_mem_add_host(m, 0x110000, 0x10000, 64 * K, memory[1]), 0);
	assert_int_equal(guest_mem_add_host(m, TOP - 64 * K, 0x90000, 64 * K, memory[2]), 0);
	assert_int_equal(guest_mem_add_host(m, 0x100000, 0x50000, 64 * K, memory[0]), 0);
}

static void test_translate(void **state)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
		int result;
		unsigned n;
		uint8_t *base[2];
		size_t size[2];
	} cases[] = {
		{ 0x100000, 1, 0, 1, { memory[0] }, { 1 } },
		{ 0x100000, 64 * K, 0, 1, { memory[0] }, { 64 * K } },
		{ 0x10ffff, 1, 0, 1, { memory[0] + 64 * K - 1 }, { 1 } },
		{ 0x10ffff, 2, 0, 2, { memory[0] + 64 * K - 1, memory[1] }, { 1, 1 } },
		{ 0x100000, 128 * K, 0, 2, { memory[0], memory[1] }, { 64 * K, 64 * K } },
		{ 0x100000, 128 * K + 1, -EFAULT, 2, { 0 }, { 0 } },
		{ 0x110000, 64 * K, 0, 1, { memory[1] }, { 64 * K } },
		{ 0x11ffff, 2, -EFAULT, 1, { 0 }, { 0 } },
		{ 0x0fffff, 2, -EFAULT, 0, { 0 }, { 0 } },
		{ 0x120000, 1, -EFAULT, 0, { 0 }, { 0 } },
		{ 0, 1, -EFAULT, 0, { 0 }, { 0 } },
		{ 0x100000, UINT32_MAX, -EFAULT, 2, { 0 }, { 0 } },
		{ TOP - 64 * K, 64 * K, 0, 1, { memory[2] }, { 64 * K } },
		{ TOP - 1, 1, 0, 1, { memory[2] + 64 * K - 1 }, { 1 } },
		{ TOP - 1, 2, -EFAULT, 0, { 0 }, { 0 } },
		{ TOP, 1, -EFAULT, 0, { 0 }, { 0 } },
		{ TOP, UINT32_MAX, -EFAULT, 0, { 0 }, { 0 } },
	};
	struct guest_mem_cache cache = { 0 };
	struct guest_mem m;

	(void)state;
	map_three(&m);
	for (unsigned round = 0; round < 2; round++) { /* in the second one the cache holds whatever came before */
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			struct iovec iov[2];
			unsigned n = 0;

			assert_int_equal(guest_mem_translate(&m, &cache, cases[i].addr, cases[i].len, iov, &n, 2),
					 cases[i].result);
			for (unsigned k = 0; cases[i].result == 0 && k < cases[i].n; k++) {
				assert_int_equal(n, cases[i].n);
				assert_ptr_equal(iov[k].iov_base, cases[i].base[k]);
				assert_int_equal(iov[k].iov_len, cases[i].size[k]);
			}
		}
	}
	guest_mem_deinit(&m);
}

static void test_no_room_for_pieces(void **state)
{
	struct guest_mem_cache cache = { 0 };
	struct guest_mem m;
	struct iovec iov[2];
	unsigned n = 2;

	(void)state;
	map_three(&m);
	assert_int_equal(guest_mem_translate(&m, &cache, 0x100000, 1, iov, &n, 2), -ENOSPC);
	assert_int_equal(n, 2);
	n = 1;
	assert_int_equal(guest_mem_translate(&m, &cache, 0x10ffff, 2, iov, &n, 2), -ENOSPC);
	assert_int_equal(n, 2);
	guest_mem_deinit(&m);
}

static void test_front_end_addresses(void **state)
{
	struct guest_mem m;

	(void)state;
	map_three(&m);
	assert_ptr_equal(guest_mem_user_to_host(&m, 0x50000, 64 * K), memory[0]);
	assert_ptr_equal(guest_mem_user_to_host(&m, 0x5ffff, 1), memory[0] + 64 * K - 1);
	assert_ptr_equal(guest_mem_user_to_host(&m, 0x10001, 1), memory[1] + 1);
	assert_null(guest_mem_user_to_host(&m, 0x5ffff, 2)); /* not from one region into another */
	assert_null(guest_mem_user_to_host(&m, 0x100000, 1));
	assert_null(guest_mem_user_to_host(&m, 0x50000, TOP));
	assert_null(guest_mem_user_to_host(&m, TOP, 2));
	guest_mem_deinit(&m);
}

static void test_read_across_regions(void **state)
{
	struct guest_mem_cache cache = { 0 };
	struct guest_mem m;
	char text[9] = "";

	(void)state;
	map_three(&m);
	memcpy(memory[0] + 64 * K - 3, "abc", 3);
	memcpy(memory[1], "defgh", 5);
	assert_int_equal(guest_mem_read(&m, &cache, 0x110000 - 3, text, 8), 0);
	assert_string_equal(text, "abcdefgh");
	assert_int_equal(guest_mem_read(&m, &cache, 0x120000 - 3, text, 4), -EFAULT);
	guest_mem_deinit(&m);
}

/* A file whose region begins in the middle of a page. */
static void test_sample(void **state)
{
	struct guest_mem m;
	void *at[16];

	(void)state;
	assert_int_equal(guest_mem_init(&m), 0);
	assert_int_equal(guest_mem_sample(&m, at, 16), 0);
	assert_int_equal(guest_mem_add_host(&m, 0x10000, 0, 0x1000, memory[0]), 0);
	assert_int_equal(guest_mem_add_host(&m, 0x90000, 0x10000, 0x3000, memory[0] + 0x1000), 0);
	assert_int_equal(guest_mem_sample(&m, at, 0), 0);
	assert_int_equal(guest_mem_sample(&m, at, 8), 8);
	for (unsigned i = 0; i < 8; i++) /* the two lie side by side here */
		assert_ptr_equal(at[i], memory[0] + i * 0x800);
	assert_int_equal(guest_mem_sample(&m, at, 1), 1);
	assert_ptr_equal(at[0], memory[0]);
	guest_mem_deinit(&m);

	assert_int_equal(guest_mem_init(&m), 0); /* as large as can be */
	assert_int_equal(guest_mem_add_host(&m, 0, 0, TOP / 2 + 1, memory[0]), 0);
	assert_int_equal(guest_mem_add_host(&m, TOP / 2 + 1, 0, TOP / 2, memory[0]), 0);
	assert_int_equal(guest_mem_sample(&m, at, 2), 2);
	assert_ptr_equal(at[0], memory[0]);
	guest_mem_deinit(&m);
}

static void test_file(void **state)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);
	const struct guest_region *r;
	struct guest_mem m;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
	assert_int_equal(pwrite(fd, "here", 4, PAGE + 100), 4);
	assert_int_equal(guest_mem_init(&m), 0);
	assert_int_equal(guest_mem_add_fd(&m, 0x1000, 0x1000, PAGE, fd, PAGE + 100), 0);
	assert_int_equal(guest_mem_add_fd(&m, 0x9000, 0x9000, 4 * PAGE, fd, 0), 0);
	assert_int_equal(guest_mem_add_fd(&m, 0x100000, 0, 4 * PAGE + 1, fd, 0), -ERANGE);
	assert_int_equal(guest_mem_add_fd(&m, 0x100000, 0, 1, fd, 4 * PAGE), -ERANGE);
	assert_int_equal(guest_mem_add_fd(&m, 0x100000, 0, 2, fd, TOP), -ERANGE);
	assert_int_equal(guest_mem_add_fd(&m, 0x100000, 0, TOP / 2, fd, PAGE), -ERANGE);
	assert_int_equal(guest_mem_add_fd(&m, 0x100000, 0, 1, -1, 0), -EMEDIUMTYPE);
	assert_int_equal(m.n, 2);
	close(fd);
	r = guest_mem_find(&m, 0x1000);
	assert_memory_equal(r->host, "here", 4);
	r->host[0] = 'H';
	assert_memory_equal(guest_mem_find(&m, 0x9000)->host + PAGE + 100, "Here", 4);
	guest_mem_deinit(&m);
}

/* A file of any size costs a front-end nothing, but us the addresses that are for all of its neighbours, too. */
static void test_more_than_one_guest_may_have(void **state)
{
	const uint64_t quarter = GUEST_MEM_SIZE_MAX / 4;
	int fd = memfd_create("guest", MFD_CLOEXEC);
	struct guest_mem m;

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)(GUEST_MEM_SIZE_MAX + PAGE)), 0);
	assert_int_equal(guest_mem_init(&m), 0);
	assert_int_equal(guest_mem_add_fd(&m, 0, 0, GUEST_MEM_SIZE_MAX + PAGE, fd, 0), -EFBIG);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(guest_mem_add_fd(&m, i * quarter, i * quarter, quarter, fd, 0), 0);
	assert_int_equal(guest_mem_add_fd(&m, 4 * quarter, 4 * quarter, PAGE, fd, 0), -EFBIG);
	assert_int_equal(guest_mem_remove(&m, 0, 0, quarter), 0);
	assert_int_equal(guest_mem_add_fd(&m, 4 * quarter, 4 * quarter, PAGE, fd, 0), 0);
	guest_mem_deinit(&m);
	close(fd);
}

static void test_file_that_cannot_be_shared(void **state)
{
	struct guest_mem m;
	int pipes[2];

	(void)state;
	assert_int_equal(guest_mem_init(&m), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(guest_mem_add_fd(&m, 0x1000, 0x1000, PAGE, pipes[0], 0), -EMEDIUMTYPE);
	assert_int_equal(m.n, 0);
	close(pipes[0]);
	close(pipes[1]);
	guest_mem_deinit(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_may_be_added),
		cmocka_unit_test(test_as_many_as_the_protocol_has),
		cmocka_unit_test(test_remove_wants_the_exact_region),
		cmocka_unit_test(test_translate),
		cmocka_unit_test(test_no_room_for_pieces),
		cmocka_unit_test(test_front_end_addresses),
		cmocka_unit_test(test_read_across_regions),
		cmocka_unit_test(test_sample),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_file_that_cannot_be_shared),
		cmocka_unit_test(test_more_than_one_guest_may_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
