/* SPDX-License-Identifier: Apache-2.0 */
/* gso_frag.c - IP fragments of one large UDP datagram (UFO).
 *
 * The checksum lies in the first fragment and covers all of them, so the payload has to be read before the first one can leave. It is
 * made from scratch, whatever the sender put into the field.
 *
 * For IPv6 the fragment header goes behind all extension headers, as in Linux; its offsets count from there (RFC 8200, 4.5). Linux
 * 6.18 counts the extension headers in as well, so that its fragments cannot be put together again; ours can. */
#include <pthread.h>
#include <sys/random.h>
#include <time.h>

#include "packet/csum.h"
#include "packet/gso.h"
#include "packet/proto/bytes.h"
#include "packet/proto/ip.h"
#include "packet/proto/l4.h"

static uint64_t id_secret;

static void id_secret_init(void)
{
	if (getrandom(&id_secret, sizeof(id_secret), GRND_NONBLOCK) != sizeof(id_secret))
		id_secret = (uint64_t)time(NULL) * 0x9e3779b97f4a7c15ull;
}

/* The identification of all fragments of one datagram. Nobody outside can predict it (RFC 7739), and it is the same again when the
 * frame is resumed: f->frag_salt stays with the frame. */
static uint32_t fragment_id(const struct frame *f, uint32_t sum)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint64_t x;

	pthread_once(&once, id_secret_init);
	x = id_secret ^ ((uint64_t)f->frag_salt << 48 | (uint64_t)(f->len & 0xffff) << 32 | sum);
	x = (x ^ x >> 33) * 0xff51afd7ed558ccdull;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ull;
	return (uint32_t)(x ^ x >> 32);
}

static uint16_t next_salt(void)
{
	static _Thread_local uint16_t salt;

	return salt++;
}

/* Of the whole datagram, its checksum field left out. */
static uint32_t datagram_sum(const struct offload_fit *fit, const struct parsed *p)
{
	const uint8_t *ip = fit->head + p->l3_off;
	uint32_t len = fit->whole->len - p->l4_off;
	uint32_t sum = p->l3 == PARSE_L3_IPV4 ? csum_pseudo4(ip + offsetof(struct iphdr, saddr), IPPROTO_UDP, len)
					      : csum_pseudo6(ip + offsetof(struct ipv6hdr, saddr), IPPROTO_UDP, len);

	sum = csum_partial(fit->udp_hdr, offsetof(struct udphdr, check), sum);
	return csum_add(sum, csum_frame(fit->whole, p->l4_off + (uint32_t)sizeof(struct udphdr)));
}

/* DF and the reserved bit go, too. */
static void begin_ipv4(struct offload_fit *fit, const struct parsed *p)
{
	const uint8_t *field = fit->head + p->l3_off + offsetof(struct iphdr, frag_off);

	fit->ip[0].sum = csum_add(fit->ip[0].sum, (uint16_t)~load_raw16(field));
	fit->ip[0].id_step = 0;
}

static void begin_ipv6(struct offload_fit *fit, const struct parsed *p, uint32_t sum)
{
	uint8_t *frag = fit->head + fit->hdr_len;

	frag[offsetof(struct ipv6_frag, nexthdr)] = IPPROTO_UDP;
	frag[offsetof(struct ipv6_frag, reserved)] = 0;
	store_raw32(frag + offsetof(struct ipv6_frag, id), fragment_id(fit->whole, sum));
	fit->head[p->nexthdr_off] = IPPROTO_FRAGMENT;
	fit->hdr_len += sizeof(struct ipv6_frag);
}

void gso_frag_begin(struct offload_fit *fit, struct frame *f, const struct parsed *p)
{
	uint32_t sum;

	memcpy(fit->udp_hdr, fit->head + p->l4_off, sizeof(fit->udp_hdr));
	if (f->segs_sent == 0)
		f->frag_salt = next_salt();
	sum = datagram_sum(fit, p);
	store_raw16(fit->udp_hdr + offsetof(struct udphdr, check), csum_finish(sum));
	if (p->l3 == PARSE_L3_IPV4)
		begin_ipv4(fit, p);
	else
		begin_ipv6(fit, p, csum_fold(sum));
}

void gso_frag_patch(struct offload_fit *fit)
{
	uint32_t off = fit->seg_idx * fit->mss;
	uint8_t *frag_hdr = fit->head + fit->l4_off;

	if (fit->seg_idx == 0)
		memcpy(fit->head + fit->hdr_len, fit->udp_hdr, sizeof(fit->udp_hdr));
	if (fit->ip[0].version == 4) {
		fit->ip[0].frag = htobe16((uint16_t)(off / 8 | (gso_is_last(fit) ? 0 : IPV4_MF)));
		store_raw16(fit->head + fit->ip[0].off + offsetof(struct iphdr, frag_off), fit->ip[0].frag);
	} else {
		store_be16(frag_hdr + offsetof(struct ipv6_frag, frag_off),
			   (uint16_t)(off | (gso_is_last(fit) ? 0 : IPV6_FRAG_MORE)));
	}
}
