/* SPDX-License-Identifier: Apache-2.0 */
/* rarp.c - Builds a reverse ARP request (RFC 903, over the layout of RFC 826). */
#include "packet/rarp.h"

#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <stddef.h>
#include <string.h>

#include "packet/proto/bytes.h"

/* Behind struct arphdr, for Ethernet and IPv4. */
enum {
	ARP_SENDER_MAC = ETH_HLEN + sizeof(struct arphdr),
	ARP_SENDER_IP = ARP_SENDER_MAC + ETH_ALEN,
	ARP_TARGET_MAC = ARP_SENDER_IP + 4,
};

void rarp_announce(uint8_t buf[RARP_FRAME_LEN], const uint8_t mac[6])
{
	uint8_t *arp = buf + ETH_HLEN;

	memset(buf, 0, RARP_FRAME_LEN);
	memset(buf, 0xff, ETH_ALEN);
	memcpy(buf + ETH_ALEN, mac, ETH_ALEN);
	store_be16(buf + 2 * ETH_ALEN, ETH_P_RARP);
	store_be16(arp + offsetof(struct arphdr, ar_hrd), ARPHRD_ETHER);
	store_be16(arp + offsetof(struct arphdr, ar_pro), ETH_P_IP);
	arp[offsetof(struct arphdr, ar_hln)] = ETH_ALEN;
	arp[offsetof(struct arphdr, ar_pln)] = 4;
	store_be16(arp + offsetof(struct arphdr, ar_op), ARPOP_RREQUEST);
	memcpy(buf + ARP_SENDER_MAC, mac, ETH_ALEN);
	memcpy(buf + ARP_TARGET_MAC, mac, ETH_ALEN);
}
