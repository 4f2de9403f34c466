/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_fit.c - Any frame with any request, for any receiver: what comes out asks for no more than that one takes. */
#include "fuzz_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in;
	struct layout *l = fuzz_frame(data, size, &in);
	struct frames out = { 0 };
	struct offload_fit fit;
	const struct frame *seg;
	uint32_t caps;
	int n;

	if (!l)
		return 0;
	caps = in.caps[0] | in.caps[1] * 256u;
	if (!(caps & OFFLOAD_CAP_CSUM))
		caps = 0;
	n = offload_fit_begin(&fit, &l->frame, caps);
	if (n == 0 || n < -N_DROP_REASONS || n > FIT_SEGMENTS_MAX)
		abort();
	while (n > 0 && (seg = offload_fit_next(&fit))) {
		if (!offload_passes(seg, caps) || (seg->finish_csum && seg->offload.flags & OFFLOAD_NEEDS_CSUM))
			abort();
		fuzz_write(&out, seg);
		n--;
	}
	if (n > 0 || (n == 0 && offload_fit_next(&fit)))
		abort();
	frames_free(&out);
	layout_destroy(l);
	return 0;
}
