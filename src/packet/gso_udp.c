/* SPDX-License-Identifier: Apache-2.0 */
/* gso_udp.c - The UDP header of a segment (USO). */
#include "packet/csum.h"
#include "packet/gso.h"
#include "packet/proto/bytes.h"
#include "packet/proto/l4.h"

/* What is subtracted from the sender's sum is what the length field says, right or wrong: so does Linux. */
void gso_udp_begin(struct offload_fit *fit, const struct parsed *p)
{
	const uint8_t *udp = fit->head + p->l4_off;
	uint16_t old_len = load_raw16(udp + offsetof(struct udphdr, len));

	fit->seed = csum_add(load_raw16(udp + offsetof(struct udphdr, check)), (uint16_t)~old_len);
}

void gso_udp_patch(struct offload_fit *fit, uint32_t len)
{
	uint8_t *udp = fit->head + fit->l4_off;
	uint16_t new_len = htobe16((uint16_t)(len - fit->l4_off));

	store_raw16(udp + offsetof(struct udphdr, len), new_len);
	store_raw16(udp + offsetof(struct udphdr, check), csum_fold(csum_add(fit->seed, new_len)));
}
