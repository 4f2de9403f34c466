/* SPDX-License-Identifier: Apache-2.0 */
/* frame_csum.c - Checksums of whole frames: verify, complete, and complete while copying.
 *
 * A frame that needs a checksum carries, in the checksum field, the sum of the pseudo header (not inverted). Summing from
 * csum_start to the end, this field included, and storing the complement there therefore completes it (VIRTIO 1.2, 5.1.6.2).
 * The offsets were checked when the frame came in; should a caller have got them wrong all the same, the frame is left as it
 * is, for its receiver to drop. */
#include <string.h>

#include "packet/csum.h"
#include "packet/cursor.h"

static uint32_t sum_from(struct cursor *c, size_t n)
{
	uint32_t sum = 0;

	for (size_t off = 0; off < n;) {
		size_t piece = cursor_peek(c, n - off);

		sum = csum_add_at(sum, csum_partial(c->p, piece, 0), off);
		cursor_advance(c, piece);
		off += piece;
	}
	return sum;
}

uint32_t csum_frame(const struct frame *f, uint32_t off)
{
	struct cursor c = cursor_of_frame(f);

	cursor_skip(&c, off);
	return sum_from(&c, f->len - off);
}

/* Where the checksum is stored, bytes from the start of the frame. */
static uint32_t field_off(const struct frame *f)
{
	return (uint32_t)f->offload.csum_start + f->offload.csum_offset;
}

static bool field_fits(const struct frame *f)
{
	return field_off(f) + sizeof(uint16_t) <= f->len;
}

bool frame_finish_csum(struct frame *f)
{
	uint32_t field = field_off(f);
	uint16_t csum;

	if (!field_fits(f) || !frame_pull(f, field + sizeof(csum)))
		return false;
	csum = csum_finish(csum_frame(f, f->offload.csum_start));
	memcpy(f->head + field, &csum, sizeof(csum));
	f->finish_csum = 0;
	f->offload.flags &= (uint8_t)~OFFLOAD_NEEDS_CSUM;
	return true;
}

static void copy(struct cursor *dst, struct cursor *src, size_t n)
{
	while (n > 0) {
		size_t piece = cursor_peek(dst, cursor_peek(src, n));

		memcpy(dst->p, src->p, piece);
		cursor_advance(dst, piece);
		cursor_advance(src, piece);
		n -= piece;
	}
}

static uint32_t copy_and_sum(struct cursor *dst, struct cursor *src, size_t n)
{
	uint32_t sum = 0;

	for (size_t off = 0; off < n;) {
		size_t piece = cursor_peek(dst, cursor_peek(src, n - off));

		sum = csum_add_at(sum, csum_copy(dst->p, src->p, piece, 0), off);
		cursor_advance(dst, piece);
		cursor_advance(src, piece);
		off += piece;
	}
	return sum;
}

/* Byte by byte: any of them may be the last of its piece. */
static void store_at(const struct iovec *dst, size_t off, const void *bytes, size_t n)
{
	const uint8_t *b = bytes;
	struct cursor c = cursor_of_iov(dst);

	cursor_skip(&c, off);
	for (size_t i = 0; i < n; i++) {
		cursor_peek(&c, 1);
		*c.p = b[i];
		cursor_advance(&c, 1);
	}
}

static void copy_and_finish(const struct frame *f, const struct iovec *dst)
{
	struct cursor to = cursor_of_iov(dst);
	struct cursor from = cursor_of_frame(f);
	uint16_t start = f->offload.csum_start;
	uint16_t csum;

	copy(&to, &from, start);
	csum = csum_finish(copy_and_sum(&to, &from, f->len - start));
	store_at(dst, field_off(f), &csum, sizeof(csum));
}

void frame_copy(const struct frame *f, const struct iovec *dst, unsigned n_dst)
{
	assert(n_dst > 0);
	(void)n_dst;
	if (f->finish_csum && field_fits(f)) {
		copy_and_finish(f, dst);
	} else if (f->head_len == f->len && dst->iov_len >= f->len) {
		memcpy(dst->iov_base, f->head, f->len);
	} else {
		struct cursor to = cursor_of_iov(dst);
		struct cursor from = cursor_of_frame(f);

		copy(&to, &from, f->len);
	}
}
