/* SPDX-License-Identifier: Apache-2.0 */
/* listener.c - Makes, takes over and removes a listening unix socket. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vhost/listener.h"

/* syscalls control: socket(AF_UNIX) bind connect listen accept4 fcntl openat newfstatat fstat fchmod fchownat chmod fchmodat
 * unlink unlinkat close */

/* One front-end is served at a time; some may wait. */
enum { BACKLOG = 4 };

static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static int bind_socket(int fd, const struct sockaddr_un *addr)
{
	return bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? -errno : 0;
}

/* 0: nobody listens on this socket file any more; -EADDRINUSE: somebody does; other: cannot tell. */
static int check_stale(const struct sockaddr_un *addr)
{
	struct stat st;
	int fd, err;

	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = new_socket();
	if (fd < 0)
		return fd;
	err = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? -errno : 0;
	close(fd);
	if (err == -ECONNREFUSED)
		return 0;
	return err == 0 || err == -EAGAIN ? -EADDRINUSE : err;
}

static int bind_or_replace(int fd, const struct sockaddr_un *addr)
{
	int err = bind_socket(fd, addr);

	if (err != -EADDRINUSE)
		return err;
	err = check_stale(addr);
	if (err < 0)
		return err;
	if (unlink(addr->sun_path) < 0 && errno != ENOENT)
		return -errno;
	return bind_socket(fd, addr);
}

/* Give the file its owner and mode, through a descriptor that is certain to be the socket and no link that took its place. */
static int set_permissions(struct vhost_listener *l, mode_t mode, uid_t uid, gid_t gid)
{
	int fd = open(l->addr.sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char proc_path[32];
	struct stat st = { 0 };
	bool done;
	int err;

	if (fd < 0)
		return -errno;
	snprintf(proc_path, sizeof(proc_path), "/proc/self/fd/%d", fd);
	errno = EEXIST; /* when it is no socket */
	done = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       ((uid == (uid_t)-1 && gid == (gid_t)-1) || fchownat(fd, "", uid, gid, AT_EMPTY_PATH) == 0) &&
	       ((st.st_mode & 07777) == mode || chmod(proc_path, mode) == 0);
	err = done ? 0 : -errno;
	close(fd);
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return err;
}

/* `owned`: it was to get an owner or a group. */
static void describe(char *err, size_t err_size, const char *path, int error, bool owned)
{
	if (error == -EADDRINUSE)
		snprintf(err, err_size, "%s: another process listens on this socket", path);
	else if (error == -EEXIST)
		snprintf(err, err_size, "%s: exists and is not a socket", path);
	else if (error == -EPERM && owned)
		snprintf(err, err_size, "%s: this daemon may not give it to that owner or group (CAP_CHOWN)", path);
	else
		snprintf(err, err_size, "%s: cannot listen: %s", path, strerrordesc_np(-error));
}

int vhost_listener_open(struct vhost_listener *l, const char *path, mode_t mode, uid_t uid, gid_t gid, char *err,
			size_t err_size)
{
	size_t len = strlen(path);
	bool bound = false;
	int error = -ENAMETOOLONG;

	*l = (struct vhost_listener){ .fd = -1, .addr.sun_family = AF_UNIX };
	if (len == 0 || len >= sizeof(l->addr.sun_path))
		goto fail;
	memcpy(l->addr.sun_path, path, len);
	error = l->fd = new_socket();
	if (l->fd < 0)
		goto fail;
	/* bind(2) makes the file with the mode of the socket, less the umask: never more open than asked for. */
	error = fchmod(l->fd, mode) < 0 ? -errno : bind_or_replace(l->fd, &l->addr);
	if (error < 0)
		goto fail;
	bound = true;
	error = set_permissions(l, mode, uid, gid);
	if (error == 0 && listen(l->fd, BACKLOG) < 0)
		error = -errno;
	if (error == 0)
		return 0;
fail:
	describe(err, err_size, path, error, uid != (uid_t)-1 || gid != (gid_t)-1);
	if (bound)
		unlink(l->addr.sun_path);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	return error;
}

void vhost_listener_close(struct vhost_listener *l)
{
	struct stat st;

	if (l->fd < 0)
		return;
	if (!l->borrowed && lstat(l->addr.sun_path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->addr.sun_path);
	close(l->fd);
	l->fd = -1;
}

struct vhost_listener_state vhost_listener_save(const struct vhost_listener *l)
{
	return (struct vhost_listener_state){ .fd = l->fd, .dev = l->dev, .ino = l->ino };
}

static int resume(struct vhost_listener *l, const struct vhost_listener_state *s, const char *path)
{
	size_t len = strlen(path);

	*l = (struct vhost_listener){
		.fd = -1, .addr.sun_family = AF_UNIX, .dev = s->dev, .ino = s->ino, .borrowed = true
	};
	if (len == 0 || len >= sizeof(l->addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(l->addr.sun_path, path, len);
	l->fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
	return l->fd < 0 ? -errno : 0;
}

int vhost_listener_resume_or_open(struct vhost_listener *l, const struct vhost_listener_state *s, const char *path,
				  mode_t mode, uid_t uid, gid_t gid, char *err, size_t err_size)
{
	int error;

	if (!s || s->fd < 0)
		return vhost_listener_open(l, path, mode, uid, gid, err, err_size);
	error = resume(l, s, path);
	if (error < 0)
		snprintf(err, err_size, "%s: %s", path, strerrordesc_np(-error));
	return error;
}

int vhost_listener_accept(struct vhost_listener *l)
{
	int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0)
		return fd;
	/* The connection that was there has gone again, or a signal came. */
	return errno == ECONNABORTED || errno == EINTR ? -EAGAIN : -errno;
}
