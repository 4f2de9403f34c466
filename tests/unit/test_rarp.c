/* SPDX-License-Identifier: Apache-2.0 */
/* test_rarp.c - The announcement, byte by byte as RFC 903 and RFC 826 lay it out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "packet/rarp.h"

static void test_announcement(void **state)
{
	static const uint8_t expected[RARP_FRAME_LEN] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* to everyone */
		0x52, 0x54, 0x00, 0x12, 0x34, 0x56, /* from the guest */
		0x80, 0x35,                         /* reverse ARP */
		0x00, 0x01,                         /* Ethernet */
		0x08, 0x00,                         /* IPv4 */
		0x06, 0x04,                         /* lengths of the addresses */
		0x00, 0x03,                         /* request reverse */
		0x52, 0x54, 0x00, 0x12, 0x34, 0x56, /* sender: itself, */
		0x00, 0x00, 0x00, 0x00,             /* which does not know its IPv4 address */
		0x52, 0x54, 0x00, 0x12, 0x34, 0x56, /* target: itself */
	};
	static const uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };
	uint8_t frame[RARP_FRAME_LEN];

	(void)state;
	rarp_announce(frame, mac);
	assert_memory_equal(frame, expected, sizeof(expected));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_announcement) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
