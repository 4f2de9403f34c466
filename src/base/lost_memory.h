/* SPDX-License-Identifier: Apache-2.0 */
/* lost_memory.h - Shared memory that its owner may take away while we read it.
 *
 * A front-end hands over a file and may truncate it at any moment; the next access to a page that is gone raises SIGBUS. Only
 * the front-end's own port may suffer. So ranges of such memory are registered here. When one faults, the signal handler maps
 * anonymous zeroes over the whole range, sets its `lost` mark, writes to its eventfd, and returns: the access is repeated and
 * succeeds, whatever the thread was doing goes on undisturbed, with garbage that it has to expect from a guest anyway. The owner of the
 * eventfd then ends the connection. Nothing is unwound and no lock is left behind. A SIGBUS elsewhere keeps its default action.
 *
 * Control thread: init, add, remove. The handler runs on any thread and takes no lock. */
#ifndef RINGWAY_BASE_LOST_MEMORY_H
#define RINGWAY_BASE_LOST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

enum { LOST_MEMORY_RANGES_MAX = 65536 };

/* Install the handler. Once, before threads are started. 0 or negative errno. */
int lost_memory_init(void);

/* Register the mapping [base, base + size), as mmap(2) returned it and rounded to its page size. `fd`: eventfd to write to, or
 * -1. Returns a handle >= 0, or -ENOSPC. */
int lost_memory_add(void *base, size_t size, int fd);
/* Call before the range is unmapped. */
void lost_memory_remove(int handle);
/* Has the range been replaced? */
bool lost_memory_is_lost(int handle);

#endif
