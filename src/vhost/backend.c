/* SPDX-License-Identifier: Apache-2.0 */
/* backend.c - A vhost-user device: its socket, its connection, and what others may ask.
 *
 * In server mode a second front-end waits in the queue of the socket until the first has gone. So a VM that is started
 * again is served the moment its predecessor's connection ends, in whatever order the two events arrive here; a refusal would
 * need a front-end that tries again. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/closer.h"
#include "base/event_loop.h"
#include "base/pager.h"
#include "vhost/backend_internal.h"
#include "vhost/backend_state.h"
#include "vhost/eventfd.h"

/* Messages taken in at a time: a front-end that sends without pause does not keep others waiting. */
enum { MESSAGES_PER_TURN = 16 };
enum { ACCEPT_PAUSE_MS = 1000 };
/* While descriptors are still being closed that a front-end handed over in vain, there is no new front-end: so there are never more
 * than those of one connection. Most often they are closed by now. */
enum { CLOSER_PAUSE_MS = 20 };
/* A message that has begun has to be whole after this time. Front-ends send one with one call; what never gets whole is worse than
 * a little memory: its descriptors may be the very socket that it comes through, which then never reports its end. */
enum { MESSAGE_TIMEOUT_MS = 3000 };

/* Shared with the handlers */

int vhost_backend_reason(struct vhost_backend *b, int err, const char *fmt, ...)
{
	va_list ap;
	int n = 0;

	if (b->message_name)
		n = snprintf(b->error, sizeof(b->error), "%s: ", b->message_name);
	va_start(ap, fmt);
	vsnprintf(b->error + n, sizeof(b->error) - (size_t)n, fmt, ap);
	va_end(ap);
	b->state_changed = true;
	return err;
}

void vhost_backend_park(struct vhost_backend *b)
{
	for (unsigned i = 0; i < b->n_rings; i++)
		gate_park(&b->rings[i].gate);
}

void vhost_backend_unpark(struct vhost_backend *b)
{
	for (unsigned i = 0; i < b->n_rings; i++)
		gate_unpark(&b->rings[i].gate);
}

void vhost_backend_report_changes(struct vhost_backend *b)
{
	uint32_t changed_rings = b->changed_rings;
	bool state_changed = b->state_changed;

	b->changed_rings = 0;
	b->state_changed = false;
	for (unsigned i = 0; i < b->n_rings; i++)
		if (changed_rings & (1u << i))
			b->ops->ring_changed(b->arg, i);
	while (b->n_lost_fds > 0)
		close(b->lost_fds[--b->n_lost_fds]);
	if (state_changed)
		b->ops->state_changed(b->arg);
}

uint64_t vhost_backend_offered_features(const struct vhost_backend *b)
{
	return b->config.features | 1ull << VHOST_USER_F_PROTOCOL_FEATURES | 1ull << VHOST_F_LOG_ALL;
}

uint64_t vhost_backend_offered_protocol_features(const struct vhost_backend *b)
{
	uint64_t f =
	    1ull << VHOST_USER_PROTOCOL_F_MQ | 1ull << VHOST_USER_PROTOCOL_F_LOG_SHMFD |
	    1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK | 1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ |
	    1ull << VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD | 1ull << VHOST_USER_PROTOCOL_F_RESET_DEVICE |
	    1ull << VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS | 1ull << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS |
	    1ull << VHOST_USER_PROTOCOL_F_CONFIG | 1ull << VHOST_USER_PROTOCOL_F_STATUS |
	    1ull << VHOST_USER_PROTOCOL_F_DEVICE_STATE | 1ull << VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT |
	    1ull << VHOST_USER_PROTOCOL_F_GPA_ADDRESSES | 1ull << VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN;

	if (b->config.mtu > 0)
		f |= 1ull << VHOST_USER_PROTOCOL_F_MTU;
	if (pager_is_available())
		f |= 1ull << VHOST_USER_PROTOCOL_F_PAGEFAULT;
	if (b->ops->announce)
		f |= 1ull << VHOST_USER_PROTOCOL_F_RARP;
	return f;
}

/* Connection */

static void watch_listener(struct vhost_backend *b, bool on)
{
	if (b->listener_watch)
		watch_modify(b->listener_watch, on ? EPOLLIN : 0);
}

static void forget_session(struct vhost_backend *b)
{
	vhost_backend_park(b);
	for (unsigned i = 0; i < b->n_rings; i++)
		vhost_ring_forget(b, &b->rings[i]);
	vhost_iotlb_turn_off(b);
	vhost_channel_close(&b->channel);
	guest_mem_clear(&b->mem);
	vhost_postcopy_forget(b);
	dirty_log_deinit(&b->log);
	vhost_inflight_forget(b);
	b->features = 0;
	b->protocol_features = 0;
	b->has_features = b->speaks_inband = false;
	b->status = 0;
	b->mtu = 0;
	b->connected = false;
	b->ops->features_changed(b->arg);
	vhost_backend_unpark(b);
	b->state_changed = true;
	vhost_backend_report_changes(b);
}

static void close_connection(struct vhost_backend *b)
{
	watch_remove(b->watch);
	b->watch = NULL;
	timer_remove(b->message_timer);
	b->message_timer = NULL;
	forget_session(b);
	vhost_socket_deinit(&b->socket);
}

void vhost_backend_end_connection(struct vhost_backend *b, int err)
{
	if (err == -ENOTCONN)
		log_limited(&b->log_limit, 10, LOG_LEVEL_INFO, "%s: front-end has disconnected", b->config.socket);
	else
		log_limited(&b->log_limit, 10, LOG_LEVEL_WARNING, "%s: connection ended: %s", b->config.socket,
			    b->error);
	if (err != -ENOTCONN)
		vhost_pace_charge(&b->pace, clock_ns(), PACE_FAULT_MS);
	close_connection(b);
	if (!b->config.client)
		watch_listener(b, true);
	else if (vhost_connector_start(&b->connector) < 0)
		log_error("%s: out of memory; not connected again", b->config.socket);
}

static void message_timed_out(void *arg)
{
	struct vhost_backend *b = arg;

	b->message_timer = NULL;
	vhost_backend_end_connection(b, vhost_backend_reason(b, -ETIMEDOUT, "a message was begun and not finished"));
}

void vhost_backend_time_message(struct vhost_backend *b)
{
	if (vhost_socket_is_waiting(&b->socket) == (b->message_timer != NULL))
		return;
	if (b->message_timer) {
		timer_remove(b->message_timer);
		b->message_timer = NULL;
	} else {
		b->message_timer = timer_add(b->loop, MESSAGE_TIMEOUT_MS, 0, message_timed_out, b);
	}
}

/* Take in one message. 0, or why the connection is over; -EAGAIN: there is none. */
static int take_message(struct vhost_backend *b)
{
	int err = vhost_socket_receive(&b->socket);

	vhost_backend_time_message(b);
	if (err == 0) {
		vhost_connector_succeeded(&b->connector);
		return vhost_backend_dispatch(b);
	}
	if (err != -ENOTCONN && err != -EAGAIN)
		vhost_backend_reason(b, err, "%s", b->socket.error);
	return err;
}

static void socket_readable(void *arg, int fd, uint32_t events)
{
	struct vhost_backend *b = arg;
	int err = 0;

	(void)fd, (void)events;
	for (unsigned n = 0; n < MESSAGES_PER_TURN && err == 0; n++)
		err = take_message(b);
	if (err < 0 && err != -EAGAIN)
		vhost_backend_end_connection(b, err);
}

/* syscalls control: getsockopt shutdown close */
static void log_peer(struct vhost_backend *b, int fd)
{
	struct ucred cred = { .pid = 0 };
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		cred.pid = 0;
	log_limited(&b->log_limit, 10, LOG_LEVEL_INFO, "%s: front-end has connected (process %d)", b->config.socket,
		    (int)cred.pid);
}

int vhost_backend_attach(struct vhost_backend *b, int fd)
{
	vhost_socket_init(&b->socket, fd, b->closer);
	b->socket.shared = b->config.resume != NULL;
	b->watch = watch_add(b->loop, fd, EPOLLIN, socket_readable, b);
	if (!b->watch) {
		vhost_backend_reason(b, -errno, "%s", strerrordesc_np(errno));
		vhost_socket_deinit(&b->socket);
		return -ENOMEM;
	}
	b->connected = true;
	b->connect_error[0] = '\0';
	return 0;
}

/* Takes over `fd`. */
static int begin_connection(struct vhost_backend *b, int fd)
{
	int err = vhost_backend_attach(b, fd);

	if (err < 0)
		return err;
	log_peer(b, fd);
	b->state_changed = true;
	vhost_backend_report_changes(b);
	return 0;
}

/* Server mode */

static void pause_is_over(void *arg)
{
	struct vhost_backend *b = arg;

	b->listener_pause = NULL;
	if (!b->connected)
		watch_listener(b, true);
}

static void pause_listener(struct vhost_backend *b, unsigned ms)
{
	watch_listener(b, false);
	if (!b->listener_pause)
		b->listener_pause = timer_add(b->loop, ms, 0, pause_is_over, b);
}

static bool keep_waiting(struct vhost_backend *b)
{
	uint64_t now_ns = clock_ns();
	unsigned ms = b->config.paced ? vhost_pace_wait_ms(&b->pace, now_ns) : 0;

	if (ms == 0) {
		vhost_pace_charge(&b->pace, now_ns, PACE_CONNECTION_MS);
		return false;
	}
	log_limited(&b->log_limit, 10, LOG_LEVEL_WARNING, "%s: front-ends come too often; the next one waits",
		    b->config.socket);
	pause_listener(b, ms);
	return true;
}

static void listener_readable(void *arg, int fd, uint32_t events)
{
	struct vhost_backend *b = arg;

	(void)fd, (void)events;
	if (b->connected) {
		log_limited(&b->log_limit, 10, LOG_LEVEL_WARNING,
			    "%s: another front-end waits until the present one has disconnected", b->config.socket);
		watch_listener(b, false);
		return;
	}
	if (closer_is_busy(b->closer)) {
		pause_listener(b, CLOSER_PAUSE_MS);
		return;
	}
	if (keep_waiting(b))
		return;
	fd = vhost_listener_accept(&b->listener);
	if (fd == -EAGAIN || (fd >= 0 && begin_connection(b, fd) == 0))
		return;
	/* Out of descriptors or memory, with a connection still to be taken: without a pause this would be a busy loop. */
	if (fd < 0)
		log_limited(&b->log_limit, 10, LOG_LEVEL_ERROR, "%s: cannot accept: %s", b->config.socket,
			    strerrordesc_np(-fd));
	pause_listener(b, ACCEPT_PAUSE_MS);
}

static int start_server(struct vhost_backend *b, char *err, size_t err_size)
{
	const struct vhost_backend_config *c = &b->config;
	int error = vhost_listener_resume_or_open(&b->listener, c->resume ? &c->resume->listener : NULL, c->socket,
						  c->socket_mode, c->socket_uid, c->socket_gid, err, err_size);

	if (error < 0)
		return error;
	b->listener_watch = watch_add(b->loop, b->listener.fd, EPOLLIN, listener_readable, b);
	if (b->listener_watch)
		return 0;
	error = -errno;
	snprintf(err, err_size, "%s: %s", c->socket, strerrordesc_np(-error));
	vhost_listener_close(&b->listener);
	return error;
}

/* Client mode */

static void connect_tried(void *arg, int fd)
{
	struct vhost_backend *b = arg;
	char text[sizeof(b->connect_error)];

	if (fd >= 0 && closer_is_busy(b->closer)) {
		close(fd);
		vhost_connector_start(&b->connector);
		return;
	}
	if (fd >= 0) {
		if (begin_connection(b, fd) < 0)
			vhost_connector_start(&b->connector);
		return;
	}
	snprintf(text, sizeof(text), "cannot connect: %s", strerrordesc_np(-fd));
	if (strcmp(text, b->connect_error) == 0)
		return;
	memcpy(b->connect_error, text, sizeof(text));
	log_info("%s: %s; will try again", b->config.socket, text);
	b->ops->state_changed(b->arg);
}

static int start_client(struct vhost_backend *b, char *err, size_t err_size)
{
	int error = vhost_connector_init(&b->connector, b->loop, b->config.socket, connect_tried, b);

	if (error == 0 && !(b->config.resume && b->config.resume->fd >= 0))
		error = vhost_connector_start(&b->connector);
	if (error < 0)
		snprintf(err, err_size, "%s: %s", b->config.socket, strerrordesc_np(-error));
	return error;
}

/* Life cycle */

struct vhost_backend *vhost_backend_create(struct event_loop *loop, const struct vhost_backend_config *config,
					   const struct vhost_backend_ops *ops, void *arg, int *error, char *err,
					   size_t err_size)
{
	struct vhost_backend *b = aligned_alloc(CACHE_LINE, sizeof(*b));

	assert(config->queue_pairs >= 1 && config->queue_pairs <= VHOST_QUEUE_PAIRS_MAX);
	*error = -ENOMEM;
	if (!b)
		goto no_memory;
	memset(b, 0, sizeof(*b));
	b->loop = loop;
	b->config = *config;
	b->config.socket[sizeof(b->config.socket) - 1] = '\0';
	b->ops = ops;
	b->arg = arg;
	b->listener.fd = b->socket.fd = -1;
	vhost_channel_init(&b->channel);
	b->iotlb.miss_fd = -1;
	dirty_log_init(&b->log);
	b->n_rings = 2 * config->queue_pairs;
	b->closer = closer_create();
	if (!b->closer)
		goto no_memory;
	*error = guest_mem_init(&b->mem);
	if (*error < 0)
		goto no_guest_mem;
	b->mem.lost_fd = b->config.lost_fd;
	*error = vhost_journal_open(b);
	if (*error < 0)
		goto no_journal;
	for (unsigned i = 0; i < b->n_rings; i++)
		vhost_ring_init(&b->rings[i]);
	*error = config->client ? start_client(b, err, err_size) : start_server(b, err, err_size);
	if (*error == 0 && config->resume)
		*error = vhost_backend_resume(b, err, err_size);
	b->config.resume = NULL; /* is the caller's, and may go */
	if (*error == 0)
		return b;
	vhost_backend_destroy(b);
	return NULL;

no_journal:
	guest_mem_deinit(&b->mem);
no_guest_mem:
	closer_destroy(b->closer);
no_memory:
	snprintf(err, err_size, "%s: out of memory", config->socket);
	free(b);
	return NULL;
}

/* Those that wait in the queue may have sent descriptors. */
static void turn_away_all(struct vhost_backend *b)
{
	struct vhost_socket s;
	int fd;

	if (b->listener.fd < 0 || b->listener.borrowed)
		return;
	shutdown(b->listener.fd, SHUT_RD); /* nobody else gets in */
	while ((fd = vhost_listener_accept(&b->listener)) >= 0) {
		vhost_socket_init(&s, fd, b->closer);
		vhost_socket_deinit(&s);
	}
}

static void ignore(void *arg)
{
	(void)arg;
}

static void ignore_ring(void *arg, unsigned ring)
{
	(void)arg, (void)ring;
}

void vhost_backend_destroy(struct vhost_backend *b)
{
	static const struct vhost_backend_ops nobody = { ignore_ring, ignore, ignore, NULL };

	if (!b)
		return;
	b->ops = &nobody;
	if (b->connected)
		close_connection(b);
	vhost_connector_stop(&b->connector);
	timer_remove(b->listener_pause);
	watch_remove(b->listener_watch);
	turn_away_all(b);
	vhost_listener_close(&b->listener);
	closer_destroy(b->closer);
	guest_mem_deinit(&b->mem);
	vhost_journal_close(b);
	free(b);
}

/* Questions */

struct vhost_ring *vhost_backend_ring(struct vhost_backend *b, unsigned idx)
{
	assert(idx < b->n_rings);
	return &b->rings[idx];
}

uint64_t vhost_backend_features(const struct vhost_backend *b)
{
	return b->features & ~(1ull << VHOST_USER_F_PROTOCOL_FEATURES | 1ull << VHOST_F_LOG_ALL);
}

bool vhost_backend_is_connected(const struct vhost_backend *b)
{
	return b->connected;
}

uint16_t vhost_backend_mtu(const struct vhost_backend *b)
{
	return b->mtu;
}

const char *vhost_backend_error(const struct vhost_backend *b)
{
	return b->error[0] ? b->error : b->connect_error;
}

/* Broken rings, lost memory */

/* Why the ring is broken, and its value, as its worker left them; NULL when it is not. */
static const char *ring_fault(struct vhost_ring *r, uint32_t *value)
{
	const char *fault = NULL;

	gate_park(&r->gate);
	if (r->broken) {
		fault = virtq_error(&r->vq);
		*value = r->vq.error_value;
		if (!fault)
			fault = "broken";
	}
	gate_unpark(&r->gate);
	return fault;
}

/* Rings in memory that is lost break soon, or did already; that is not what is to be told. */
static int find_lost_memory(const struct vhost_backend *b, char *text, size_t size)
{
	const struct guest_region *lost = guest_mem_lost(&b->mem);
	bool areas_lost = false;

	for (unsigned i = 0; i < b->n_rings; i++)
		areas_lost = areas_lost || vhost_ring_areas_are_lost(&b->rings[i]);
	if (lost)
		snprintf(text, size, "memory was cut short: the file of the region at %#" PRIx64, lost->guest_addr);
	else if (areas_lost)
		snprintf(text, size, "memory was cut short: the file of a ring");
	else if (dirty_log_is_lost(&b->log))
		snprintf(text, size, "memory was cut short: the file of the dirty log");
	else if (vhost_inflight_is_lost(b))
		snprintf(text, size, "memory was cut short: the file of the inflight area");
	else
		return 0;
	return -EFAULT;
}

int vhost_backend_find_fault(struct vhost_backend *b, char *text, size_t size)
{
	int err = b->connected ? find_lost_memory(b, text, size) : 0;

	for (unsigned i = 0; i < b->n_rings && !err; i++) {
		uint32_t value = 0;
		const char *fault = ring_fault(&b->rings[i], &value);

		if (!fault)
			continue;
		snprintf(text, size, "ring %u (guest %s): %s (%#x)", i, i % 2 ? "tx" : "rx", fault, value);
		err = -EPROTO;
	}
	return err;
}

static void tell_broken_rings(struct vhost_backend *b)
{
	uint32_t value;

	for (unsigned i = 0; i < b->n_rings; i++) {
		const struct vhost_ring *r = &b->rings[i];

		if (!ring_fault(&b->rings[i], &value))
			continue;
		(void)vhost_eventfd_signal(r->err_fd); /* the connection ends anyway */
		vhost_inband_tell_error(b, r);
	}
}

void vhost_backend_check_rings(struct vhost_backend *b)
{
	char text[sizeof(b->error)];
	int err = vhost_backend_find_fault(b, text, sizeof(text));

	if (!err)
		return;
	tell_broken_rings(b);
	vhost_backend_reason(b, err, "%s", text);
	if (b->connected)
		vhost_backend_end_connection(b, err);
}
