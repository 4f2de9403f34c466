/* SPDX-License-Identifier: Apache-2.0 */
/* dirty_log.h - Which pages of its memory the device has written, for a front-end that is migrating the guest.
 *
 * The front-end shares a bitmap with a bit for each 4096 bytes of guest address space (vhost-user.rst, "Migration") and clears what
 * it has seen while we set more of it: bits are set by atomic or, and only after the write that they report. A bit that was set
 * before it would be taken for the page as it was.
 *
 * How large the bitmap is, and what it covers, is the front-end's to say: each bit is checked against its end. Control replaces
 * the bitmap with every ring parked; workers mark. */
#ifndef RINGWAY_VIRTIO_DIRTY_LOG_H
#define RINGWAY_VIRTIO_DIRTY_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/guest_mem.h"

enum { DIRTY_LOG_PAGE_SHIFT = 12 }; /* vhost-user.rst: a page is 4096 bytes, whatever the machine's pages are */

struct dirty_log {
	struct guest_region bitmap; /* of it: host, size and the mapping; host NULL: there is none */
	int kick_fd;                /* eventfd that is told after bits were set, -1: none */
};

void dirty_log_init(struct dirty_log *log);
/* Unmaps and closes. */
void dirty_log_deinit(struct dirty_log *log);
/* Take `size` bytes of `fd` at `offset`, in place of the bitmap before, which stays when this fails. `lost_fd` as guest_mem has it.
 * -EINVAL: size 0, -ERANGE, -EMEDIUMTYPE: as guest_mem has them, or mmap(2)'s error. */
int dirty_log_map(struct dirty_log *log, int fd, uint64_t size, uint64_t offset, int lost_fd);

static inline bool dirty_log_exists(const struct dirty_log *log)
{
	return log->bitmap.host;
}

/* Was its file cut short under us? */
bool dirty_log_is_lost(const struct dirty_log *log);

/* Worker: mark the pages of guest addresses [addr, addr + len). False: some are outside the bitmap; the others are marked. */
bool dirty_log_mark(const struct dirty_log *log, uint64_t addr, uint64_t len);

#endif
