/* SPDX-License-Identifier: Apache-2.0 */
/* event_loop.h - The control thread's loop: file descriptors, timers, signals.
 *
 * One thread runs the loop and is the only one to call its functions, except event_loop_stop(). A callback may add, change
 * or remove any watch or timer, its own included: a watch that was removed is not called again, even when its event had
 * already been fetched. Level-triggered epoll. Workers do not use this: their loop is worker.c. */
#ifndef RINGWAY_BASE_EVENT_LOOP_H
#define RINGWAY_BASE_EVENT_LOOP_H

#include <stdint.h>

struct event_loop;
struct watch;
struct timer;

/* `events`: EPOLLIN | EPOLLOUT | ... as epoll_wait(2) reports them. */
typedef void watch_cb(void *arg, int fd, uint32_t events);
typedef void timer_cb(void *arg);
typedef void signal_cb(void *arg, int signo);

/* NULL and errno when the kernel refuses. */
struct event_loop *event_loop_create(void);
/* Frees what is still watched; closes no caller's fd. destroy(NULL) is fine. */
void event_loop_destroy(struct event_loop *loop);

/* Run until event_loop_stop(). 0, or negative errno. */
int event_loop_run(struct event_loop *loop);
/* One turn: waits at most timeout_ms (-1: no limit), calls what is due. Returns number of callbacks, or negative errno. */
int event_loop_turn(struct event_loop *loop, int timeout_ms);
/* Any thread, and signal handlers. */
void event_loop_stop(struct event_loop *loop);

/* Watch `fd` (stays the caller's) for `events`. NULL and errno when epoll_ctl(2) refuses. */
struct watch *watch_add(struct event_loop *loop, int fd, uint32_t events, watch_cb *cb, void *arg);
/* Change what is waited for; 0 pauses. 0 or negative errno. */
int watch_modify(struct watch *watch, uint32_t events);
/* Remove; call before the fd is closed. NULL is fine. */
void watch_remove(struct watch *watch);

/* Call `cb` once after delay_ms, and every period_ms after that if period_ms > 0. A one-shot timer frees itself after its
 * call: forget the pointer in `cb`. Periods that were missed are left out. NULL: out of memory. */
struct timer *timer_add(struct event_loop *loop, unsigned delay_ms, unsigned period_ms, timer_cb *cb, void *arg);
/* NULL is fine. */
void timer_remove(struct timer *timer);

/* Blocks `signo` in the calling thread (call before threads are started, so that they inherit it) and reports it
 * through `cb` (signalfd). 0 or negative errno. */
int event_loop_add_signal(struct event_loop *loop, int signo, signal_cb *cb, void *arg);

#endif
