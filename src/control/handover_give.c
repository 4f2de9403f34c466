/* SPDX-License-Identifier: Apache-2.0 */
/* handover_give.c - The old process's side of a handover, see handover.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "control/handover.h"
#include "control/handover_channel.h"
#include "control/handover_document.h"
#include "control/runtime_priv.h"

/* syscalls control: accept4 shutdown close getpid */

enum {
	HELLO_TIMEOUT_MS = 5000, /* from connecting to the first byte; we do other things meanwhile */
	GIVE_TIMEOUT_MS = 5000,  /* for all that happens while frames move */
	TAKE_TIMEOUT_MS = 1000,  /* for what happens while they do not */
};

struct handover_server {
	struct event_loop *loop;
	struct handover_source source;
	struct vhost_listener listener;
	struct watch *watch;
	int peer; /* who has connected and said nothing yet; -1: nobody */
	struct watch *peer_watch;
	struct timer *peer_timer;
	struct log_limit log_limit;
	void (*given)(void *arg, int pid);
	void *arg;
};

/* One handover. */
struct giving {
	int fd, pid;
	char why[320]; /* it comes to nothing */
};

static int printf_like(3, 4) fail(struct giving *g, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(g->why, sizeof(g->why), fmt, ap);
	va_end(ap);
	return err;
}

static int lost(struct giving *g, int err)
{
	if (err == -ECONNRESET)
		return fail(g, err, "it has closed the connection");
	return fail(g, err, "%s", err == -EPROTO ? "it sends no document" : strerrordesc_np(-err));
}

static uint64_t from_now(unsigned ms)
{
	return clock_ns() + ms * NSEC_PER_MSEC;
}

/* The conversation */

static void refuse(struct giving *g)
{
	json_t *answer = json_pack("{s:s}", "refused", g->why);

	if (answer)
		handover_send(g->fd, answer, NULL, from_now(TAKE_TIMEOUT_MS));
	json_decref(answer);
}

/* An answer that says `word`. */
static int expect(struct giving *g, const char *word, uint64_t deadline_ns)
{
	json_t *answer;
	int err = handover_receive(g->fd, &answer, NULL, deadline_ns);
	const char *refused = json_string_value(json_object_get(answer, "refused"));

	if (err)
		lost(g, err);
	else if (refused)
		err = fail(g, -ECANCELED, "it refuses: %.256s", refused);
	else if (!json_is_true(json_object_get(answer, word)))
		err = fail(g, -EPROTO, "its answer is not \"%s\"", word);
	json_decref(answer);
	return err;
}

static bool reads_our_version(const json_t *hello)
{
	const json_t *versions = json_object_get(hello, "versions");
	size_t i;
	const json_t *v;

	json_array_foreach (versions, i, v)
		if (json_integer_value(v) == HANDOVER_VERSION)
			return true;
	return false;
}

static int take_hello(struct giving *g, uint64_t deadline_ns)
{
	json_t *hello;
	const char *program;
	int err = handover_receive(g->fd, &hello, NULL, deadline_ns);

	if (err)
		return lost(g, err);
	program = json_string_value(json_object_get(hello, "program"));
	if (!program)
		err = fail(g, -EPROTO, "it sends no greeting of a ringwayd");
	else if (!reads_our_version(hello))
		err =
		    fail(g, -EPROTO, "ringwayd %.32s does not read documents of version %d, which this one (%s) writes",
			 program, HANDOVER_VERSION, RINGWAY_VERSION);
	if (err)
		refuse(g);
	else
		log_info("handover: process %d, ringwayd %.32s, takes over", g->pid, program);
	json_decref(hello);
	return err;
}

/* Everything but the places, with all descriptors. */
static int give_state(struct handover_server *s, struct giving *g, uint64_t deadline_ns)
{
	const struct vhost_listener_state server = vhost_listener_save(&s->listener);
	struct runtime_error e = { 0 };
	struct handover_fds fds;
	json_t *state;
	int err = 0;

	handover_fds_init(&fds, false);
	state = handover_state_json(&s->source, &server, &fds, &e);
	if (state)
		err = handover_send(g->fd, state, &fds, deadline_ns);
	json_decref(state);
	handover_fds_deinit(&fds);
	if (!state) {
		fail(g, e.status, "%.300s", e.text);
		refuse(g);
		return e.status;
	}
	return err ? lost(g, err) : expect(g, "ready", deadline_ns);
}

static int give_places(struct handover_server *s, struct giving *g, uint64_t stopped_ns, uint64_t deadline_ns)
{
	json_t *places = handover_places_json(s->source.rt, stopped_ns);
	int err = places ? handover_send(g->fd, places, NULL, deadline_ns) : -ENOMEM;

	json_decref(places);
	return err ? lost(g, err) : expect(g, "taken", deadline_ns);
}

/* Nothing that it sends from now on arrives. What it has sent before counts. */
static int look_a_last_time(struct giving *g)
{
	char why[sizeof(g->why)];
	int err;

	memcpy(why, g->why, sizeof(why));
	shutdown(g->fd, SHUT_RDWR);
	err = expect(g, "taken", from_now(TAKE_TIMEOUT_MS));
	if (err)
		memcpy(g->why, why, sizeof(g->why));
	return err;
}

static int give(struct handover_server *s, struct giving *g)
{
	uint64_t deadline_ns = from_now(GIVE_TIMEOUT_MS), stopped_ns;
	int err = take_hello(g, deadline_ns);

	if (!err)
		err = give_state(s, g, deadline_ns);
	if (err)
		return err;
	stopped_ns = clock_ns();
	runtime_pause(s->source.rt);
	err = give_places(s, g, stopped_ns, from_now(TAKE_TIMEOUT_MS));
	if (err)
		err = look_a_last_time(g);
	if (!err)
		s->given(s->arg, g->pid);
	runtime_resume(s->source.rt);
	return err;
}

/* The socket */

static void drop_peer(struct handover_server *s)
{
	timer_remove(s->peer_timer);
	watch_remove(s->peer_watch);
	if (s->peer >= 0)
		close(s->peer);
	s->peer_timer = NULL;
	s->peer_watch = NULL;
	s->peer = -1;
	watch_modify(s->watch, EPOLLIN);
}

static void peer_is_silent(void *arg)
{
	struct handover_server *s = arg;

	s->peer_timer = NULL;
	drop_peer(s);
}

/* A stray connection that closes at once is nobody's concern. */
static bool says_something(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* syscalls control: recvfrom */
static void peer_readable(void *arg, int fd, uint32_t events)
{
	struct handover_server *s = arg;
	struct giving g = { .fd = fd };

	(void)events;
	if (!says_something(fd)) {
		drop_peer(s);
		return;
	}
	if (handover_check_peer(fd, &g.pid) != 0)
		fail(&g, -EPERM, "it is another user's");
	else
		give(s, &g);
	log_limited(&s->log_limit, 10, LOG_LEVEL_WARNING, "handover to process %d: %s; this process goes on", g.pid,
		    g.why);
	drop_peer(s);
}

static void listener_readable(void *arg, int fd, uint32_t events)
{
	struct handover_server *s = arg;

	(void)fd, (void)events;
	s->peer = vhost_listener_accept(&s->listener);
	if (s->peer < 0) {
		s->peer = -1;
		return;
	}
	watch_modify(s->watch, 0); /* one at a time */
	s->peer_watch = watch_add(s->loop, s->peer, EPOLLIN, peer_readable, s);
	s->peer_timer = timer_add(s->loop, HELLO_TIMEOUT_MS, 0, peer_is_silent, s);
	if (!s->peer_watch || !s->peer_timer)
		drop_peer(s);
}

struct handover_server *handover_server_create(struct event_loop *loop, const struct handover_source *source,
					       const char *path, const struct vhost_listener_state *resume,
					       void (*given)(void *arg, int pid), void *arg, char *err, size_t err_size)
{
	struct handover_server *s = calloc(1, sizeof(*s));

	if (!s) {
		snprintf(err, err_size, "%s: out of memory", path);
		return NULL;
	}
	*s = (struct handover_server){ .loop = loop, .source = *source, .peer = -1, .given = given, .arg = arg };
	if (vhost_listener_resume_or_open(&s->listener, resume, path, 0600, (uid_t)-1, (gid_t)-1, err, err_size) < 0) {
		free(s);
		return NULL;
	}
	s->watch = watch_add(loop, s->listener.fd, EPOLLIN, listener_readable, s);
	if (s->watch)
		return s;
	snprintf(err, err_size, "%s: %s", path, strerrordesc_np(errno));
	handover_server_destroy(s);
	return NULL;
}

void handover_server_destroy(struct handover_server *s)
{
	if (!s)
		return;
	if (s->watch)
		drop_peer(s);
	watch_remove(s->watch);
	vhost_listener_close(&s->listener);
	free(s);
}

void handover_server_own(struct handover_server *s)
{
	s->listener.borrowed = false;
}

/* For a store */

json_t *handover_store(const struct handover_source *source, struct handover_fds *fds, struct runtime_error *e)
{
	static const struct vhost_listener_state none = { .fd = -1 };
	uint64_t stopped_ns = clock_ns();
	json_t *document, *state, *places;

	runtime_pause(source->rt);
	state = handover_state_json(source, &none, fds, e);
	places = state ? handover_places_json(source->rt, stopped_ns) : NULL;
	document = json_object();
	json_object_set_new(document, "state", state);
	if (json_object_set_new(document, "places", places) == 0)
		return document;
	if (!*e->text)
		runtime_fail(e, -ENOMEM, "", "out of memory");
	json_decref(document);
	runtime_resume(source->rt);
	return NULL;
}
