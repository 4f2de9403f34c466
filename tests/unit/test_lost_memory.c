/* SPDX-License-Identifier: Apache-2.0 */
/* test_lost_memory.c - A memfd is truncated while threads read and write it. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/barrier.h"
#include "base/lost_memory.h"

enum { SIZE = 1 << 20, N_THREADS = 4 };

static uint8_t *map_memfd(int *memfd)
{
	uint8_t *p;

	assert_int_equal(lost_memory_init(), 0); /* in each test, because cmocka has a handler of its own */
	*memfd = memfd_create("guest", MFD_CLOEXEC);
	assert_true(*memfd >= 0);
	assert_int_equal(ftruncate(*memfd, SIZE), 0);
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, *memfd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void test_access_after_truncation_reads_zeroes_and_tells(void **state)
{
	int memfd, fd = eventfd(0, EFD_NONBLOCK);
	uint8_t *p = map_memfd(&memfd);
	int handle = lost_memory_add(p, SIZE, fd);
	uint64_t n = 0;

	(void)state;
	p[5000] = 7;
	assert_false(lost_memory_is_lost(handle));
	assert_int_equal(ftruncate(memfd, 0), 0);
	assert_int_equal(read_once(&p[5000]), 0);
	assert_true(lost_memory_is_lost(handle));
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 1);
	write_once(&p[SIZE - 1], 9); /* writable too, to the end */
	assert_int_equal(read_once(&p[SIZE - 1]), 9);
	lost_memory_remove(handle);
	munmap(p, SIZE);
	close(memfd);
	close(fd);
}

/* Threads that read and write all of the memory, over and over. */
struct hammer {
	uint8_t *memory;
	unsigned rounds;
	bool stop;
};

static void *hammer_main(void *arg)
{
	struct hammer *h = arg;

	while (!read_once(&h->stop)) {
		for (unsigned k = 0; k < SIZE; k += 4096)
			write_once(&h->memory[k], (uint8_t)(read_once(&h->memory[k]) + 1));
		write_once(&h->rounds, h->rounds + 1);
	}
	return NULL;
}

/* From now on: a whole round of each. */
static void wait_for_rounds(const struct hammer *hammers)
{
	for (unsigned i = 0; i < N_THREADS; i++) {
		unsigned start = read_once(&hammers[i].rounds);

		while (read_once(&hammers[i].rounds) - start < 2)
			sched_yield();
	}
}

static void test_many_threads_fault_at_once(void **state)
{
	struct hammer hammers[N_THREADS];
	pthread_t threads[N_THREADS];
	int memfd;
	uint8_t *p = map_memfd(&memfd);
	int handle = lost_memory_add(p, SIZE, -1);

	(void)state;
	for (unsigned i = 0; i < N_THREADS; i++) {
		hammers[i] = (struct hammer){ .memory = p };
		assert_int_equal(pthread_create(&threads[i], NULL, hammer_main, &hammers[i]), 0);
	}
	wait_for_rounds(hammers);
	assert_false(lost_memory_is_lost(handle));
	assert_int_equal(ftruncate(memfd, 4096), 0);
	wait_for_rounds(hammers);
	assert_true(lost_memory_is_lost(handle));
	for (unsigned i = 0; i < N_THREADS; i++)
		write_once(&hammers[i].stop, true);
	for (unsigned i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	lost_memory_remove(handle);
	munmap(p, SIZE);
	close(memfd);
}

static void test_slots_are_used_again(void **state)
{
	static uint8_t memory[2][64];
	int a = lost_memory_add(memory[0], 64, -1), b = lost_memory_add(memory[1], 64, -1);

	(void)state;
	assert_int_not_equal(a, b);
	lost_memory_remove(a);
	assert_int_equal(lost_memory_add(memory[0], 64, -1), a);
	assert_false(lost_memory_is_lost(a));
	lost_memory_remove(a);
	lost_memory_remove(b);
}

/* Our own mistakes still end the process, where they happen. */
static void test_fault_elsewhere_is_fatal(void **state)
{
	int memfd, status;
	uint8_t *p = map_memfd(&memfd);
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		signal(SIGALRM, SIG_DFL);
		alarm(10);
		if (ftruncate(memfd, 0) == 0)
			write_once(&p[0], 1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
	munmap(p, SIZE);
	close(memfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_access_after_truncation_reads_zeroes_and_tells),
		cmocka_unit_test(test_many_threads_fault_at_once),
		cmocka_unit_test(test_slots_are_used_again),
		cmocka_unit_test(test_fault_elsewhere_is_fatal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
