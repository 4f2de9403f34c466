/* SPDX-License-Identifier: Apache-2.0 */
/* slow_file.c - The smallest file system: a folder in which every name is the same file. */
#include "slow_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILE_NODE = 2, REQUEST_SIZE = 128 * 1024 };

struct answer {
	struct fuse_out_header header;
	union {
		struct fuse_init_out init;
		struct fuse_entry_out entry;
		struct fuse_attr_out attr;
		struct fuse_open_out open;
	};
};

static struct fuse_attr attr_of(uint64_t node)
{
	struct fuse_attr a = { .ino = node, .nlink = 1, .blksize = 4096, .mode = S_IFDIR | 0700 };

	if (node == FILE_NODE) {
		a.mode = S_IFREG | 0600;
		a.size = SLOW_FILE_SIZE;
	}
	return a;
}

/* Bytes behind the header; -1: no answer. */
static int answer(const struct fuse_in_header *h, struct answer *a)
{
	switch (h->opcode) {
	case FUSE_INIT:
		a->init = (struct fuse_init_out){ .major = 7, .minor = 31, .max_write = 4096 };
		return sizeof(a->init);
	case FUSE_LOOKUP:
		a->entry = (struct fuse_entry_out){ .nodeid = FILE_NODE, .attr = attr_of(FILE_NODE) };
		return sizeof(a->entry);
	case FUSE_GETATTR:
		a->attr = (struct fuse_attr_out){ .attr = attr_of(h->nodeid) };
		return sizeof(a->attr);
	case FUSE_OPEN:
		a->open = (struct fuse_open_out){ .fh = 1 };
		return sizeof(a->open);
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		return 0;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		return -1;
	default:
		a->header.error = -ENOSYS;
		return 0;
	}
}

/* Answers until the file has been flushed by whoever opened it; after that only takes requests. */
static void serve(int dev)
{
	static char request[REQUEST_SIZE];
	bool silent = false;

	for (;;) {
		const struct fuse_in_header *h = (const void *)request;
		struct answer a = { 0 };
		int len;

		if (read(dev, request, sizeof(request)) < (ssize_t)sizeof(*h))
			return;
		len = silent ? -1 : answer(h, &a);
		if (len < 0)
			continue;
		a.header.unique = h->unique;
		a.header.len = (uint32_t)(sizeof(a.header) + (size_t)len);
		if (write(dev, &a, a.header.len) < 0)
			return;
		silent = h->opcode == FUSE_FLUSH;
	}
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool done = fd >= 0 && write(fd, text, strlen(text)) >= 0;

	if (fd >= 0)
		close(fd);
	return done;
}

static bool enter_namespaces(void)
{
	unsigned uid = getuid(), gid = getgid();
	char text[32];

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	snprintf(text, sizeof(text), "0 %u 1", uid);
	if (!write_file("/proc/self/uid_map", text) || !write_file("/proc/self/setgroups", "deny"))
		return false;
	snprintf(text, sizeof(text), "0 %u 1", gid);
	return write_file("/proc/self/gid_map", text);
}

static int mount_at(const char *dir)
{
	int dev = enter_namespaces() ? open("/dev/fuse", O_RDWR | O_CLOEXEC) : -1;
	char options[64];

	if (dev < 0)
		return -1;
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", dev);
	return mount("slow", dir, "fuse", MS_NOSUID | MS_NODEV, options) < 0 ? -1 : dev;
}

static void send_fd(int to, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .align = {
			  .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	mh.msg_control = &control;
	mh.msg_controllen = sizeof(control);
	if (sendmsg(to, &mh, MSG_NOSIGNAL) < 0)
		_exit(1);
}

static int receive_fd(int from)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fd;

	mh.msg_control = &control;
	mh.msg_controllen = sizeof(control);
	if (recvmsg(from, &mh, MSG_CMSG_CLOEXEC) <= 0 || !CMSG_FIRSTHDR(&mh))
		return -1;
	memcpy(&fd, CMSG_DATA(&control.align), sizeof(fd));
	return fd;
}

/* The server, and its child, which opens the file, hands it over and ends. */
static void run_server(const char *dir, int to)
{
	char path[64];
	int dev;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dev = mount_at(dir);
	if (dev < 0)
		_exit(1);
	if (fork() == 0) {
		int fd;

		close(dev);
		snprintf(path, sizeof(path), "%s/file", dir);
		fd = open(path, O_RDWR);
		if (fd >= 0)
			send_fd(to, fd);
		close(fd);
		_exit(0);
	}
	close(to);
	serve(dev);
	_exit(0);
}

int slow_file_open(struct slow_file *f)
{
	char dir[] = "/tmp/ringway-test-XXXXXX";
	int pair[2];

	if (!mkdtemp(dir) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	f->server = fork();
	if (f->server == 0)
		run_server(dir, pair[1]);
	close(pair[1]);
	f->fd = f->server < 0 ? -1 : receive_fd(pair[0]);
	/* The end of the pair tells that the child which opened the file has ended, too. */
	if (f->fd >= 0)
		while (recv(pair[0], &(char){ 0 }, 1, 0) > 0)
			;
	close(pair[0]);
	rmdir(dir);
	if (f->fd >= 0)
		return 0;
	if (f->server > 0)
		slow_file_release(f);
	return -1;
}

void slow_file_release(struct slow_file *f)
{
	kill(f->server, SIGKILL);
	waitpid(f->server, NULL, 0);
	f->server = -1;
}
