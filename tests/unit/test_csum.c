/* SPDX-License-Identifier: Apache-2.0 */
/* test_csum.c - Checksums that others have computed: the examples of the RFCs, captured headers, the vectors of CRC32c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "packet/crc32c.h"
#include "packet/csum.h"

/* A field as it lies in memory, from the number that a document prints. */
static uint16_t be(unsigned v)
{
	return htobe16((uint16_t)v);
}

static void sum_of_rfc_1071(void **state)
{
	static const uint8_t bytes[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	(void)state;
	assert_int_equal(csum_fold(csum_partial(bytes, sizeof(bytes), 0)), be(0xddf2));
	/* RFC 1071, 3: summed in two pieces, the second at an odd or an even offset */
	assert_int_equal(csum_fold(csum_add_at(csum_partial(bytes, 3, 0), csum_partial(bytes + 3, 5, 0), 3)),
			 be(0xddf2));
	assert_int_equal(csum_fold(csum_add_at(csum_partial(bytes, 4, 0), csum_partial(bytes + 4, 4, 0), 4)),
			 be(0xddf2));
}

static void header_verifies(void **state)
{
	/* the worked example of an IPv4 header that many texts print: its checksum is b861 */
	uint8_t header[] = { 0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
			     0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7 };

	(void)state;
	assert_true(csum_is_good(csum_partial(header, sizeof(header), 0)));
	header[15] ^= 1;
	assert_false(csum_is_good(csum_partial(header, sizeof(header), 0)));
	header[15] ^= 1;
	memset(header + 10, 0, 2);
	assert_int_equal(csum_finish(csum_partial(header, sizeof(header), 0)), be(0xb861));
}

static void zero_is_stored_as_ones(void **state)
{
	static const struct {
		uint8_t bytes[4];
		uint16_t want;
	} rows[] = {
		{ { 0xff, 0xff, 0x00, 0x00 }, 0xffff },                                         /* complement is 0 */
		{ { 0x12, 0x34, 0xed, 0xcb }, 0xffff }, { { 0x00, 0x00, 0x00, 0x00 }, 0xffff }, /* complement of 0 */
		{ { 0xff, 0xfe, 0x00, 0x00 }, 0x0001 }, { { 0x00, 0x00, 0x00, 0x01 }, 0xfffe },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(csum_finish(csum_partial(rows[i].bytes, 4, 0)), be(rows[i].want));
}

static void incremental_update(void **state)
{
	static const struct {
		uint16_t csum, old, new, want;
	} rows[] = {
		{ 0xdd2f, 0x5555, 0x3285, 0x0000 }, /* RFC 1624, 4: the case in which RFC 1141 gives ffff */
		{ 0xb861, 0x4011, 0x3f11, 0xb961 }, /* a router takes one from the TTL of the header above */
		{ 0xb861, 0x4011, 0x4011, 0xb861 },
		{ 0x0000, 0x1234, 0x1234, 0x0000 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(csum_update(be(rows[i].csum), be(rows[i].old), be(rows[i].new)), be(rows[i].want));
}

static void incremental_update_of_an_address(void **state)
{
	uint8_t header[] = { 0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
			     0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7 };
	static const uint8_t addr[4] = { 10, 255, 254, 253 };
	uint32_t old, new;
	uint16_t csum;

	(void)state;
	memcpy(&old, header + 12, 4);
	memcpy(&new, addr, 4);
	memcpy(&csum, header + 10, 2);
	csum = csum_update(csum, old, new);
	memcpy(header + 12, addr, 4);
	memcpy(header + 10, &csum, 2);
	assert_true(csum_is_good(csum_partial(header, sizeof(header), 0)));
}

static void pseudo_header(void **state)
{
	/* as RFC 768 and RFC 8200, 8.1 lay them out */
	static const uint8_t v4[12] = { 192, 0, 2, 1, 198, 51, 100, 7, 0, 17, 0x05, 0xdc };
	static const uint8_t v6[40] = { 0x20, 0x01,        0x0d,        0xb8, [15] = 1, [16] = 0xfe,
					0x80, [31] = 0x99, [33] = 0x01, 0x11, 0x70,     [39] = 6 };

	(void)state;
	assert_int_equal(csum_fold(csum_pseudo4(v4, 17, 1500)), csum_fold(csum_partial(v4, sizeof(v4), 0)));
	assert_int_equal(csum_fold(csum_pseudo6(v6, 6, 0x11170)), csum_fold(csum_partial(v6, sizeof(v6), 0)));
}

static void crc32c_of_rfc_3720(void **state)
{
	/* RFC 3720, B.4; the bytes as they are sent */
	static const uint8_t want[4][4] = { { 0xaa, 0x36, 0x91, 0x8a },
					    { 0x43, 0xab, 0xa8, 0x62 },
					    { 0x4e, 0x79, 0xdd, 0x46 },
					    { 0x5c, 0xdb, 0x3f, 0x11 } };
	uint8_t in[4][32];

	(void)state;
	memset(in[0], 0, 32);
	memset(in[1], 0xff, 32);
	for (unsigned i = 0; i < 32; i++) {
		in[2][i] = (uint8_t)i;
		in[3][i] = (uint8_t)(31 - i);
	}
	for (unsigned i = 0; i < 4; i++) {
		uint32_t got = crc32c_finish(crc32c(in[i], 32, CRC32C_INIT));

		assert_memory_equal(&got, want[i], 4);
	}
	assert_int_equal(~crc32c("123456789", 9, CRC32C_INIT), 0xe3069283);
}

static int choose_twins(void **state)
{
	(void)state;
	csum_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sum_of_rfc_1071),
		cmocka_unit_test(header_verifies),
		cmocka_unit_test(zero_is_stored_as_ones),
		cmocka_unit_test(incremental_update),
		cmocka_unit_test(incremental_update_of_an_address),
		cmocka_unit_test(pseudo_header),
		cmocka_unit_test(crc32c_of_rfc_3720),
	};

	/* With the scalar reference, then with what csum_init() picks. */
	return cmocka_run_group_tests_name("scalar", tests, NULL, NULL) +
	       cmocka_run_group_tests_name("chosen", tests, choose_twins, NULL);
}
