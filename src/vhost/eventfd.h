/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd.h - Event descriptors that come from a peer.
 *
 * Workers write to a call descriptor, and nothing that a peer hands over may make them wait. So only eventfds are taken (a
 * pipe can be full, a file can be on a file system that the peer serves), and they are made non-blocking. The peer shares the
 * open file and could take O_NONBLOCK off again; vhost_eventfd_signal() therefore asks before it writes. */
#ifndef RINGWAY_VHOST_EVENTFD_H
#define RINGWAY_VHOST_EVENTFD_H

#include <stdbool.h>

/* Is `fd` an eventfd, and non-blocking from now on? Needs /proc. */
bool vhost_eventfd_adopt(int fd);

/* Add 1, unless the counter is full (the other side has not been looking for a long while). -1 is fine. */
void vhost_eventfd_signal(int fd);

#endif
