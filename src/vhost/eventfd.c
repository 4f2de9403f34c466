/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd.c - Checks and signals event descriptors that came from a peer. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "base/fd_kind.h"
#include "base/way_out.h"
#include "vhost/eventfd.h"

/* syscalls worker: write */
/* syscalls control: fcntl */

bool vhost_eventfd_adopt(int fd)
{
	int flags = fd_kind(fd) == FD_EVENT ? fcntl(fd, F_GETFL) : -1;

	return flags >= 0 && ((flags & O_NONBLOCK) || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
}

/* Nothing keeps a peer from filling the counter and taking O_NONBLOCK off: dup(2) shares the open file, /proc/self/fd cannot open an
 * eventfd again, pwritev2(2) has no RWF_NOWAIT for it. So the write may wait, and is got out of there. */
bool vhost_eventfd_signal(int fd)
{
	const uint64_t one = 1;
	bool fine;

	if (fd < 0)
		return true;
	way_out_enter();
	fine =
	    write(fd, &one, sizeof(one)) == sizeof(one) || errno != EINTR; /* EAGAIN: it is readable, all that counts */
	way_out_leave();
	return fine;
}
