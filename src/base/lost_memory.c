/* SPDX-License-Identifier: Apache-2.0 */
/* lost_memory.c - The SIGBUS handler, and the table that it reads.
 *
 * A slot is filled in before `size` makes it visible, and hidden by size 0 before it is used again. The handler searches from the
 * start: it runs once per range that is lost. mmap(2) and write(2) are system calls without state in the C library. */
#include "base/lost_memory.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/barrier.h"

/* syscalls worker: mmap(*,*,!PROT_EXEC) write rt_sigaction rt_sigreturn */

struct range {
	uint8_t *base;
	size_t size; /* 0: free */
	int fd;
	bool lost;
};

static struct range ranges[LOST_MEMORY_RANGES_MAX];
static unsigned n_ranges; /* slots ever used */

static struct range *find(const uint8_t *addr)
{
	unsigned n = load_acquire(&n_ranges);

	for (unsigned i = 0; i < n; i++) {
		size_t size = load_acquire(&ranges[i].size);

		if (size && addr >= ranges[i].base && addr < ranges[i].base + size)
			return &ranges[i];
	}
	return NULL;
}

/* Two threads may fault in the same range at once: the second mapping replaces the first, zeroes by zeroes. Whoever finds zeroes
 * has to find the mark as well, so that comes first. A bare system call, because ThreadSanitizer takes mmap(2) for a write to all
 * of the range. */
static bool replace(struct range *r)
{
	static const uint64_t one = 1;
	bool first = !__atomic_exchange_n(&r->lost, true, __ATOMIC_ACQ_REL);

	if (syscall(SYS_mmap, r->base, r->size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) < 0)
		return false;
	if (first && r->fd >= 0 && write(r->fd, &one, sizeof(one)) < 0)
		return true; /* EAGAIN: it is readable already */
	return true;
}

static void on_sigbus(int signo, siginfo_t *info, void *context)
{
	struct range *r = find(info->si_addr);
	int saved = errno;

	(void)context;
	/* Returning with the default action in place repeats the access, and dumps core where the fault is. */
	if (!r || !replace(r))
		signal(signo, SIG_DFL);
	errno = saved;
}

int lost_memory_init(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_RESTART };

	sigemptyset(&sa.sa_mask);
	return sigaction(SIGBUS, &sa, NULL) < 0 ? -errno : 0;
}

int lost_memory_add(void *base, size_t size, int fd)
{
	unsigned i = 0;

	while (i < n_ranges && ranges[i].size)
		i++;
	if (i == LOST_MEMORY_RANGES_MAX)
		return -ENOSPC;
	ranges[i].base = base;
	ranges[i].fd = fd;
	write_once(&ranges[i].lost, false);
	store_release(&ranges[i].size, size); /* the slot before what makes it visible */
	if (i == n_ranges)
		store_release(&n_ranges, i + 1);
	return (int)i;
}

void lost_memory_remove(int handle)
{
	if (handle >= 0)
		store_release(&ranges[handle].size, (size_t)0);
}

bool lost_memory_is_lost(int handle)
{
	return handle >= 0 && load_acquire(&ranges[handle].lost);
}
