/* SPDX-License-Identifier: Apache-2.0 */
/* fd_kind.c - Tells kinds of descriptors apart by what only the kernel can say of them. */
#include "base/fd_kind.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* syscalls control: fcntl readlink readlinkat statx name_to_handle_at getsockopt */

/* Nothing but these two file systems knows of seals. */
static bool is_memory(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

static bool is_eventfd(int fd)
{
	static const char expected[] = "anon_inode:[eventfd]";
	char path[32], target[sizeof(expected)];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, target, sizeof(target));
	return len == (ssize_t)sizeof(expected) - 1 && memcmp(target, expected, sizeof(expected) - 1) == 0;
}

static bool is_unix_socket(int fd)
{
	socklen_t len = sizeof(int);
	int domain;

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

/* btrfs has no device number of its own, but a kind of file handle that no other has (<linux/exportfs.h>,
 * FILEID_BTRFS_WITHOUT_PARENT, which is in handles that NFS clients keep and so stays what it is). */
static bool is_btrfs(int fd)
{
	enum { FILEID_BTRFS = 0x4d };
	struct {
		struct file_handle handle;
		char bytes[MAX_HANDLE_SZ];
	} h = { .handle.handle_bytes = MAX_HANDLE_SZ };
	int mount_id;

	return name_to_handle_at(fd, "", &h.handle, &mount_id, AT_EMPTY_PATH) == 0 &&
	       h.handle.handle_type == FILEID_BTRFS;
}

/* Who is not on a block device has 0 for a major number: FUSE, and all that goes over a network. What FUSE has on a block device
 * (fuseblk) takes root to mount. overlayfs is among the former, too, and rightly: what lies below it may be anything. */
static bool is_local_file(int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0 || !S_ISREG(st.stx_mode))
		return false;
	return st.stx_dev_major != 0 || is_btrfs(fd);
}

enum fd_kind fd_kind(int fd)
{
	if (is_memory(fd))
		return FD_MEMORY;
	if (is_eventfd(fd))
		return FD_EVENT;
	if (is_unix_socket(fd))
		return FD_UNIX_SOCKET;
	return is_local_file(fd) ? FD_FILE : FD_OTHER;
}
