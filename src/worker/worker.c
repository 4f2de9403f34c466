/* SPDX-License-Identifier: Apache-2.0 */
/* worker.c - The thread, its turn, its sleep, and how control asks it for changes. */
#include "worker/worker.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <urcu-qsbr.h>

#include "base/barrier.h"
#include "base/clock.h"
#include "base/counter.h"
#include "base/log.h"
#include "base/tsan.h"
#include "packet/batch.h"
#include "port/port.h"
#include "switch/forward.h"
#include "worker/lane.h"

/* syscalls worker: epoll_pwait2 ppoll epoll_wait epoll_ctl write fcntl close */

enum {
	EVENT_CHECK_NS = 20 * 1000, /* while lanes are polled, look for events of the others this often, */
	EMPTY_CHECK_NS = 2 * 1000,  /* and this often while they are polled in vain */
	WAITING_NAP_NS = 50 * 1000, /* nothing to do but to try full receivers again */
	SPARE_BATCHES = 8,
	EVENTS = 64,
	REQUEST_SLOT = -1, /* epoll data of the eventfd that announces a request */
};

/* Control's request: run on the worker between two turns. */
struct request {
	void (*run)(struct worker *w, void *arg);
	void *arg;
	sem_t done;
};

/* worker_pause_begin() moves it on, then the worker itself, then worker_resume(). */
enum motion {
	MOVING,
	STOPPING, /* sees what its lanes hold through */
	STILL,    /* has told that it touches nothing */
};

struct worker {
	struct worker_options options;
	enum motion motion;
	uint64_t busy_poll_ns;
	struct lane_context ctx;
	struct lane **polled; /* [n_polled], room for n_slots */
	unsigned n_polled;
	struct lane **lanes; /* [n_slots], NULL: free */
	unsigned n_slots, n_lanes;
	uint64_t events_checked_ns;
	int epfd, request_fd;
	bool lacks_pwait2;
	bool stopping;
	struct worker_stats stats;
	struct account account;

	/* Shared with control. */
	struct request *request;
	pthread_t thread;
	int tid;
	clockid_t cpu_clock;
	sem_t started, still;
	uint8_t apart[CACHE_LINE]; /* the next piece of memory may be another worker's */
};

/* Polled and armed */

static void poll_lane(struct worker *w, struct lane *lane)
{
	lane->last_frame_ns = w->ctx.now_ns;
	if (lane->polled_at >= 0)
		return;
	lane->polled_at = (int)w->n_polled;
	w->polled[w->n_polled] = lane;
	write_once(&w->n_polled, w->n_polled + 1);
	if (w->motion == MOVING)
		lane->port->ops->rx_disarm(lane->port, lane->queue);
}

static void wake_lane(struct worker *w, struct lane *lane)
{
	if (lane->polled_at < 0)
		lane_adapt(lane, w->ctx.now_ns, w->busy_poll_ns);
	poll_lane(w, lane);
}

/* Removing swaps the last one in; the caller goes on at the same index. */
static void unpoll_lane(struct worker *w, struct lane *lane)
{
	struct lane *last = w->polled[w->n_polled - 1];

	w->polled[lane->polled_at] = last;
	last->polled_at = lane->polled_at;
	write_once(&w->n_polled, w->n_polled - 1);
	lane->polled_at = -1;
}

/* A lane without frames: is it time to let it sleep? */
static bool arm_if_idle(struct worker *w, struct lane *lane)
{
	if (w->options.poll == WORKER_POLL_ALWAYS || w->ctx.now_ns - lane->last_frame_ns < lane->poll_ns)
		return false;
	if (!lane->port->ops->rx_arm(lane->port, lane->queue))
		return false;
	unpoll_lane(w, lane);
	return true;
}

/* Poll every polled lane once. */
static enum lane_result turn(struct worker *w)
{
	enum lane_result all = LANE_EMPTY;
	unsigned i = 0;

	while (i < w->n_polled) {
		struct lane *lane = w->polled[i];
		enum lane_result result;

		if (unlikely(w->motion != MOVING) && !lane->held) {
			i++;
			continue;
		}
		result = lane_turn(lane, &w->ctx);
		if (result == LANE_EMPTY) {
			counter_add(&w->stats.empty_polls, 1);
			if (arm_if_idle(w, lane))
				continue;
		} else {
			lane->last_frame_ns = w->ctx.now_ns;
			if (all != LANE_BUSY)
				all = result;
		}
		i++;
	}
	return all;
}

/* Events */

static void take_request(struct worker *w)
{
	struct request *r = load_acquire(&w->request); /* pairs with ask() */

	if (!r)
		return;
	write_once(&w->request, NULL);
	r->run(w, r->arg);
	sem_post(&r->done);
}

/* epoll_wait(2) with a time in nanoseconds, less than a second, or -1. Linux before 5.11 and valgrind have no epoll_pwait2(2). */
static int wait_ns(struct worker *w, struct epoll_event *events, int64_t timeout_ns)
{
	struct timespec ts = { .tv_nsec = timeout_ns };
	const struct timespec *limit = timeout_ns < 0 ? NULL : &ts;
	struct pollfd pfd = { .fd = w->epfd, .events = POLLIN };

	if (!w->lacks_pwait2) {
		int n = epoll_pwait2(w->epfd, events, EVENTS, limit, NULL);

		if (n >= 0 || errno != ENOSYS)
			return n;
		w->lacks_pwait2 = true;
	}
	return ppoll(&pfd, 1, limit, NULL) > 0 ? epoll_wait(w->epfd, events, EVENTS, 0) : 0;
}

/* Wait for events, at most timeout_ns (0: only look, -1: no limit), and poll the lanes that have some. */
static void wait_events(struct worker *w, int64_t timeout_ns)
{
	struct epoll_event events[EVENTS];
	int n;

	if (timeout_ns) {
		account_lap(ACCOUNT_OTHER, 0);
		urcu_qsbr_thread_offline();
	}
	n = wait_ns(w, events, timeout_ns);
	if (timeout_ns) {
		urcu_qsbr_thread_online();
		account_skip();
	}
	w->ctx.now_ns = clock_ns();
	w->events_checked_ns = w->ctx.now_ns;
	for (int i = 0; i < n; i++) {
		int slot = (int)events[i].data.u32;

		if (slot != REQUEST_SLOT && w->lanes[slot] && w->motion == MOVING)
			wake_lane(w, w->lanes[slot]);
	}
}

/* After a turn: look for events, sleep, or just go on. */
static void rest(struct worker *w, enum lane_result result)
{
	if (w->n_polled == 0 && w->options.poll != WORKER_POLL_ALWAYS) {
		counter_add(&w->stats.sleeps, 1);
		wait_events(w, -1);
		counter_add(&w->stats.wakeups, 1);
	} else if (result == LANE_WAITING && w->options.poll != WORKER_POLL_ALWAYS) {
		wait_events(w, WAITING_NAP_NS);
	} else {
		bool others_wait = result == LANE_EMPTY && w->n_polled < w->n_lanes;

		if (w->ctx.now_ns - w->events_checked_ns > (others_wait ? EMPTY_CHECK_NS : EVENT_CHECK_NS))
			wait_events(w, 0);
	}
}

static bool holds_frames(const struct worker *w)
{
	for (unsigned i = 0; i < w->n_polled; i++)
		if (w->polled[i]->held)
			return true;
	return false;
}

/* Paused, between two turns. All lanes are polled afterwards, those that are woken meanwhile among them. */
static void stand_still(struct worker *w)
{
	tsan_release(w->ctx.snapshot);
	if (w->motion == STOPPING) {
		w->motion = STILL;
		sem_post(&w->still);
	}
	wait_events(w, -1);
}

static void *thread_main(void *arg)
{
	struct worker *w = arg;
	enum lane_result result = LANE_BUSY;
	char name[16];

	snprintf(name, sizeof(name), "worker/%u", w->options.idx);
	pthread_setname_np(pthread_self(), name);
	if (w->options.started)
		w->options.started();
	w->tid = gettid();
	pthread_getcpuclockid(pthread_self(), &w->cpu_clock);
	if (w->options.account)
		account_open(&w->account);
	urcu_qsbr_register_thread();
	sem_post(&w->started);
	while (!w->stopping) {
		w->ctx.now_ns = clock_ns();
		w->ctx.snapshot = load_acquire(w->options.published); /* pairs with runtime_publish() */
		take_request(w);
		if (unlikely(w->motion != MOVING) && !w->stopping && !holds_frames(w)) {
			stand_still(w);
			continue;
		}
		if (result != LANE_EMPTY) /* else the time since counts as looking in vain, too */
			account_lap(ACCOUNT_OTHER, 0);
		result = turn(w);
		counter_add(&w->stats.rounds, 1);
		tsan_release(w->ctx.snapshot);
		urcu_qsbr_quiescent_state();
		if (!w->stopping) /* nobody would wake it again */
			rest(w, result);
	}
	urcu_qsbr_unregister_thread();
	return NULL;
}

/* Requests */

static void ask(struct worker *w, void (*run)(struct worker *, void *), void *arg)
{
	static const uint64_t one = 1;
	struct request r = { .run = run, .arg = arg };

	sem_init(&r.done, 0, 0);
	store_release(&w->request, &r);
	if (write(w->request_fd, &one, sizeof(one)) < 0)
		log_error("worker %u: cannot be woken: %m", w->options.idx);
	while (sem_wait(&r.done) < 0 && errno == EINTR)
		;
	sem_destroy(&r.done);
}

/* Make room for one more lane in both tables. */
static int grow(struct worker *w)
{
	unsigned n = w->n_slots ? 2 * w->n_slots : 16;
	struct lane **lanes = realloc(w->lanes, n * sizeof(struct lane *));
	struct lane **polled;

	if (!lanes)
		return -ENOMEM;
	w->lanes = lanes;
	polled = realloc(w->polled, n * sizeof(struct lane *));
	if (!polled)
		return -ENOMEM;
	w->polled = polled;
	memset(lanes + w->n_slots, 0, (n - w->n_slots) * sizeof(struct lane *));
	w->n_slots = n;
	return 0;
}

struct lane_request {
	struct lane *lane;
	int err;
};

static void wait_for_lane(struct worker *w, const struct lane *lane)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.u32 = lane->slot };

	if (lane->wake_fd < 0 || epoll_ctl(w->epfd, EPOLL_CTL_ADD, lane->wake_fd, &ev) < 0)
		log_error("%s: queue %u cannot be waited for: %m", lane->port->name, lane->queue);
}

static void do_add(struct worker *w, void *arg)
{
	struct lane_request *a = arg;
	unsigned slot = 0;

	a->err = w->n_lanes == w->n_slots ? grow(w) : 0;
	if (a->err)
		return;
	while (w->lanes[slot])
		slot++;
	w->lanes[slot] = a->lane;
	a->lane->slot = slot;
	a->lane->poll_ns = w->busy_poll_ns;
	write_once(&w->n_lanes, w->n_lanes + 1);
	if (a->lane->wake_fd >= 0) /* it comes from another worker */
		wait_for_lane(w, a->lane);
	poll_lane(w, a->lane);
}

struct lane *worker_lane_add(struct worker *w, struct port *port, unsigned queue)
{
	struct lane *lane = lane_create(port, queue);
	struct lane_request a = { .lane = lane };

	if (!lane)
		return NULL;
	ask(w, do_add, &a);
	if (a.err) {
		lane_destroy(lane);
		return NULL;
	}
	return lane;
}

static void drop_wake_fd(struct worker *w, struct lane *lane)
{
	if (lane->wake_fd < 0)
		return;
	epoll_ctl(w->epfd, EPOLL_CTL_DEL, lane->wake_fd, NULL);
	close(lane->wake_fd);
	lane->wake_fd = -1;
}

static void forget_lane(struct worker *w, struct lane *lane)
{
	if (lane->polled_at >= 0)
		unpoll_lane(w, lane);
	w->lanes[lane->slot] = NULL;
	write_once(&w->n_lanes, w->n_lanes - 1);
}

static void do_remove(struct worker *w, void *arg)
{
	struct lane *lane = arg;

	lane_release(lane, &w->ctx);
	drop_wake_fd(w, lane);
	forget_lane(w, lane);
}

void worker_lane_remove(struct worker *w, struct lane *lane)
{
	ask(w, do_remove, lane);
	lane_destroy(lane);
}

/* The wake_fd stays open and goes along. A held batch cannot: this thread is inside the queue's gate with it. */
static void do_detach(struct worker *w, void *arg)
{
	struct lane_request *a = arg;

	a->err = a->lane->held ? -EAGAIN : 0;
	if (a->err)
		return;
	if (a->lane->wake_fd >= 0)
		epoll_ctl(w->epfd, EPOLL_CTL_DEL, a->lane->wake_fd, NULL);
	forget_lane(w, a->lane);
}

int worker_lane_move(struct worker *from, struct worker *to, struct lane *lane)
{
	struct lane_request a = { .lane = lane }, back = a;

	ask(from, do_detach, &a);
	if (a.err)
		return a.err;
	ask(to, do_add, &a);
	if (a.err) { /* there it has its slot still */
		ask(from, do_add, &back);
		assert(back.err == 0);
	}
	return a.err;
}

struct wake_request {
	struct lane *lane;
	int fd;
};

static void do_wake_fd(struct worker *w, void *arg)
{
	const struct wake_request *a = arg;

	drop_wake_fd(w, a->lane);
	if (a->fd >= 0) {
		a->lane->wake_fd = fcntl(a->fd, F_DUPFD_CLOEXEC, 0);
		wait_for_lane(w, a->lane);
	}
	poll_lane(w, a->lane);
}

void worker_lane_wake_fd(struct worker *w, struct lane *lane, int fd)
{
	struct wake_request a = { lane, fd };

	ask(w, do_wake_fd, &a);
}

static void do_forget(struct worker *w, void *arg)
{
	const uint16_t *dst = arg;

	for (unsigned i = 0; i < w->n_polled; i++)
		if (w->polled[i]->held)
			forward_drop_waiting_for(w->polled[i]->held, *dst);
}

void worker_forget_port(struct worker *w, uint16_t dst)
{
	ask(w, do_forget, &dst);
}

/* Pause */

static void do_pause(struct worker *w, void *arg)
{
	(void)arg;
	w->motion = STOPPING;
}

void worker_pause_begin(struct worker *w)
{
	ask(w, do_pause, NULL);
}

void worker_pause_wait(struct worker *w)
{
	while (sem_wait(&w->still) < 0 && errno == EINTR)
		;
}

/* Whoever took the rings over may have left frames in any of them. */
static void do_resume(struct worker *w, void *arg)
{
	(void)arg;
	w->motion = MOVING;
	for (unsigned i = 0; i < w->n_slots; i++)
		if (w->lanes[i])
			poll_lane(w, w->lanes[i]);
}

void worker_resume(struct worker *w)
{
	ask(w, do_resume, NULL);
}

/* Life */

static void do_stop(struct worker *w, void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < w->n_slots; i++) {
		struct lane *lane = w->lanes[i];

		if (!lane)
			continue;
		do_remove(w, lane);
		lane_destroy(lane);
	}
	w->stopping = true;
}

static void free_worker(struct worker *w)
{
	while (w->ctx.n_spare)
		batch_destroy(w->ctx.spare[--w->ctx.n_spare]);
	batch_destroy(w->ctx.batch);
	free(w->ctx.spare);
	free(w->lanes);
	free(w->polled);
	if (w->request_fd >= 0)
		close(w->request_fd);
	if (w->epfd >= 0)
		close(w->epfd);
	sem_destroy(&w->started);
	sem_destroy(&w->still);
	free(w);
}

static int open_fds(struct worker *w)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.u32 = (uint32_t)REQUEST_SLOT };

	w->epfd = epoll_create1(EPOLL_CLOEXEC);
	w->request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->epfd < 0 || w->request_fd < 0 || epoll_ctl(w->epfd, EPOLL_CTL_ADD, w->request_fd, &ev) < 0)
		return -errno;
	return 0;
}

/* Signals are for the control thread, but for those that an instruction of the thread itself raises: the kernel does not call
 * the handler of one that is blocked (base/lost_memory.h), it ends the process. */
static void block_signals(sigset_t *old)
{
	static const int own[] = { SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGSYS };
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		sigdelset(&set, own[i]);
	pthread_sigmask(SIG_SETMASK, &set, old);
}

static int start_thread(struct worker *w)
{
	pthread_attr_t attr;
	sigset_t old;
	int err;

	pthread_attr_init(&attr);
	if (w->options.cpus)
		pthread_attr_setaffinity_np(&attr, sizeof(*w->options.cpus), w->options.cpus);
	block_signals(&old);
	err = pthread_create(&w->thread, &attr, thread_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	w->options.cpus = NULL; /* the caller's */
	if (err)
		return -err;
	while (sem_wait(&w->started) < 0 && errno == EINTR)
		;
	return 0;
}

struct worker *worker_create(const struct worker_options *options)
{
	struct worker *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return NULL;
	w->options = *options;
	w->busy_poll_ns = options->poll == WORKER_POLL_ADAPTIVE ? options->busy_poll_us * NSEC_PER_USEC : 0;
	w->request_fd = -1;
	sem_init(&w->started, 0, 0);
	sem_init(&w->still, 0, 0);
	w->ctx.stats = &w->stats;
	w->ctx.max_spare = SPARE_BATCHES;
	w->ctx.spare = calloc(SPARE_BATCHES, sizeof(struct batch *));
	w->ctx.batch = batch_create();
	err = open_fds(w);
	if (!err && (!w->ctx.spare || !w->ctx.batch))
		err = -ENOMEM;
	if (!err)
		err = start_thread(w);
	if (err) {
		free_worker(w);
		errno = -err;
		return NULL;
	}
	return w;
}

void worker_destroy(struct worker *w)
{
	if (!w)
		return;
	ask(w, do_stop, NULL);
	pthread_join(w->thread, NULL);
	free_worker(w);
}

unsigned worker_idx(const struct worker *w)
{
	return w->options.idx;
}

void worker_get_info(const struct worker *w, struct worker_info *info)
{
	struct timespec ts = { 0 };

	clock_gettime(w->cpu_clock, &ts);
	*info = (struct worker_info){
		.tid = w->tid,
		.n_lanes = read_once(&w->n_lanes),
		.n_polled = read_once(&w->n_polled),
		.cpu_ns = (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec,
	};
	info->stats.rounds = read_once(&w->stats.rounds);
	info->stats.empty_polls = read_once(&w->stats.empty_polls);
	info->stats.batches = read_once(&w->stats.batches);
	info->stats.frames = read_once(&w->stats.frames);
	info->stats.sleeps = read_once(&w->stats.sleeps);
	info->stats.wakeups = read_once(&w->stats.wakeups);
	account_read(&w->account, &info->account);
}
