/* SPDX-License-Identifier: Apache-2.0 */
/* gso_tunnel.c - The outer UDP header of a segment (VXLAN, Geneve).
 *
 * Its checksum covers the inner packet. That one's own checksum, once complete, makes everything behind csum_start sum up to the
 * complement of the inner pseudo header's sum, which is what the inner field holds now: the payload need not be read for it. */
#include "packet/csum.h"
#include "packet/gso.h"
#include "packet/proto/bytes.h"
#include "packet/proto/l4.h"

/* The sender's pseudo header sum minus the length, which is the real one: the field has 16 bits and the datagram may be longer. */
void gso_tunnel_begin(struct offload_fit *fit)
{
	uint32_t old_len = fit->whole->len - fit->outer_udp_off;
	uint16_t check = load_raw16(fit->head + fit->outer_udp_off + offsetof(struct udphdr, check));

	fit->outer_seed = csum_add(check, ~htobe32(old_len));
}

static uint16_t inner_seed(const struct offload_fit *fit)
{
	size_t field = fit->kind == GSO_UDP_L4 ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check);

	return load_raw16(fit->head + fit->l4_off + field);
}

void gso_tunnel_patch(struct offload_fit *fit, uint32_t len)
{
	uint8_t *udp = fit->head + fit->outer_udp_off;
	uint32_t covered = (uint32_t)fit->l4_off - fit->outer_udp_off;
	uint32_t sum;

	len -= fit->outer_udp_off;
	store_be16(udp + offsetof(struct udphdr, len), (uint16_t)len);
	if (!fit->outer_csum)
		return;
	store_raw16(udp + offsetof(struct udphdr, check), 0);
	sum = csum_partial(udp, covered, csum_add(fit->outer_seed, htobe32(len)));
	sum = csum_add_at(sum, (uint16_t)~inner_seed(fit), covered);
	store_raw16(udp + offsetof(struct udphdr, check), csum_finish(sum));
}
