/* SPDX-License-Identifier: Apache-2.0 */
/* handover_channel.h - Documents with descriptors over a unix socket, between two processes that wait for each other.
 *
 * On the wire: a header of 16 bytes (magic, length of the text, number of descriptors), the JSON text, then the descriptors, up to
 * CHANNEL_FDS_MAX with each byte. */
#ifndef RINGWAY_CONTROL_HANDOVER_CHANNEL_H
#define RINGWAY_CONTROL_HANDOVER_CHANNEL_H

#include <jansson.h>
#include <stdint.h>

struct handover_fds;

/* All wait until `deadline_ns` (CLOCK_MONOTONIC) at most. 0; -ETIMEDOUT; -ECONNRESET: the other side is gone; -EPROTO: what came is no
 * document; or another negative errno. */
int handover_send(int fd, const json_t *document, const struct handover_fds *fds, uint64_t deadline_ns);
/* *document is the caller's. `fds`, empty, gets what comes with it; NULL: nothing may. */
int handover_receive(int fd, json_t **document, struct handover_fds *fds, uint64_t deadline_ns);

/* The peer's user and process: -EPERM when it is not our user. */
int handover_check_peer(int fd, int *pid);

#endif
