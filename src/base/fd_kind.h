/* SPDX-License-Identifier: Apache-2.0 */
/* fd_kind.h - What a descriptor is that a peer handed over, found out without waiting for anybody.
 *
 * The question itself is dangerous: fstat(2), fstatfs(2), even close(2) on a file of FUSE ask the process that serves it, which may be
 * the peer, which need not answer. So may the first access to a page of it that was mapped. Only what the kernel answers by
 * itself is asked here. */
#ifndef RINGWAY_BASE_FD_KIND_H
#define RINGWAY_BASE_FD_KIND_H

enum fd_kind {
	FD_MEMORY,      /* of tmpfs or hugetlbfs, as a memfd is */
	FD_FILE,        /* a regular file of a file system on a disk of this machine */
	FD_EVENT,       /* an eventfd */
	FD_UNIX_SOCKET, /* AF_UNIX */
	FD_OTHER,       /* reading, writing and closing may all take as long as somebody else wants */
};

/* `fd` is open. Needs /proc for FD_EVENT. */
enum fd_kind fd_kind(int fd);

#endif
