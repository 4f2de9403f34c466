/* SPDX-License-Identifier: Apache-2.0 */
/* takeover.c - See takeover.h. */
#include "daemon/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/config.h"
#include "control/config_merge.h"
#include "control/runtime.h"
#include "daemon/fd_store.h"

static int open_daemon(struct takeover *t, const char *run_dir)
{
	struct runtime_error e = { 0 };
	char path[512];
	int err;

	snprintf(path, sizeof(path), "%s/handover.sock", run_dir);
	err = handover_connect(&t->handover, path, &e);
	t->exists = err == 0;
	if (err)
		log_error("handover: %s", e.text);
	return err;
}

static void open_store(struct takeover *t)
{
	struct runtime_error e = { 0 };
	struct handover_fds fds;
	json_t *document;

	handover_fds_init(&fds, true);
	document = fd_store_get(&fds);
	if (!document) {
		if (fds.n > 0)
			fd_store_discard(&fds);
		handover_fds_deinit(&fds);
		return;
	}
	t->from_store = true;
	t->exists = handover_open_store(&t->handover, document, &fds, &e) == 0;
	if (t->exists)
		return;
	log_warning("what the service manager has kept is of no use: %s", e.text);
	takeover_give_up(t, NULL);
}

int takeover_open(struct takeover *t, bool from_daemon, const char *run_dir)
{
	*t = (struct takeover){ .exists = false };
	if (from_daemon)
		return open_daemon(t, run_dir);
	open_store(t);
	return 0;
}

/* syscalls control: dup3 */
static void take_log(int fd)
{
	if (fd < 0)
		return;
	dup3(fd, STDERR_FILENO, 0);
	dup3(fd, STDOUT_FILENO, 0);
}

static void give_back(int saved, int fd)
{
	if (saved < 0)
		return;
	dup3(saved, fd, 0);
	close(saved);
}

void takeover_with_log(struct takeover *t, void (*start)(void))
{
	int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0), err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	if (t->exists)
		take_log(t->handover.log_fd);
	start();
	give_back(out, STDOUT_FILENO);
	give_back(err, STDERR_FILENO);
}

static void apply_file(const struct handover *h, struct runtime *rt, const struct config *file)
{
	struct runtime_error e = { 0 };
	char text[RUNTIME_ERROR_MAX];
	struct config c;

	if (runtime_get_config(rt, &c) || config_merge(&c, h->file, file))
		log_error("out of memory; the configuration file may say something else than what runs");
	else if (runtime_apply(rt, &c, &e))
		log_error("changes of the configuration file were not applied: %s", runtime_error_format(&e, text));
	config_deinit(&c);
}

void takeover_finish(struct takeover *t, struct runtime *rt, const struct config *file)
{
	struct handover *h = &t->handover;

	take_log(h->log_fd);
	runtime_own(rt);
	if (t->from_store)
		fd_store_clear(h->fds.n);
	log_info("took over from process %d, ringwayd %s: no frame moved for %.2f ms", h->pid, h->program,
		 (double)h->pause_ns / NSEC_PER_MSEC);
	apply_file(h, rt, file);
	handover_close(h, NULL);
}

void takeover_give_up(struct takeover *t, const char *why)
{
	if (t->from_store)
		fd_store_discard(&t->handover.fds);
	handover_close(&t->handover, why);
	t->exists = false;
}

bool takeover_leave(const struct handover_source *source)
{
	struct runtime_error e = { 0 };
	struct handover_fds fds;
	json_t *document;
	int err;

	handover_fds_init(&fds, false);
	document = handover_store(source, &fds, &e);
	err = document ? fd_store_put(document, &fds) : e.status;
	if (err && document)
		runtime_resume(source->rt);
	if (err)
		log_warning("connections cannot be left with the service manager: %s",
			    document ? strerrordesc_np(-err) : e.text);
	json_decref(document);
	handover_fds_deinit(&fds);
	return err == 0;
}
