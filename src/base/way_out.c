/* SPDX-License-Identifier: Apache-2.0 */
/* way_out.c - A timer for each thread that ever needed one.
 *
 * `inside` is set before `ticking` is looked at: a tick that comes before the look sees that it has to go on, one that comes
 * later finds a timer that was set anew. */
#include "base/way_out.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/log.h"

/* syscalls worker: timer_create timer_settime timer_delete rt_sigaction rt_sigprocmask rt_sigreturn gettid */

/* glibc 2.36 has no name for it. */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static _Thread_local struct {
	timer_t timer;
	bool exists, failed;
	volatile sig_atomic_t inside, ticking;
} t;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* calls delete_timer() when the thread ends */

static void set_timer(void)
{
	const struct itimerspec when = { .it_value.tv_nsec = WAY_OUT_MS * NSEC_PER_MSEC };

	timer_settime(t.timer, 0, &when, NULL);
}

static void tick(int signo)
{
	(void)signo;
	if (t.inside)
		set_timer();
	else
		t.ticking = 0;
}

static void delete_timer(void *arg)
{
	(void)arg;
	t.exists = false;
	timer_delete(t.timer);
}

/* Without SA_RESTART, or the call would only be made again. */
static void prepare_process(void)
{
	struct sigaction sa = { .sa_handler = tick };

	sigemptyset(&sa.sa_mask);
	sigaction(SIGALRM, &sa, NULL);
	pthread_key_create(&key, delete_timer);
}

static noinline_cold void prepare_thread(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM };
	sigset_t set;

	pthread_once(&once, prepare_process);
	ev.sigev_notify_thread_id = gettid();
	if (timer_create(CLOCK_MONOTONIC, &ev, &t.timer) < 0) {
		t.failed = true;
		log_error("no timer for this thread, which a peer might keep waiting: %m");
		return;
	}
	t.exists = true;
	pthread_setspecific(key, &t);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void way_out_enter(void)
{
	if (unlikely(!t.exists)) {
		if (t.failed)
			return;
		prepare_thread();
	}
	t.inside = 1;
	atomic_signal_fence(memory_order_seq_cst);
	if (unlikely(!t.ticking && t.exists)) {
		t.ticking = 1;
		set_timer();
	}
}

void way_out_leave(void)
{
	atomic_signal_fence(memory_order_seq_cst);
	t.inside = 0;
}
