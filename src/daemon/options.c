/* SPDX-License-Identifier: Apache-2.0 */
/* options.c - The command line of ringwayd. */
#include "daemon/options.h"

#include <getopt.h>
#include <stdio.h>

static const char usage[] =
    "usage: ringwayd [-c FILE] [--run-dir DIR] [--log-level LEVEL] [--user NAME]\n"
    "                [--allow-path DIR]... [--no-sandbox] [--handover] [--check]\n"
    "\n"
    "Switches frames between virtual machines (vhost-user) and this host (tap). Stays in the\n"
    "foreground and logs to stderr; SIGTERM stops it, SIGHUP reads the configuration again.\n"
    "\n"
    "  -c, --config FILE     configuration, ringway.yaml(5); default: ringway.yaml in /etc/ringway (root) or\n"
    "                        in $XDG_CONFIG_HOME/ringway, if there is one; else it starts without networks\n"
    "      --run-dir DIR     where relative sockets are; default: /run/ringway (root) or\n"
    "                        $XDG_RUNTIME_DIR/ringway\n"
    "      --log-level LEVEL error, warning, info (default) or debug\n"
    "      --user NAME       become this user, and keep the capabilities that the configured ports need\n"
    "      --allow-path DIR  sockets may be made in this directory too; may be repeated\n"
    "      --no-sandbox      do without the protection that SECURITY.md describes\n"
    "      --handover        take over from the daemon that runs here; see 'ringway daemon handover'\n"
    "      --check           read the configuration, say what is wrong with it, and stop\n"
    "      --version         print the version\n"
    "  -h, --help            print this\n";

enum {
	OPT_RUN_DIR = 256,
	OPT_LOG_LEVEL,
	OPT_USER,
	OPT_ALLOW_PATH,
	OPT_NO_SANDBOX,
	OPT_HANDOVER,
	OPT_CHECK,
	OPT_VERSION
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "run-dir", required_argument, NULL, OPT_RUN_DIR },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "user", required_argument, NULL, OPT_USER },
	{ "allow-path", required_argument, NULL, OPT_ALLOW_PATH },
	{ "no-sandbox", no_argument, NULL, OPT_NO_SANDBOX },
	{ "handover", no_argument, NULL, OPT_HANDOVER },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static bool set_log_level(struct options *o, const char *name)
{
	int level = log_level_from_name(name);

	if (level < 0) {
		fprintf(stderr, "ringwayd: --log-level is '%s', allowed: error, warning, info, debug\n", name);
		return false;
	}
	o->log_level = (enum log_level)level;
	return true;
}

static bool add_allowed_path(struct options *o, const char *path)
{
	if (o->n_allowed_paths == ALLOWED_PATHS_MAX) {
		fprintf(stderr, "ringwayd: --allow-path is given more than %d times\n", ALLOWED_PATHS_MAX);
		return false;
	}
	o->allowed_paths[o->n_allowed_paths++] = path;
	return true;
}

enum options_result options_parse(struct options *o, int argc, char **argv)
{
	int opt;

	*o = (struct options){ .log_level = LOG_LEVEL_INFO };
	while ((opt = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			o->config = optarg;
			break;
		case OPT_RUN_DIR:
			o->run_dir = optarg;
			break;
		case OPT_LOG_LEVEL:
			if (!set_log_level(o, optarg))
				return OPTIONS_USAGE;
			break;
		case OPT_USER:
			o->user = optarg;
			break;
		case OPT_ALLOW_PATH:
			if (!add_allowed_path(o, optarg))
				return OPTIONS_USAGE;
			break;
		case OPT_NO_SANDBOX:
			o->no_sandbox = true;
			break;
		case OPT_HANDOVER:
			o->handover = true;
			break;
		case OPT_CHECK:
			o->check = true;
			break;
		case OPT_VERSION:
			puts("ringwayd " RINGWAY_VERSION);
			return OPTIONS_DONE;
		case 'h':
			fputs(usage, stdout);
			return OPTIONS_DONE;
		default: /* getopt has said what is wrong */
			fputs("Try 'ringwayd --help'.\n", stderr);
			return OPTIONS_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "ringwayd: unexpected argument '%s'\nTry 'ringwayd --help'.\n", argv[optind]);
		return OPTIONS_USAGE;
	}
	return OPTIONS_RUN;
}
