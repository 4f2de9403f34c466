/* SPDX-License-Identifier: Apache-2.0 */
/* gso_tcp.c - The TCP header of a segment (RFC 9293; CWR: RFC 3168, 6.1.2). */
#include "packet/csum.h"
#include "packet/gso.h"
#include "packet/proto/bytes.h"
#include "packet/proto/ip.h"
#include "packet/proto/l4.h"

/* The pseudo header's sum without a length. From the field, where the sender put it there: what it says minus the old length. */
static uint32_t seed_without_len(const struct offload_fit *fit, const struct parsed *p, uint32_t old_len)
{
	const uint8_t *ip = fit->head + p->l3_off;

	if (fit->whole->offload.flags & OFFLOAD_NEEDS_CSUM)
		return csum_add(load_raw16(fit->head + p->l4_off + offsetof(struct tcphdr, check)), ~htobe32(old_len));
	if (p->l3 == PARSE_L3_IPV4)
		return csum_pseudo4(ip + offsetof(struct iphdr, saddr), IPPROTO_TCP, 0);
	return csum_pseudo6(ip + offsetof(struct ipv6hdr, saddr), IPPROTO_TCP, 0);
}

void gso_tcp_begin(struct offload_fit *fit, const struct parsed *p)
{
	const uint8_t *tcp = fit->head + p->l4_off;

	fit->seq = load_be32(tcp + offsetof(struct tcphdr, seq));
	fit->tcp_flags = tcp[TCP_FLAGS_BYTE];
	fit->seed = seed_without_len(fit, p, fit->whole->len - p->l4_off);
}

void gso_tcp_patch(struct offload_fit *fit, uint32_t len)
{
	uint8_t *tcp = fit->head + fit->l4_off;
	uint8_t flags = fit->tcp_flags;

	if (fit->seg_idx > 0)
		flags &= (uint8_t)~TCP_CWR;
	if (!gso_is_last(fit))
		flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	tcp[TCP_FLAGS_BYTE] = flags;
	store_be32(tcp + offsetof(struct tcphdr, seq), fit->seq + fit->seg_idx * fit->mss);
	store_raw16(tcp + offsetof(struct tcphdr, check), csum_fold(csum_add(fit->seed, htobe32(len - fit->l4_off))));
}
