/* SPDX-License-Identifier: Apache-2.0 */
/* run_dir.h - The directory with the sockets of one daemon, found in the same way by the daemon and the tool.
 *
 * As given; else /run/ringway for root; else $XDG_RUNTIME_DIR/ringway; else /tmp/ringway-UID. In /tmp anybody could have
 * made it first: a directory that we found ourselves is only used when it is ours and nobody else may write to it. */
#ifndef RINGWAY_BASE_RUN_DIR_H
#define RINGWAY_BASE_RUN_DIR_H

#include <stddef.h>

/* The directory's path, made absolute. `given`: NULL or the user's word for it. The directory need not exist; when it does it is
 * checked. 0, or negative errno with a text for people in err. */
int run_dir_find(const char *given, char *buf, size_t size, char *err, size_t err_size);

/* The same, and make it when it is not there: 0755 for root, whose guests run as other users, else 0700. */
int run_dir_prepare(const char *given, char *buf, size_t size, char *err, size_t err_size);

#endif
