/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_frame.h - An input as a frame from a guest: layout, capabilities of the receiver, zeros to append, header, bytes. */
#ifndef RINGWAY_TESTS_FUZZ_FRAME_H
#define RINGWAY_TESTS_FUZZ_FRAME_H

#include <stdlib.h>
#include <string.h>

#include "layout.h"
#include "packet/drop_reason.h"
#include "packet/offload_fit.h"

struct fuzz_input {
	uint8_t how;
	uint8_t stop; /* a receiver is full after so many segments; 0: never */
	uint8_t caps[2];
	uint8_t zeros[2];
	struct {
		uint8_t flags, gso_type, fields[14]; /* as in struct offload */
	} request;
};

/* NULL when the input makes no frame, or the request was refused. */
static inline struct layout *fuzz_frame(const uint8_t *data, size_t size, struct fuzz_input *in)
{
	struct bytes b;
	struct layout *l;

	if (size < sizeof(*in))
		return NULL;
	memcpy(in, data, sizeof(*in));
	b.len = size - sizeof(*in) + in->zeros[0] + in->zeros[1] * 256u;
	if (b.len < FRAME_LEN_MIN || b.len > FRAME_LEN_MAX)
		return NULL;
	b.data = calloc(1, b.len);
	memcpy(b.data, data + sizeof(*in), size - sizeof(*in));
	l = layout_create(b, in->how % LAYOUTS);
	free(b.data);
	memcpy(&l->frame.offload, &in->request, sizeof(l->frame.offload));
	l->frame.offload.flags &= OFFLOAD_WIRE_FLAGS;
	if (offload_check(&l->frame) == DROP_NONE)
		return l;
	layout_destroy(l);
	return NULL;
}

/* Write it as ports of both kinds do. */
static inline void fuzz_write(struct frames *out, const struct frame *f)
{
	struct frame copy = *f;

	if (f->head_len > f->len || f->len > FRAME_LEN_MAX)
		abort();
	layout_write_copy(out, f, f->len > 3 ? 3 : 1);
	if (layout_write_iov(out, &copy)) {
		const struct bytes *a = &out->at[out->n - 2], *b = &out->at[out->n - 1];

		if (a->len != b->len || memcmp(a->data, b->data, a->len) != 0)
			abort();
	}
}

#endif
