/* SPDX-License-Identifier: Apache-2.0 */
/* userfault.c - The system calls of userfault.h. */
#include "base/userfault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* syscalls control: ioctl(*,UFFDIO_REGISTER) ioctl(*,UFFDIO_UNREGISTER) ioctl(*,UFFDIO_WAKE) */
/* syscalls spawner: userfaultfd ioctl(*,UFFDIO_API) close */
/* syscalls pager: ioctl(*,UFFDIO_REGISTER) */

int userfault_open(uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	long fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	int err;

	if (fd < 0 && errno == EINVAL) /* Linux before 5.11 does not know the flag */
		fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (ioctl((int)fd, UFFDIO_API, &api) == 0)
		return (int)fd;
	err = -errno;
	close((int)fd);
	return err;
}

int userfault_register(int fd, const void *base, size_t size)
{
	struct uffdio_register r = { .range = { (uintptr_t)base, size }, .mode = UFFDIO_REGISTER_MODE_MISSING };

	return ioctl(fd, UFFDIO_REGISTER, &r) < 0 ? -errno : 0;
}

int userfault_unregister(int fd, const void *base, size_t size)
{
	struct uffdio_range r = { (uintptr_t)base, size };

	return ioctl(fd, UFFDIO_UNREGISTER, &r) < 0 ? -errno : 0;
}

int userfault_wake(int fd, uint64_t addr, uint64_t size)
{
	struct uffdio_range r = { addr, size };

	return ioctl(fd, UFFDIO_WAKE, &r) < 0 ? -errno : 0;
}
