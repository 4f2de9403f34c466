/* SPDX-License-Identifier: Apache-2.0 */
/* run_gso.c - From a guest to a wire that can do nothing: the whole way of a frame, in several shapes and with both kinds of writer. */
#include <string.h>

#include "layout.h"
#include "to_wire.h"
#include "vector.h"
#include "virtio/vnet_hdr.h"
#include "wire_check.h"

static uint16_t le16_at(const struct bytes *b, size_t off)
{
	return (uint16_t)(b->data[off] | b->data[off + 1] << 8);
}

static void read_request(const struct vector *v, struct offload *o)
{
	struct vnet_hdr h;

	memcpy(&h, v->vnet_hdr.data, sizeof(h));
	vnet_hdr_to_offload(&h, o);
	if (v->vnet_hdr.len < VNET_HDR_LEN_TUNNEL)
		return;
	o->flags |= h.flags & OFFLOAD_UDP_TUNNEL_CSUM;
	o->outer_th_offset = le16_at(&v->vnet_hdr, 20);
	o->inner_nh_offset = le16_at(&v->vnet_hdr, 22);
}

static bool same_frames(const struct vector *v, const struct frames *got)
{
	if (got->n != v->n_out)
		return failed(v, "%zu frames came out, should be %zu", got->n, v->n_out);
	for (size_t i = 0; i < got->n; i++) {
		if (!same_bytes(v, "frame", i, got->at[i], v->out[i]))
			return false;
	}
	return true;
}

static bool same_lengths(const struct vector *v, const struct frames *got)
{
	if (got->n != v->n_out)
		return failed(v, "%zu frames came out, should be %zu", got->n, v->n_out);
	for (size_t i = 0; i < got->n; i++) {
		if (got->at[i].len != v->out[i].len)
			return failed(v, "frame %zu has %zu bytes, should have %zu", i, got->at[i].len, v->out[i].len);
	}
	return true;
}

/* The kernel's answer is odd; ours may be another, but must be right. */
static bool is_right(const struct vector *v, const struct frames *got)
{
	uint8_t kind = v->vnet_hdr.data[1] & GSO_KIND_MASK;
	size_t inner_nh = v->vnet_hdr.len == VNET_HDR_LEN_TUNNEL ? le16_at(&v->vnet_hdr, 22) : 0;
	struct frames whole = { 0 };
	bool right = true;

	if (kind == GSO_UDP && got->n > 1) {
		right = wire_reassemble(got, &whole) || failed(v, "fragments cannot be put together");
		got = &whole;
	}
	for (size_t i = 0; right && i < got->n; i++) {
		const char *fault = wire_fault(got->at[i].data, got->at[i].len, inner_nh);

		if (fault)
			right = failed(v, "frame %zu: %s is wrong", i, fault);
	}
	frames_free(&whole);
	return right;
}

/* The kernel stores a sum of 16 bits in SCTP's checksum field; that it should be a CRC is tested elsewhere. */
static bool is_sctp_csum(const struct vector *v)
{
	const struct bytes *in = &v->in[0];
	size_t start = le16_at(&v->vnet_hdr, 6);

	return v->vnet_hdr.data[0] & OFFLOAD_NEEDS_CSUM && v->vnet_hdr.data[1] == GSO_NONE &&
	       le16_at(&v->vnet_hdr, 8) == 8 &&
	       ((start == 34 && in->len > 34 && in->data[23] == 132) ||
		(start == 54 && in->len > 54 && in->data[20] == 132));
}

static bool same_but_for_crc(const struct vector *v, const struct frames *got)
{
	struct vector masked = *v; /* no mask of its own: that is for fragments */

	masked.mask_off = le16_at(&v->vnet_hdr, 6) + 8u;
	masked.mask_len = 4;
	return same_frames(&masked, got);
}

static bool check(const struct vector *v, const struct frames *got)
{
	if (!v->passed)
		return got->n == 0 || failed(v, "%zu frames came out, should be none", got->n);
	switch (v->expect) {
	case EXPECT_GOOD:
		return same_frames(v, got);
	case EXPECT_BAD:
		return same_lengths(v, got);
	case EXPECT_NA:
		if (is_sctp_csum(v))
			return same_but_for_crc(v, got);
		return got->n == 0 || same_frames(v, got);
	default:
		return is_right(v, got);
	}
}

bool run_gso(const struct vector *v)
{
	bool ok = true;

	for (unsigned how = 0; ok && how < LAYOUTS * N_WRITERS; how++) {
		enum writer writer = how % N_WRITERS;
		struct layout *l = layout_create(v->in[0], how / N_WRITERS);
		struct frames out = { 0 };
		bool reachable;

		read_request(v, &l->frame.offload);
		reachable = to_wire_reaches_csum(&l->frame.offload, writer);
		to_wire(&l->frame, writer, &out);
		ok = (out.n == 0 && !reachable) || check(v, &out);
		frames_free(&out);
		layout_destroy(l);
	}
	return ok;
}
