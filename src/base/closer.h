/* SPDX-License-Identifier: Apache-2.0 */
/* closer.h - Closes descriptors that came from a peer, without waiting for what the peer made of them.
 *
 * close(2) may take as long as somebody else wants: FUSE has the process that serves the file flush it, NFS writes to its server, a
 * TCP socket with SO_LINGER waits for the other end. Whoever may hand over descriptors could stop the control thread so. What
 * cannot wait is closed at once; the rest by threads that have nothing else to do and sleep otherwise.
 *
 * Each source of descriptors has a closer, which knows whether any of its own are still being closed; as long as there are, take no more
 * from that source. There are few threads: sources that misbehave wait for each other. */
#ifndef RINGWAY_BASE_CLOSER_H
#define RINGWAY_BASE_CLOSER_H

#include <stdbool.h>

struct closer;

/* Start the threads; when this returns each has called `call` (NULL: nothing), before anything else. Once; otherwise they start
 * when they are needed. 0 or negative errno. */
int closer_start_threads(void (*call)(void));

/* NULL: out of memory. */
struct closer *closer_create(void);
/* What is still to be closed will be. NULL is fine. */
void closer_destroy(struct closer *c);

/* Takes over `fd` >= 0; any thread. NULL: just close it. */
void closer_close(struct closer *c, int fd);
/* Is something of this closer's still being closed? */
bool closer_is_busy(struct closer *c);

#endif
