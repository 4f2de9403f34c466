/* SPDX-License-Identifier: Apache-2.0 */
/* layout.c - Frames in many shapes. */
#include "layout.h"

#include <stdlib.h>
#include <string.h>

#include "packet/csum.h"

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static uint32_t head_len(unsigned how, uint32_t len)
{
	static const uint32_t lens[LAYOUTS] = { FRAME_HEAD_FIRST, FRAME_HEAD_MIN, FRAME_HEAD_MAX, FRAME_HEAD_MIN + 1,
						FRAME_HEAD_FIRST };

	return MIN(lens[how], len);
}

/* Bytes of piece `i`; the last possible one takes all. */
static size_t piece_len(unsigned how, unsigned i, size_t left)
{
	static const size_t mixed[] = { 1, 2, 0, 7, 64, 3, 1024, 1, 1447, 4096, 5 };
	size_t n = left;

	if (how == 1)
		n = 4096;
	else if (how == 3)
		n = mixed[i % ARRAY_SIZE(mixed)];
	else if (how == 4)
		n = i < 200 ? 1 : 999;
	return i == LAYOUT_PIECES_MAX - 1 ? left : MIN(n, left);
}

struct layout *layout_create(struct bytes bytes, unsigned how)
{
	struct layout *l = must(calloc(1, sizeof(*l)));
	uint32_t head = head_len(how, (uint32_t)bytes.len);

	l->head = must(malloc(FRAME_HEAD_MAX));
	memcpy(l->head, bytes.data, head);
	for (size_t off = head; off < bytes.len;) {
		size_t n = piece_len(how, l->n_iov, bytes.len - off);
		uint8_t *piece = must(malloc(n ? n : 1));

		memcpy(piece, bytes.data + off, n);
		l->iov[l->n_iov++] = (struct iovec){ piece, n };
		off += n;
	}
	l->frame = (struct frame){ .head = l->head,
				   .head_len = (uint16_t)head,
				   .len = (uint32_t)bytes.len,
				   .iov = l->iov,
				   .n_iov = (uint16_t)l->n_iov };
	return l;
}

void layout_destroy(struct layout *l)
{
	for (unsigned i = 0; i < l->n_iov; i++)
		free(l->iov[i].iov_base);
	free(l->head);
	free(l);
}

void layout_write_copy(struct frames *to, const struct frame *f, unsigned pieces)
{
	uint8_t *bytes = frames_add(to, f->len);
	struct iovec iov[64];
	size_t each = f->len / pieces, done = 0;

	for (unsigned i = 0; i < pieces; i++) {
		size_t n = i == pieces - 1 ? f->len - done : each;

		iov[i] = (struct iovec){ bytes + done, n };
		done += n;
	}
	frame_copy(f, iov, pieces);
}

bool layout_write_iov(struct frames *to, struct frame *f)
{
	static struct iovec iov[LAYOUT_PIECES_MAX + 64];
	uint8_t *bytes;
	unsigned n;

	if (f->finish_csum && !frame_finish_csum(f))
		return false;
	n = frame_to_iov(f, iov, ARRAY_SIZE(iov));
	if (n == 0)
		return false;
	bytes = frames_add(to, f->len);
	for (unsigned i = 0; i < n; i++) {
		memcpy(bytes, iov[i].iov_base, iov[i].iov_len);
		bytes += iov[i].iov_len;
	}
	return true;
}
