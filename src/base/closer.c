/* SPDX-License-Identifier: Apache-2.0 */
/* closer.c - A queue of descriptors, and the threads that close them. */
#include "base/closer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/fd_kind.h"
#include "base/log.h"

/* syscalls worker: close */

enum { THREADS = 4 };

struct closer {
	unsigned n_pending;
	bool destroyed;
};

struct entry {
	int fd;
	struct closer *of;
	STAILQ_ENTRY(entry) link;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for all below, and what is in closers */
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;
static pthread_cond_t all_ready = PTHREAD_COND_INITIALIZER;
static STAILQ_HEAD(, entry) queue = STAILQ_HEAD_INITIALIZER(queue);
static bool started;
static unsigned n_ready; /* threads that have called call_first() */
static void (*call_first)(void);

/* Threads */

static void settle(struct closer *c)
{
	if (--c->n_pending == 0 && c->destroyed)
		free(c);
}

static void *thread_main(void *arg)
{
	(void)arg;
	pthread_setname_np(pthread_self(), "closer");
	if (call_first)
		call_first();
	pthread_mutex_lock(&lock);
	n_ready++;
	pthread_cond_broadcast(&all_ready);
	for (;;) {
		struct entry *e = STAILQ_FIRST(&queue);

		if (!e) {
			pthread_cond_wait(&not_empty, &lock);
			continue;
		}
		STAILQ_REMOVE_HEAD(&queue, link);
		pthread_mutex_unlock(&lock);
		close(e->fd);
		pthread_mutex_lock(&lock);
		settle(e->of);
		free(e);
	}
	return NULL;
}

static int start_thread(void)
{
	pthread_attr_t attr;
	pthread_t id;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&id, &attr, thread_main, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

/* Signals are for the control thread. */
static int start_threads(void)
{
	sigset_t all, old;
	int err = 0;

	sigfillset(&all);
	sigdelset(&all, SIGSYS); /* the sandbox's */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (unsigned i = 0; i < THREADS && err == 0; i++)
		err = start_thread();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	started = err == 0;
	return err;
}

int closer_start_threads(void (*call)(void))
{
	int err = 0;

	pthread_mutex_lock(&lock);
	call_first = call;
	if (!started)
		err = start_threads();
	while (!err && n_ready < THREADS)
		pthread_cond_wait(&all_ready, &lock);
	pthread_mutex_unlock(&lock);
	return err;
}

/* Closers */

struct closer *closer_create(void)
{
	return calloc(1, sizeof(struct closer));
}

void closer_destroy(struct closer *c)
{
	bool idle;

	if (!c)
		return;
	pthread_mutex_lock(&lock);
	c->destroyed = true;
	idle = c->n_pending == 0;
	pthread_mutex_unlock(&lock);
	if (idle)
		free(c);
}

bool closer_is_busy(struct closer *c)
{
	bool busy;

	pthread_mutex_lock(&lock);
	busy = c->n_pending > 0;
	pthread_mutex_unlock(&lock);
	return busy;
}

/* False: there is no thread for it, and never will be. */
static bool put(struct closer *c, struct entry *e)
{
	bool can;

	pthread_mutex_lock(&lock);
	can = started || start_threads() == 0;
	if (can) {
		c->n_pending++;
		STAILQ_INSERT_TAIL(&queue, e, link);
		pthread_cond_signal(&not_empty);
	}
	pthread_mutex_unlock(&lock);
	return can;
}

/* A socket may be the last that holds others, sent and not received. */
static bool closes_at_once(int fd)
{
	enum fd_kind kind = fd_kind(fd);

	return kind == FD_MEMORY || kind == FD_FILE || kind == FD_EVENT;
}

void closer_close(struct closer *c, int fd)
{
	struct entry *e;

	if (!c || closes_at_once(fd)) {
		close(fd);
		return;
	}
	e = malloc(sizeof(*e));
	if (e) {
		*e = (struct entry){ .fd = fd, .of = c };
		if (put(c, e))
			return;
		free(e);
	}
	log_error("descriptor %d stays open: out of memory or threads", fd);
}
