/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd.h - Event descriptors that come from a peer.
 *
 * Workers write to a call descriptor, and nothing that a peer hands over may make them wait. So only eventfds are taken (a
 * pipe can be full, a file can be on a file system that the peer serves), and they are made non-blocking. The peer shares the
 * open file and can take O_NONBLOCK off again: then a write may wait, for WAY_OUT_MS (base/way_out.h), and whoever called ends that
 * peer's connection. */
#ifndef RINGWAY_VHOST_EVENTFD_H
#define RINGWAY_VHOST_EVENTFD_H

#include <stdbool.h>

/* Is `fd` an eventfd, and non-blocking from now on? Needs /proc. */
bool vhost_eventfd_adopt(int fd);

/* Add 1, unless the counter is full (the other side has not been looking for a long while). -1 is fine. False: the peer made us
 * wait. */
bool vhost_eventfd_signal(int fd);

#endif
