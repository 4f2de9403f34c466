/* SPDX-License-Identifier: Apache-2.0 */
/* dirty_log.c - The bitmap of dirty_log.h. */
#include "virtio/dirty_log.h"

#include <errno.h>
#include <unistd.h>

#include "base/lost_memory.h"

void dirty_log_init(struct dirty_log *log)
{
	*log = (struct dirty_log){ .kick_fd = -1 };
}

void dirty_log_deinit(struct dirty_log *log)
{
	guest_region_unmap(&log->bitmap);
	if (log->kick_fd >= 0)
		close(log->kick_fd);
	dirty_log_init(log);
}

int dirty_log_map(struct dirty_log *log, int fd, uint64_t size, uint64_t offset, int lost_fd)
{
	struct guest_region bitmap = { .size = size, .file_offset = offset };
	int err = size > 0 ? guest_region_map(&bitmap, fd, lost_fd) : -EINVAL;

	if (err < 0)
		return err;
	guest_region_unmap(&log->bitmap);
	log->bitmap = bitmap;
	return 0;
}

bool dirty_log_is_lost(const struct dirty_log *log)
{
	return dirty_log_exists(log) && lost_memory_is_lost(log->bitmap.lost_handle);
}

bool dirty_log_mark(const struct dirty_log *log, uint64_t addr, uint64_t len)
{
	uint64_t first = addr >> DIRTY_LOG_PAGE_SHIFT, last = (addr + len - 1) >> DIRTY_LOG_PAGE_SHIFT;

	if (len == 0)
		return true;
	if (len - 1 > UINT64_MAX - addr)
		return false;
	for (uint64_t i = first / 8; i <= last / 8; i++) {
		unsigned bits = 0xff;

		if (i >= log->bitmap.size)
			return false;
		if (i == first / 8)
			bits &= 0xffu << first % 8;
		if (i == last / 8)
			bits &= 0xffu >> (7 - last % 8);
		/* What was written before the bit that reports it: the front-end clears the bit and then reads the page. */
		__atomic_fetch_or(&log->bitmap.host[i], (uint8_t)bits, __ATOMIC_RELEASE);
	}
	return true;
}
