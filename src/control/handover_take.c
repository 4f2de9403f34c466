/* SPDX-License-Identifier: Apache-2.0 */
/* handover_take.c - The new process's side of a handover, see handover.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "control/config.h"
#include "control/handover.h"
#include "control/handover_channel.h"
#include "control/handover_document.h"
#include "control/runtime_priv.h"

/* syscalls control: socket(AF_UNIX) connect close */

/* The old process waits for less. */
enum { WAIT_MS = 10000 };

static uint64_t deadline(void)
{
	return clock_ns() + WAIT_MS * NSEC_PER_MSEC;
}

static int lost(struct runtime_error *e, int err)
{
	if (err == -ECONNRESET)
		return runtime_fail(e, err, "", "the running daemon has closed the connection");
	return runtime_fail(e, err, "", "the running daemon: %s",
			    err == -EPROTO ? "it sends no document" : strerrordesc_np(-err));
}

static int connect_to(const char *path, struct runtime_error *e)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int pid, err;

	if (fd < 0)
		return runtime_fail(e, -errno, "", "%s: %s", path, strerror(errno));
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	err = connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	if (!err)
		err = handover_check_peer(fd, &pid);
	if (!err)
		return fd;
	close(fd);
	if (err == -ENOENT || err == -ECONNREFUSED)
		return runtime_fail(e, err, "", "%s: there is no daemon to take over from", path);
	if (err == -EPERM)
		return runtime_fail(e, err, "", "%s: the running daemon is another user's", path);
	return runtime_fail(e, err, "", "%s: %s", path, strerrordesc_np(-err));
}

static int say(const struct handover *h, json_t *document)
{
	int err = document ? handover_send(h->fd, document, NULL, deadline()) : -ENOMEM;

	json_decref(document);
	return err;
}

/* The next document of the old process, unless it refuses. */
static int hear(struct handover *h, json_t **document, struct handover_fds *fds, struct runtime_error *e)
{
	int err = handover_receive(h->fd, document, fds, deadline());
	const char *refused = json_string_value(json_object_get(*document, "refused"));

	if (err)
		return lost(e, err);
	return refused ? runtime_fail(e, -ECANCELED, "", "the running daemon refuses: %.300s", refused) : 0;
}

int handover_connect(struct handover *h, const char *path, struct runtime_error *e)
{
	int err;

	*h = (struct handover){ .log_fd = -1 };
	handover_fds_init(&h->fds, true);
	h->fd = connect_to(path, e);
	if (h->fd < 0)
		return h->fd;
	err = say(h, json_pack("{s:[i], s:s}", "versions", HANDOVER_VERSION, "program", RINGWAY_VERSION));
	if (err)
		err = lost(e, err);
	else
		err = hear(h, &h->state, &h->fds, e);
	if (!err)
		err = handover_read_state(h, e);
	if (err)
		handover_close(h, e->text);
	return err;
}

int handover_open_store(struct handover *h, json_t *document, struct handover_fds *fds, struct runtime_error *e)
{
	*h = (struct handover){
		.fd = -1,
		.log_fd = -1,
		.fds = *fds,
		.state = json_incref(json_object_get(document, "state")),
		.places = json_incref(json_object_get(document, "places")),
	};
	handover_fds_init(fds, false);
	json_decref(document);
	return handover_read_state(h, e);
}

int handover_prepare(struct handover *h, struct runtime *rt, struct runtime_error *e)
{
	int err;

	runtime_pause(rt);
	err = handover_make_ports(h, rt, e);
	if (!err)
		runtime_copy_addresses(rt);
	return err;
}

static int hear_places(struct handover *h, struct runtime_error *e)
{
	int err = say(h, json_pack("{s:b}", "ready", 1));

	return err ? lost(e, err) : hear(h, &h->places, NULL, e);
}

int handover_take(struct handover *h, struct runtime *rt, struct runtime_error *e)
{
	uint64_t stopped_ns;
	int err = h->fd >= 0 ? hear_places(h, e) : 0;

	if (!err)
		err = handover_start_ports(h, rt, &stopped_ns, e);
	if (err)
		return err;
	if (h->fd >= 0) {
		err = say(h, json_pack("{s:b}", "taken", 1));
		if (err)
			return lost(e, err);
		close(h->fd);
		h->fd = -1;
	}
	runtime_resume(rt);
	h->pause_ns = clock_ns() - stopped_ns;
	return 0;
}

static void free_config(struct config *c)
{
	if (c)
		config_deinit(c);
	free(c);
}

void handover_close(struct handover *h, const char *why)
{
	if (h->fd >= 0 && why)
		say(h, json_pack("{s:s}", "refused", why));
	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
	json_decref(h->state);
	json_decref(h->places);
	h->state = h->places = NULL;
	handover_fds_deinit(&h->fds);
	free_config(h->running);
	free_config(h->file);
	h->running = h->file = NULL;
}
