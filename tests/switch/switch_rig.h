/* SPDX-License-Identifier: Apache-2.0 */
/* switch_rig.h - The whole data path in one process: runtime, event loop, worker threads, and front-ends instead of VMs.
 *
 * The test's own thread is control: it makes the calls to the runtime and turns the event loop. Front-ends are driven by it as
 * well, or by threads of their own, which rig_run_threads() starts and serves as control until they have ended. */
#ifndef RINGWAY_TESTS_SWITCH_RIG_H
#define RINGWAY_TESTS_SWITCH_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/event_loop.h"
#include "control/runtime.h"
#include "vhost/frontend.h"

#define BIT(n) (1ull << (n))

enum {
	RIG_MTU = 65535,
	RIG_PATIENCE_MS = 20000, /* for what has to happen; only what never happens takes as long */
};

struct rig {
	struct event_loop *loop;
	struct runtime *rt;
	char dir[64];
};

/* Networks "lan" and "other", without ports. */
void rig_start(struct rig *rig, unsigned workers, enum poll_mode poll, unsigned busy_poll_us);
/* Everything that is left goes. */
void rig_stop(struct rig *rig);

/* To "lan". */
struct port *rig_add_port(struct rig *rig, const char *name, unsigned queues);
struct port *rig_add_port_to(struct rig *rig, const char *network, const char *name, unsigned queues);
struct port *rig_add_port_coalescing(struct rig *rig, const char *name, enum port_coalesce how);
void rig_del_port(struct rig *rig, const char *name);
struct port *rig_port(struct rig *rig, const char *name);
/* What `ringway port show` would say. */
const char *rig_status(struct rig *rig, const char *name);
/* Of all queues. */
struct port_counters rig_rx(struct rig *rig, const char *name);
struct port_counters rig_tx(struct rig *rig, const char *name);
uint64_t rig_drops(const struct port_counters *c);

/* What a modern driver with all offloads wants, on a split ring. */
uint64_t rig_all_features(void);
/* Attach a front-end of the test's own thread, `c` completed with the socket, and wait until frames can be sent to it. One pair when `c` says nothing. */
struct vhost_frontend *rig_attach(struct rig *rig, const char *port, struct vhost_frontend_config c);
/* Wait until the port has so many active queues. */
void rig_wait_active(struct rig *rig, const char *port, unsigned active);
/* Turn the loop until `done`; false when that takes too long. */
bool rig_wait(struct rig *rig, bool (*done)(void *arg), void *arg);
/* What control has to do now; waits a moment for something, or not at all. */
void rig_turn(struct rig *rig);
void rig_turn_at_once(struct rig *rig);

/* A thread of the test. It may not assert: it leaves a text in `fault`. */
struct rig_thread {
	void (*run)(struct rig_thread *t);
	void *arg;
	const char *fault;
	bool ended;
};
/* Start them, turn the loop until all have ended, fail with the first fault. While they run, `meanwhile` (may be NULL) is called
 * by control again and again. */
void rig_run_threads(struct rig *rig, struct rig_thread *threads, unsigned n, void (*meanwhile)(void *arg), void *arg);

/* A frame of `len` >= 22 bytes from station `src` to `dst` (0xff: all) with a number in it, its other bytes following from that. */
void rig_frame(uint8_t *frame, size_t len, uint8_t dst, uint8_t src, uint64_t number);
/* The number in a frame, or -1 when its bytes are not what rig_frame() made for `dst` and `src`. */
int64_t rig_frame_number(const uint8_t *frame, size_t len, uint8_t dst, uint8_t src);
/* Let the switch learn the station, so that no frame to it is flooded: it sends one to itself, which goes nowhere. */
void rig_say_hello(struct rig *rig, struct vhost_frontend *f, const char *port, uint8_t station);

struct rig_random {
	uint64_t state;
};
uint32_t rig_random(struct rig_random *r, uint32_t below);
void rig_spin_ns(uint64_t ns);

/* Is this process slowed down and its memory counted by somebody else (valgrind, a sanitizer)? */
bool rig_is_instrumented(void);
unsigned rig_count_fds(void);
/* There are `n` again: other threads close some (base/closer.h). */
void rig_wait_for_fds(unsigned n);
unsigned rig_count_maps(void);

#endif
