/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd.c - Checks and signals event descriptors that came from a peer. */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vhost/eventfd.h"

/* syscalls worker: poll ppoll write */
/* syscalls control: readlink readlinkat fcntl */

static bool is_eventfd(int fd)
{
	static const char expected[] = "anon_inode:[eventfd]";
	char path[32], target[sizeof(expected)];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, target, sizeof(target));
	return len == (ssize_t)sizeof(expected) - 1 && memcmp(target, expected, sizeof(expected) - 1) == 0;
}

bool vhost_eventfd_adopt(int fd)
{
	int flags = is_eventfd(fd) ? fcntl(fd, F_GETFL) : -1;

	return flags >= 0 && ((flags & O_NONBLOCK) || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
}

void vhost_eventfd_signal(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	const uint64_t one = 1;

	if (fd >= 0 && poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) && write(fd, &one, sizeof(one)) < 0)
		return; /* EAGAIN: it is readable, which is all that counts */
}
