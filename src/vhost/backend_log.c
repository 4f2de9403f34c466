/* SPDX-License-Identifier: Apache-2.0 */
/* backend_log.c - Handlers of messages about the dirty log. All rings are parked.
 *
 * "Migration": the front-end shares a bitmap, then turns logging on and off while rings run: VHOST_F_LOG_ALL in SET_FEATURES for
 * what goes into buffers, VHOST_VRING_F_LOG in SET_VRING_ADDR for what goes into the ring. Without a bitmap nothing is
 * logged. The bitmap stays until the connection ends: no message takes it back. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "vhost/backend_internal.h"
#include "vhost/eventfd.h"

/* syscalls control: close */

void vhost_ring_set_log(struct vhost_backend *b, struct vhost_ring *r)
{
	const struct dirty_log *log = dirty_log_exists(&b->log) ? &b->log : NULL;

	virtq_set_log(&r->vq, b->features & (1ull << VHOST_F_LOG_ALL) ? log : NULL, r->logs_used ? log : NULL,
		      r->log_guest_addr);
}

void vhost_backend_set_logs(struct vhost_backend *b)
{
	for (unsigned i = 0; i < b->n_rings; i++)
		vhost_ring_set_log(b, &b->rings[i]);
}

/* The answer is a number that means nothing: vhost-user.rst asks for an answer and gives it no payload, QEMU ignores what is in it, and
 * front-ends that read it as an acknowledgement want 0. */
VHOST_HANDLER(vhost_handle_set_log_base)
{
	const struct vhost_user_log log = p->log;
	int err = dirty_log_map(&b->log, b->socket.fds[0], log.mmap_size, log.mmap_offset, b->mem.lost_fd);

	(void)r;
	if (err < 0)
		return vhost_backend_reason(b, err, "log of %" PRIu64 " bytes at %#" PRIx64 ": %s", log.mmap_size,
					    log.mmap_offset,
					    err == -ERANGE ? "its file is shorter" : strerrordesc_np(-err));
	vhost_backend_set_logs(b);
	p->u64 = 0;
	return 0;
}

VHOST_HANDLER(vhost_handle_set_log_fd)
{
	(void)p, (void)r;
	if (!vhost_eventfd_adopt(b->socket.fds[0]))
		return vhost_backend_reason(b, -EINVAL, "the descriptor is not an eventfd");
	if (b->log.kick_fd >= 0)
		close(b->log.kick_fd);
	b->log.kick_fd = vhost_socket_take_fd(&b->socket, 0);
	return 0;
}
