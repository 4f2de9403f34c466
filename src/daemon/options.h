/* SPDX-License-Identifier: Apache-2.0 */
/* options.h - The command line of ringwayd. */
#ifndef RINGWAY_DAEMON_OPTIONS_H
#define RINGWAY_DAEMON_OPTIONS_H

#include <stdbool.h>

#include "base/log.h"

enum { ALLOWED_PATHS_MAX = 64 };

struct options {
	const char *config;  /* -c; NULL: the default file if there is one */
	const char *run_dir; /* --run-dir; NULL: the default one */
	bool check;          /* --check: read the configuration and stop */
	enum log_level log_level;
	const char *user; /* --user; NULL: stay who we are */
	bool no_sandbox;
	bool handover; /* --handover: take over from the daemon that runs */
	unsigned n_allowed_paths;
	const char *allowed_paths[ALLOWED_PATHS_MAX]; /* --allow-path */
};

enum options_result { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_USAGE };

/* OPTIONS_DONE: --help or --version was printed. OPTIONS_USAGE: an error was. */
enum options_result options_parse(struct options *o, int argc, char **argv);

#endif
