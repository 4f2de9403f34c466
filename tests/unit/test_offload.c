/* SPDX-License-Identifier: Apache-2.0 */
/* test_offload.c - Which requests are refused, and what becomes of the others. The rules are those that were read off Linux 6.18. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/compiler.h"
#include "packet/drop_reason.h"
#include "packet/frame.h"
#include "packets.h"
#include "wire_check.h"

enum { BAD = DROP_BAD_OFFLOAD, OK = DROP_NONE };
enum { CSUM = OFFLOAD_NEEDS_CSUM, V4 = GSO_UDP_TUNNEL_IPV4, V6 = GSO_UDP_TUNNEL_IPV6, OUTER = OFFLOAD_UDP_TUNNEL_CSUM };

/* A frame of zeros with this request: only the offsets count. Lengths up to 65601, of which the head has 128. */
static int check(uint32_t len, struct offload *o)
{
	static uint8_t head[FRAME_HEAD_MAX], payload[FRAME_LEN_MAX];
	struct iovec iov = { payload, sizeof(payload) };
	struct frame f = { .head = head, .head_len = (uint16_t)MIN(len, 128), .len = len, .iov = &iov, .n_iov = 1 };
	int verdict;

	f.offload = *o;
	verdict = offload_check(&f);
	*o = f.offload;
	return verdict;
}

static void verdicts(void **state)
{
	static const struct {
		int verdict;
		uint32_t len;
		uint8_t flags, gso_type;
		uint16_t hdr_len, gso_size, csum_start, csum_offset, outer_th, inner_nh;
	} rows[] = {
		/* checksum: both ends of what fits */
		{ OK, 100, CSUM, 0, 0, 0, 34, 16, 0, 0 },
		{ OK, 100, CSUM, 0, 0, 0, 34, 64, 0, 0 },
		{ BAD, 100, CSUM, 0, 0, 0, 34, 65, 0, 0 },
		{ OK, 100, CSUM, 0, 0, 0, 98, 0, 0, 0 },
		{ BAD, 100, CSUM, 0, 0, 0, 99, 0, 0, 0 },
		{ BAD, 100, CSUM, 0, 0, 0, 65535, 65535, 0, 0 },
		{ BAD, 100, CSUM, 0, 0, 0, 19, 2, 0, 0 },
		{ OK, 100, CSUM, 0, 0, 0, 20, 2, 0, 0 },
		{ OK, 100, CSUM, 0, 0, 0, 21, 3, 0, 0 },
		/* hdr_len */
		{ BAD, 100, 0, 0, 13, 0, 0, 0, 0, 0 },
		{ OK, 100, 0, 0, 14, 0, 0, 0, 0, 0 },
		{ OK, 100, CSUM, 0, 1, 0, 34, 16, 0, 0 },
		{ OK, 100, 0, 0, 100, 0, 0, 0, 0, 0 },
		{ BAD, 100, 0, 0, 101, 0, 0, 0, 0, 0 },
		/* types */
		{ OK, 2000, CSUM, GSO_TCPV4, 0, 900, 34, 16, 0, 0 },
		{ OK, 2000, CSUM, GSO_TCPV4 | GSO_ECN, 0, 900, 34, 16, 0, 0 },
		{ OK, 2000, 0, GSO_TCPV4, 0, 900, 0, 0, 0, 0 },
		{ BAD, 39, 0, GSO_TCPV4, 0, 900, 0, 0, 0, 0 },
		{ BAD, 59, 0, GSO_TCPV6, 0, 900, 0, 0, 0, 0 },
		{ BAD, 2000, CSUM, GSO_TCPV6, 0, 900, 39, 16, 0, 0 },
		{ OK, 2000, CSUM, GSO_TCPV6, 0, 900, 40, 16, 0, 0 },
		{ BAD, 2000, CSUM, GSO_ECN, 0, 900, 34, 16, 0, 0 },
		{ BAD, 2000, CSUM, 2, 0, 900, 34, 16, 0, 0 },
		{ BAD, 2000, CSUM, 6, 0, 900, 34, 16, 0, 0 },
		{ BAD, 2000, CSUM, 0x1f, 0, 900, 34, 16, 0, 0 },
		{ BAD, 2000, CSUM, GSO_TCPV4, 0, 0, 34, 16, 0, 0 },
		{ BAD, 2000, CSUM, GSO_TCPV4, 0, 0xffff, 34, 16, 0, 0 },
		{ BAD, 2000, CSUM, GSO_TCPV4, 0, 900, 34, 6, 0, 0 },
		{ BAD, 53, CSUM, GSO_TCPV4, 0, 900, 34, 16, 0, 0 },
		{ OK, 54, CSUM, GSO_TCPV4, 0, 900, 34, 16, 0, 0 },
		{ OK, 2000, 0, GSO_UDP, 0, 904, 0, 0, 0, 0 },
		{ OK, 2000, CSUM, GSO_UDP | GSO_ECN, 0, 904, 34, 6, 0, 0 },
		{ OK, 2000, CSUM, GSO_UDP_L4, 0, 900, 34, 6, 0, 0 },
		{ BAD, 2000, CSUM, GSO_UDP_L4 | GSO_ECN, 0, 900, 34, 6, 0, 0 },
		{ BAD, 2000, 0, GSO_UDP_L4, 0, 900, 34, 6, 0, 0 },
		{ BAD, 2000, CSUM, GSO_UDP_L4, 0, 900, 34, 16, 0, 0 },
		/* USO: 128 segments */
		{ OK, 42 + 12800, CSUM, GSO_UDP_L4, 0, 100, 34, 6, 0, 0 },
		{ BAD, 42 + 12801, CSUM, GSO_UDP_L4, 0, 100, 34, 6, 0, 0 },
		/* tunnels: Ethernet, outer IP, UDP at 34, VXLAN, Ethernet, inner IP at 64, TCP at 84 */
		{ OK, 2000, CSUM, GSO_TCPV4 | V4, 0, 900, 84, 16, 34, 64 },
		{ OK, 2000, CSUM | OUTER, GSO_UDP_L4 | V4, 0, 900, 84, 6, 34, 64 },
		{ BAD, 2000, CSUM, GSO_TCPV4 | V4 | V6, 0, 900, 84, 16, 34, 64 },
		{ BAD, 2000, CSUM, V4, 0, 900, 84, 16, 34, 64 },
		{ BAD, 2000, CSUM, GSO_UDP | V4, 0, 904, 84, 6, 34, 64 },
		{ BAD, 2000, 0, GSO_TCPV4 | V4, 0, 900, 84, 16, 34, 64 },
		{ BAD, 2000, CSUM, GSO_TCPV4 | V4, 0, 900, 84, 16, 33, 64 },
		{ BAD, 2000, CSUM, GSO_TCPV4 | V4, 0, 900, 84, 16, 34, 41 },
		{ BAD, 2000, CSUM, GSO_TCPV4 | V4, 0, 900, 84, 16, 34, 65 },
		{ BAD, 2000, CSUM, GSO_TCPV4 | V6, 0, 900, 84, 16, 34, 64 },
		{ BAD, 2000, CSUM, GSO_TCPV6 | V4, 0, 900, 84, 16, 34, 64 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct offload o = { rows[i].flags,      rows[i].gso_type,    rows[i].hdr_len,  rows[i].gso_size,
				     rows[i].csum_start, rows[i].csum_offset, rows[i].outer_th, rows[i].inner_nh };

		if (check(rows[i].len, &o) != rows[i].verdict)
			fail_msg("row %zu", i);
	}
}

static void what_stays_whole_becomes_plain(void **state)
{
	/* 54 bytes of headers: 100 of payload in segments of 100, then of 99 */
	struct offload fits = { CSUM, GSO_TCPV4, 54, 100, 34, 16, 0, 0 };
	struct offload cut = { CSUM | OFFLOAD_DATA_VALID, GSO_TCPV4, 0, 99, 34, 16, 7, 7 };
	struct offload ufo = { 0, GSO_UDP | GSO_ECN, 0, 80, 34, 6, 0, 0 };
	struct offload plain = { OFFLOAD_DATA_VALID, 0, 0, 100, 34, 16, 1, 2 };

	(void)state;
	assert_int_equal(check(154, &fits), OK);
	assert_int_equal(fits.gso_type, GSO_NONE);
	assert_int_equal(fits.gso_size, 0);
	assert_int_equal(fits.flags, CSUM);
	assert_int_equal(fits.csum_start, 34);

	assert_int_equal(check(154, &cut), OK);
	assert_int_equal(cut.gso_type, GSO_TCPV4);
	assert_int_equal(cut.flags, CSUM);
	assert_int_equal(cut.hdr_len, 54);
	assert_int_equal(cut.outer_th_offset | cut.inner_nh_offset, 0);

	assert_int_equal(check(154, &ufo), OK);
	assert_int_equal(ufo.gso_type, GSO_UDP);
	assert_int_equal(ufo.csum_start, 0);

	assert_int_equal(check(154, &plain), OK);
	assert_memory_equal(&plain, &(struct offload){ 0 }, sizeof(plain));
}

/* Put a packet into a tunnel and have all that is left undone done: is it what the book says? */
static void encap(void **state)
{
	static uint8_t inner[PACKET_ROOM], outer[PACKET_ROOM];

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		struct packet shell = { .tunnel = i & 1 ? TUNNEL_VXLAN : TUNNEL_GENEVE, .tunnel_v6 = i & 2 };
		struct packet spec = { .v6 = i & 4, .udp = i & 8, .partial = i & 16, .n_tags = 1, .payload_len = 777 };
		struct offload o, none;
		struct packet_map om = packet_build(outer, &shell, 1, &none);
		struct packet_map im = packet_build(inner, &spec, i, &o);
		unsigned outer_len = (unsigned)(om.l3 - 14);
		struct iovec iov = { inner + 128, im.len - 128 };
		struct frame f = {
			.head = inner, .head_len = 128, .len = (uint32_t)im.len, .iov = &iov, .n_iov = 1, .offload = o
		};
		uint8_t head[FRAME_HEAD_MAX];
		struct frame out;
		struct frames got = { 0 };
		uint8_t *bytes;

		assert_int_equal(offload_encap(&out, head, &f, outer, outer_len, i & 32), 0);
		if (out.offload.flags & OFFLOAD_NEEDS_CSUM)
			assert_true(out.offload.csum_start == im.l4 + outer_len);
		bytes = frames_add(&got, out.len);
		frame_copy_out(&out, 0, bytes, out.len);
		if (spec.partial) {
			/* Complete the inner checksum by hand. */
			uint32_t sum = 0;

			for (size_t k = im.l4 + outer_len; k < out.len; k++) {
				sum += (k - im.l4 - outer_len) & 1 ? bytes[k] : (uint32_t)bytes[k] << 8;
				sum = (sum & 0xffff) + (sum >> 16);
			}
			sum = (uint16_t)~sum ? (uint16_t)~sum : 0xffff;
			bytes[out.offload.csum_start + out.offload.csum_offset] = (uint8_t)(sum >> 8);
			bytes[out.offload.csum_start + out.offload.csum_offset + 1] = (uint8_t)sum;
		}
		assert_null(wire_fault(bytes, out.len, im.l3 + outer_len));
		/* IPv4 could do without a checksum, so look whether it is there. */
		assert_int_equal((bytes[om.outer_l4 + 6] | bytes[om.outer_l4 + 7]) != 0, (i & 32) != 0);
		frames_free(&got);
	}
}

static void encap_refuses(void **state)
{
	static uint8_t inner[PACKET_ROOM], outer[PACKET_ROOM];
	struct packet shell = { .tunnel = TUNNEL_VXLAN };
	struct packet spec = { .udp = true, .partial = true, .gso_size = 104, .payload_len = 777, .ufo = true };
	struct offload o, none;
	unsigned outer_len = (unsigned)packet_build(outer, &shell, 1, &none).l3 - 14;
	struct packet_map m = packet_build(inner, &spec, 1, &o);
	struct iovec iov = { inner + 128, m.len - 128 };
	struct frame f = {
		.head = inner, .head_len = 128, .len = (uint32_t)m.len, .iov = &iov, .n_iov = 1, .offload = o
	};
	uint8_t head[FRAME_HEAD_MAX];
	struct frame out;

	(void)state;
	assert_int_equal(offload_encap(&out, head, &f, outer, outer_len, false), -EOPNOTSUPP);
	f.offload = (struct offload){ .flags = CSUM, .gso_type = GSO_TCPV4 | V4 };
	assert_int_equal(offload_encap(&out, head, &f, outer, outer_len, false), -EOPNOTSUPP);
	f.offload = (struct offload){ 0 };
	assert_int_equal(offload_encap(&out, head, &f, outer, 20, false), -EINVAL);
	f.head_len = FRAME_HEAD_MAX;
	assert_int_equal(offload_encap(&out, head, &f, outer, outer_len, false), -EMSGSIZE);
	f.head_len = 128;
	f.len = FRAME_LEN_MAX;
	assert_int_equal(offload_encap(&out, head, &f, outer, outer_len, false), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts),
		cmocka_unit_test(what_stays_whole_becomes_plain),
		cmocka_unit_test(encap),
		cmocka_unit_test(encap_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
