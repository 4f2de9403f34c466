/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - ringwayd: the order in which everything starts, and stops again.
 *
 * The main thread becomes the control thread. Signals are blocked before the workers start, so that only the loop sees
 * them. Exit status: 0 after SIGTERM or SIGINT, 1 when something failed, 2 for a wrong command line. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
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
#include "base/pager.h"
#include "base/run_dir.h"
#include "control/api.h"
#include "control/config.h"
#include "control/handover.h"
#include "control/runtime.h"
#include "daemon/fd_store.h"
#include "daemon/options.h"
#include "daemon/process.h"
#include "daemon/sandbox.h"
#include "daemon/takeover.h"
#include "packet/csum.h"

struct daemon {
	struct options options;
	char config_path[512]; /* "": none */
	char run_dir[256];
	struct config config; /* as read at the start, its networks as read last */
	struct api_process process;
	struct event_loop *loop;
	struct runtime *runtime;
	struct api *api;
	struct handover_server *handover_server;
	struct takeover takeover;
	char error[512]; /* why it cannot start */
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

/* Takes over what is in `c`. */
static void apply_config(struct daemon *d, struct config *c)
{
	struct runtime_error e = { 0 };
	char text[RUNTIME_ERROR_MAX];

	if (runtime_apply(d->runtime, c, &e)) {
		log_error("%s: nothing was changed: %s", d->config_path, runtime_error_format(&e, text));
		config_deinit(c);
		return;
	}
	log_info("%s: applied", *d->config_path ? d->config_path : "default configuration");
	config_deinit(&d->config);
	d->config = *c;
}

static void on_reload(void *arg, int signo)
{
	struct daemon *d = arg;
	struct config c;

	(void)signo;
	notify("RELOADING=1");
	if (read_config(d, &c) == 0)
		apply_config(d, &c);
	notify("READY=1");
}

static struct handover_source source_of(struct daemon *d)
{
	return (struct handover_source){ .rt = d->runtime, .api = api_listener(d->api), .file = &d->config };
}

static void on_stop(void *arg, int signo)
{
	struct daemon *d = arg;
	struct handover_source source = source_of(d);

	log_info("stopping: %s", strsignal(signo));
	if (signo == SIGTERM && fd_store_exists() && takeover_leave(&source))
		_exit(EXIT_SUCCESS); /* closing in any other way would be seen by front-ends */
	event_loop_stop(d->loop);
}

static void on_given(void *arg, int pid)
{
	char state[64];

	(void)arg;
	log_info("handed over to process %d", pid);
	snprintf(state, sizeof(state), "MAINPID=%d", pid);
	notify(state);
	_exit(EXIT_SUCCESS);
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

/* Not fatal: without it guests can come here by precopy alone. */
static void start_pagers(void)
{
	int err = pager_init(sandbox_enter_pager);

	if (err)
		log_info("postcopy migration is not offered: userfaultfd(2): %s. It needs Linux 5.11, or the sysctl "
			 "vm.unprivileged_userfaultfd=1, and a container's filter that allows it",
			 strerror(-err));
}

static int start_closers(void)
{
	int err = closer_start_threads(sandbox_enter_worker);

	if (err)
		log_error("threads cannot be started: %s", strerror(-err));
	return err;
}

static int printf_like(3, 4) fail(struct daemon *d, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(d->error, sizeof(d->error), fmt, ap);
	va_end(ap);
	log_error("%s", d->error);
	return err;
}

static int fail_runtime(struct daemon *d, const struct runtime_error *e)
{
	char text[RUNTIME_ERROR_MAX];

	return fail(d, e->status, "%s", runtime_error_format(e, text));
}

static int start_runtime(struct daemon *d)
{
	const struct runtime_options o = {
		.run_dir = d->run_dir,
		.workers = d->config.workers,
		.pinned = d->config.pinned,
		.poll = d->config.poll,
		.busy_poll_us = d->config.busy_poll_us,
		.accounting = d->config.accounting,
		.worker_started = sandbox_enter_worker,
	};
	struct runtime_error e = { 0 };
	int err;

	d->runtime = runtime_create(d->loop, &o, &e);
	if (!d->runtime)
		err = -1;
	else if (d->takeover.exists)
		err = handover_prepare(&d->takeover.handover, d->runtime, &e);
	else
		err = runtime_apply(d->runtime, &d->config, &e);
	return err ? fail_runtime(d, &e) : 0;
}

static int start_api(struct daemon *d)
{
	const struct handover *h = d->takeover.exists ? &d->takeover.handover : NULL;
	char path[512], err[256] = "";
	struct api_options o = { .socket_path = path, .process = &d->process };

	runtime_path(d->runtime, d->config.api_socket, path, sizeof(path));
	if (h && strcmp(h->api_path, path) == 0)
		o.resume = &h->api;
	d->process.took_over = h;
	d->api = api_create(d->loop, d->runtime, &o, err, sizeof(err));
	if (d->api)
		return 0;
	return fail(d, -1, "api.socket: %s", err);
}

static int start_handover_server(struct daemon *d)
{
	const struct vhost_listener_state *resume = d->takeover.exists ? &d->takeover.handover.server : NULL;
	const struct handover_source source = source_of(d);
	char path[512], err[256] = "";

	snprintf(path, sizeof(path), "%s/handover.sock", d->run_dir);
	d->handover_server = handover_server_create(d->loop, &source, path, resume, on_given, d, err, sizeof(err));
	if (d->handover_server)
		return 0;
	return fail(d, -1, "%s", err);
}

/* The point of no return. */
static int take_over(struct daemon *d)
{
	struct handover *h = &d->takeover.handover;
	struct runtime_error e = { 0 };
	bool same_api = strcmp(h->api_path, api_listener(d->api)->addr.sun_path) == 0;

	if (handover_take(h, d->runtime, &e))
		return fail_runtime(d, &e);
	api_own(d->api);
	handover_server_own(d->handover_server);
	if (!same_api)
		unlink(h->api_path);
	takeover_finish(&d->takeover, d->runtime, &d->config);
	return 0;
}

static int start(struct daemon *d)
{
	int err = start_runtime(d);

	if (!err)
		err = start_api(d);
	if (!err)
		err = start_handover_server(d);
	if (!err && d->takeover.exists)
		err = take_over(d);
	return err;
}

static void end(struct daemon *d)
{
	handover_server_destroy(d->handover_server);
	api_destroy(d->api);
	runtime_destroy(d->runtime);
	d->handover_server = NULL;
	d->api = NULL;
	d->runtime = NULL;
}

/* What the service manager has kept may be of no use: then this is a start like any other. */
static int start_or_start_again(struct daemon *d)
{
	bool may_try_again = d->takeover.from_store;
	int err = start(d);

	if (!err || !d->takeover.exists)
		return err;
	takeover_give_up(&d->takeover, d->error);
	if (!may_try_again)
		return err;
	end(d);
	return start(d);
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
		err = takeover_open(&d->takeover, d->options.handover, d->run_dir);
	if (!err)
		takeover_with_log(&d->takeover, start_pagers);
	if (!err)
		err = start_closers();
	if (!err)
		err = start_or_start_again(d);
	if (!err)
		err = sandbox_enter_control(); /* nothing was read from a peer before */
	if (!err) {
		log_info("ringwayd %s is ready, run directory %s", RINGWAY_VERSION, d->run_dir);
		notify("READY=1");
		err = event_loop_run(d->loop);
		notify("STOPPING=1");
	}
	end(d);
	event_loop_destroy(d->loop);
	pager_deinit();
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
	process_describe(&d.process, argc, argv);
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
