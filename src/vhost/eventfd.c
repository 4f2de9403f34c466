/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd.c - Checks and signals event descriptors that came from a peer. */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <unistd.h>

#include "base/fd_kind.h"
#include "vhost/eventfd.h"

/* syscalls worker: poll ppoll write */
/* syscalls control: fcntl */

bool vhost_eventfd_adopt(int fd)
{
	int flags = fd_kind(fd) == FD_EVENT ? fcntl(fd, F_GETFL) : -1;

	return flags >= 0 && ((flags & O_NONBLOCK) || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
}

/* What is left: a peer that fills the counter and takes O_NONBLOCK off between the two calls makes the write wait until somebody
 * reads. What would close this, and what would not:
 *   - A descriptor of our own for the same eventfd: dup(2) shares the open file, and /proc/self/fd cannot open an eventfd again.
 *   - RWF_NOWAIT: pwritev2(2) refuses flags on an eventfd, which has no write_iter.
 *   - A completion of the kernel's: IOCB_FLAG_RESFD of io_submit(2), io_uring's registered eventfd. They signal from inside the
 *     kernel and never wait, for a microsecond more per notification.
 *   - A watchdog: the write can be interrupted. A thread that sees a worker inside for milliseconds sends it a signal whose handler
 *     is installed without SA_RESTART, or reads the eventfd in its place; the port is then ended. Costs nothing until then. */
void vhost_eventfd_signal(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	const uint64_t one = 1;

	if (fd >= 0 && poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) && write(fd, &one, sizeof(one)) < 0)
		return; /* EAGAIN: it is readable, which is all that counts */
}
