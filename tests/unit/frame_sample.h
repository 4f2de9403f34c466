/* SPDX-License-Identifier: Apache-2.0 */
/* frame_sample.h - Frames cut into pieces in every way, and targets to copy them to, for tests. */
#ifndef RINGWAY_TESTS_FRAME_SAMPLE_H
#define RINGWAY_TESTS_FRAME_SAMPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "guard.h"
#include "packet/frame.h"

enum { PIECES_MAX = 40, DATA_MAX = 4096 };

/* A frame whose bytes are also in `flat`. The pieces end at pages that may not be read or written. */
struct sample {
	struct frame f;
	uint8_t head[FRAME_HEAD_MAX];
	struct iovec iov[PIECES_MAX];
	struct guarded mem;
	uint8_t flat[DATA_MAX];
};

/* A place to copy to, and what has to be there in the end. */
struct target {
	struct iovec iov[PIECES_MAX];
	unsigned n;
	struct guarded mem;
};

/* Cut [start, start + len) into at most `max` pieces, some of them empty. */
static inline unsigned cut(uint64_t *seed, uint8_t *start, size_t len, struct iovec *iov, unsigned max)
{
	unsigned n = 0;

	while (len > 0) {
		size_t piece = n + 1 == max ? len : random_below(seed, (unsigned)len + 1);

		iov[n++] = (struct iovec){ start, piece };
		start += piece;
		len -= piece;
	}
	return n;
}

static inline void sample_fill(struct sample *s, uint64_t *seed, uint32_t len, uint16_t head_len, unsigned n_pieces)
{
	uint32_t payload = len - head_len;
	uint32_t skip = payload ? random_below(seed, 40) : 0;

	random_fill(seed, s->flat, len);
	memcpy(s->head, s->flat, head_len);
	memcpy(s->mem.end - payload, s->flat + head_len, payload);
	s->f = (struct frame){ .head = s->head, .head_len = head_len, .iov = s->iov, .len = len, .iov_off = skip };
	s->f.n_iov = (uint16_t)cut(seed, s->mem.end - payload, payload, s->iov, n_pieces);
	if (payload) {
		s->iov[0].iov_base = (uint8_t *)s->iov[0].iov_base - skip;
		s->iov[0].iov_len += skip;
	}
}

static inline struct sample *sample_create(void)
{
	struct sample *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->mem = guarded_alloc(DATA_MAX + 4096);
	return s;
}

static inline void sample_destroy(struct sample *s)
{
	guarded_free(s->mem);
	free(s);
}

static inline void target_fill(struct target *t, uint64_t *seed, uint32_t len, unsigned n_pieces)
{
	memset(t->mem.start, 0x5a, (size_t)(t->mem.end - t->mem.start));
	t->n = cut(seed, t->mem.end - len, len, t->iov, n_pieces);
}

static inline void target_check(const struct target *t, const uint8_t *flat, uint32_t len)
{
	assert_memory_equal(t->mem.end - len, flat, len);
	for (unsigned i = 1; i <= 64; i++)
		assert_int_equal(t->mem.end[-(int)len - (int)i], 0x5a);
}

#endif
