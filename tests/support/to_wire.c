/* SPDX-License-Identifier: Apache-2.0 */
/* to_wire.c - What ports do with a frame. */
#include "to_wire.h"

#include "layout.h"
#include "packet/drop_reason.h"
#include "packet/offload_fit.h"

static bool put(struct frames *out, const struct frame *f, enum writer writer)
{
	struct frame copy = *f;

	if (writer == BY_IOV)
		return layout_write_iov(out, &copy);
	layout_write_copy(out, f, f->len > 300 ? 3 : 1);
	return true;
}

/* Half of the segments, then the rest after a new start, as for a receiver whose ring was full. */
static void cut(struct frame *f, enum writer writer, struct frames *out)
{
	struct offload_fit fit;
	const struct frame *seg;
	int n = offload_fit_begin(&fit, f, 0);
	int at_once = writer == BY_COPY ? n : (n + 1) / 2;

	while (n > 0 && (seg = offload_fit_next(&fit))) {
		if (!put(out, seg, writer))
			return;
		f->segs_sent++;
		n--;
		if (--at_once == 0 && n > 0)
			n = at_once = offload_fit_begin(&fit, f, 0);
	}
}

void to_wire(struct frame *f, enum writer writer, struct frames *out)
{
	if (f->len < FRAME_LEN_MIN || f->len > FRAME_LEN_MAX)
		return;
	if (!offload_is_trivial(&f->offload) && offload_check(f) != DROP_NONE)
		return;
	if (offload_passes(f, 0))
		put(out, f, writer);
	else
		cut(f, writer, out);
}

/* Checksum fields further out than any head are out of reach for a port that does not copy. */
bool to_wire_reaches_csum(const struct offload *o, enum writer writer)
{
	return writer == BY_COPY || o->csum_start + o->csum_offset + 2 <= FIT_HEAD_MAX;
}
