/* SPDX-License-Identifier: Apache-2.0 */
/* handover_fds.c - The table of handover_fds.h.
 *
 * kcmp(2) gives open files an order, so one is found in a thousand with ten calls. A kernel without it is one more reason to have
 * numbers for the same file twice, which costs descriptors and nothing else. */
#include "control/handover_fds.h"

#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"

/* syscalls control: kcmp close */

enum { SAME = 0, BEFORE = 1, BEHIND = 2 };

void handover_fds_init(struct handover_fds *t, bool is_owner)
{
	*t = (struct handover_fds){ .is_owner = is_owner };
}

void handover_fds_deinit(struct handover_fds *t)
{
	for (unsigned i = 0; i < t->n && t->is_owner; i++)
		if (t->fds[i] >= 0)
			close(t->fds[i]);
	free(t->fds);
	free(t->order);
	handover_fds_init(t, false);
}

static bool grow(struct handover_fds *t)
{
	unsigned room = MAX(2 * t->room, 64u);
	int *fds = realloc(t->fds, room * sizeof(*fds));
	unsigned *order;

	if (!fds)
		return false;
	t->fds = fds;
	order = realloc(t->order, room * sizeof(*order));
	if (!order)
		return false;
	t->order = order;
	t->room = room;
	return true;
}

/* Where `fd` belongs in the order, and whether its file is there. */
static unsigned find(const struct handover_fds *t, int fd, bool *found)
{
	unsigned from = 0, to = t->n;

	*found = false;
	while (from < to) {
		unsigned middle = (from + to) / 2;
		long order = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, fd, t->fds[t->order[middle]]);

		*found = order == SAME;
		if (order == SAME)
			return middle;
		if (order == BEFORE)
			to = middle;
		else
			from = middle + 1;
	}
	return from;
}

static bool insert(struct handover_fds *t, int fd, unsigned at)
{
	if (t->n == t->room && !grow(t))
		return false;
	memmove(&t->order[at + 1], &t->order[at], (t->n - at) * sizeof(*t->order));
	t->order[at] = t->n;
	t->fds[t->n++] = fd;
	return true;
}

int handover_fds_add(struct handover_fds *t, int fd)
{
	unsigned at;
	bool found;

	if (fd < 0)
		return -1;
	at = find(t, fd, &found);
	if (found)
		return (int)t->order[at];
	if (insert(t, fd, at))
		return (int)t->n - 1;
	t->failed = true;
	return -1;
}

bool handover_fds_append(struct handover_fds *t, int fd)
{
	return insert(t, fd, t->n);
}
