/* SPDX-License-Identifier: Apache-2.0 */
/* frontend_channel.c - The channel on which the back-end asks for translations, and interrupts the guest in-band. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vhost/frontend_internal.h"

int frontend_open_channel(struct vhost_frontend *f)
{
	int fds[2], err;

	vhost_socket_deinit(&f->channel);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	vhost_socket_init(&f->channel, fds[0], NULL);
	err = vhost_frontend_request(f, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &fds[1], 1, NULL, 0);
	close(fds[1]);
	return err;
}

/* A back-end that has gone gets none; what it said before is still to be read. */
static void answer(struct vhost_frontend *f, const struct vhost_user_header *h, int err)
{
	struct vhost_user_msg ack = {
		.header = { h->request, VHOST_USER_VERSION | VHOST_USER_REPLY, sizeof(uint64_t) },
		.payload.u64 = (uint64_t)-err,
	};

	if (h->flags & VHOST_USER_NEED_REPLY)
		vhost_socket_send(&f->channel, &ack, NULL, 0);
}

static int take_miss(struct vhost_frontend *f, uint32_t size, const struct vhost_iotlb_msg *m)
{
	if (size != sizeof(*m) || m->type != VHOST_IOTLB_MISS || !f->iommu.page_at)
		return -EPROTO;
	f->iommu.n_misses++;
	return frontend_iommu_update(f, m->iova, m->perm);
}

static int take_notification(struct vhost_frontend *f, uint32_t request, uint32_t size,
			     const struct vhost_vring_state *state)
{
	if (size != sizeof(*state) || state->index >= f->n_rings || state->num != 0 || !frontend_is_inband(f))
		return -EPROTO;
	if (request == VHOST_USER_BACKEND_VRING_CALL)
		f->rings[state->index].interrupts++;
	else
		f->rings[state->index].errors++;
	return 0;
}

static int take(struct vhost_frontend *f)
{
	const struct vhost_user_header h = f->channel.msg.header;
	const union vhost_user_payload p = f->channel.msg.payload;
	int err = -EPROTO;

	if (h.request == VHOST_USER_BACKEND_IOTLB_MSG)
		err = take_miss(f, h.size, &p.iotlb);
	else if (h.request == VHOST_USER_BACKEND_VRING_CALL || h.request == VHOST_USER_BACKEND_VRING_ERR)
		err = take_notification(f, h.request, h.size, &p.state);
	if (err == -EPROTO || err == -ECONNRESET)
		return err;
	answer(f, &h, err);
	return 0;
}

int vhost_frontend_serve(struct vhost_frontend *f)
{
	int err = 0;

	while (f->channel.fd >= 0 && !f->silent && err == 0) {
		err = vhost_socket_receive(&f->channel);
		if (err == -EAGAIN)
			return 0;
		if (err == 0)
			err = take(f);
	}
	return err;
}

void vhost_frontend_set_silent(struct vhost_frontend *f, bool silent)
{
	f->silent = silent;
}

int vhost_frontend_renew_channel(struct vhost_frontend *f)
{
	return frontend_open_channel(f);
}

unsigned vhost_frontend_errors(const struct vhost_frontend *f, unsigned ring)
{
	return f->rings[ring].errors;
}
