/* SPDX-License-Identifier: Apache-2.0 */
/* cursor.h - A place in a scatter list, for walks that go through it once.
 *
 * A frame's head and payload read as one list: cursor_of_frame(). The caller never asks for more bytes than are left in
 * the list, which is what bounds a walk; empty pieces are skipped. Internal to src/packet. */
#ifndef RINGWAY_PACKET_CURSOR_H
#define RINGWAY_PACKET_CURSOR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "packet/frame.h"

struct cursor {
	uint8_t *p;
	size_t left;              /* bytes at p */
	const struct iovec *next; /* what comes when they are used up */
	size_t skip;              /* bytes to leave out at the start of `next` */
};

static inline struct cursor cursor_of_frame(const struct frame *f)
{
	return (struct cursor){ f->head, f->head_len, f->iov, f->iov_off };
}

static inline struct cursor cursor_of_payload(const struct frame *f)
{
	return (struct cursor){ NULL, 0, f->iov, f->iov_off };
}

static inline struct cursor cursor_of_iov(const struct iovec *iov)
{
	return (struct cursor){ NULL, 0, iov, 0 };
}

/* Bytes that lie at c->p in one piece, at most `max`; 0 only for max == 0. */
static inline size_t cursor_peek(struct cursor *c, size_t max)
{
	while (c->left == 0 && max > 0) {
		c->p = (uint8_t *)c->next->iov_base + c->skip;
		c->left = c->next->iov_len - c->skip;
		c->skip = 0;
		c->next++;
	}
	return MIN(c->left, max);
}

static inline void cursor_advance(struct cursor *c, size_t n)
{
	c->p += n;
	c->left -= n;
}

static inline void cursor_skip(struct cursor *c, size_t n)
{
	while (n > 0) {
		size_t piece = cursor_peek(c, n);

		cursor_advance(c, piece);
		n -= piece;
	}
}

#endif
