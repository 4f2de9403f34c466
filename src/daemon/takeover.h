/* SPDX-License-Identifier: Apache-2.0 */
/* takeover.h - Where this process gets what another one had, and what it does with it besides running it.
 *
 * From a process that still runs (--handover), or, when systemd has started us again, from systemd. */
#ifndef RINGWAY_DAEMON_TAKEOVER_H
#define RINGWAY_DAEMON_TAKEOVER_H

#include <stdbool.h>

#include "control/handover.h"

struct takeover {
	bool exists; /* else this process begins with nothing */
	bool from_store;
	struct handover handover;
};

/* 0, or negative errno (logged): --handover, and nobody hands over. */
int takeover_open(struct takeover *t, bool from_daemon, const char *run_dir);
/* Start processes that live as long as this one: they get the log that this one will take, and hold nothing of who started it. */
void takeover_with_log(struct takeover *t, void (*start)(void));
/* All is taken: the log, files, and what the configuration file `file` says otherwise than before go to `rt`. */
void takeover_finish(struct takeover *t, struct runtime *rt, const struct config *file);
/* It failed (why). */
void takeover_give_up(struct takeover *t, const char *why);

/* Leave everything of `source` with systemd, for the next process; then end, and close nothing. False (logged): that is not possible;
 * everything is as before. */
bool takeover_leave(const struct handover_source *source);

#endif
