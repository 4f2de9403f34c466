/* SPDX-License-Identifier: Apache-2.0 */
/* handover_channel.c - See handover_channel.h. */
#include "control/handover_channel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "control/handover_fds.h"

/* syscalls control: poll ppoll recvmsg sendmsg getsockopt geteuid close */

enum {
	CHANNEL_FDS_MAX = 64, /* SCM_MAX_FD is 253 */
	TEXT_MAX = 256 << 20,
	FDS_MAX = 1 << 20,
};

struct header {
	char magic[8];
	uint32_t len, n_fds;
};

static const char MAGIC[8] = "ringwayh";

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(CHANNEL_FDS_MAX * sizeof(int))];
};

static int wait_for(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now_ns = clock_ns();
	int n;

	if (now_ns >= deadline_ns)
		return -ETIMEDOUT;
	n = poll(&p, 1, (int)((deadline_ns - now_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC));
	if (n < 0 && errno != EINTR)
		return -errno;
	return 0; /* the call that follows says what there is */
}

static bool is_transient(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Sending */

static int send_some(int fd, struct msghdr *mh, uint64_t deadline_ns, size_t *n)
{
	for (;;) {
		ssize_t sent = sendmsg(fd, mh, MSG_DONTWAIT | MSG_NOSIGNAL);
		int err;

		if (sent >= 0) {
			*n = (size_t)sent;
			return 0;
		}
		if (!is_transient())
			return errno == EPIPE ? -ECONNRESET : -errno;
		err = wait_for(fd, POLLOUT, deadline_ns);
		if (err)
			return err;
	}
}

static int send_bytes(int fd, const void *buf, size_t len, uint64_t deadline_ns)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	int err = 0;

	while (iov.iov_len > 0 && !err) {
		size_t n = 0;

		err = send_some(fd, &mh, deadline_ns, &n);
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= n;
	}
	return err;
}

static int send_fds(int fd, const int *fds, size_t n, uint64_t deadline_ns)
{
	union control control = { .bytes = { 0 } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control };
	struct cmsghdr *cmsg;
	size_t sent;

	mh.msg_controllen = CMSG_SPACE(n * sizeof(int));
	cmsg = CMSG_FIRSTHDR(&mh);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
	return send_some(fd, &mh, deadline_ns, &sent);
}

int handover_send(int fd, const json_t *document, const struct handover_fds *fds, uint64_t deadline_ns)
{
	char *text = json_dumps(document, JSON_COMPACT);
	static const struct handover_fds none;
	struct header h = { .len = text ? (uint32_t)strlen(text) : 0 };
	int err;

	if (!text)
		return -ENOMEM;
	fds = fds ? fds : &none;
	h.n_fds = fds->n;
	memcpy(h.magic, MAGIC, sizeof(h.magic));
	err = send_bytes(fd, &h, sizeof(h), deadline_ns);
	if (!err)
		err = send_bytes(fd, text, h.len, deadline_ns);
	for (unsigned i = 0; i < h.n_fds && !err; i += CHANNEL_FDS_MAX)
		err = send_fds(fd, &fds->fds[i], MIN(h.n_fds - i, (unsigned)CHANNEL_FDS_MAX), deadline_ns);
	free(text);
	return err;
}

/* Receiving */

static int receive_some(int fd, struct msghdr *mh, uint64_t deadline_ns, size_t *n)
{
	for (;;) {
		ssize_t got = recvmsg(fd, mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		int err;

		if (got > 0) {
			*n = (size_t)got;
			return 0;
		}
		if (got == 0)
			return -ECONNRESET;
		if (!is_transient())
			return -errno;
		err = wait_for(fd, POLLIN, deadline_ns);
		if (err)
			return err;
	}
}

static int receive_bytes(int fd, void *buf, size_t len, uint64_t deadline_ns)
{
	struct iovec iov = { buf, len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	int err = 0;

	while (iov.iov_len > 0 && !err) {
		size_t n = 0;

		err = receive_some(fd, &mh, deadline_ns, &n);
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= n;
	}
	return err;
}

/* All that came get into the table, or are closed. */
static int keep_fds(struct handover_fds *t, const struct cmsghdr *cmsg)
{
	size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int err = 0;

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(fd));
		if (handover_fds_append(t, fd))
			continue;
		close(fd);
		err = -ENOMEM;
	}
	return err;
}

static int receive_fds(int fd, struct handover_fds *t, uint64_t deadline_ns)
{
	union control control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	size_t n;
	int err = receive_some(fd, &mh, deadline_ns, &n);

	if (err)
		return err;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&mh); c; c = CMSG_NXTHDR(&mh, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && keep_fds(t, c) < 0)
			err = -ENOMEM;
	return mh.msg_flags & MSG_CTRUNC ? -EMFILE : err;
}

static int receive_all_fds(int fd, struct handover_fds *t, uint32_t n_fds, uint64_t deadline_ns)
{
	int err = 0;

	for (uint32_t left = n_fds; left > 0 && !err;) {
		unsigned before = t->n, got;

		err = receive_fds(fd, t, deadline_ns);
		got = t->n - before;
		if (!err && (got == 0 || got > left))
			err = -EPROTO;
		left -= MIN(got, left);
	}
	return err;
}

int handover_receive(int fd, json_t **document, struct handover_fds *fds, uint64_t deadline_ns)
{
	struct header h;
	char *text;
	int err = receive_bytes(fd, &h, sizeof(h), deadline_ns);

	*document = NULL;
	if (err)
		return err;
	if (memcmp(h.magic, MAGIC, sizeof(h.magic)) != 0 || h.len > TEXT_MAX || h.n_fds > (fds ? FDS_MAX : 0))
		return -EPROTO;
	text = malloc(h.len + 1);
	if (!text)
		return -ENOMEM;
	err = receive_bytes(fd, text, h.len, deadline_ns);
	if (!err && h.n_fds > 0)
		err = receive_all_fds(fd, fds, h.n_fds, deadline_ns);
	if (!err)
		*document = json_loadb(text, h.len, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	return err || *document ? err : -EPROTO;
}

int handover_check_peer(int fd, int *pid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	*pid = cred.pid;
	return cred.uid == geteuid() ? 0 : -EPERM;
}
