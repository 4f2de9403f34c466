/* SPDX-License-Identifier: Apache-2.0 */
/* socket.c - Receives and sends vhost-user messages; see socket.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/closer.h"
#include "vhost/socket.h"

/* syscalls control: recvmsg sendmsg shutdown close */

/* Descriptors in one call of sendmsg(2), SCM_MAX_FD of the kernel: what does not fit would be dropped by recvmsg(2). */
enum { FDS_PER_CALL = 253 };

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(FDS_PER_CALL * sizeof(int))];
};

void vhost_socket_init(struct vhost_socket *s, int fd, struct closer *closer)
{
	memset(s, 0, sizeof(*s));
	s->fd = fd;
	s->closer = closer;
}

static void close_fds(struct vhost_socket *s)
{
	for (unsigned i = 0; i < s->n_fds; i++)
		if (s->fds[i] >= 0)
			closer_close(s->closer, s->fds[i]);
	s->n_fds = 0;
}

int vhost_socket_take_fd(struct vhost_socket *s, unsigned i)
{
	int fd = s->fds[i];

	s->fds[i] = -1;
	return fd;
}

static int fail(struct vhost_socket *s, int err, const char *text)
{
	s->error = text;
	return err;
}

/* Receiving */

/* Keep the descriptors of one control message. False: there are too many; the rest is closed. */
static bool keep_fds(struct vhost_socket *s, const struct cmsghdr *cmsg)
{
	size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	bool fits = n <= VHOST_USER_FDS_MAX - s->n_fds;

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(fd));
		if (s->n_fds < VHOST_USER_FDS_MAX)
			s->fds[s->n_fds++] = fd;
		else
			closer_close(s->closer, fd);
	}
	return fits;
}

/* All descriptors that recvmsg(2) gave us get into our hands, whatever else is wrong. */
static bool keep_all_fds(struct vhost_socket *s, struct msghdr *mh)
{
	bool fit = true;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			fit = keep_fds(s, c) && fit;
	return fit;
}

static bool has_begun(const struct vhost_socket *s)
{
	return s->n_header > 0;
}

static ssize_t receive_bytes(const struct vhost_socket *s, void *buf, size_t len, union control *control,
			     struct msghdr *mh)
{
	struct iovec iov = { buf, len };
	ssize_t got;

	*mh = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 };
	mh->msg_control = control;
	mh->msg_controllen = sizeof(*control);
	do
		got = recvmsg(s->fd, mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	mh->msg_iov = NULL;
	return got;
}

/* Receive up to `len` bytes, adding what came to *n. */
static int receive_some(struct vhost_socket *s, void *buf, size_t len, size_t *n)
{
	union control control;
	struct msghdr mh;
	ssize_t got = receive_bytes(s, buf, len, &control, &mh);
	bool fit;

	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return -EAGAIN;
	if (got < 0 && errno != ECONNRESET)
		return fail(s, -errno, strerrordesc_np(errno));
	if (got <= 0)
		return has_begun(s) ? fail(s, -ECONNRESET, "the peer closed in the middle of a message") : -ENOTCONN;
	*n += (size_t)got;
	fit = keep_all_fds(s, &mh);
	/* The kernel cuts the list short as well when this process may not have more descriptors open. */
	if (mh.msg_flags & MSG_CTRUNC)
		return fail(s, -EMFILE, "more descriptors than a message can carry, or than this process may open");
	return fit ? 0 : fail(s, -EMFILE, "more descriptors than a message can carry");
}

static bool is_whole(const struct vhost_socket *s)
{
	return s->n_header == sizeof(s->msg.header) && s->n_payload == s->msg.header.size;
}

bool vhost_socket_is_waiting(const struct vhost_socket *s)
{
	return has_begun(s) && !is_whole(s);
}

int vhost_socket_receive(struct vhost_socket *s)
{
	struct vhost_user_msg *m = &s->msg;
	int err = 0;

	if (is_whole(s)) {
		close_fds(s);
		s->n_header = 0;
		s->n_payload = 0;
	}
	while (err == 0 && s->n_header < sizeof(m->header))
		err = receive_some(s, (char *)&m->header + s->n_header, sizeof(m->header) - s->n_header, &s->n_header);
	if (err == 0 && m->header.size > sizeof(m->payload))
		return fail(s, -EMSGSIZE, "a message larger than any that there is");
	while (err == 0 && s->n_payload < m->header.size)
		err = receive_some(s, (char *)&m->payload + s->n_payload, m->header.size - s->n_payload, &s->n_payload);
	return err;
}

/* The end */

/* Nothing more can come; what has come is taken out, or close(2) would drop the descriptors in it. */
static void empty(struct vhost_socket *s)
{
	union control control;
	struct msghdr mh;
	char bytes[4096];

	shutdown(s->fd, SHUT_RDWR);
	while (receive_bytes(s, bytes, sizeof(bytes), &control, &mh) > 0) {
		keep_all_fds(s, &mh);
		close_fds(s);
	}
}

void vhost_socket_deinit(struct vhost_socket *s)
{
	close_fds(s);
	if (s->fd < 0)
		return;
	if (!s->shared)
		empty(s);
	close(s->fd);
	s->fd = -1;
}

/* Sending */

static void attach_fds(struct msghdr *mh, const int *fds, unsigned n_fds)
{
	struct cmsghdr *cmsg;

	mh->msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	cmsg = CMSG_FIRSTHDR(mh);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
}

int vhost_socket_send(struct vhost_socket *s, const struct vhost_user_msg *msg, const int *fds, unsigned n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(VHOST_USER_FDS_MAX * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct vhost_user_msg copy = *msg;
	struct iovec iov[2] = { { &copy.header, sizeof(copy.header) }, { &copy.payload, copy.header.size } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t sent;

	if (n_fds > VHOST_USER_FDS_MAX || copy.header.size > sizeof(copy.payload))
		return fail(s, -EMSGSIZE, "a message too large to send");
	if (n_fds > 0) {
		mh.msg_control = &control;
		attach_fds(&mh, fds, n_fds);
	}
	do
		sent = sendmsg(s->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return fail(s, -ENOBUFS, "the peer does not read its messages");
	if (sent < 0)
		return fail(s, -errno, strerrordesc_np(errno));
	/* A stream socket takes messages of this size whole or not at all; should it ever not, the stream is spoilt. */
	return (size_t)sent == sizeof(copy.header) + copy.header.size ? 0 : fail(s, -EIO, "a message was sent in part");
}
