/* SPDX-License-Identifier: Apache-2.0 */
/* test_event_loop.c - The loop's promises, above all those about removal inside callbacks. No case depends on how fast the
 * machine is: timers are waited for, and only their order and number are looked at. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/event_loop.h"

enum { N_FDS = 8 };

struct fixture {
	struct event_loop *loop;
	int fds[N_FDS]; /* eventfds */
	struct watch *watches[N_FDS];
	struct timer *timers[N_FDS];
	unsigned n_called;
	char trace[64]; /* what was called, a letter each */
};

static void setup(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->loop = event_loop_create();
	assert_non_null(f->loop);
	for (int i = 0; i < N_FDS; i++) {
		f->fds[i] = eventfd(0, EFD_NONBLOCK);
		assert_return_code(f->fds[i], errno);
	}
}

static void teardown(struct fixture *f)
{
	event_loop_destroy(f->loop);
	event_loop_destroy(NULL);
	for (int i = 0; i < N_FDS; i++)
		assert_int_equal(close(f->fds[i]), 0); /* the loop closed none of ours */
}

static void make_readable(int fd)
{
	const uint64_t one = 1;

	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

static void count(void *arg, int fd, uint32_t events)
{
	struct fixture *f = arg;

	(void)fd;
	assert_true(events & EPOLLIN);
	f->n_called++;
}

static void test_level_triggered(void **state)
{
	struct fixture f;
	uint64_t value;

	(void)state;
	setup(&f);
	assert_non_null(watch_add(f.loop, f.fds[0], EPOLLIN, count, &f));
	assert_int_equal(event_loop_turn(f.loop, 0), 0);
	make_readable(f.fds[0]);
	assert_int_equal(event_loop_turn(f.loop, 0), 1);
	assert_int_equal(event_loop_turn(f.loop, 0), 1);
	assert_int_equal(read(f.fds[0], &value, sizeof(value)), sizeof(value));
	assert_int_equal(event_loop_turn(f.loop, 0), 0);
	assert_int_equal(f.n_called, 2);
	teardown(&f);
}

static void remove_all(void *arg, int fd, uint32_t events)
{
	struct fixture *f = arg;

	(void)fd, (void)events;
	f->n_called++;
	for (int i = 0; i < N_FDS; i++)
		watch_remove(f->watches[i]);
}

static void test_removed_watches_are_not_called(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	for (int i = 0; i < N_FDS; i++) {
		f.watches[i] = watch_add(f.loop, f.fds[i], EPOLLIN, remove_all, &f);
		make_readable(f.fds[i]);
	}
	assert_int_equal(event_loop_turn(f.loop, 0), 1);
	assert_int_equal(event_loop_turn(f.loop, 0), 0);
	assert_int_equal(f.n_called, 1);
	watch_remove(NULL);
	teardown(&f);
}

static void replace_other(void *arg, int fd, uint32_t events)
{
	struct fixture *f = arg;
	int other = fd == f->fds[0] ? 1 : 0;

	(void)events;
	f->n_called++;
	watch_remove(f->watches[other]);
	f->watches[other] = watch_add(f->loop, f->fds[other], EPOLLIN, count, f);
}

/* A new watch of the same descriptor does not inherit the event that had been fetched for the old one. */
static void test_replaced_watch_is_called_in_the_next_turn(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	for (int i = 0; i < 2; i++) {
		f.watches[i] = watch_add(f.loop, f.fds[i], EPOLLIN, replace_other, &f);
		make_readable(f.fds[i]);
	}
	assert_int_equal(event_loop_turn(f.loop, 0), 1);
	teardown(&f);
}

static void pause_all(void *arg, int fd, uint32_t events)
{
	struct fixture *f = arg;

	(void)fd, (void)events;
	f->n_called++;
	for (int i = 0; i < 2; i++)
		assert_int_equal(watch_modify(f->watches[i], 0), 0);
}

static void test_paused_watch(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	for (int i = 0; i < 2; i++) {
		f.watches[i] = watch_add(f.loop, f.fds[i], EPOLLIN, pause_all, &f);
		make_readable(f.fds[i]);
	}
	assert_int_equal(event_loop_turn(f.loop, 0), 1);
	assert_int_equal(event_loop_turn(f.loop, 0), 0);
	assert_int_equal(watch_modify(f.watches[1], EPOLLIN), 0);
	assert_int_equal(event_loop_turn(f.loop, 0), 1);
	assert_int_equal(f.n_called, 2);
	teardown(&f);
}

/* epoll reports EPOLLHUP even to those who did not ask; a paused watch must not spin on it. */
static void test_paused_watch_ignores_hangup(void **state)
{
	struct fixture f;
	struct watch *w;
	int pair[2];

	(void)state;
	setup(&f);
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
	w = watch_add(f.loop, pair[0], 0, count, &f);
	assert_non_null(w);
	close(pair[1]);
	assert_int_equal(event_loop_turn(f.loop, 0), 0);
	assert_int_equal(watch_modify(w, EPOLLIN), 0);
	assert_int_equal(event_loop_turn(f.loop, 0), 1);
	watch_remove(w);
	close(pair[0]);
	teardown(&f);
}

static void test_refused_watches(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	assert_null(watch_add(f.loop, -1, EPOLLIN, count, &f));
	assert_int_equal(errno, EBADF);
	assert_non_null(watch_add(f.loop, f.fds[0], EPOLLIN, count, &f));
	assert_null(watch_add(f.loop, f.fds[0], EPOLLIN, count, &f));
	assert_int_equal(errno, EEXIST);
	teardown(&f);
}

static void turn_within(void *arg, int fd, uint32_t events)
{
	struct fixture *f = arg;

	(void)fd, (void)events;
	f->n_called++;
	watch_remove(f->watches[0]);
	watch_remove(f->watches[1]);
	f->watches[0] = f->watches[1] = NULL;
	assert_int_equal(event_loop_turn(f->loop, 0), 0);
}

static void test_turn_inside_a_callback(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	for (int i = 0; i < 2; i++) {
		f.watches[i] = watch_add(f.loop, f.fds[i], EPOLLIN, turn_within, &f);
		make_readable(f.fds[i]);
	}
	assert_int_equal(event_loop_turn(f.loop, 0), 1);
	teardown(&f);
}

struct letter {
	struct fixture *f;
	char letter;
};

static void note(void *arg)
{
	const struct letter *l = arg;
	size_t len = strlen(l->f->trace);

	if (len + 1 < sizeof(l->f->trace))
		l->f->trace[len] = l->letter;
	if (l->letter == '.')
		event_loop_stop(l->f->loop);
}

static void test_timers_run_in_order(void **state)
{
	struct fixture f;
	struct letter a = { &f, 'a' }, b = { &f, 'b' }, c = { &f, 'c' }, x = { &f, 'x' }, stop = { &f, '.' };

	(void)state;
	setup(&f);
	timer_add(f.loop, 30, 0, note, &stop);
	timer_add(f.loop, 10, 0, note, &b);
	timer_add(f.loop, 20, 0, note, &c);
	timer_add(f.loop, 0, 0, note, &a);
	timer_remove(timer_add(f.loop, 15, 0, note, &x));
	timer_remove(NULL);
	timer_add(f.loop, 1000000, 0, note, &x); /* freed by destroy */
	assert_int_equal(event_loop_run(f.loop), 0);
	assert_string_equal(f.trace, "abc.");
	teardown(&f);
}

static void repeat_thrice(void *arg)
{
	struct fixture *f = arg;

	if (++f->n_called < 3)
		return;
	timer_remove(f->timers[0]); /* its own, periodic */
	event_loop_stop(f->loop);
}

static void test_periodic_timer_removes_itself(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	f.timers[0] = timer_add(f.loop, 0, 1, repeat_thrice, &f);
	assert_int_equal(event_loop_run(f.loop), 0);
	assert_int_equal(event_loop_turn(f.loop, 5), 0);
	assert_int_equal(f.n_called, 3);
	teardown(&f);
}

static void remove_both(void *arg)
{
	struct fixture *f = arg;

	f->n_called++;
	timer_remove(f->timers[0]);
	timer_remove(f->timers[1]);
}

static void test_one_shot_timer_removes_itself_and_another(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	f.timers[0] = timer_add(f.loop, 0, 0, remove_both, &f);
	f.timers[1] = timer_add(f.loop, 0, 0, remove_both, &f);
	assert_int_equal(event_loop_turn(f.loop, 5), 1);
	assert_int_equal(event_loop_turn(f.loop, 5), 0);
	assert_int_equal(f.n_called, 1);
	teardown(&f);
}

static void add_again(void *arg)
{
	struct fixture *f = arg;

	f->n_called++;
	f->timers[0] = timer_add(f->loop, 0, 0, add_again, f);
}

static void test_timer_that_adds_itself_does_not_stay_in_one_turn(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	add_again(&f);
	for (int i = 0; i < 5; i++)
		assert_int_equal(event_loop_turn(f.loop, -1), 1);
	teardown(&f);
}

/* A turn that waits for a timer comes back when it is due, not before (which would be a busy loop of empty turns). */
static void test_turn_waits_for_the_timer(void **state)
{
	struct fixture f;
	struct letter a = { &f, 'a' };
	uint64_t start_ns = clock_ns();

	(void)state;
	setup(&f);
	timer_add(f.loop, 7, 0, note, &a);
	assert_int_equal(event_loop_turn(f.loop, -1), 1);
	assert_true(clock_ns() - start_ns >= 7 * NSEC_PER_MSEC);
	teardown(&f);
}

static void *stop_it(void *arg)
{
	event_loop_stop(arg);
	return NULL;
}

static void test_stop_from_another_thread(void **state)
{
	struct fixture f;
	pthread_t thread;

	(void)state;
	setup(&f);
	assert_int_equal(pthread_create(&thread, NULL, stop_it, f.loop), 0);
	assert_int_equal(event_loop_run(f.loop), 0);
	pthread_join(thread, NULL);
	event_loop_stop(f.loop); /* before the run: it ends at once */
	assert_int_equal(event_loop_run(f.loop), 0);
	teardown(&f);
}

static void signalled(void *arg, int signo)
{
	struct fixture *f = arg;

	f->n_called++;
	assert_int_equal(signo, SIGUSR1);
	event_loop_stop(f->loop);
}

static void test_signal(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(event_loop_add_signal(f.loop, SIGUSR1, signalled, &f), 0);
	assert_int_equal(event_loop_add_signal(f.loop, 1000, signalled, &f), -EINVAL);
	raise(SIGUSR1);
	assert_int_equal(event_loop_run(f.loop), 0);
	assert_int_equal(f.n_called, 1);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_level_triggered),
		cmocka_unit_test(test_removed_watches_are_not_called),
		cmocka_unit_test(test_replaced_watch_is_called_in_the_next_turn),
		cmocka_unit_test(test_paused_watch),
		cmocka_unit_test(test_paused_watch_ignores_hangup),
		cmocka_unit_test(test_refused_watches),
		cmocka_unit_test(test_turn_inside_a_callback),
		cmocka_unit_test(test_timers_run_in_order),
		cmocka_unit_test(test_periodic_timer_removes_itself),
		cmocka_unit_test(test_one_shot_timer_removes_itself_and_another),
		cmocka_unit_test(test_timer_that_adds_itself_does_not_stay_in_one_turn),
		cmocka_unit_test(test_turn_waits_for_the_timer),
		cmocka_unit_test(test_stop_from_another_thread),
		cmocka_unit_test(test_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
