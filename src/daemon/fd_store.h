/* SPDX-License-Identifier: Apache-2.0 */
/* fd_store.h - What systemd keeps for us while it starts the service again (sd_pid_notify_with_fds(3), "FDSTORE=1").
 *
 * The document of handover_store() lies in a memfd, its descriptors beside it under their numbers. The service needs FileDescriptorStoreMax=;
 * without it systemd closes what it is given, and the connections end as if nothing had been stored. */
#ifndef RINGWAY_DAEMON_FD_STORE_H
#define RINGWAY_DAEMON_FD_STORE_H

#include <jansson.h>
#include <stdbool.h>

struct handover_fds;

/* Is there anybody who could keep something? */
bool fd_store_exists(void);
/* 0 or negative errno: it was not given completely. */
int fd_store_put(const json_t *document, const struct handover_fds *fds);
/* What the process before has left; NULL: nothing. `fds`, empty, gets the descriptors. */
json_t *fd_store_get(struct handover_fds *fds);
/* All that came from there has been taken over. */
void fd_store_clear(unsigned n_fds);
/* It is of no use: end the connections and listeners, which are open until the store is empty, and that may take a while. */
void fd_store_discard(const struct handover_fds *fds);

#endif
