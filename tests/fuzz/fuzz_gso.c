/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_gso.c - Any frame with any request, cut for a wire: at once and with a stop in between it comes to the same, and all payload
 * comes out, once. */
#include "fuzz_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int cut(struct frames *out, struct frame *f, unsigned stop)
{
	struct offload_fit fit;
	const struct frame *seg;
	int n = offload_fit_begin(&fit, f, 0);

	while (n > 0 && (stop == 0 || stop-- > 1) && (seg = offload_fit_next(&fit))) {
		fuzz_write(out, seg);
		f->segs_sent++;
	}
	return n;
}

static bool same(const struct frames *a, const struct frames *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (a->at[i].len != b->at[i].len || memcmp(a->at[i].data, b->at[i].data, a->at[i].len) != 0)
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in;
	struct layout *l = fuzz_frame(data, size, &in);
	struct frames once = { 0 }, twice = { 0 };
	uint16_t salt;

	if (!l)
		return 0;
	if (cut(&once, &l->frame, 0) > 0) {
		salt =
		    l->frame
			.frag_salt; /* IPv6 fragments have the same identification only as long as it is the same frame */
		l->frame.segs_sent = 0;
		cut(&twice, &l->frame, in.stop);
		if (l->frame.segs_sent > 0 && l->frame.segs_sent < once.n)
			cut(&twice, &l->frame, 0);
		if (in.stop != 1 && salt == l->frame.frag_salt && !same(&once, &twice))
			abort();
	}
	frames_free(&once);
	frames_free(&twice);
	layout_destroy(l);
	return 0;
}
