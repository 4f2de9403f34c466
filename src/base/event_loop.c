/* SPDX-License-Identifier: Apache-2.0 */
/* event_loop.c - epoll for descriptors, a sorted list for timers, one signalfd per signal.
 *
 * Removal inside callbacks: epoll_wait() hands out pointers to watches, so a watch that is removed while a turn runs is only
 * marked and moved to `removed`; the end of the outermost turn frees it. A timer needs no such list: it is taken out
 * of the queue before its callback is called, and is not looked at afterwards unless it is one-shot, whose removal inside
 * its own callback does nothing because it is freed right after. */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/event_loop.h"

/* syscalls control: epoll_create1 epoll_ctl epoll_wait epoll_pwait eventfd2 signalfd4 read write close rt_sigprocmask */

enum { EVENTS_PER_TURN = 64 };

struct watch {
	struct event_loop *loop;
	int fd;
	uint32_t events; /* 0: paused, and not in the epoll set (which reports EPOLLHUP even when not asked for it) */
	bool removed;
	watch_cb *cb;
	void *arg;
	LIST_ENTRY(watch) link;
};

struct timer {
	struct event_loop *loop;
	uint64_t due_ns;
	uint64_t period_ns; /* 0: one-shot */
	uint64_t seq;
	bool queued;
	timer_cb *cb;
	void *arg;
	TAILQ_ENTRY(timer) link;
};

struct signal_watch {
	struct watch *watch;
	int fd; /* signalfd */
	signal_cb *cb;
	void *arg;
	LIST_ENTRY(signal_watch) link;
};

LIST_HEAD(watch_list, watch);
LIST_HEAD(signal_list, signal_watch);
TAILQ_HEAD(timer_queue, timer);

struct event_loop {
	int epoll_fd;
	int stop_fd; /* eventfd: makes epoll_wait() return */
	bool stop;
	unsigned depth; /* turns on the stack */
	struct watch_list watches;
	struct watch_list removed;
	struct signal_list signals;
	struct timer_queue timers; /* soonest first; equal times in the order of timer_add() */
	uint64_t timer_seq;
};

/* Set up */

struct event_loop *event_loop_create(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
	struct event_loop *loop = calloc(1, sizeof(*loop));
	int saved_errno;

	if (!loop)
		return NULL;
	LIST_INIT(&loop->watches);
	LIST_INIT(&loop->removed);
	LIST_INIT(&loop->signals);
	TAILQ_INIT(&loop->timers);
	loop->stop_fd = -1;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		goto fail;
	loop->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->stop_fd < 0 || epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->stop_fd, &ev) < 0)
		goto fail;
	return loop;

fail:
	saved_errno = errno;
	event_loop_destroy(loop);
	errno = saved_errno;
	return NULL;
}

static void free_watches(struct watch_list *list)
{
	while (!LIST_EMPTY(list)) {
		struct watch *w = LIST_FIRST(list);

		LIST_REMOVE(w, link);
		free(w);
	}
}

static void free_signals(struct event_loop *loop)
{
	while (!LIST_EMPTY(&loop->signals)) {
		struct signal_watch *s = LIST_FIRST(&loop->signals);

		LIST_REMOVE(s, link);
		watch_remove(s->watch);
		close(s->fd);
		free(s);
	}
}

void event_loop_destroy(struct event_loop *loop)
{
	if (!loop)
		return;
	assert(loop->depth == 0);
	free_signals(loop);
	while (!TAILQ_EMPTY(&loop->timers))
		timer_remove(TAILQ_FIRST(&loop->timers));
	while (!LIST_EMPTY(&loop->watches))
		watch_remove(LIST_FIRST(&loop->watches));
	if (loop->stop_fd >= 0)
		close(loop->stop_fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	free(loop);
}

/* Descriptors */

struct watch *watch_add(struct event_loop *loop, int fd, uint32_t events, watch_cb *cb, void *arg)
{
	struct watch *w = malloc(sizeof(*w));
	int err;

	if (!w)
		return NULL;
	*w = (struct watch){ .loop = loop, .fd = fd, .cb = cb, .arg = arg };
	err = watch_modify(w, events);
	if (err < 0) {
		free(w);
		errno = -err;
		return NULL;
	}
	LIST_INSERT_HEAD(&loop->watches, w, link);
	return w;
}

int watch_modify(struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };
	int op = EPOLL_CTL_MOD;

	if (w->events == events)
		return 0;
	if (events == 0)
		op = EPOLL_CTL_DEL;
	else if (w->events == 0)
		op = EPOLL_CTL_ADD;
	if (epoll_ctl(w->loop->epoll_fd, op, w->fd, &ev) < 0)
		return -errno;
	w->events = events;
	return 0;
}

void watch_remove(struct watch *w)
{
	if (!w)
		return;
	assert(!w->removed);
	watch_modify(w, 0); /* fails only when the fd is closed already, and then it has left the set by itself */
	LIST_REMOVE(w, link);
	if (w->loop->depth == 0) {
		free(w);
		return;
	}
	w->removed = true;
	LIST_INSERT_HEAD(&w->loop->removed, w, link);
}

/* Timers */

static void timer_enqueue(struct timer *t)
{
	struct timer_queue *queue = &t->loop->timers;
	struct timer *before = TAILQ_LAST(queue, timer_queue);

	while (before && before->due_ns > t->due_ns)
		before = TAILQ_PREV(before, timer_queue, link);
	if (before)
		TAILQ_INSERT_AFTER(queue, before, t, link);
	else
		TAILQ_INSERT_HEAD(queue, t, link);
	t->queued = true;
}

static void timer_dequeue(struct timer *t)
{
	TAILQ_REMOVE(&t->loop->timers, t, link);
	t->queued = false;
}

struct timer *timer_add(struct event_loop *loop, unsigned delay_ms, unsigned period_ms, timer_cb *cb, void *arg)
{
	struct timer *t = malloc(sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct timer){
		.loop = loop,
		.due_ns = clock_ns() + delay_ms * NSEC_PER_MSEC,
		.period_ns = period_ms * NSEC_PER_MSEC,
		.seq = loop->timer_seq++,
		.cb = cb,
		.arg = arg,
	};
	timer_enqueue(t);
	return t;
}

void timer_remove(struct timer *t)
{
	if (!t || !t->queued)
		return;
	timer_dequeue(t);
	free(t);
}

/* A period that was missed is left out, not made up for. */
static void timer_call(struct timer *t, uint64_t now_ns)
{
	bool once = t->period_ns == 0;

	timer_dequeue(t);
	if (!once) {
		t->due_ns += t->period_ns;
		if (t->due_ns <= now_ns)
			t->due_ns = now_ns + t->period_ns;
		timer_enqueue(t);
	}
	t->cb(t->arg);
	if (once)
		free(t);
}

/* Calls the timers that are due now. Those added meanwhile wait for the next turn, even with a delay of 0. */
static int call_timers(struct event_loop *loop)
{
	uint64_t now_ns = clock_ns(), first_new_seq = loop->timer_seq;
	struct timer *t;
	int n = 0;

	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): timer_call() takes it out of the list before it frees it */
	while ((t = TAILQ_FIRST(&loop->timers)) && t->due_ns <= now_ns && t->seq < first_new_seq) {
		timer_call(t, now_ns);
		n++;
	}
	return n;
}

/* How long epoll_wait() may wait: rounded up, so that it does not return just before a timer is due. */
static int turn_timeout_ms(const struct event_loop *loop, int timeout_ms)
{
	const struct timer *t = TAILQ_FIRST(&loop->timers);
	uint64_t now_ns, wait_ms;

	if (!t || timeout_ms == 0)
		return timeout_ms;
	now_ns = clock_ns();
	if (t->due_ns <= now_ns)
		return 0;
	wait_ms = (t->due_ns - now_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
	if (timeout_ms < 0)
		return (int)MIN(wait_ms, (uint64_t)INT_MAX);
	return (int)MIN(wait_ms, (uint64_t)timeout_ms);
}

/* Running */

static void drain_stop_fd(struct event_loop *loop)
{
	uint64_t count;

	if (read(loop->stop_fd, &count, sizeof(count)) < 0)
		return; /* EAGAIN: drained by a turn further in */
}

/* Calls the watch of one fetched event, unless a callback before it removed or paused it. */
static int call_watch(struct event_loop *loop, const struct epoll_event *ev)
{
	struct watch *w = ev->data.ptr;
	uint32_t events;

	if (!w) {
		drain_stop_fd(loop);
		return 0;
	}
	if (w->removed || w->events == 0)
		return 0;
	events = ev->events & (w->events | EPOLLERR | EPOLLHUP);
	if (events == 0)
		return 0;
	w->cb(w->arg, w->fd, events);
	return 1;
}

int event_loop_turn(struct event_loop *loop, int timeout_ms)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int n_called = 0;
	int n = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, turn_timeout_ms(loop, timeout_ms));

	if (n < 0 && errno != EINTR)
		return -errno;
	loop->depth++;
	for (int i = 0; i < n; i++)
		n_called += call_watch(loop, &events[i]);
	n_called += call_timers(loop);
	if (--loop->depth == 0)
		free_watches(&loop->removed);
	return n_called;
}

int event_loop_run(struct event_loop *loop)
{
	int err = 0;

	while (err >= 0 && !read_once(&loop->stop))
		err = event_loop_turn(loop, -1);
	write_once(&loop->stop, false);
	return MIN(err, 0);
}

void event_loop_stop(struct event_loop *loop)
{
	int saved_errno = errno;
	const uint64_t one = 1;

	write_once(&loop->stop, true);
	while (write(loop->stop_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		; /* EAGAIN: the counter is full, so the descriptor is readable, which is all that matters */
	errno = saved_errno;
}

/* Signals */

static void signal_readable(void *arg, int fd, uint32_t events)
{
	struct signal_watch *s = arg;
	struct signalfd_siginfo info;

	(void)events;
	if (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		s->cb(s->arg, (int)info.ssi_signo);
}

int event_loop_add_signal(struct event_loop *loop, int signo, signal_cb *cb, void *arg)
{
	struct signal_watch *s = malloc(sizeof(*s));
	sigset_t set, old;
	int err;

	if (!s)
		return -ENOMEM;
	*s = (struct signal_watch){ .cb = cb, .arg = arg };
	sigemptyset(&set);
	if (sigaddset(&set, signo) < 0) {
		err = -errno;
		goto free_struct;
	}
	pthread_sigmask(SIG_BLOCK, &set, &old);
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd < 0) {
		err = -errno;
		goto restore_mask;
	}
	s->watch = watch_add(loop, s->fd, EPOLLIN, signal_readable, s);
	if (!s->watch) {
		err = -errno;
		goto close_fd;
	}
	LIST_INSERT_HEAD(&loop->signals, s, link);
	return 0;

close_fd:
	close(s->fd);
restore_mask:
	pthread_sigmask(SIG_SETMASK, &old, NULL);
free_struct:
	free(s);
	return err;
}
