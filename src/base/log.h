/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - Messages for the person who runs the daemon, one line each on stderr.
 *
 * Under systemd (JOURNAL_STREAM names our stderr) lines carry the <N> priority prefix of sd-daemon(3), else the word for the
 * level. Any thread may log; a line is written with one write(2). Never called per frame. What a guest can cause again and
 * again is logged through log_limited(). Text that comes from a peer may be printed through %s: control characters are
 * replaced by '?', so it cannot begin a line of its own or steer a terminal. Lines are cut at about 2000 bytes. */
#ifndef RINGWAY_BASE_LOG_H
#define RINGWAY_BASE_LOG_H

#include <stdarg.h>
#include <stdint.h>

#include "base/compiler.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, N_LOG_LEVELS };

/* Show messages up to and including `level`; INFO at first. Any thread. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* The level called `name` ("error", "warning", "info", "debug"), or -1. */
int log_level_from_name(const char *name);

/* Write one line; a newline is added. errno is kept. */
void log_at(enum log_level level, const char *fmt, ...) printf_like(2, 3);

#define log_error(...)   log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* For what a peer can repeat at will: at most `burst` lines in any ten seconds of one `struct log_limit`; when lines were
 * left out, the next one that is shown says how many. One owner thread per struct. Zero-initialize it. */
struct log_limit {
	uint64_t last_shown_ns;
	unsigned shown;
	unsigned left_out;
};
void log_limited(struct log_limit *limit, unsigned burst, enum log_level level, const char *fmt, ...) printf_like(4, 5);

#endif
