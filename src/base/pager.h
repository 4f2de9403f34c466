/* SPDX-License-Identifier: Apache-2.0 */
/* pager.h - Processes that wait for pages of a guest's memory in our place.
 *
 * In the second half of a postcopy migration a guest runs while part of its memory is still at its old host. Who touches a missing page
 * waits inside the kernel until the front-end has fetched it, which a broken or hostile one never does. No thread of the switch
 * may wait like that. And the front-end needs the userfaultfd that reports these faults; whoever holds one can fill any
 * missing page of the process that opened it, its heap and stacks included, so it must not be ours.
 *
 * So there is a process for it, a pager, one for each connection that is in postcopy. It maps the guest's memory a second time, opens the
 * userfaultfd that the front-end gets, touches the pages that it is asked to, and says of each when it is there. A front-end that
 * does not answer stops its pager; one that abuses the descriptor spoils its pager, which has the memory of its own guest and a socket
 * to us, and may make no system call that matters. What a pager says is not believed further than that: see guard below.
 *
 *	control ---- spawner ---- pager      fork(2): from a process that was split off before there were guests, because
 *	   \                       /         one of ours would have all guests' memory, and because threads cannot fork well
 *	    `----- its socket ----'
 *
 * In our own mapping the pages are guarded: touching a missing one raises SIGBUS at once (userfault.h), and the port loses its memory and
 * its connection (lost_memory.h). That does not happen to a front-end that plays by the rules, because workers look whether a page is
 * there before they touch it (virtio/arrival.h). */
#ifndef RINGWAY_BASE_PAGER_H
#define RINGWAY_BASE_PAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pager;

enum pager_role { PAGER_SPAWNER, PAGER_PROCESS };

/* Start the spawner: once, while there is one thread, no guest's memory and no secret. `confine` is called in each of the new processes
 * when it needs no more than that role's system calls; may be NULL. 0, or negative errno with nothing started: kernels and
 * containers may refuse userfaultfd(2). */
int pager_init(void (*confine)(enum pager_role role));
/* Ends it, and all pagers. */
void pager_deinit(void);
bool pager_is_available(void);

/* Control thread, as all that follows but pager_ask(). Takes a millisecond. *uffd: for the front-end, to be closed by the caller.
 * Negative errno on failure. */
int pager_create(struct pager **pager, int *uffd);
/* Ends the process, whatever it waits for. NULL is fine. */
void pager_destroy(struct pager *p);
/* Readable when pages have arrived, or when the process has ended. */
int pager_fd(const struct pager *p);

/* Have `size` bytes of `fd` from `offset` mapped, all multiples of `align`, a power of two. *addr: where, in the pager. The order of
 * this and of pager_ask() is kept. -ENOSPC: its address space is used up; -ENOBUFS: it has too much to do. */
int pager_map(struct pager *p, int fd, uint64_t size, uint64_t offset, uint64_t align, uint64_t *addr);
int pager_unmap(struct pager *p, uint64_t addr, uint64_t size);
/* Any thread, never waits: have the page at `addr` (in the pager) touched. -EAGAIN: not now. */
int pager_ask(struct pager *p, uint64_t addr);
/* Up to `max` pages that have been touched; how many. 0: none now. -ECONNRESET: the process has ended. Any numbers, if it was taken over. */
int pager_arrived(struct pager *p, uint64_t *addrs, unsigned max);
/* In case that the front-end overheard the request: repeat it, for pages of [addr, addr + size). */
void pager_repeat(struct pager *p, uint64_t addr, uint64_t size);

/* Our own mapping of guest memory: SIGBUS for missing pages, or no longer so. 0 or negative errno. */
int pager_guard(const void *base, size_t size);
void pager_unguard(const void *base, size_t size);

#endif
