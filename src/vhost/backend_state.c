/* SPDX-License-Identifier: Apache-2.0 */
/* backend_state.c - Writes down what a back-end is, and becomes what was written down; see backend_state.h.
 *
 * What is written down comes from a process of ours that runs as the same user, so it is not hostile; but it may be of another
 * version. So features that this one does not offer, and places that a ring cannot have, are errors and no asserts. */
#include "vhost/backend_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vhost/backend_internal.h"

/* syscalls control: fcntl close */

/* Saving */

static struct vhost_region_state save_region(const struct guest_region *r)
{
	return (struct vhost_region_state){
		.guest_addr = r->guest_addr,
		.user_addr = r->user_addr,
		.size = r->size,
		.file_offset = r->file_offset,
		.n_more = r->n_more,
		.fd = r->fd,
	};
}

static struct vhost_ring_state save_ring(const struct vhost_ring *r)
{
	return (struct vhost_ring_state){
		.started = r->started,
		.enabled = r->enabled,
		.has_kick = r->has_kick,
		.has_addr = r->has_addr,
		.has_num = r->has_num,
		.logs_used = r->logs_used,
		.placed = r->placed,
		.waits = r->waits,
		.calls_inband = r->call_watch != NULL,
		.num = r->num,
		.base = r->base,
		.desc_user_addr = r->desc_user_addr,
		.avail_user_addr = r->avail_user_addr,
		.used_user_addr = r->used_user_addr,
		.log_guest_addr = r->log_guest_addr,
		.call_fd = r->call_fd,
		.kick_fd = r->kick_fd,
		.err_fd = r->err_fd,
	};
}

static void save_message(const struct vhost_socket *s, struct vhost_backend_state *state)
{
	if (!vhost_socket_is_waiting(s))
		return;
	memcpy(state->message, &s->msg.header, s->n_header);
	memcpy(state->message + s->n_header, &s->msg.payload, s->n_payload);
	state->n_message = (uint16_t)(s->n_header + s->n_payload);
	state->n_message_fds = (uint16_t)s->n_fds;
	memcpy(state->message_fds, s->fds, sizeof(state->message_fds));
}

static struct vhost_channel_state save_channel(const struct vhost_channel *ch)
{
	const struct vhost_socket *s = &ch->socket;
	struct vhost_channel_state state = { .fd = s->fd, .n_unanswered = ch->n_unanswered, .n_calls = ch->n_calls };
	size_t n = s->n_header + s->n_payload;

	if (s->fd < 0 || !vhost_socket_is_waiting(s))
		return state;
	/* So large that it can be no answer. */
	if (n > sizeof(state.answer))
		return (struct vhost_channel_state){ .fd = -1 };
	memcpy(state.answer, &s->msg.header, s->n_header);
	memcpy(state.answer + s->n_header, &s->msg.payload, s->n_payload);
	state.n_answer = (uint16_t)n;
	return state;
}

static int save_memory(const struct guest_mem *m, struct vhost_backend_state *s)
{
	s->regions = calloc(m->n + 1, sizeof(*s->regions));
	if (!s->regions)
		return -ENOMEM;
	for (s->n_regions = 0; s->n_regions < m->n; s->n_regions++)
		s->regions[s->n_regions] = save_region(&m->regions[s->n_regions]);
	return 0;
}

static struct vhost_inflight_state save_inflight(const struct vhost_inflight *i)
{
	return (struct vhost_inflight_state){
		.size = i->map.size,
		.file_offset = i->map.file_offset,
		.n_rings = i->n_rings,
		.ring_size = i->ring_size,
		.fd = i->map.fd,
	};
}

int vhost_backend_save(const struct vhost_backend *b, struct vhost_backend_state *s)
{
	*s = (struct vhost_backend_state){
		.listener = vhost_listener_save(&b->listener),
		.fd = b->connected ? b->socket.fd : -1,
		.features = b->features,
		.protocol_features = b->protocol_features,
		.has_features = b->has_features,
		.speaks_inband = b->speaks_inband,
		.status = b->status,
		.mtu = b->mtu,
		.log = { .fd = -1 },
		.inflight = { .fd = -1 },
		.channel = { .fd = -1 },
		.log_kick_fd = b->log.kick_fd,
		.n_rings = (uint16_t)b->n_rings,
	};
	memcpy(s->error, b->error, sizeof(s->error));
	if (b->postcopy.arrivals)
		return -EBUSY;
	if (b->connected)
		save_message(&b->socket, s);
	s->channel = save_channel(&b->channel);
	if (dirty_log_exists(&b->log))
		s->log = save_region(&b->log.bitmap);
	if (b->inflight.n_rings > 0)
		s->inflight = save_inflight(&b->inflight);
	for (unsigned i = 0; i < b->n_rings; i++)
		s->rings[i] = save_ring(&b->rings[i]);
	return save_memory(&b->mem, s);
}

void vhost_backend_state_deinit(struct vhost_backend_state *s)
{
	free(s->regions);
	s->regions = NULL;
	s->n_regions = 0;
}

void vhost_backend_save_places(struct vhost_backend *b, struct vhost_backend_places *p)
{
	*p = (struct vhost_backend_places){ .n_rings = (uint16_t)b->n_rings };
	vhost_backend_find_fault(b, p->fault, sizeof(p->fault));
	for (unsigned i = 0; i < b->n_rings; i++) {
		const struct vhost_ring *r = &b->rings[i];

		p->rings[i] = (struct vhost_ring_place){
			.running = r->vq.running,
			.pos = r->vq.running ? r->vq.last_avail : r->base,
			.journal = *vhost_ring_journal(b, r),
		};
	}
}

/* Resuming */

/* A duplicate of `from` into *to; of none, none. */
static int duplicate(int from, int *to)
{
	*to = -1;
	if (from < 0)
		return 0;
	*to = fcntl(from, F_DUPFD_CLOEXEC, 0);
	return *to < 0 ? -errno : 0;
}

static int resume_ring(struct vhost_backend *b, struct vhost_ring *r, const struct vhost_ring_state *s)
{
	int err;

	r->started = s->started;
	r->enabled = s->enabled;
	r->has_kick = s->has_kick;
	r->has_addr = s->has_addr;
	r->has_num = s->has_num;
	r->logs_used = s->logs_used;
	r->placed = s->placed;
	r->waits = s->waits;
	r->num = s->num;
	r->base = s->base;
	r->desc_user_addr = s->desc_user_addr;
	r->avail_user_addr = s->avail_user_addr;
	r->used_user_addr = s->used_user_addr;
	r->log_guest_addr = s->log_guest_addr;
	err = duplicate(s->call_fd, &r->call_fd);
	if (!err)
		err = duplicate(s->kick_fd, &r->kick_fd);
	if (!err)
		err = duplicate(s->err_fd, &r->err_fd);
	return !err && s->calls_inband ? vhost_ring_resume_calls(b, r) : err;
}

static void resume_bytes(struct vhost_socket *to, const uint8_t *bytes, size_t n)
{
	to->n_header = MIN(n, sizeof(to->msg.header));
	to->n_payload = n - to->n_header;
	memcpy(&to->msg.header, bytes, to->n_header);
	memcpy(&to->msg.payload, bytes + to->n_header, to->n_payload);
}

static int resume_message(struct vhost_socket *to, const struct vhost_backend_state *s)
{
	int err = 0;

	if (s->n_message > sizeof(s->message) || s->n_message_fds > VHOST_USER_FDS_MAX)
		return -EINVAL;
	resume_bytes(to, s->message, s->n_message);
	for (unsigned i = 0; i < s->n_message_fds && !err; i++)
		err = duplicate(s->message_fds[i], &to->fds[to->n_fds++]);
	/* A whole one would have been handled. */
	return !err && s->n_message && !vhost_socket_is_waiting(to) ? -EINVAL : err;
}

static int resume_channel(struct vhost_backend *b, const struct vhost_channel_state *s)
{
	int fd, err;

	if (s->n_answer > sizeof(s->answer))
		return -EINVAL;
	err = duplicate(s->fd, &fd);
	if (err || fd < 0)
		return err;
	err = vhost_channel_open(b, fd);
	if (err)
		return err;
	b->channel.n_unanswered = MIN(s->n_unanswered, (uint32_t)VHOST_UNANSWERED_MAX);
	b->channel.n_calls = MIN(s->n_calls, b->n_rings);
	b->channel.socket.shared = true;
	resume_bytes(&b->channel.socket, s->answer, s->n_answer);
	return 0;
}

static int resume_region(struct guest_mem *m, const struct vhost_region_state *s)
{
	int err = guest_mem_add_fd(m, s->guest_addr, s->user_addr, s->size, s->fd, s->file_offset);

	for (unsigned i = 0; i < s->n_more && !err; i++)
		err = guest_mem_add_again(m, s->guest_addr, s->user_addr, s->size);
	return err;
}

static int resume_inflight(struct vhost_backend *b, const struct vhost_inflight_state *s)
{
	struct guest_region map = { .size = s->size, .file_offset = s->file_offset };
	int err;

	if (s->n_rings > b->n_rings || s->ring_size > VIRTQ_SIZE_MAX)
		return -EINVAL;
	err = guest_region_map(&map, s->fd, b->mem.lost_fd);
	if (!err)
		b->inflight = (struct vhost_inflight){ map, s->n_rings, s->ring_size };
	return err;
}

static int resume_memory(struct vhost_backend *b, const struct vhost_backend_state *s)
{
	int err = 0;

	for (unsigned i = 0; i < s->n_regions && !err; i++)
		err = resume_region(&b->mem, &s->regions[i]);
	if (!err && s->log.size > 0)
		err = dirty_log_map(&b->log, s->log.fd, s->log.size, s->log.file_offset, b->mem.lost_fd);
	if (!err && s->inflight.n_rings > 0)
		err = resume_inflight(b, &s->inflight);
	return err ? err : duplicate(s->log_kick_fd, &b->log.kick_fd);
}

static int resume_connection(struct vhost_backend *b, const struct vhost_backend_state *s)
{
	int fd, err = duplicate(s->fd, &fd);

	if (!err)
		err = vhost_backend_attach(b, fd);
	if (!err)
		err = resume_message(&b->socket, s);
	if (!err)
		err = vhost_iotlb_follow_features(b);
	if (!err)
		err = resume_channel(b, &s->channel);
	if (!err)
		err = resume_memory(b, s);
	for (unsigned i = 0; i < s->n_rings && !err; i++)
		err = resume_ring(b, &b->rings[i], &s->rings[i]);
	return err;
}

/* Does this version know what was negotiated with another? */
static int check_features(const struct vhost_backend *b, const struct vhost_backend_state *s, char *err,
			  size_t err_size)
{
	uint64_t features = s->features & ~vhost_backend_offered_features(b);
	uint64_t protocol_features = s->protocol_features & ~vhost_backend_offered_protocol_features(b);

	if (!features && !protocol_features)
		return 0;
	snprintf(err, err_size, "%s: %sfeatures %#" PRIx64 " were negotiated, which this version does not offer",
		 b->config.socket, features ? "" : "protocol ", features ? features : protocol_features);
	return -EPROTO;
}

int vhost_backend_resume(struct vhost_backend *b, char *err, size_t err_size)
{
	const struct vhost_backend_state *s = b->config.resume;
	int error = check_features(b, s, err, err_size);

	if (error)
		return error;
	memcpy(b->error, s->error, sizeof(b->error));
	b->error[sizeof(b->error) - 1] = '\0';
	if (s->fd < 0)
		return 0;
	b->features = s->features;
	b->protocol_features = s->protocol_features;
	b->has_features = s->has_features;
	b->speaks_inband = s->speaks_inband;
	b->status = s->status;
	b->mtu = s->mtu;
	error = s->n_rings == b->n_rings ? resume_connection(b, s) : -EINVAL;
	vhost_backend_time_message(b);
	if (error)
		snprintf(err, err_size, "%s: the connection cannot be taken over: %s", b->config.socket,
			 strerrordesc_np(-error));
	return error;
}

/* Going on */

static int start_ring(struct vhost_backend *b, struct vhost_ring *r, const struct vhost_ring_place *p)
{
	int err;

	r->base = p->pos;
	if (!p->running && !r->waits)
		return 0;
	r->placed = r->placed || p->running;
	*vhost_ring_journal(b, r) = p->journal; /* the same file, as a rule */
	err = vhost_ring_remap(b, r);
	return err || vhost_ring_is_in_use(r) ? err : -EINVAL;
}

static int start_rings(struct vhost_backend *b, const struct vhost_backend_places *p)
{
	char error[sizeof(b->error)];
	int err = p->n_rings == b->n_rings ? 0 : -EINVAL;

	memcpy(error, b->error, sizeof(error));
	vhost_backend_park(b);
	for (unsigned i = 0; i < b->n_rings && !err; i++)
		err = start_ring(b, &b->rings[i], &p->rings[i]);
	b->ops->features_changed(b->arg);
	vhost_backend_unpark(b);
	memcpy(b->error, error, sizeof(error)); /* a ring that starts forgets it */
	return err;
}

int vhost_backend_go_on(struct vhost_backend *b, const struct vhost_backend_places *p, char *err, size_t err_size)
{
	int error = b->connected ? start_rings(b, p) : 0;

	if (error) {
		snprintf(err, err_size, "%s: its rings cannot go on: %s", b->config.socket, strerrordesc_np(-error));
		return error;
	}
	b->changed_rings = (uint32_t)((1ull << b->n_rings) - 1);
	vhost_backend_report_changes(b);
	if (*p->fault && b->connected) {
		vhost_backend_reason(b, -EPROTO, "%s", p->fault);
		vhost_backend_end_connection(b, -EPROTO);
	}
	return 0;
}

void vhost_backend_own(struct vhost_backend *b)
{
	b->listener.borrowed = b->socket.shared = b->channel.socket.shared = false;
	vhost_iotlb_ask_again(b);
	vhost_inband_go_on(b);
	vhost_backend_report_changes(b);
}
