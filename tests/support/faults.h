/* SPDX-License-Identifier: Apache-2.0 */
/* faults.h - A front-end's part in postcopy: hear which page somebody waits for, and say that it is there. */
#ifndef RINGWAY_TESTS_SUPPORT_FAULTS_H
#define RINGWAY_TESTS_SUPPORT_FAULTS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FAULTS_PATIENCE_MS = 10000 };

/* The address, rounded down to a page of 4096 bytes, of the next fault. False: there was none in the time. */
static inline bool faults_next(int uffd, int timeout_ms, uint64_t *addr)
{
	struct pollfd p = { .fd = uffd, .events = POLLIN };
	struct uffd_msg msg;
	int n;

	do
		n = poll(&p, 1, timeout_ms);
	while (n < 0 && errno == EINTR); /* base/way_out.h */
	if (n != 1 || read(uffd, &msg, sizeof(msg)) != sizeof(msg) || msg.event != UFFD_EVENT_PAGEFAULT)
		return false;
	*addr = msg.arg.pagefault.address & ~UINT64_C(4095);
	return true;
}

static inline bool faults_wake(int uffd, uint64_t addr, uint64_t len)
{
	struct uffdio_range r = { addr, len };

	return ioctl(uffd, UFFDIO_WAKE, &r) == 0;
}

/* Take the page at `off` of the file out, as if it had not come yet; its bytes into `page`. */
static inline bool faults_take_page(int fd, const uint8_t *mem, uint64_t off, uint8_t page[4096])
{
	memcpy(page, mem + off, 4096);
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, 4096) == 0;
}

#endif
