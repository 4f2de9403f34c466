/* SPDX-License-Identifier: Apache-2.0 */
/* test_pager.c - A process that waits for pages; what comes of the descriptor that a front-end gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "base/barrier.h"
#include "base/lost_memory.h"
#include "base/pager.h"
#include "faults.h"

enum { PAGE = 4096, N_PAGES = 64, SIZE = N_PAGES * PAGE };

struct stage {
	struct pager *pager;
	int uffd, memfd;
	uint8_t *mem; /* the front-end's mapping, which may be touched */
	uint64_t base;
};

static int setup(void **state)
{
	static struct stage s;

	if (!pager_is_available())
		return 0;
	s.memfd = memfd_create("guest", MFD_CLOEXEC);
	assert_int_equal(ftruncate(s.memfd, SIZE), 0);
	s.mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, s.memfd, 0);
	assert_ptr_not_equal(s.mem, MAP_FAILED);
	assert_int_equal(pager_create(&s.pager, &s.uffd), 0);
	assert_int_equal(pager_map(s.pager, s.memfd, SIZE, 0, PAGE, &s.base), 0);
	*state = &s;
	return 0;
}

/* Processes that the spawner has: children of our child. */
static unsigned count_pagers(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	unsigned n = 0;

	while ((e = readdir(dir))) {
		char path[300], name[32] = "";
		int parent = 0, of_parent = 0;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		f = e->d_name[0] >= '1' && e->d_name[0] <= '9' ? fopen(path, "re") : NULL;
		if (!f)
			continue;
		if (fscanf(f, "%*d (%31[^)]) %*c %d", name, &parent) == 2 && strcmp(name, "ringway-pager") == 0) {
			fclose(f);
			snprintf(path, sizeof(path), "/proc/%d/stat", parent);
			f = fopen(path, "re");
			n += f && fscanf(f, "%*d (%*[^)]) %*c %d", &of_parent) == 1 && of_parent == getpid();
		}
		if (f)
			fclose(f);
	}
	closedir(dir);
	return n;
}

static int teardown(void **state)
{
	struct stage *s = *state;

	if (!s)
		return 0;
	pager_destroy(s->pager);
	for (unsigned tries = 0; count_pagers() > 0 && tries < 1000; tries++)
		usleep(10000);
	assert_int_equal(count_pagers(), 0);
	close(s->uffd);
	munmap(s->mem, SIZE);
	close(s->memfd);
	return 0;
}

#define NEEDS_PAGERS                        \
	struct stage *s = *state;           \
	if (!s) {                           \
		print_message("no pagers"); \
		skip();                     \
	}

/* The next page that has arrived, as an offset; -1: none in the time; -2: the process has ended. */
static int64_t arrived(struct stage *s, int timeout_ms)
{
	struct pollfd p = { .fd = pager_fd(s->pager), .events = POLLIN };
	uint64_t addr = 0;
	int n;

	if (poll(&p, 1, timeout_ms) != 1)
		return -1;
	n = pager_arrived(s->pager, &addr, 1);
	return n == 1 ? (int64_t)(addr - s->base) : n < 0 ? -2 : -1;
}

static void ask(struct stage *s, unsigned page)
{
	assert_int_equal(pager_ask(s->pager, s->base + page * PAGE), 0);
}

static void test_page_that_is_there_arrives_at_once(void **state)
{
	NEEDS_PAGERS
	s->mem[3 * PAGE] = 1;
	ask(s, 3);
	assert_int_equal(arrived(s, FAULTS_PATIENCE_MS), 3 * PAGE);
}

static void test_page_arrives_when_the_front_end_says_so(void **state)
{
	uint64_t addr = 0;
	NEEDS_PAGERS

	ask(s, 5);
	assert_true(faults_next(s->uffd, FAULTS_PATIENCE_MS, &addr));
	assert_int_equal(addr, s->base + 5 * PAGE);
	assert_int_equal(arrived(s, 50), -1);
	s->mem[5 * PAGE] = 1;
	assert_true(faults_wake(s->uffd, addr, PAGE));
	assert_int_equal(arrived(s, FAULTS_PATIENCE_MS), 5 * PAGE);
}

static void test_requests_are_kept_while_it_waits(void **state)
{
	uint64_t addr = 0;
	NEEDS_PAGERS

	for (unsigned i = 11; i < 20; i++)
		s->mem[i * PAGE] = 1;
	for (unsigned i = 10; i < 20; i++)
		ask(s, i);
	assert_true(faults_next(s->uffd, FAULTS_PATIENCE_MS, &addr));
	assert_int_equal(arrived(s, 50), -1);
	s->mem[10 * PAGE] = 1;
	assert_true(faults_wake(s->uffd, addr, PAGE));
	for (unsigned i = 10; i < 20; i++)
		assert_int_equal(arrived(s, FAULTS_PATIENCE_MS), i * PAGE);
}

static void test_repeated_request(void **state)
{
	uint64_t addr = 0;
	NEEDS_PAGERS

	ask(s, 7);
	assert_true(faults_next(s->uffd, FAULTS_PATIENCE_MS, &addr)); /* and is forgotten */
	assert_false(faults_next(s->uffd, 50, &addr));
	pager_repeat(s->pager, s->base, SIZE);
	assert_true(faults_next(s->uffd, FAULTS_PATIENCE_MS, &addr));
	assert_int_equal(addr, s->base + 7 * PAGE);
}

/* The teardown shows that no process is left. */
static void test_end_while_it_waits(void **state)
{
	uint64_t addr = 0;
	NEEDS_PAGERS

	ask(s, 1);
	assert_true(faults_next(s->uffd, FAULTS_PATIENCE_MS, &addr));
	assert_int_equal(count_pagers(), 1);
}

static void test_many_at_once(void **state)
{
	struct pager *more[8];
	int uffds[8];
	NEEDS_PAGERS

	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(pager_create(&more[i], &uffds[i]), 0);
	assert_int_equal(count_pagers(), 9);
	for (unsigned i = 0; i < 8; i++) {
		pager_destroy(more[i]);
		close(uffds[i]);
	}
}

static void test_second_region_in_order(void **state)
{
	uint64_t base;
	NEEDS_PAGERS

	s->mem[32 * PAGE] = 1;
	assert_int_equal(pager_map(s->pager, s->memfd, SIZE / 2, SIZE / 2, PAGE, &base), 0);
	assert_true(base >= s->base + SIZE);
	assert_int_equal(pager_ask(s->pager, base), 0);
	assert_int_equal(arrived(s, FAULTS_PATIENCE_MS), (int64_t)(base - s->base));
	assert_int_equal(pager_unmap(s->pager, base, SIZE / 2), 0);
	ask(s, 32);
	assert_int_equal(arrived(s, FAULTS_PATIENCE_MS), 32 * PAGE);
}

static void test_file_that_is_cut_short_ends_it(void **state)
{
	NEEDS_PAGERS
	assert_int_equal(ftruncate(s->memfd, 0), 0);
	ask(s, 0);
	assert_int_equal(arrived(s, FAULTS_PATIENCE_MS), -2);
}

static void test_too_large_for_its_address_space(void **state)
{
	uint64_t base;
	NEEDS_PAGERS

	assert_int_equal(pager_map(s->pager, s->memfd, 1ull << 62, 0, PAGE, &base), -ENOSPC);
}

/* Who has the descriptor rules the process that opened it: that must not be us. */
static void test_descriptor_has_no_power_over_this_process(void **state)
{
	uint8_t *ours = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t page[PAGE] __attribute__((aligned(4096))) = { 42 };
	NEEDS_PAGERS
	struct uffdio_register reg = { .range = { (uintptr_t)ours, PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_copy copy = { .dst = (uintptr_t)ours, .src = (uintptr_t)page, .len = PAGE };

	ioctl(s->uffd, UFFDIO_REGISTER, &reg); /* whatever there is in its process */
	ioctl(s->uffd, UFFDIO_COPY, &copy);
	assert_int_equal(read_once(&ours[0]), 0); /* neither waits nor finds anything */
	munmap(ours, PAGE);
}

static void test_guard(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), pipe_fds[2], handle;
	uint8_t *ours;
	NEEDS_PAGERS

	assert_int_equal(lost_memory_init(), 0); /* after cmocka's */
	ours = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, s->memfd, 0);
	handle = lost_memory_add(ours, SIZE, fd);
	assert_int_equal(pager_guard(ours, SIZE), 0);
	s->mem[0] = 77;
	assert_int_equal(read_once(&ours[0]), 77);
	assert_false(lost_memory_is_lost(handle));
	/* A system call fails, and does not wait. */
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(write(pipe_fds[1], ours + PAGE, 1), -1);
	assert_int_equal(errno, EFAULT);
	assert_false(lost_memory_is_lost(handle));
	assert_int_equal(read_once(&ours[PAGE]), 0);
	assert_true(lost_memory_is_lost(handle));
	lost_memory_remove(handle);
	munmap(ours, SIZE);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	close(fd);
}

static void test_guard_is_taken_off(void **state)
{
	uint8_t *ours;
	NEEDS_PAGERS

	ours = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, s->memfd, 0);
	assert_int_equal(pager_guard(ours, SIZE), 0);
	pager_unguard(ours, SIZE);
	assert_int_equal(read_once(&ours[2 * PAGE]), 0);
	munmap(ours, SIZE);
}

static void test_none_without_spawner(void **state)
{
	struct pager *p;
	int uffd;

	(void)state;
	pager_deinit();
	assert_false(pager_is_available());
	assert_int_equal(pager_create(&p, &uffd), -EOPNOTSUPP);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

int main(void)
{
#define STAGED(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		STAGED(test_page_that_is_there_arrives_at_once),
		STAGED(test_page_arrives_when_the_front_end_says_so),
		STAGED(test_requests_are_kept_while_it_waits),
		STAGED(test_repeated_request),
		STAGED(test_end_while_it_waits),
		STAGED(test_many_at_once),
		STAGED(test_second_region_in_order),
		STAGED(test_file_that_is_cut_short_ends_it),
		STAGED(test_too_large_for_its_address_space),
		STAGED(test_descriptor_has_no_power_over_this_process),
		STAGED(test_guard),
		STAGED(test_guard_is_taken_off),
		cmocka_unit_test(test_none_without_spawner),
	};
	int err = pager_init(NULL);

	if (err)
		print_message("no pagers: %s\n", strerror(-err));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
