/* SPDX-License-Identifier: Apache-2.0 */
/* backend_inband.c - Notifications that are messages ("In-band notifications"): VRING_KICK, BACKEND_VRING_CALL and _ERR.
 *
 * Workers know nothing of them. Where other front-ends give eventfds, such a ring has eventfds of ours: control writes a VRING_KICK to
 * the one, where the ring's worker waits, and sends what workers have written to the other as a VRING_CALL. So notifications are
 * suppressed and handed over as ever, and rings with eventfds of the front-end's pay nothing.
 *
 * QEMU agrees to everything that has a number below its last one, and knows nothing of these messages. So none is sent before the front-end
 * has sent one, or has said that a ring has no call descriptor.
 *
 * Each call is answered. Until it is, the ring's eventfd is not looked at, and gathers what is to be the next call. So there
 * is one call of a ring on its way at most, and they go as fast as the front-end takes them: one that does not read or answer
 * has its own interrupts late, and a ring that stops and starts meanwhile no others. Without a channel they stay in the eventfds, too. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/event_loop.h"
#include "vhost/backend_internal.h"
#include "vhost/eventfd.h"

/* syscalls control: eventfd2 read */

static struct vhost_ring *ring_of(struct vhost_backend *b, int call_fd)
{
	struct vhost_ring *r = b->rings;

	while (r->call_fd != call_fd)
		r++;
	return r;
}

static void ring_called(void *arg, int fd, uint32_t events)
{
	struct vhost_backend *b = arg;
	struct vhost_ring *r = ring_of(b, fd);
	uint64_t n;

	(void)events;
	watch_modify(r->call_watch, 0);
	/* The read before the message: what is used after that counts as another call. */
	if (read(fd, &n, sizeof(n)) != sizeof(n))
		return;
	r->called = vhost_channel_tell(b, VHOST_USER_BACKEND_VRING_CALL, r);
	if (!r->called)
		vhost_eventfd_signal(fd);
}

void vhost_inband_begin(struct vhost_backend *b)
{
	b->speaks_inband = b->protocol_features >> VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS & 1;
}

void vhost_inband_go_on(struct vhost_backend *b)
{
	if (b->channel.n_calls > 0)
		return;
	for (unsigned i = 0; i < b->n_rings; i++) {
		struct vhost_ring *r = &b->rings[i];

		r->called = false;
		if (r->call_watch)
			watch_modify(r->call_watch, EPOLLIN);
	}
}

void vhost_inband_repeat(struct vhost_backend *b)
{
	for (unsigned i = 0; i < b->n_rings; i++)
		if (b->rings[i].call_watch)
			vhost_eventfd_signal(b->rings[i].call_fd);
	vhost_inband_go_on(b);
}

void vhost_inband_tell_error(struct vhost_backend *b, const struct vhost_ring *r)
{
	if (b->speaks_inband && r->err_fd < 0)
		vhost_channel_tell(b, VHOST_USER_BACKEND_VRING_ERR, r);
}

/* Rings */

/* Unless the front-end has given one. */
static int make_fd(struct vhost_backend *b, int *fd)
{
	if (*fd < 0)
		*fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return *fd < 0 ? vhost_backend_reason(b, -errno, "%s", strerrordesc_np(errno)) : 0;
}

int vhost_ring_kick_inband(struct vhost_backend *b, struct vhost_ring *r)
{
	return make_fd(b, &r->kick_fd);
}

static int watch_calls(struct vhost_backend *b, struct vhost_ring *r)
{
	r->call_watch = watch_add(b->loop, r->call_fd, r->called ? 0 : EPOLLIN, ring_called, b);
	return r->call_watch ? 0 : -errno;
}

int vhost_ring_resume_calls(struct vhost_backend *b, struct vhost_ring *r)
{
	r->called = true;
	return watch_calls(b, r);
}

int vhost_ring_call_inband(struct vhost_backend *b, struct vhost_ring *r)
{
	int err;

	if (!b->speaks_inband || r->call_fd >= 0)
		return 0;
	err = make_fd(b, &r->call_fd);
	if (err < 0)
		return err;
	err = watch_calls(b, r);
	if (err < 0) {
		close(r->call_fd);
		r->call_fd = -1;
		return vhost_backend_reason(b, err, "%s", strerrordesc_np(-err));
	}
	return 0;
}
