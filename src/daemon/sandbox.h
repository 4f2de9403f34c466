/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.h - What the daemon gives up before it listens to anybody.
 *
 * In order: the user (--user), capabilities that its ports do not need, new privileges (no_new_privs), and the file system outside
 * of a few directories (Landlock), all before there is a second thread, because threads inherit them; then, thread by
 * thread, every system call that the code of that kind of thread does not declare (seccomp). sandbox_*.c has one of each.
 *
 * What the kernel lacks is said once and done without. What it has and refuses ends the start. */
#ifndef RINGWAY_DAEMON_SANDBOX_H
#define RINGWAY_DAEMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pager.h"

struct config;
struct options;

struct sandbox_request {
	const struct config *config;
	const struct options *options;
	const char *config_path; /* "": none */
	const char *run_dir;     /* exists */
};

/* Everything but seccomp. Once, while there is one thread. 0, or negative errno (logged). */
int sandbox_enter(const struct sandbox_request *r);

/* The calling thread gives up its capabilities, and all system calls but those of workers. Ends the process when that fails: the
 * thread would be unprotected. No-ops without sandbox_enter(). */
void sandbox_enter_worker(void);
/* The calling thread keeps the system calls of control. 0 or negative errno (logged). */
int sandbox_enter_control(void);

/* The calling process, one of base/pager.h: as a worker. */
void sandbox_enter_pager(enum pager_role role);

/* sandbox_caps.c */

/* Become options->user, who then owns the run directory; keep what the configured ports need. 0 or negative errno (logged). */
int sandbox_drop_privileges(const struct sandbox_request *r);
/* The calling thread keeps no capability. 0 or negative errno. */
int sandbox_drop_thread_capabilities(void);

/* sandbox_landlock.c: 0 or negative errno (logged). */
int sandbox_limit_paths(const struct sandbox_request *r);

/* sandbox_seccomp.c */

enum sandbox_thread { SANDBOX_WORKER, SANDBOX_CONTROL, SANDBOX_SPAWNER, SANDBOX_PAGER };
/* False: this build or this run cannot have filters, which has been logged. Installs the handler that explains a violation. */
bool sandbox_prepare_filters(void);
int sandbox_load_filter(enum sandbox_thread kind);

#endif
