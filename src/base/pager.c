/* SPDX-License-Identifier: Apache-2.0 */
/* pager.c - Control's side of pagers: starts them, tells them what to do, hears what they have done. */
#include "base/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/pager_wire.h"
#include "base/userfault.h"

/* syscalls control: socketpair(AF_UNIX) sendmsg recvmsg recvfrom poll ppoll fcntl wait4 close */
/* syscalls worker: sendto */

enum { HELLO_TIMEOUT_MS = 10000 };

struct pager {
	int fd;
	int uffd; /* the front-end has it, too */
	uint64_t id;
	uint64_t next, end; /* address space that is left */
	uint64_t part;      /* of the number that comes next, ... */
	size_t n_part;      /* so many bytes */
};

/* The one of this process. */
static struct {
	int fd;
	pid_t pid; /* 0: none */
	int guard_fd;
	uint64_t last_id;
} spawner = { .fd = -1, .guard_fd = -1 };

/* Records */

int pager_send(int socket, const void *record, size_t size, int fd, int flags)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)record, size };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fd >= 0) {
		mh.msg_control = &control;
		mh.msg_controllen = sizeof(control);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	}
	do
		n = sendmsg(socket, &mh, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EIO; /* a unix socket takes so little whole, or not at all */
}

static ssize_t receive_some(int socket, void *to, size_t size, int *fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { to, size };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_controllen = sizeof(control) };
	const struct cmsghdr *c;
	ssize_t n;

	mh.msg_control = &control;
	do
		n = recvmsg(socket, &mh, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	c = n < 0 ? NULL : CMSG_FIRSTHDR(&mh);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && *fd < 0)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return n;
}

int pager_receive(int socket, void *record, size_t size, int *fd)
{
	size_t got = 0;

	*fd = -1;
	while (got < size) {
		ssize_t n = receive_some(socket, (char *)record + got, size - got, fd);

		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		got += (size_t)n;
	}
	return 0;
}

/* Spawner */

/* Would the kernel let pagers and guards do their work? The descriptor for guards. */
static int open_guard(void)
{
	const uint64_t shared = UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MISSING_HUGETLBFS;

	return userfault_open(UFFD_FEATURE_SIGBUS | shared);
}

int pager_init(void (*confine)(enum pager_role role))
{
	int sockets[2], err = open_guard();
	pid_t self = getpid();

	if (err < 0)
		return err;
	spawner.guard_fd = err;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) {
		err = -errno;
		goto close_guard;
	}
	spawner.pid = fork();
	if (spawner.pid == 0) {
		close(sockets[0]);
		pager_run_spawner(sockets[1], self, confine);
	}
	err = spawner.pid < 0 ? -errno : 0;
	close(sockets[1]);
	spawner.fd = sockets[0];
	if (err == 0)
		return 0;
	close(spawner.fd);
	spawner.fd = -1;
	spawner.pid = 0;
close_guard:
	close(spawner.guard_fd);
	spawner.guard_fd = -1;
	return err;
}

void pager_deinit(void)
{
	if (!pager_is_available())
		return;
	close(spawner.fd);
	close(spawner.guard_fd);
	while (waitpid(spawner.pid, NULL, 0) < 0 && errno == EINTR)
		;
	spawner.fd = spawner.guard_fd = -1;
	spawner.pid = 0;
}

bool pager_is_available(void)
{
	return spawner.pid > 0;
}

/* Life of a pager */

/* The other end of the socket goes to the new process, and is closed here in any case. */
static int start(struct pager *p)
{
	struct spawner_command c = { SPAWNER_START, ++spawner.last_id };
	int sockets[2], err;

	p->id = c.id;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return -errno;
	p->fd = sockets[0];
	err = pager_send(spawner.fd, &c, sizeof(c), sockets[1], MSG_DONTWAIT);
	close(sockets[1]);
	return err;
}

/* It is a fresh copy of the spawner, which no front-end has seen yet: it answers. */
static int greet(struct pager *p)
{
	struct pollfd pfd = { .fd = p->fd, .events = POLLIN };
	struct pager_hello hello;
	int n, err;

	do
		n = poll(&pfd, 1, HELLO_TIMEOUT_MS);
	while (n < 0 && errno == EINTR); /* way_out.h */
	if (n <= 0)
		return n < 0 ? -errno : -ETIMEDOUT;
	err = pager_receive(p->fd, &hello, sizeof(hello), &p->uffd);
	if (err < 0 || hello.error)
		return err < 0 ? err : (int)hello.error;
	p->next = hello.base;
	p->end = hello.base + hello.size;
	/* From now on neither side waits for the other here. */
	return p->uffd < 0 || fcntl(p->fd, F_SETFL, O_NONBLOCK) < 0 ? -EIO : 0;
}

int pager_create(struct pager **pager, int *uffd)
{
	struct pager *p = calloc(1, sizeof(*p));
	int err = -EOPNOTSUPP;

	if (!p)
		return -ENOMEM;
	p->fd = p->uffd = -1;
	if (pager_is_available())
		err = start(p);
	if (err == 0)
		err = greet(p);
	if (err == 0) {
		*uffd = fcntl(p->uffd, F_DUPFD_CLOEXEC, 0);
		err = *uffd < 0 ? -errno : 0;
	}
	if (err == 0)
		*pager = p;
	else
		pager_destroy(p);
	return err;
}

void pager_destroy(struct pager *p)
{
	struct spawner_command c = { .op = SPAWNER_END };

	if (!p)
		return;
	c.id = p->id;
	if (p->fd >= 0) {
		pager_send(spawner.fd, &c, sizeof(c), -1, MSG_DONTWAIT);
		close(p->fd);
	}
	if (p->uffd >= 0)
		close(p->uffd);
	free(p);
}

int pager_fd(const struct pager *p)
{
	return p->fd;
}

/* Work */

static int tell(struct pager *p, const struct pager_command *c, int fd)
{
	int err = pager_send(p->fd, c, sizeof(*c), fd, MSG_DONTWAIT);

	return err == -EAGAIN ? -ENOBUFS : err;
}

int pager_map(struct pager *p, int fd, uint64_t size, uint64_t offset, uint64_t align, uint64_t *addr)
{
	uint64_t start_at = (p->next + align - 1) & ~(align - 1);
	struct pager_command c = { PAGER_MAP, start_at, size, offset };
	int err;

	if (start_at < p->next || start_at > p->end || size > p->end - start_at)
		return -ENOSPC;
	err = tell(p, &c, fd);
	if (err < 0)
		return err;
	p->next = start_at + size;
	*addr = start_at;
	return 0;
}

int pager_unmap(struct pager *p, uint64_t addr, uint64_t size)
{
	struct pager_command c = { PAGER_UNMAP, addr, size, 0 };

	return tell(p, &c, -1);
}

int pager_ask(struct pager *p, uint64_t addr)
{
	struct pager_command c = { .op = PAGER_TOUCH, .addr = addr };

	return send(p->fd, &c, sizeof(c), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(c) ? 0 : -EAGAIN;
}

/* Whole numbers out of what came; the rest stays for the next time. */
int pager_arrived(struct pager *p, uint64_t *addrs, unsigned max)
{
	char bytes[1024];
	size_t room = max * sizeof(*addrs);
	unsigned n = 0;
	ssize_t got;

	do
		got = recv(p->fd, bytes, room < sizeof(bytes) ? room : sizeof(bytes), MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got == 0 || (got < 0 && errno != EAGAIN))
		return -ECONNRESET;
	for (ssize_t i = 0; i < got; i++) {
		((char *)&p->part)[p->n_part++] = bytes[i];
		if (p->n_part < sizeof(p->part))
			continue;
		addrs[n++] = p->part;
		p->n_part = 0;
	}
	return (int)n;
}

void pager_repeat(struct pager *p, uint64_t addr, uint64_t size)
{
	userfault_wake(p->uffd, addr, size);
}

/* Guard */

int pager_guard(const void *base, size_t size)
{
	return userfault_register(spawner.guard_fd, base, size);
}

void pager_unguard(const void *base, size_t size)
{
	userfault_unregister(spawner.guard_fd, base, size);
}
