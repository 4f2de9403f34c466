/* SPDX-License-Identifier: Apache-2.0 */
/* test_fit.c - Who gets what: frames and receivers of every kind. */
#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "layout.h"
#include "packet/csum.h"
#include "packet/drop_reason.h"
#include "packet/offload_fit.h"
#include "packets.h"
#include "wire_check.h"

enum {
	C = OFFLOAD_CAP_CSUM,
	T4 = OFFLOAD_CAP_TSO4,
	T6 = OFFLOAD_CAP_TSO6,
	ECN = OFFLOAD_CAP_ECN,
	UFO = OFFLOAD_CAP_UFO,
	U4 = OFFLOAD_CAP_USO4,
	U6 = OFFLOAD_CAP_USO6,
	TUN = OFFLOAD_CAP_TUNNEL,
	TUNC = OFFLOAD_CAP_TUNNEL_CSUM,
	ALL_CAPS = C | T4 | T6 | ECN | UFO | U4 | U6 | TUN | TUNC,
};

static const struct packet tcp4 = { .partial = true, .gso_size = 900, .payload_len = 4000, .n_tags = 2 };
static const struct packet tcp6 = { .v6 = true, .partial = true, .gso_size = 900, .payload_len = 4000 };
static const struct packet uso4 = { .udp = true, .partial = true, .gso_size = 900, .payload_len = 4000, .n_tags = 1 };
static const struct packet uso6 = { .v6 = true, .udp = true, .partial = true, .gso_size = 900, .payload_len = 4000 };
static const struct packet ufo4 = { .udp = true, .ufo = true, .partial = true, .gso_size = 904, .payload_len = 4000 };
static const struct packet plain = { .payload_len = 4000 };
static const struct packet partial = { .partial = true, .payload_len = 4000 };
static const struct packet vxlan = { .tunnel = TUNNEL_VXLAN, .partial = true, .gso_size = 900, .payload_len = 4000 };
static const struct packet geneve = { .tunnel = TUNNEL_GENEVE,
				      .tunnel_csum = true,
				      .v6 = true,
				      .udp = true,
				      .partial = true,
				      .gso_size = 900,
				      .payload_len = 4000 };

static struct layout *make(const struct packet *spec, struct packet_map *m)
{
	static uint8_t whole[PACKET_ROOM];
	struct offload o;
	struct layout *l;

	*m = packet_build(whole, spec, 1, &o);
	l = layout_create((struct bytes){ whole, m->len }, 0);
	l->frame.offload = o;
	return l;
}

static void what_is_asked(void **state)
{
	static const struct {
		const struct packet *spec;
		uint8_t extra;
		uint32_t needed;
	} rows[] = {
		{ &plain, 0, 0 },
		{ &partial, 0, C },
		{ &tcp4, 0, C | T4 },
		{ &tcp4, GSO_ECN, C | T4 | ECN },
		{ &tcp6, 0, C | T6 },
		{ &tcp6, GSO_ECN, C | T6 | ECN },
		{ &uso4, 0, C | U4 },
		{ &uso6, 0, C | U6 },
		{ &ufo4, 0, C | UFO },
		{ &vxlan, 0, C | T4 | TUN },
		{ &vxlan, GSO_ECN, C | T4 | TUN | ECN },
		{ &geneve, 0, C | U6 | TUN | TUNC },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct packet_map m;
		struct layout *l = make(rows[i].spec, &m);

		l->frame.offload.gso_type |= rows[i].extra;
		assert_int_equal(offload_caps_needed(&l->frame), rows[i].needed);
		assert_true(offload_passes(&l->frame, ALL_CAPS));
		for (uint32_t bit = 1; bit & ALL_CAPS; bit <<= 1)
			assert_int_equal(offload_passes(&l->frame, ALL_CAPS & ~bit), !(rows[i].needed & bit));
		layout_destroy(l);
	}
}

/* VIRTIO 1.2, 5.1.6.4.1: a device hands on no gso_type without NEEDS_CSUM. USO of something that is not IP fits nobody. */
static void what_nobody_takes(void **state)
{
	struct packet_map m;
	struct layout *l = make(&tcp4, &m);

	(void)state;
	l->frame.offload.flags = 0;
	assert_false(offload_passes(&l->frame, ALL_CAPS));
	layout_destroy(l);
	l = make(&uso4, &m);
	l->head[m.l3 - 1] = 6;
	assert_false(offload_passes(&l->frame, ALL_CAPS));
	layout_destroy(l);
}

/* For every set of capabilities: what comes out asks for no more, and once completed is by the book. */
static void every_receiver(void **state)
{
	const struct packet *specs[] = { &plain, &partial, &tcp4, &tcp6, &uso4, &uso6, &ufo4, &vxlan, &geneve };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(specs) * (ALL_CAPS + 1); i++) {
		const struct packet *spec = specs[i % ARRAY_SIZE(specs)];
		uint32_t caps = i / ARRAY_SIZE(specs);
		struct packet_map m;
		struct layout *l = make(spec, &m);
		struct frames out = { 0 };
		struct offload_fit fit;
		const struct frame *seg;

		/* CSUM is what all others need, for all but the tunnel as such. */
		if (!(caps & C))
			caps = 0;
		assert_true(offload_fit_begin(&fit, &l->frame, caps) >= 1);
		while ((seg = offload_fit_next(&fit))) {
			struct frame copy = *seg;

			assert_true(offload_passes(seg, caps));
			if (seg->offload.gso_type != GSO_NONE)
				continue;
			if (seg->offload.flags & OFFLOAD_NEEDS_CSUM)
				copy.finish_csum = FINISH_CSUM;
			layout_write_copy(&out, &copy, 1);
			assert_null(wire_fault(out.at[out.n - 1].data, out.at[out.n - 1].len, spec->tunnel ? m.l3 : 0));
		}
		frames_free(&out);
		layout_destroy(l);
	}
}

/* A receiver that was full after the first segments, and can take the whole frame when there is room again. */
static void receiver_gains_capabilities(void **state)
{
	const struct packet *specs[] = { &tcp4, &tcp6, &uso4, &uso6, &ufo4, &vxlan, &geneve };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		struct packet_map m;
		struct layout *l = make(specs[i], &m);
		struct offload_fit fit;
		int n = offload_fit_begin(&fit, &l->frame, 0);

		assert_true(n > 2);
		for (; l->frame.segs_sent < 2; l->frame.segs_sent++)
			assert_non_null(offload_fit_next(&fit));
		assert_false(offload_passes(&l->frame, ALL_CAPS));
		assert_int_equal(offload_fit_begin(&fit, &l->frame, ALL_CAPS), n - 2);
		assert_int_equal(offload_fit_next(&fit)->offload.gso_type, GSO_NONE);
		layout_destroy(l);
	}
}

/* Completing the checksum for one receiver must not show at the next. */
static void receivers_do_not_share(void **state)
{
	struct packet_map m;
	struct layout *l = make(&partial, &m);
	uint8_t before[FRAME_HEAD_MAX];
	struct offload_fit fit;
	struct frame out;

	(void)state;
	memcpy(before, l->head, l->frame.head_len);
	assert_int_equal(offload_fit_begin(&fit, &l->frame, 0), 1);
	out = *offload_fit_next(&fit);
	assert_int_equal(out.finish_csum, FINISH_CSUM);
	assert_true(frame_finish_csum(&out));
	assert_memory_equal(before, l->head, l->frame.head_len);
	assert_int_equal(l->frame.offload.flags, OFFLOAD_NEEDS_CSUM);
	assert_null(offload_fit_next(&fit));
	layout_destroy(l);
}

/* Fields that lie behind what the private head holds, for writers that do not copy. */
static void fields_far_out(void **state)
{
	static const struct {
		uint8_t ext_units;
		bool in_reach;
	} rows[] = { { 0, true }, { 25, true }, { 60, true }, { 118, true }, { 122, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct packet spec = {
			.v6 = true, .ext_units = rows[i].ext_units, .partial = true, .payload_len = 1000
		};
		struct packet_map m;
		struct layout *l = make(&spec, &m);
		struct frames out = { 0 };
		struct offload_fit fit;
		struct frame f;

		assert_int_equal(offload_fit_begin(&fit, &l->frame, 0), 1);
		f = *offload_fit_next(&fit);
		layout_write_copy(&out, &f, 1);
		assert_int_equal(layout_write_iov(&out, &f), rows[i].in_reach);
		for (size_t k = 0; k < out.n; k++)
			assert_null(wire_fault(out.at[k].data, out.at[k].len, 0));
		frames_free(&out);
		layout_destroy(l);
	}
}

/* CRC32c bit by bit, as RFC 9260, appendix A defines it. */
static uint32_t crc_of(const uint8_t *p, size_t len)
{
	uint32_t crc = ~0u;

	while (len-- > 0) {
		crc ^= *p++;
		for (unsigned i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static void sctp(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct packet spec = { .v6 = i & 1, .n_tags = (uint8_t)(i / 2), .partial = true, .payload_len = 300 };
		struct packet_map m;
		struct layout *l = make(&spec, &m);
		struct frames out = { 0 };
		struct offload_fit fit;
		struct frame f;
		uint32_t crc;

		l->head[m.l3 + (spec.v6 ? 6 : 9)] = 132;
		l->frame.offload.csum_offset = 8;
		assert_int_equal(offload_fit_begin(&fit, &l->frame, 0), 1);
		f = *offload_fit_next(&fit);
		layout_write_copy(&out, &f, 2);
		assert_true(layout_write_iov(&out, &f));
		assert_memory_equal(out.at[0].data, out.at[1].data, m.len);
		memcpy(&crc, out.at[0].data + m.l4 + 8, sizeof(crc));
		memset(out.at[0].data + m.l4 + 8, 0, sizeof(crc));
		assert_int_equal(le32toh(crc), crc_of(out.at[0].data + m.l4, m.len - m.l4));
		frames_free(&out);
		layout_destroy(l);
	}
}

/* A sender that rewrites its memory meanwhile spoils its payload, and no header. */
static void the_private_head_is_all_that_counts(void **state)
{
	struct packet_map m;
	struct layout *l = make(&tcp4, &m);
	struct frames out = { 0 };
	struct offload_fit fit;
	const struct frame *seg;

	(void)state;
	assert_int_equal(offload_fit_begin(&fit, &l->frame, 0), 5);
	/* The sender rewrites everything that it still can. */
	for (unsigned i = 0; i < l->n_iov; i++)
		memset(l->iov[i].iov_base, 0xff, l->iov[i].iov_len);
	while ((seg = offload_fit_next(&fit))) {
		layout_write_copy(&out, seg, 1);
		assert_null(wire_fault(out.at[out.n - 1].data, out.at[out.n - 1].len, 0));
	}
	frames_free(&out);
	layout_destroy(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_asked),  cmocka_unit_test(what_nobody_takes),
		cmocka_unit_test(every_receiver), cmocka_unit_test(receivers_do_not_share),
		cmocka_unit_test(fields_far_out), cmocka_unit_test(the_private_head_is_all_that_counts),
		cmocka_unit_test(sctp),           cmocka_unit_test(receiver_gains_capabilities),
	};

	csum_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
