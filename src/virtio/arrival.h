/* SPDX-License-Identifier: Apache-2.0 */
/* arrival.h - Which pages of a guest's memory are here, while the rest of them is still to come (postcopy migration).
 *
 * In postcopy a guest_mem has `arrivals`, and each region of it two bits for a page: asked for, and here. Nobody touches a page before
 * its bit says that it is here. Who needs one that is not asks for it and comes back later: a worker treats the queue as empty or
 * the receiver as full; control does not start a ring before all of its areas are here. A process of its own touches
 * the page, and waits for it (base/pager.h); when it says so, control sets the bit and wakes who has asked.
 *
 * A bit may be wrong, because a front-end may take away a page that was here, or rule its pager. Our mapping is guarded: then the port
 * loses its memory, as when its file is cut short (base/lost_memory.h).
 *
 * Memory that is not in postcopy has no arrivals, and pays with an empty guest_mem_cache: the short paths of virtq.h are for those who
 * have one, and in postcopy there is none. */
#ifndef RINGWAY_VIRTIO_ARRIVAL_H
#define RINGWAY_VIRTIO_ARRIVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/guest_mem.h"

struct arrivals;

/* Control thread. */

/* Starts the process. *uffd: for the front-end, to be closed by the caller. 0 or negative errno. */
int arrivals_create(struct arrivals **arrivals, int *uffd);
/* No region refers to it any more. NULL is fine. */
void arrivals_destroy(struct arrivals *a);
/* Readable when there is something for arrivals_take(). */
int arrivals_fd(const struct arrivals *a);
/* May pages be asked for? Not at first. */
void arrivals_allow(struct arrivals *a, bool on);

/* For guest_mem.c, with rings parked: a region that was mapped and not touched yet, of `fd`; and one that will be unmapped, or whose pages
 * are all here. */
int arrivals_add_region(struct arrivals *a, struct guest_region *r, int fd);
void arrivals_remove_region(struct arrivals *a, struct guest_region *r);

/* The address at which the front-end knows the region: where the pager has its first byte. */
uint64_t arrivals_addr(const struct guest_region *r);
/* Mark what has arrived; how many pages. -ECONNRESET: the process has ended. */
int arrivals_take(struct guest_mem *m);
/* Ask again for what has been asked for and is not here. */
void arrivals_repeat(const struct guest_mem *m);
/* All pages are here, or are not waited for any longer. The caller has parked the rings, and destroys the arrivals. */
void arrivals_end(struct guest_mem *m);

/* Workers and control. */

/* Of guest_mem_is_here(). */
bool arrivals_check(const struct guest_mem *m, uint64_t addr, uint64_t len);

/* Are all pages of [addr, addr + len), which is in memory, here? If not, the others have been asked for. */
static inline bool guest_mem_is_here(const struct guest_mem *m, uint64_t addr, uint64_t len)
{
	return likely(!m->arrivals) || arrivals_check(m, addr, len);
}

/* The same for our address of a range in one region. */
bool guest_mem_area_is_here(const struct guest_mem *m, const void *host, uint64_t size);

#endif
