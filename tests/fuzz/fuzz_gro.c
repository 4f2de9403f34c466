/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_gro.c - Any frames one after the other: coalesced, and cut again, they are those that came, each once. The input is a byte of
 * options (1: datagrams as well, 128: checksums that are right are left undone), then frames: length (16 bits, little-endian) and bytes. */
#include <stdlib.h>
#include <string.h>

#include "layout.h"
#include "packet/csum.h"
#include "packet/csum_impl.h"
#include "packet/gro.h"
#include "packet/offload_fit.h"
#include "packet/parse.h"
#include "packet/proto/bytes.h"
#include "packet/proto/ip.h"
#include "packet/proto/l4.h"

enum { UDP_TOO = 1, UNDONE = 128 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void cut(struct frames *out, struct frame *f)
{
	struct offload_fit fit;
	const struct frame *seg;

	if (offload_passes(f, 0)) {
		layout_write_copy(out, f, 1);
		return;
	}
	if (offload_fit_begin(&fit, f, 0) < 1)
		abort();
	while ((seg = offload_fit_next(&fit)))
		layout_write_copy(out, seg, 1);
}

/* As its sender would hand the frame to a device that makes checksums. Sums of 0 are left out: who completes one may write it
 * either way. */
static void undo_csum(struct frame *f)
{
	struct parsed p;
	uint32_t len, pseudo;
	size_t at;

	if (!parse_frame(f->head, f->head_len, &p) || p.l4_off == 0 ||
	    p.flags & (PARSE_FRAGMENT | PARSE_EXT_HDR | PARSE_AUTH) ||
	    (p.l4_proto != IPPROTO_TCP && p.l4_proto != IPPROTO_UDP))
		return;
	at = p.l4_off + (p.l4_proto == IPPROTO_TCP ? offsetof(struct tcphdr, check) : offsetof(struct udphdr, check));
	len = f->len - p.l4_off;
	if (p.l3 == PARSE_L3_IPV4)
		pseudo = csum_pseudo4(f->head + p.l3_off + offsetof(struct iphdr, saddr), p.l4_proto, len);
	else
		pseudo = csum_pseudo6(f->head + p.l3_off + offsetof(struct ipv6hdr, saddr), p.l4_proto, len);
	if (at + 2 > f->head_len || load_raw16(f->head + at) == 0 || load_raw16(f->head + at) == 0xffff ||
	    !csum_is_good(csum_add(pseudo, csum_frame(f, p.l4_off))))
		return;
	store_raw16(f->head + at, csum_fold(pseudo));
	f->offload = (struct offload){
		.flags = OFFLOAD_NEEDS_CSUM,
		.csum_start = p.l4_off,
		.csum_offset = (uint16_t)(at - p.l4_off),
	};
}

static int compare(const void *pa, const void *pb)
{
	const struct bytes *a = pa, *b = pb;
	int order = memcmp(a->data, b->data, a->len < b->len ? a->len : b->len);

	return order ? order : (a->len > b->len) - (a->len < b->len);
}

static void check_same(struct frames *a, struct frames *b)
{
	if (a->n != b->n)
		abort();
	if (a->n == 0)
		return;
	qsort(a->at, a->n, sizeof(a->at[0]), compare);
	qsort(b->at, b->n, sizeof(b->at[0]), compare);
	for (size_t i = 0; i < a->n; i++) {
		if (compare(&a->at[i], &b->at[i]) != 0)
			abort();
	}
}

static unsigned read_frames(const uint8_t *data, size_t size, unsigned how, struct frames *in, struct layout **layouts)
{
	unsigned n = 0;

	while (n < GRO_FRAMES_MAX && size >= 2) {
		size_t len = data[0] | data[1] * 256u;

		if (len < FRAME_LEN_MIN || len > size - 2)
			break;
		memcpy(frames_add(in, len), data + 2, len);
		layouts[n] = layout_create(in->at[n], how % LAYOUTS);
		data += 2 + len;
		size -= 2 + len;
		n++;
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct layout *layouts[GRO_FRAMES_MAX];
	struct frames in = { 0 }, out = { 0 };
	const struct gro_out *o;
	struct gro *g;
	unsigned n;

	if (size < 1)
		return 0;
	g = gro_create(data[0] & UDP_TOO);
	n = read_frames(data + 1, size - 1, (data[0] & (UNDONE - 1)) >> 1, &in, layouts);
	for (unsigned i = 0; i < n; i++) {
		if (data[0] & UNDONE)
			undo_csum(&layouts[i]->frame);
		gro_push(g, &layouts[i]->frame, 1, i);
		if (i % 50 == 49)
			gro_flush(g, i - 20);
	}
	gro_flush(g, GRO_FLUSH_ALL);
	while ((o = gro_pop(g)))
		cut(&out, o->frame);
	if (gro_held(g) != 0)
		abort();
	check_same(&in, &out);
	for (unsigned i = 0; i < n; i++)
		layout_destroy(layouts[i]);
	frames_free(&in);
	frames_free(&out);
	gro_destroy(g);
	return 0;
}
