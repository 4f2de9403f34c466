/* SPDX-License-Identifier: Apache-2.0 */
/* socket.h - Whole messages in and out of a vhost-user socket, without ever waiting.
 *
 * Reception goes on where it stopped: a message may come byte by byte, its descriptors with any of the bytes. What came is
 * held here until it is whole, so a peer that stops in the middle costs one of these and nothing else. Nothing of what the peer
 * says is judged here but the size, which must fit the buffer.
 *
 * The descriptors of a message belong to the socket until they are taken; the next reception, or the end, closes the rest. None is
 * left to the kernel to close, which would do it in the middle of our call (base/closer.h). */
#ifndef RINGWAY_VHOST_SOCKET_H
#define RINGWAY_VHOST_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "vhost/wire.h"

struct closer;

struct vhost_socket {
	int fd;
	struct closer *closer;
	struct vhost_user_msg msg; /* whole when vhost_socket_receive() returned 0 */
	size_t n_header;           /* bytes received of the two parts */
	size_t n_payload;
	int fds[VHOST_USER_FDS_MAX]; /* of this message; -1: taken */
	unsigned n_fds;
	const char *error; /* static text, set when a call failed */
	bool shared;       /* with another process, which goes on with it: at the end it is closed, and nothing else */
};

/* Takes over `fd`; only MSG_DONTWAIT is used on it, so its flags do not matter. `closer`, the caller's, gets the descriptors that the
 * peer sends in vain; NULL: the peer is trusted with those. */
void vhost_socket_init(struct vhost_socket *s, int fd, struct closer *closer);
/* Closes the socket, and the descriptors that were not taken or not even received. */
void vhost_socket_deinit(struct vhost_socket *s);

/* Go on with the message. 0: it is whole; -EAGAIN: more has to come; -ENOTCONN: the peer has closed, between two messages;
 * other errors, with s->error: nothing more can come. After 0 the next call starts a new message. */
int vhost_socket_receive(struct vhost_socket *s);

/* Has a message begun that is not whole? */
bool vhost_socket_is_waiting(const struct vhost_socket *s);

/* Take descriptor `i` < s->n_fds out: the caller closes it. -1 when it was taken before. */
int vhost_socket_take_fd(struct vhost_socket *s, unsigned i);

/* Send a message with descriptors, which stay the caller's. -ENOBUFS when the peer does not read and the kernel holds all
 * that it will hold; any error means that the connection is of no use any more. */
int vhost_socket_send(struct vhost_socket *s, const struct vhost_user_msg *msg, const int *fds, unsigned n_fds);

#endif
