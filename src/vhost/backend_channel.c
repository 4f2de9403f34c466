/* SPDX-License-Identifier: Apache-2.0 */
/* backend_channel.c - The channel on which we ask the front-end ("Back-end communication").
 *
 * Nothing waits here. A request that the front-end does not take in is left out; whoever made it asks again. With REPLY_ACK
 * each request is answered; VHOST_UNANSWERED_MAX translations and a call per ring may be unanswered at a time, and a front-end that is
 * silent gets no more. What the answer says does not matter: the translation has come before, or it does not come. When the front-end closes the
 * channel, or says something on it that is no answer, the channel is gone and the connection goes on: most devices have no use
 * for it. While it is shared with another process (backend_state.h), that one asks.
 *
 * No descriptor that keeps the front-end's own end of the connection, or of the channel, open may stay with us: we would not learn that it
 * has gone. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/event_loop.h"
#include "vhost/backend_internal.h"

/* syscalls control: getsockopt getsockname getpeername */

enum { ANSWERS_PER_TURN = 64 };

void vhost_channel_init(struct vhost_channel *ch)
{
	ch->socket.fd = -1;
	ch->watch = NULL;
	ch->n_unanswered = ch->n_calls = 0;
}

void vhost_channel_close(struct vhost_channel *ch)
{
	watch_remove(ch->watch);
	if (ch->socket.fd >= 0)
		vhost_socket_deinit(&ch->socket);
	vhost_channel_init(ch);
}

static bool wants_answers(const struct vhost_backend *b)
{
	return b->protocol_features & (1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK);
}

/* Answers */

static int take_answer(struct vhost_backend *b)
{
	struct vhost_channel *ch = &b->channel;
	const struct vhost_user_header *h = &ch->socket.msg.header;
	unsigned *n = h->request == VHOST_USER_BACKEND_VRING_CALL ? &ch->n_calls : &ch->n_unanswered;

	if ((h->request != VHOST_USER_BACKEND_IOTLB_MSG && h->request != VHOST_USER_BACKEND_VRING_CALL) ||
	    h->flags != (VHOST_USER_VERSION | VHOST_USER_REPLY) || h->size != sizeof(uint64_t) || *n == 0)
		return -EPROTO;
	(*n)--;
	if (h->request == VHOST_USER_BACKEND_VRING_CALL)
		vhost_inband_go_on(b);
	return 0;
}

static void channel_readable(void *arg, int fd, uint32_t events)
{
	struct vhost_backend *b = arg;
	int err = 0;

	(void)fd;
	if (events & EPOLLOUT) {
		watch_modify(b->channel.watch, EPOLLIN);
		vhost_inband_go_on(b);
	}
	for (unsigned i = 0; i < ANSWERS_PER_TURN && err == 0; i++) {
		err = vhost_socket_receive(&b->channel.socket);
		if (b->channel.socket.n_fds > 0)
			err = -EPROTO;
		if (err == 0)
			err = take_answer(b);
	}
	if (err == 0 || err == -EAGAIN)
		return;
	log_limited(&b->log_limit, 10, LOG_LEVEL_WARNING,
		    "%s: the front-end's channel for requests of ours has ended: %s", b->config.socket,
		    err == -ENOTCONN ? "closed"
		    : err == -EPROTO ? "an answer to nothing"
				     : b->channel.socket.error);
	vhost_channel_close(&b->channel);
}

/* Requests */

bool vhost_channel_ask(struct vhost_backend *b, uint64_t iova, uint32_t perm)
{
	struct vhost_channel *ch = &b->channel;
	struct vhost_user_msg msg = {
		.header = { VHOST_USER_BACKEND_IOTLB_MSG,
			    VHOST_USER_VERSION | (wants_answers(b) ? VHOST_USER_NEED_REPLY : 0),
			    sizeof(msg.payload.iotlb) },
	};

	if (ch->socket.fd < 0 || ch->socket.shared || ch->n_unanswered == VHOST_UNANSWERED_MAX)
		return false;
	msg.payload.iotlb = (struct vhost_iotlb_msg){ .iova = iova, .perm = (uint8_t)perm, .type = VHOST_IOTLB_MISS };
	if (vhost_socket_send(&ch->socket, &msg, NULL, 0) < 0)
		return false;
	ch->n_unanswered += wants_answers(b);
	return true;
}

bool vhost_channel_tell(struct vhost_backend *b, uint32_t request, const struct vhost_ring *r)
{
	struct vhost_channel *ch = &b->channel;
	bool answered = request == VHOST_USER_BACKEND_VRING_CALL;
	struct vhost_user_msg msg = {
		.header = { request, VHOST_USER_VERSION | (answered ? VHOST_USER_NEED_REPLY : 0),
			    sizeof(msg.payload.state) },
		.payload.state.index = vhost_ring_index(b, r),
	};
	int err;

	if (ch->socket.fd < 0 || ch->socket.shared)
		return false;
	err = vhost_socket_send(&ch->socket, &msg, NULL, 0);
	if (err == -ENOBUFS)
		watch_modify(ch->watch, EPOLLIN | EPOLLOUT);
	ch->n_calls += err == 0 && answered;
	return err == 0;
}

int vhost_channel_open(struct vhost_backend *b, int fd)
{
	int err;

	vhost_socket_init(&b->channel.socket, fd, b->closer);
	b->channel.watch = watch_add(b->loop, fd, EPOLLIN, channel_readable, b);
	if (b->channel.watch)
		return 0;
	err = -errno;
	vhost_channel_close(&b->channel);
	return err;
}

/* No name: of a pair, neither end has one. The connection itself has one on our side or on the front-end's. */
static bool has_no_name(int (*get)(int fd, struct sockaddr *addr, socklen_t *size), int fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNSPEC };
	socklen_t size = sizeof(addr);

	return get(fd, (struct sockaddr *)&addr, &size) == 0 && addr.sun_family == AF_UNIX &&
	       size == sizeof(addr.sun_family);
}

/* What we send goes out in our name. So it has to be what front-ends give: one end of a pair of stream sockets. */
static bool is_end_of_pair(int fd)
{
	socklen_t size = sizeof(int);
	int type = 0;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
	       has_no_name(getsockname, fd) && has_no_name(getpeername, fd);
}

VHOST_HANDLER(vhost_handle_set_backend_req_fd)
{
	int err;

	(void)p, (void)r;
	if (!is_end_of_pair(b->socket.fds[0]))
		return vhost_backend_reason(b, -EINVAL, "the descriptor is not one of a pair of stream sockets");
	vhost_channel_close(&b->channel);
	err = vhost_channel_open(b, vhost_socket_take_fd(&b->socket, 0));
	if (err < 0)
		return vhost_backend_reason(b, err, "%s", strerrordesc_np(-err));
	vhost_iotlb_ask_again(b);
	vhost_inband_repeat(b);
	return 0;
}
