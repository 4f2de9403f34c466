/* SPDX-License-Identifier: Apache-2.0 */
/* listener.h - The socket that front-ends connect to.
 *
 * Owner and mode of the file are as asked for before anybody can connect. A file that a daemon left behind when it died is
 * replaced; a socket that somebody listens on is not. */
#ifndef RINGWAY_VHOST_LISTENER_H
#define RINGWAY_VHOST_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

struct vhost_listener {
	int fd; /* non-blocking */
	struct sockaddr_un addr;
	dev_t dev; /* of the file that we made, so that we remove no other */
	ino_t ino;
	bool borrowed; /* socket and file are another process's: they are not shut down and not removed */
};

/* Listen on `path`. uid or gid -1: leave. -EADDRINUSE: somebody listens there; -EEXIST: there is a file that is no socket;
 * or the error of the call that failed. On failure nothing is left behind and `err` has a text that names the path. */
int vhost_listener_open(struct vhost_listener *l, const char *path, mode_t mode, uid_t uid, gid_t gid, char *err,
			size_t err_size);
/* Stop to listen and remove the file. */
void vhost_listener_close(struct vhost_listener *l);

/* A listener as another process can take it over. The descriptor is borrowed; -1: there is none. */
struct vhost_listener_state {
	int fd;
	uint64_t dev, ino; /* of its file */
};
struct vhost_listener_state vhost_listener_save(const struct vhost_listener *l);
/* A duplicate of the other process's socket, borrowed; when it has none, or `s` is NULL, as vhost_listener_open(). */
int vhost_listener_resume_or_open(struct vhost_listener *l, const struct vhost_listener_state *s, const char *path,
				  mode_t mode, uid_t uid, gid_t gid, char *err, size_t err_size);

/* The next connection; -EAGAIN: there is none. */
int vhost_listener_accept(struct vhost_listener *l);

#endif
