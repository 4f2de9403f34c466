/* SPDX-License-Identifier: Apache-2.0 */
/* handover_fds.h - Descriptors that travel with a document, which names each by its number in this table.
 *
 * Two descriptors for the same open file get one number: a guest's memory is often several regions of one file. And systemd, which
 * can keep a table while a daemon is restarted, throws away what it has already. */
#ifndef RINGWAY_CONTROL_HANDOVER_FDS_H
#define RINGWAY_CONTROL_HANDOVER_FDS_H

#include <stdbool.h>

struct handover_fds {
	int *fds;
	unsigned n, room;
	unsigned *order; /* numbers, sorted by what they are descriptors of */
	bool is_owner;   /* of the descriptors: deinit closes them */
	bool failed;     /* some could not be added */
};

/* The sender's are borrowed, the receiver's are its own. */
void handover_fds_init(struct handover_fds *t, bool is_owner);
void handover_fds_deinit(struct handover_fds *t);

/* The number of `fd`, which is added unless its file is there; -1 for -1, and without memory (t->failed). */
int handover_fds_add(struct handover_fds *t, int fd);
/* The same at the end of the table, whatever it is. False: no memory; the descriptor stays the caller's. */
bool handover_fds_append(struct handover_fds *t, int fd);

#endif
