/* SPDX-License-Identifier: Apache-2.0 */
/* rarp.h - The frame that tells a network where a station is now.
 *
 * A guest that has moved may be silent for a while, and switches would go on sending to its old place. So whoever moved it sends
 * a reverse ARP request in its name (RFC 903), which every switch learns from and no host answers. */
#ifndef RINGWAY_PACKET_RARP_H
#define RINGWAY_PACKET_RARP_H

#include <stdint.h>

enum { RARP_FRAME_LEN = 60 }; /* padded to the least that Ethernet has, without FCS */

/* Fill buf[0..RARP_FRAME_LEN) with a request from and about `mac`, to everyone. */
void rarp_announce(uint8_t buf[RARP_FRAME_LEN], const uint8_t mac[6]);

#endif
