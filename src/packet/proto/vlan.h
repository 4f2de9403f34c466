/* SPDX-License-Identifier: Apache-2.0 */
/* vlan.h - IEEE 802.1Q tags, which <linux/if_vlan.h> does not show to user space. */
#ifndef RINGWAY_PACKET_PROTO_VLAN_H
#define RINGWAY_PACKET_PROTO_VLAN_H

#include <linux/if_ether.h>
#include <stdbool.h>
#include <stdint.h>

/* Behind the EtherType that announces it (IEEE 802.1Q-2018, 9.6). */
struct vlan_tag {
	uint16_t tci;
	uint16_t ethertype; /* of what follows */
};

enum { VLAN_TAG_LEN = 4, VLAN_VID_MASK = 0x0fff };

static inline bool is_vlan_ethertype(uint16_t ethertype)
{
	return ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD;
}

#endif
