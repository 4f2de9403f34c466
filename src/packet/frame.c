/* SPDX-License-Identifier: Apache-2.0 */
/* frame.c - Reading a frame that lies in two parts, and moving the border between them. */
#include "packet/frame.h"

#include <string.h>

#include "packet/cursor.h"

static void copy_from(struct cursor *c, uint8_t *dst, size_t n)
{
	while (n > 0) {
		size_t piece = cursor_peek(c, n);

		memcpy(dst, c->p, piece);
		cursor_advance(c, piece);
		dst += piece;
		n -= piece;
	}
}

bool frame_pull(struct frame *f, unsigned n)
{
	struct cursor c = cursor_of_payload(f);

	n = MIN(n, f->len);
	if (n <= f->head_len)
		return true;
	if (n > FRAME_HEAD_MAX)
		return false;
	copy_from(&c, f->head + f->head_len, n - f->head_len);
	frame_slice(f, n - f->head_len, f);
	f->head_len = (uint16_t)n;
	return true;
}

unsigned frame_to_iov(const struct frame *f, struct iovec *out, unsigned max)
{
	struct cursor c = cursor_of_frame(f);
	uint32_t left = f->len;
	unsigned n;

	for (n = 0; left > 0; n++) {
		size_t piece = cursor_peek(&c, left);

		if (n == max)
			return 0;
		out[n] = (struct iovec){ c.p, piece };
		cursor_advance(&c, piece);
		left -= (uint32_t)piece;
	}
	return n;
}

void frame_copy_out(const struct frame *f, uint32_t off, void *dst, uint32_t n)
{
	struct cursor c = cursor_of_frame(f);

	cursor_skip(&c, off);
	copy_from(&c, dst, n);
}

void frame_slice(const struct frame *f, uint32_t off, struct frame *out)
{
	const struct iovec *iov = f->iov;
	size_t skip = (size_t)f->iov_off + off;
	unsigned n = f->n_iov;

	while (n > 0 && skip >= iov->iov_len) {
		skip -= iov->iov_len;
		iov++;
		n--;
	}
	out->iov = iov;
	out->n_iov = (uint16_t)n;
	out->iov_off = (uint32_t)skip;
}
