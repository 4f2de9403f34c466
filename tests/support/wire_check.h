/* SPDX-License-Identifier: Apache-2.0 */
/* wire_check.h - Is this a packet that a receiver would take? An independent reading of the RFCs, for tests: nothing of src/packet is
 * used. */
#ifndef RINGWAY_TESTS_WIRE_CHECK_H
#define RINGWAY_TESTS_WIRE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frames.h"

/* NULL when every length and checksum in the frame is right, IP to TCP and UDP, also inside VXLAN and Geneve (or what else has an
 * inner IP header at inner_nh, 0: none); else what is wrong. Fragments are checked up to IP; what is not IP is right. */
const char *wire_fault(const uint8_t *frame, size_t len, size_t inner_nh);

/* Put fragments, in any order, together. True when they make one IPv4 or IPv6 datagram without holes or overlaps, which is
 * written to `out` as an unfragmented frame. */
bool wire_reassemble(const struct frames *fragments, struct frames *out);

#endif
