/* SPDX-License-Identifier: Apache-2.0 */
/* run_gro.c - From a wire to a guest that takes everything: what is coalesced, and that cutting it gives back what went in. */
#include <stdlib.h>
#include <string.h>

#include "layout.h"
#include "packet/gro.h"
#include "packet/offload_fit.h"
#include "vector.h"
#include "virtio/vnet_hdr.h"

enum { HDR_LEN_OFF = 2, HDR_LEN_LEN = 2 };

/* A frame as a guest gets it: header and bytes. hdr_len is a hint, and not compared. */
static void deliver(struct frames *hdrs, struct frames *out, const struct frame *f)
{
	struct vnet_hdr h;
	uint8_t *to = frames_add(hdrs, sizeof(h));

	vnet_hdr_from_offload(&h, &f->offload, 0);
	memcpy(to, &h, sizeof(h));
	memset(to + HDR_LEN_OFF, 0, HDR_LEN_LEN);
	layout_write_copy(out, f, 1);
}

static void cut(struct frames *out, struct frame *f)
{
	struct offload_fit fit;
	const struct frame *seg;

	if (offload_passes(f, 0)) {
		layout_write_copy(out, f, 1);
	} else if (offload_fit_begin(&fit, f, 0) > 0) {
		while ((seg = offload_fit_next(&fit)))
			layout_write_copy(out, seg, 1);
	}
}

static bool same_set(const struct vector *v, const struct frames *got)
{
	bool taken[VECTOR_FRAMES_MAX] = { false };

	if (got->n != v->n_in)
		return failed(v, "cut again, %zu frames came out, %zu went in", got->n, v->n_in);
	for (size_t i = 0; i < got->n; i++) {
		size_t k = 0;

		while (k < v->n_in && (taken[k] || v->in[k].len != got->at[i].len ||
				       memcmp(v->in[k].data, got->at[i].data, v->in[k].len) != 0))
			k++;
		if (k == v->n_in) {
			/* Another flow's, or changed: show against the one in its place. */
			same_bytes(v, "cut again, frame", i, got->at[i], v->in[i]);
			return failed(v, "cut again, frame %zu is none of those that went in", i);
		}
		taken[k] = true;
	}
	return true;
}

/* The kernel that was recorded had no VLAN handler; and for a receiver like tap it splits trains with a fixed identification again. */
static bool is_comparable(const struct vector *v)
{
	if (strstr(v->note, "artefact"))
		return false;
	for (size_t i = 0; i < v->n_out; i++) {
		const uint8_t *h = v->out_hdrs[i].data;

		if (h[0] == OFFLOAD_NEEDS_CSUM && h[1] == GSO_NONE)
			return false;
	}
	return true;
}

static bool same_delivery(const struct vector *v, const struct frames *hdrs, const struct frames *got)
{
	if (got->n != v->n_out)
		return failed(v, "%zu frames came out, should be %zu", got->n, v->n_out);
	for (size_t i = 0; i < got->n; i++) {
		memset(v->out_hdrs[i].data + HDR_LEN_OFF, 0, HDR_LEN_LEN);
		if (!same_bytes(v, "header of frame", i, hdrs->at[i], v->out_hdrs[i]) ||
		    !same_bytes(v, "frame", i, got->at[i], v->out[i]))
			return false;
	}
	return true;
}

static void pop_all(struct gro *g, struct frames *hdrs, struct frames *out, struct frames *again)
{
	const struct gro_out *o;

	while ((o = gro_pop(g))) {
		deliver(hdrs, out, o->frame);
		cut(again, o->frame);
	}
}

static bool run_layout(const struct vector *v, unsigned how, bool may_differ)
{
	struct layout **in = calloc(v->n_in, sizeof(*in));
	struct frames hdrs = { 0 }, out = { 0 }, again = { 0 };
	struct gro *g = gro_create(v->udp_gro_forwarding);
	bool ok;

	for (size_t i = 0; i < v->n_in; i++) {
		in[i] = layout_create(v->in[i], how);
		if (gro_room(g) == 0) {
			pop_all(g, &hdrs, &out, &again);
			gro_recycle(g);
		}
		gro_push(g, &in[i]->frame, 1, 0);
	}
	gro_flush(g, GRO_FLUSH_ALL);
	pop_all(g, &hdrs, &out, &again);
	ok = same_set(v, &again) && (may_differ || !is_comparable(v) || same_delivery(v, &hdrs, &out));
	for (size_t i = 0; i < v->n_in; i++)
		layout_destroy(in[i]);
	free(in);
	gro_destroy(g);
	frames_free(&hdrs);
	frames_free(&out);
	frames_free(&again);
	return ok;
}

bool run_gro(const struct vector *v)
{
	/* The last two layouts may have more pieces than a train takes. */
	for (unsigned how = 0; how < LAYOUTS; how++) {
		if (!run_layout(v, how, how >= 3))
			return false;
	}
	return true;
}
