/* SPDX-License-Identifier: Apache-2.0 */
/* gso_ip.c - The IP header of a segment: its length, and for IPv4 identification and checksum. */
#include "packet/csum.h"
#include "packet/gso.h"
#include "packet/proto/bytes.h"
#include "packet/proto/ip.h"

void gso_ip_begin(struct offload_fit *fit, const struct parsed *p)
{
	struct fit_ip *ip = &fit->ip[fit->n_ip++];
	uint8_t *hdr = fit->head + p->l3_off;

	ip->off = p->l3_off;
	ip->version = p->l3 == PARSE_L3_IPV4 ? 4 : 6;
	ip->id_step = fit->whole->offload.flags & OFFLOAD_FIXED_ID ? 0 : 1;
	ip->frag = 0;
	if (ip->version == 6)
		return;
	ip->id = load_be16(hdr + offsetof(struct iphdr, id));
	store_raw16(hdr + offsetof(struct iphdr, tot_len), 0);
	store_raw16(hdr + offsetof(struct iphdr, id), 0);
	store_raw16(hdr + offsetof(struct iphdr, check), 0);
	ip->sum = csum_partial(hdr, (size_t)(hdr[0] & 0xf) * 4, 0);
}

static void patch_ipv4(struct offload_fit *fit, const struct fit_ip *ip, uint8_t *hdr, uint16_t tot_len)
{
	uint16_t id = htobe16((uint16_t)(ip->id + fit->seg_idx * ip->id_step));
	uint16_t be_len = htobe16(tot_len);
	uint32_t changed = (uint32_t)be_len + id + ip->frag;

	store_raw16(hdr + offsetof(struct iphdr, tot_len), be_len);
	store_raw16(hdr + offsetof(struct iphdr, id), id);
	store_raw16(hdr + offsetof(struct iphdr, check), (uint16_t)~csum_fold(csum_add(ip->sum, changed)));
}

void gso_ip_patch(struct offload_fit *fit, const struct fit_ip *ip, uint32_t len)
{
	uint8_t *hdr = fit->head + ip->off;

	len -= ip->off;
	if (ip->version == 4)
		patch_ipv4(fit, ip, hdr, (uint16_t)len);
	else
		store_be16(hdr + offsetof(struct ipv6hdr, payload_len), (uint16_t)(len - sizeof(struct ipv6hdr)));
}
