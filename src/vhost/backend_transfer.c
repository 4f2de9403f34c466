/* SPDX-License-Identifier: Apache-2.0 */
/* backend_transfer.c - Handlers of messages about the device's state (vhost-user.rst, "Migrating back-end state").
 *
 * Once its rings are stopped this device has no state that the front-end does not know: features, ring places, MTU and status have messages
 * of their own, and what the switch has learned it learns again from the guest's announcement. So the state is empty.
 *
 * The front-end brings a pipe, but the back-end may name a channel instead, and does: a file of no bytes that cannot grow. Whoever reads it
 * is at the end at once; who writes what another kind of back-end had to say gets an error at once. So nothing has to be read here while
 * others have time to write, and the pipe, which could make us wait (base/fd_kind.h), is closed unused. */
#include <errno.h>
#include <string.h>

#include "vhost/backend_internal.h"

/* "Bits 0-7 are 0 on success [..] Bit 8 is the invalid FD flag" */
enum { TRANSFER_REFUSED = 1 | VHOST_USER_VRING_NOFD_MASK };

VHOST_HANDLER(vhost_handle_set_device_state_fd)
{
	const struct vhost_user_transfer t = p->transfer;

	(void)r;
	p->u64 = TRANSFER_REFUSED;
	if (t.direction > VHOST_USER_TRANSFER_LOAD || t.phase != VHOST_USER_TRANSFER_STOPPED) {
		vhost_backend_reason(b, -EINVAL, "direction %u in phase %u", t.direction, t.phase);
	} else if (vhost_backend_any_ring_runs(b)) {
		vhost_backend_reason(b, -EBUSY, "rings are running");
	} else {
		b->reply_fd = vhost_sealed_file("ringway-state", 0);
		if (b->reply_fd < 0)
			vhost_backend_reason(b, b->reply_fd, "%s", strerrordesc_np(-b->reply_fd));
		else
			p->u64 = 0;
	}
	return 0;
}

/* Nothing can have been written, and nothing was to be read. */
VHOST_HANDLER(vhost_handle_check_device_state)
{
	(void)b, (void)r;
	p->u64 = 0;
	return 0;
}
