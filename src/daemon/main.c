/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - ringwayd: the order in which everything starts, and stops again.
 *
 * The main thread becomes the control thread. Signals are blocked before the workers start, so that only the loop sees
 * them. Exit status: 0 after SIGTERM or SIGINT, 1 when something failed, 2 for a wrong command line. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "base/closer.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/lost_memory.h"
#include "base/run_dir.h"
#include "control/api.h"
#include "control/config.h"
#include "control/runtime.h"
#include "daemon/options.h"
#include "daemon/sandbox.h"
#include "packet/csum.h"

struct daemon {
	struct options options;
	char config_path[512]; /* "": none */
	char run_dir[256];
	struct config config; /* as read at the start */
	struct event_loop *loop;
	struct runtime *runtime;
	struct api *api;
};

static void notify(const char *state)
{
#ifdef HAVE_SYSTEMD
	sd_notify(0, state);
#else
	(void)state;
#endif
}

/* Configuration */

static void find_config(struct daemon *d)
{
	const char *home = getenv("XDG_CONFIG_HOME"), *user = getenv("HOME");
	char *path = d->config_path;
	size_t size = sizeof(d->config_path);

	if (d->options.config)
		snprintf(path, size, "%s", d->options.config);
	else if (geteuid() == 0)
		snprintf(path, size, "/etc/ringway/ringway.yaml");
	else if (home && *home)
		snprintf(path, size, "%s/ringway/ringway.yaml", home);
	else
		snprintf(path, size, "%s/.config/ringway/ringway.yaml", user ? user : "");
	if (!d->options.config && access(path, F_OK) != 0)
		path[0] = '\0';
}

static int read_config(const struct daemon *d, struct config *c)
{
	struct config_error e = { 0 };
	char text[1024];
	int err;

	if (!d->config_path[0]) {
		config_init_default(c);
		return 0;
	}
	err = config_read_file(d->config_path, c, &e);
	if (err) {
		config_error_format(&e, text, sizeof(text));
		log_error("%s", text);
	}
	return err;
}

static void on_reload(void *arg, int signo)
{
	struct daemon *d = arg;
	struct runtime_error e = { 0 };
	struct config c;

	(void)signo;
	notify("RELOADING=1");
	if (read_config(d, &c) == 0) {
		if (runtime_apply(d->runtime, &c, &e))
			log_error("%s: nothing was changed: %s%s%s", d->config_path, e.field, *e.field ? ": " : "",
				  e.text);
		else
			log_info("%s: applied", *d->config_path ? d->config_path : "default configuration");
		config_deinit(&c);
	}
	notify("READY=1");
}

static void on_stop(void *arg, int signo)
{
	struct daemon *d = arg;

	log_info("stopping: %s", strsignal(signo));
	event_loop_stop(d->loop);
}

/* Start */

/* Each VM takes a few descriptors per queue and memory region: use what the hard limit allows. */
static void raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int start_loop(struct daemon *d)
{
	int err = -ENOMEM;

	signal(SIGPIPE, SIG_IGN);
	d->loop = event_loop_create();
	if (d->loop)
		err = event_loop_add_signal(d->loop, SIGTERM, on_stop, d);
	if (!err)
		err = event_loop_add_signal(d->loop, SIGINT, on_stop, d);
	if (!err)
		err = event_loop_add_signal(d->loop, SIGHUP, on_reload, d);
	if (err)
		log_error("event loop: %s", strerror(-err));
	return err;
}

static int enter_sandbox(const struct daemon *d)
{
	const struct sandbox_request r = {
		.config = &d->config,
		.options = &d->options,
		.config_path = d->config_path,
		.run_dir = d->run_dir,
	};

	return sandbox_enter(&r);
}

static int start_closers(void)
{
	int err = closer_start_threads(sandbox_enter_worker);

	if (err)
		log_error("threads cannot be started: %s", strerror(-err));
	return err;
}

static int start_runtime(struct daemon *d)
{
	const struct runtime_options o = {
		.run_dir = d->run_dir,
		.workers = d->config.workers,
		.poll = d->config.poll,
		.busy_poll_us = d->config.busy_poll_us,
		.accounting = d->config.accounting,
		.worker_started = sandbox_enter_worker,
	};
	struct runtime_error e = { 0 };
	int err = -1;

	d->runtime = runtime_create(d->loop, &o, &e);
	if (d->runtime)
		err = runtime_apply(d->runtime, &d->config, &e);
	if (err)
		log_error("%s%s%s", e.field, *e.field ? ": " : "", e.text);
	return err;
}

static int start_api(struct daemon *d)
{
	char path[512], err[256] = "";

	runtime_path(d->runtime, d->config.api_socket, path, sizeof(path));
	d->api = api_create(d->loop, d->runtime, path, err, sizeof(err));
	if (d->api)
		return 0;
	log_error("api.socket: %s", err);
	return -1;
}

static int run(struct daemon *d)
{
	int err;

	raise_fd_limit();
	csum_init();
	err = lost_memory_init();
	if (err)
		log_error("SIGBUS cannot be handled: %s", strerror(-err));
	else
		err = start_loop(d);
	if (!err)
		err = enter_sandbox(d);
	if (!err)
		err = start_closers();
	if (!err)
		err = start_runtime(d);
	if (!err)
		err = start_api(d);
	if (!err)
		err = sandbox_enter_control(); /* nothing was read from a peer before */
	if (!err) {
		log_info("ringwayd %s is ready, run directory %s", RINGWAY_VERSION, d->run_dir);
		notify("READY=1");
		err = event_loop_run(d->loop);
		notify("STOPPING=1");
	}
	api_destroy(d->api);
	runtime_destroy(d->runtime);
	event_loop_destroy(d->loop);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct daemon d = { 0 };
	char text[512] = "";
	int status = EXIT_FAILURE;

	switch (options_parse(&d.options, argc, argv)) {
	case OPTIONS_DONE:
		return EXIT_SUCCESS;
	case OPTIONS_USAGE:
		return 2;
	case OPTIONS_RUN:
		break;
	}
	log_set_level(d.options.log_level);
	find_config(&d);
	if (read_config(&d, &d.config))
		return EXIT_FAILURE;
	if (d.options.check)
		status = EXIT_SUCCESS;
	else if (run_dir_prepare(d.options.run_dir, d.run_dir, sizeof(d.run_dir), text, sizeof(text)) == 0)
		status = run(&d);
	else
		log_error("%s", text);
	config_deinit(&d.config);
	return status;
}
