/* SPDX-License-Identifier: Apache-2.0 */
/* layout.h - Bytes as a frame, laid out in one of many ways: how long the private head is, how the payload is cut into pieces.
 *
 * Each piece has memory of its own of exactly its size, so that a sanitizer sees a step beyond its end. */
#ifndef RINGWAY_TESTS_LAYOUT_H
#define RINGWAY_TESTS_LAYOUT_H

#include "packet/frame.h"
#include "frames.h"

enum { LAYOUTS = 5, LAYOUT_PIECES_MAX = 1024 };

struct layout {
	struct frame frame;
	uint8_t *head; /* FRAME_HEAD_MAX */
	struct iovec iov[LAYOUT_PIECES_MAX];
	unsigned n_iov;
};

/* `how` < LAYOUTS. `bytes` are copied. */
struct layout *layout_create(struct bytes bytes, unsigned how);
void layout_destroy(struct layout *l);

/* Write a frame into new memory as a port does that copies: into `pieces` > 0 pieces. */
void layout_write_copy(struct frames *to, const struct frame *f, unsigned pieces);

/* Write it as a port does that hands on a scatter list. Spoils f's head. False when the checksum field is out of reach for such a
 * port: it then drops the frame. */
bool layout_write_iov(struct frames *to, struct frame *f);

#endif
