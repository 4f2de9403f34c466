/* SPDX-License-Identifier: Apache-2.0 */
/* backend_rings.c - The states of a ring, and the handlers of messages about one. The ring is parked.
 *
 * "Ring states": stopped until SET_VRING_KICK (or VRING_KICK), then started until GET_VRING_BASE; enabled and disabled on top of that. `started`
 * is what the front-end wants. The ring is in use (vq.running) when in addition its size and addresses are known and in memory. */
#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <unistd.h>

#include "base/event_loop.h"
#include "vhost/backend_internal.h"
#include "vhost/eventfd.h"
#include "virtio/arrival.h"

/* The descriptor is closed when ring_changed() has been called. */
static void lose_fd(struct vhost_backend *b, int *fd)
{
	if (*fd < 0)
		return;
	b->lost_fds[b->n_lost_fds++] = *fd;
	*fd = -1;
}

static void lose_call_fd(struct vhost_backend *b, struct vhost_ring *r)
{
	watch_remove(r->call_watch);
	r->call_watch = NULL;
	lose_fd(b, &r->call_fd);
}

void vhost_ring_mark_changed(struct vhost_backend *b, const struct vhost_ring *r)
{
	b->changed_rings |= 1u << vhost_ring_index(b, r);
}

/* States */

void vhost_ring_init(struct vhost_ring *r)
{
	gate_init(&r->gate);
	r->call_fd = r->kick_fd = r->err_fd = -1;
}

/* Leave the areas; base says where to go on. */
static void unmap(struct vhost_ring *r)
{
	if (!r->vq.running)
		return;
	virtq_stop(&r->vq);
	vhost_ring_leave_areas(r);
	r->base = r->vq.last_avail;
}

void vhost_ring_pause(struct vhost_ring *r)
{
	unmap(r);
	r->waits = true;
}

void vhost_ring_stop(struct vhost_backend *b, struct vhost_ring *r)
{
	if (r->started || r->kick_fd >= 0)
		vhost_ring_mark_changed(b, r);
	unmap(r);
	r->started = false;
	r->broken = false;
	r->waits = false;
	r->has_kick = false;
	r->placed = false;
	lose_call_fd(b, r);
	lose_fd(b, &r->kick_fd);
}

void vhost_ring_reset(struct vhost_backend *b, struct vhost_ring *r)
{
	vhost_ring_stop(b, r);
	if (r->enabled)
		vhost_ring_mark_changed(b, r);
	r->enabled = false;
	r->num = 0;
	r->base = 0;
	r->has_addr = r->has_num = r->logs_used = false;
}

void vhost_ring_forget(struct vhost_backend *b, struct vhost_ring *r)
{
	vhost_ring_reset(b, r);
	lose_fd(b, &r->err_fd);
	r->called = false;
}

static bool is_packed(const struct vhost_backend *b)
{
	return b->features & (1ull << VIRTIO_F_RING_PACKED);
}

static int map(struct vhost_backend *b, struct vhost_ring *r)
{
	struct virtq_config c = { .size = r->num, .features = b->features };
	int err;

	r->waits = false;
	if (!r->started || !r->has_addr || !r->has_num)
		return 0;
	err = b->translates ? vhost_ring_attach_iotlb(b, r) : 0;
	if (err == 0)
		err = vhost_ring_find_areas(b, r, &c);
	r->waits = b->translates && err == -EAGAIN;
	if (err < 0)
		return err == -EAGAIN ? 0 : err;
	err = vhost_ring_find_place(b, r, &c);
	if (err == 0)
		err = virtq_init(&r->vq, &c, &b->mem);
	if (err < 0) {
		vhost_ring_leave_areas(r);
		return err;
	}
	if (b->translates)
		virtq_set_iotlb(&r->vq, &r->iotlb->vq);
	vhost_ring_set_log(b, r);
	r->base = c.last_avail;
	r->placed = true;
	b->error[0] = '\0';
	return 0;
}

int vhost_ring_remap(struct vhost_backend *b, struct vhost_ring *r)
{
	bool was_in_use = vhost_ring_is_in_use(r), was_running = r->vq.running;
	int err;

	unmap(r);
	err = map(b, r);
	/* A pause is nobody's business, but for who looks at the ring unasked and has stopped to. */
	if (vhost_ring_is_in_use(r) != was_in_use || (r->kick_fd < 0 && r->vq.running && !was_running))
		vhost_ring_mark_changed(b, r);
	return err;
}

/* As vhost_ring_remap(), with a reason. */
static int remap_or_explain(struct vhost_backend *b, struct vhost_ring *r)
{
	int err = vhost_ring_remap(b, r);

	if (err < 0 && vhost_ring_check_areas(b, r) == 0)
		vhost_backend_reason(b, err, "ring of %u entries: %s", r->num,
				     err == -EBADMSG ? "the inflight area is about another one, or damaged"
						     : strerrordesc_np(-err));
	return err;
}

/* Size, addresses, position */

VHOST_HANDLER(vhost_handle_set_vring_num)
{
	uint32_t num = p->state.num;

	/* VIRTIO 1.2, 2.7 and 2.8: at most 32768, and on a split ring a power of two */
	if (num == 0 || num > VIRTQ_SIZE_MAX || (!is_packed(b) && (num & (num - 1)) != 0))
		return vhost_backend_reason(b, -EINVAL, "ring of %" PRIu32 " entries", num);
	r->num = (uint16_t)num;
	r->has_num = true;
	return remap_or_explain(b, r);
}

/* May come while the ring runs: QEMU switches the logging of used rings so. Before there is any memory nothing can be said of
 * the addresses; that is done when the ring starts. */
VHOST_HANDLER(vhost_handle_set_vring_addr)
{
	if (p->addr.flags & ~(1u << VHOST_VRING_F_LOG))
		return vhost_backend_reason(b, -EINVAL, "unknown flags %#x", p->addr.flags);
	r->desc_user_addr = p->addr.desc_user_addr;
	r->avail_user_addr = p->addr.avail_user_addr;
	r->used_user_addr = p->addr.used_user_addr;
	r->log_guest_addr = p->addr.log_guest_addr;
	r->logs_used = p->addr.flags & (1u << VHOST_VRING_F_LOG);
	r->has_addr = true;
	if (!r->started && r->has_num && b->mem.n > 0 && !b->translates)
		return vhost_ring_check_areas(b, r);
	return remap_or_explain(b, r);
}

/* Of a packed ring the upper half says how far the ring was used, which is as far as it was available: this device keeps no
 * descriptor while its ring is stopped. */
VHOST_HANDLER(vhost_handle_set_vring_base)
{
	if (p->state.num > UINT16_MAX && !is_packed(b))
		return vhost_backend_reason(b, -EINVAL, "index %#x of an available ring", p->state.num);
	r->base = (uint16_t)p->state.num;
	r->placed = false;
	return 0;
}

VHOST_HANDLER(vhost_handle_get_vring_base)
{
	vhost_ring_stop(b, r);
	vhost_ring_end_journal(b, r);
	p->state.num = is_packed(b) ? r->base | (uint32_t)r->base << 16 : r->base;
	return 0;
}

VHOST_HANDLER(vhost_handle_set_vring_endian)
{
	(void)r;
	if (p->state.num != 0)
		return vhost_backend_reason(b, -EINVAL, "byte order %u; a ring has to be little-endian", p->state.num);
	return 0;
}

VHOST_HANDLER(vhost_handle_set_vring_enable)
{
	if (p->state.num > 1)
		return vhost_backend_reason(b, -EINVAL, "value %u is neither 0 nor 1", p->state.num);
	if (r->enabled != (p->state.num == 1))
		vhost_ring_mark_changed(b, r);
	r->enabled = p->state.num == 1;
	return 0;
}

/* Descriptors */

/* The message's descriptor into *fd, -1 when it says that there is none. */
static int take_fd(struct vhost_backend *b, const union vhost_user_payload *p, int *fd)
{
	bool has_fd = !(p->u64 & VHOST_USER_VRING_NOFD_MASK);

	*fd = -1;
	if (has_fd != (b->socket.n_fds == 1))
		return vhost_backend_reason(b, -EPROTO, has_fd ? "no descriptor" : "a descriptor that it denies");
	if (!has_fd)
		return 0;
	if (!vhost_eventfd_adopt(b->socket.fds[0]))
		return vhost_backend_reason(b, -EINVAL, "the descriptor is not an eventfd");
	*fd = vhost_socket_take_fd(&b->socket, 0);
	return 0;
}

static int replace_fd(struct vhost_backend *b, const union vhost_user_payload *p, int *ring_fd)
{
	int fd, err = take_fd(b, p, &fd);

	if (err < 0)
		return err;
	lose_fd(b, ring_fd);
	*ring_fd = fd;
	return 0;
}

static int signal_call(struct vhost_backend *b, const struct vhost_ring *r)
{
	if (vhost_eventfd_signal(r->call_fd))
		return 0;
	return vhost_backend_reason(b, -EPROTO, "call descriptor makes us wait");
}

/* How it is kicked is known. */
static int start(struct vhost_backend *b, struct vhost_ring *r)
{
	int err = vhost_ring_call_inband(b, r);

	if (err < 0)
		return err;
	r->has_kick = true;
	r->started = true;
	vhost_ring_mark_changed(b, r);
	/* "If VHOST_USER_F_PROTOCOL_FEATURES has not been negotiated, the ring starts directly in the enabled state." */
	if (!(b->features & (1ull << VHOST_USER_F_PROTOCOL_FEATURES)))
		r->enabled = true;
	if (vhost_ring_is_in_use(r))
		return 0;
	err = remap_or_explain(b, r);
	if (err < 0)
		r->started = false;
	else if (r->vq.running) /* whoever used chains before us may have died before it told */
		err = signal_call(b, r);
	return err;
}

/* Starts the ring. Without a descriptor we have to poll, also where kicks may be messages ("or to enable polling"). */
VHOST_HANDLER(vhost_handle_set_vring_kick)
{
	int err = replace_fd(b, p, &r->kick_fd);

	return err < 0 ? err : start(b, r);
}

static int start_with_message(struct vhost_backend *b, struct vhost_ring *r)
{
	int err;

	gate_park(&r->gate);
	err = vhost_ring_kick_inband(b, r);
	if (err == 0)
		err = start(b, r);
	gate_unpark(&r->gate);
	return err;
}

/* A ring that runs is not parked for it: frames that its worker holds would be dropped. */
VHOST_HANDLER(vhost_handle_vring_kick)
{
	if (p->state.num != 0)
		return vhost_backend_reason(b, -EINVAL, "number %u, which is reserved", p->state.num);
	vhost_inband_begin(b);
	if (!r->started)
		return start_with_message(b, r);
	if (vhost_eventfd_signal(r->kick_fd))
		return 0;
	return vhost_backend_reason(b, -EPROTO, "kick descriptor makes us wait");
}

/* A notification for which the old descriptor was used just now may have been lost on the front-end's side: give one too
 * many instead. */
VHOST_HANDLER(vhost_handle_set_vring_call)
{
	int fd, err = take_fd(b, p, &fd);

	if (err < 0)
		return err;
	lose_call_fd(b, r);
	r->call_fd = fd;
	if (fd < 0)
		vhost_inband_begin(b);
	err = vhost_ring_call_inband(b, r);
	if (err == 0 && r->vq.running)
		err = signal_call(b, r);
	return err;
}

VHOST_HANDLER(vhost_handle_set_vring_err)
{
	return replace_fd(b, p, &r->err_fd);
}
