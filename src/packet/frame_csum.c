/* SPDX-License-Identifier: Apache-2.0 */
/* frame_csum.c - Checksums of whole frames: verify, complete, and complete while copying.
 *
 * A frame that needs a checksum carries, in the checksum field, the sum of the pseudo header (not inverted). Summing from
 * csum_start to the end, this field included, and storing the complement there therefore completes it (VIRTIO 1.2, 5.1.6.2).
 * The offsets were checked when the frame came in; should a caller have got them wrong all the same, the frame is left as it
 * is, for its receiver to drop. */
#include <string.h>

#include "packet/crc32c.h"
#include "base/copy.h"
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

static uint32_t crc_from(struct cursor *c, size_t n, uint32_t crc)
{
	while (n > 0) {
		size_t piece = cursor_peek(c, n);

		crc = crc32c(c->p, piece, crc);
		cursor_advance(c, piece);
		n -= piece;
	}
	return crc;
}

/* The field to complete. */
struct field {
	uint32_t off; /* bytes from the start of the frame */
	uint32_t len; /* bytes */
	uint8_t bytes[4];
};

static struct field field_of(const struct frame *f)
{
	return (struct field){
		.off = (uint32_t)f->offload.csum_start + f->offload.csum_offset,
		.len = f->finish_csum == FINISH_CSUM_CRC32C ? sizeof(uint32_t) : sizeof(uint16_t),
	};
}

static bool field_fits(const struct field *field, const struct frame *f)
{
	return field->off + field->len <= f->len;
}

static void set_csum(struct field *field, const struct frame *f, uint32_t sum)
{
	uint16_t csum = f->finish_csum == FINISH_CSUM_KEEP_0 ? (uint16_t)~csum_fold(sum) : csum_finish(sum);

	memcpy(field->bytes, &csum, sizeof(csum));
}

static void set_crc(struct field *field, const struct frame *f)
{
	static const uint8_t zeros[4];
	struct cursor c = cursor_of_frame(f);
	uint32_t crc;

	cursor_skip(&c, f->offload.csum_start);
	crc = crc_from(&c, f->offload.csum_offset, CRC32C_INIT);
	crc = crc32c(zeros, field->len, crc);
	cursor_skip(&c, field->len);
	crc = crc_from(&c, f->len - field->off - field->len, crc);
	crc = crc32c_finish(crc);
	memcpy(field->bytes, &crc, sizeof(crc));
}

bool frame_finish_csum(struct frame *f)
{
	struct field field = field_of(f);

	if (!field_fits(&field, f) || !frame_pull(f, field.off + field.len))
		return false;
	if (f->finish_csum == FINISH_CSUM_CRC32C)
		set_crc(&field, f);
	else
		set_csum(&field, f, csum_frame(f, f->offload.csum_start));
	memcpy(f->head + field.off, field.bytes, field.len);
	f->finish_csum = FINISH_CSUM_NONE;
	f->offload.flags &= (uint8_t)~OFFLOAD_NEEDS_CSUM;
	return true;
}

static void copy(struct cursor *dst, struct cursor *src, size_t n)
{
	while (n > 0) {
		size_t there = cursor_peek(src, n), piece = cursor_peek(dst, there);

		(piece < there ? copy_on : copy_far)(dst->p, src->p, piece);
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
static void store_field(const struct iovec *dst, const struct field *field)
{
	struct cursor c = cursor_of_iov(dst);

	cursor_skip(&c, field->off);
	for (unsigned i = 0; i < field->len; i++) {
		cursor_peek(&c, 1);
		*c.p = field->bytes[i];
		cursor_advance(&c, 1);
	}
}

static __attribute__((noinline)) void copy_all(const struct frame *f, const struct iovec *dst)
{
	struct cursor to = cursor_of_iov(dst);
	struct cursor from = cursor_of_frame(f);

	copy(&to, &from, f->len);
}

static __attribute__((noinline)) void copy_and_finish(const struct frame *f, const struct iovec *dst)
{
	struct cursor to = cursor_of_iov(dst);
	struct cursor from = cursor_of_frame(f);
	struct field field = field_of(f);
	uint16_t start = f->offload.csum_start;

	if (!field_fits(&field, f)) {
		copy_all(f, dst);
		return;
	}
	if (f->finish_csum == FINISH_CSUM_CRC32C) {
		set_crc(&field, f);
		copy(&to, &from, f->len);
	} else {
		copy(&to, &from, start);
		set_csum(&field, f, copy_and_sum(&to, &from, f->len - start));
	}
	store_field(dst, &field);
}

static __attribute__((noinline)) void copy_to_one(const struct frame *f, uint8_t *dst)
{
	size_t left = f->len - f->head_len;
	size_t skip = f->iov_off;

	if (likely(f->head_len <= COPY_SHORT_MAX))
		copy_short(dst, f->head, f->head_len);
	else
		memcpy(dst, f->head, f->head_len);
	dst += f->head_len;
	for (const struct iovec *iov = f->iov; left > 0; iov++) {
		size_t piece = MIN(iov->iov_len - skip, left);

		copy_far(dst, (const uint8_t *)iov->iov_base + skip, piece);
		skip = 0;
		dst += piece;
		left -= piece;
	}
}

/* Nearly every frame has one piece of target that is long enough, and no checksum to complete. The three ways are functions of
 * their own so that a frame that is all head, an ACK, costs one jump to memcpy() and no stack frame. */
void frame_copy(const struct frame *f, const struct iovec *dst, unsigned n_dst)
{
	assert(n_dst > 0);
	(void)n_dst;
	if (f->finish_csum)
		copy_and_finish(f, dst);
	else if (dst->iov_len < f->len)
		copy_all(f, dst);
	else if (f->head_len < f->len)
		copy_to_one(f, dst->iov_base);
	else if (f->len <= COPY_SHORT_MAX)
		copy_short(dst->iov_base, f->head, f->len);
	else
		memcpy(dst->iov_base, f->head, f->len);
}
