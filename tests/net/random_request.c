/* SPDX-License-Identifier: Apache-2.0 */
/* random_request.c - See random_request.h. Bytes are changed behind packet_build()'s back only where no seed of a checksum covers them. */
#include "random_request.h"

#include <string.h>

#include "base/compiler.h"
#include "guard.h"
#include "packet/proto/bytes.h"

enum {
	L3_LEN_MAX = 65535,
	SEGMENTS_MAX = 2000, /* ours gives up at FIT_SEGMENTS_MAX */
	USO_SEGMENTS_MAX = 128,
	ETHERNET_LEN = 14,
	CUT_LEN_MIN = 40, /* the classifier wants to see some bytes of what is behind the tags */
	/* Linux finishes a checksum only where the field lies in the first page of its buffer. */
	CSUM_END_MAX = 3000,
};

static bool one_in(uint64_t *rng, unsigned n)
{
	return random_below(rng, n) == 0;
}

static unsigned between(uint64_t *rng, unsigned lo, unsigned hi)
{
	return lo + random_below(rng, hi - lo + 1);
}

/* Usual sizes, small ones, and all that there are. */
static uint16_t random_gso_size(uint64_t *rng, unsigned min)
{
	static const unsigned max[] = { 100, 1460, 1460, 9000, 65534 };

	return (uint16_t)between(rng, min, max[random_below(rng, 5)]);
}

static uint32_t random_payload_len(uint64_t *rng, unsigned gso_size, unsigned segments_max, unsigned room)
{
	unsigned most = one_in(rng, 20) ? segments_max : MIN(segments_max, 12), len;

	switch (random_below(rng, 8)) {
	case 0: /* around what is not cut */
		len = gso_size + random_below(rng, 32);
		break;
	case 1: /* no remainder */
		len = gso_size * between(rng, 1, most);
		break;
	case 2:
		len = random_below(rng, gso_size + 1);
		break;
	default:
		len = 1 + random_below(rng, gso_size * most);
	}
	len = MIN(len, gso_size * segments_max);
	return MIN(len, room);
}

static struct packet random_packet(uint64_t *rng, bool udp)
{
	struct packet p = {
		.v6 = random_below(rng, 2),
		.udp = udp,
		.df = random_below(rng, 2),
		.n_tags = (uint8_t)(one_in(rng, 3) ? random_below(rng, 4) : 0),
		.tcp_opt_words = (uint8_t)(one_in(rng, 2) ? 3 : random_below(rng, 11)),
		.tcp_flags = (uint8_t)(one_in(rng, 3) ? 0x10 : random_next(rng)),
		.tos = (uint8_t)random_next(rng),
		.id = (uint16_t)(one_in(rng, 8) ? 0xfffc + random_below(rng, 8) : random_next(rng)),
		.port = (uint16_t)random_below(rng, 60000),
		.window = (uint16_t)random_next(rng),
		.seq = (uint32_t)(one_in(rng, 8) ? 0xffffff00 : random_next(rng)),
		.ack = (uint32_t)random_next(rng),
		.partial = true,
	};

	if (!p.v6 && one_in(rng, 4))
		p.ip_opt_words = (uint8_t)between(rng, 1, 10);
	if (p.v6 && one_in(rng, 4))
		p.ext_units = (uint8_t)between(rng, 1, one_in(rng, 4) ? 60 : 4);
	return p;
}

static uint32_t payload_room(const struct packet *p)
{
	return L3_LEN_MAX - 40 - 8u * p->ext_units - 4u * p->ip_opt_words - 20 - 4u * p->tcp_opt_words;
}

static void build(struct request *r, uint64_t *rng)
{
	struct offload o;

	r->map = packet_build(r->frame, &r->packet, random_next(rng), &o);
	r->len = r->map.len;
	vnet_hdr_from_offload(&r->hdr, &o, 0);
}

/* Any packet of its kind */

static void vary_ipv4(uint8_t *ip, size_t hdr_len, uint64_t *rng)
{
	random_fill(rng, ip + 20, hdr_len - 20);
	ip[8] = (uint8_t)random_next(rng);
	if (one_in(rng, 4))
		ip[6] ^= 0x80; /* reserved */
	if (one_in(rng, 8))
		store_be16(ip + 2,
			   (uint16_t)random_next(rng)); /* lengths and checksum are made anew, where something is cut */
	if (one_in(rng, 2))
		store_be16(ip + 10, (uint16_t)random_next(rng));
}

static void vary_ipv6(uint8_t *ip, bool has_ext, uint64_t *rng)
{
	static const uint8_t ext[] = { 0, 43, 60 };

	ip[2] = (uint8_t)random_next(rng);
	ip[3] = (uint8_t)random_next(rng);
	ip[7] = (uint8_t)random_next(rng);
	if (has_ext)
		ip[6] = ext[random_below(rng, 3)];
	if (one_in(rng, 8))
		store_be16(ip + 4, (uint16_t)random_next(rng));
}

static void vary_headers(struct request *r, uint64_t *rng)
{
	uint8_t *ip = r->frame + r->map.l3, *l4 = r->frame + r->map.l4;

	for (unsigned i = 0; i < r->packet.n_tags; i++)
		store_be16(r->frame + ETHERNET_LEN + 4 * i, (uint16_t)random_next(rng));
	if (r->packet.v6)
		vary_ipv6(ip, r->packet.ext_units, rng);
	else
		vary_ipv4(ip, r->map.l4 - r->map.l3, rng);
	if (r->packet.udp)
		return;
	random_fill(rng, l4 + 20, r->map.payload - r->map.l4 - 20);
	l4[12] |= random_next(rng) & 0xf; /* reserved bits and AE */
	store_be16(l4 + 18, (uint16_t)random_next(rng));
}

/* What a device has to ignore. */
static void vary_request(struct request *r, uint64_t *rng)
{
	uint16_t hdr_len = (uint16_t)random_below(rng, (unsigned)MIN(r->len, UINT16_MAX) + 1);

	if (one_in(rng, 4))
		r->hdr.flags |= random_next(rng) & 0xfe;
	if (one_in(rng, 4))
		r->hdr.hdr_len = 0;
	else if (one_in(rng, 3))
		r->hdr.hdr_len = htole16(hdr_len);
	r->hdr.num_buffers = (uint16_t)random_next(rng);
	if (r->hdr.gso_type == GSO_NONE)
		r->hdr.gso_size = (uint16_t)random_next(rng);
	else if (r->hdr.gso_type != GSO_UDP_L4 && one_in(rng, 3))
		r->hdr.gso_type |= GSO_ECN;
}

/* No checksum is asked for, though there is something to cut, which implies it. Then Linux does not know where the headers end, and is
 * wrong about whether something has to be cut when they are long. */
static void forget_csum(struct request *r)
{
	r->hdr.flags &= (uint8_t)~OFFLOAD_NEEDS_CSUM;
	r->hdr.hdr_len = 0;
	if (r->packet.payload_len < le16toh(r->hdr.gso_size) + 600u)
		r->fault = "no NEEDS_CSUM where it is unclear if something is to be cut";
}

static void make_tcp(struct request *r, uint64_t *rng)
{
	struct packet *p = &r->packet;

	*p = random_packet(rng, false);
	p->gso_size = random_gso_size(rng, 1);
	p->payload_len = random_payload_len(rng, p->gso_size, SEGMENTS_MAX, payload_room(p));
	build(r, rng);
	vary_headers(r, rng);
	vary_request(r, rng);
	if (one_in(rng, 8))
		forget_csum(r);
}

static void make_uso(struct request *r, uint64_t *rng)
{
	struct packet *p = &r->packet;

	*p = random_packet(rng, true);
	p->gso_size = random_gso_size(rng, 1);
	p->payload_len = random_payload_len(rng, p->gso_size, USO_SEGMENTS_MAX, payload_room(p));
	build(r, rng);
	vary_headers(r, rng);
	vary_request(r, rng);
}

static void make_ufo(struct request *r, uint64_t *rng)
{
	struct packet *p = &r->packet;
	bool odd = one_in(rng, 8);

	*p = random_packet(rng, true);
	p->ufo = true;
	p->gso_size = random_gso_size(rng, 8);
	if (!odd)
		p->gso_size &= (uint16_t)~7;
	else if (p->gso_size & 7)
		r->fault = "fragments of a size that is no multiple of 8";
	p->payload_len = random_payload_len(rng, p->gso_size, SEGMENTS_MAX, payload_room(p));
	build(r, rng);
	vary_headers(r, rng);
	vary_request(r, rng);
	if (one_in(rng, 8))
		forget_csum(r);
}

static void make_csum(struct request *r, uint64_t *rng)
{
	r->packet = random_packet(rng, random_below(rng, 2));
	r->packet.payload_len = random_below(rng, one_in(rng, 8) ? payload_room(&r->packet) : 2000);
	build(r, rng);
	vary_headers(r, rng);
	vary_request(r, rng);
}

static void make_any_csum(struct request *r, uint64_t *rng)
{
	static const uint16_t types[] = { 0x0800, 0x86dd, 0x0806, 0x88b6, 0x1234, 100 };
	static const uint8_t macs[12] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1 };
	unsigned start, end;

	r->packet = (struct packet){ 0 };
	r->map = (struct packet_map){ 0 };
	r->len = between(rng, CUT_LEN_MIN, one_in(rng, 8) ? 60000 : 1600);
	random_fill(rng, r->frame, r->len);
	memcpy(r->frame, macs, sizeof(macs));
	store_be16(r->frame + 12, types[random_below(rng, 6)]);
	end = between(rng, 22, (unsigned)MIN(r->len, CSUM_END_MAX));
	start = between(rng, 20, end - 2);
	r->hdr = (struct vnet_hdr){ .flags = OFFLOAD_NEEDS_CSUM,
				    .csum_start = htole16((uint16_t)start),
				    .csum_offset = htole16((uint16_t)(end - 2 - start)) };
	vary_request(r, rng);
}

/* Something wrong */

static void spoil_request(struct request *r, uint64_t *rng)
{
	switch (random_below(rng, 7)) {
	case 0:
		r->fault = "gso_size";
		r->hdr.gso_size = random_below(rng, 2) ? 0 : 0xffff;
		break;
	case 1:
		r->fault = "gso_type";
		r->hdr.gso_type = (uint8_t)random_next(rng);
		break;
	case 2:
		r->fault = "csum_start";
		r->hdr.csum_start = htole16((uint16_t)random_below(rng, (unsigned)MIN(r->len, 400) + 10));
		break;
	case 3:
		r->fault = "csum_offset";
		r->hdr.csum_offset = htole16((uint16_t)random_below(rng, (unsigned)MIN(r->len, 400) + 10));
		break;
	case 4:
		r->fault = "hdr_len";
		r->hdr.hdr_len = htole16((uint16_t)random_below(rng, (unsigned)MIN(r->len * 2, UINT16_MAX)));
		break;
	case 5:
		r->fault = "flags";
		r->hdr.flags = (uint8_t)random_next(rng);
		break;
	default:
		r->fault = "gso_size that is too small";
		r->hdr.gso_size = htole16((uint16_t)(between(rng, 1, 16) + r->len / 4000));
	}
}

static void spoil_length(struct request *r, uint64_t *rng)
{
	unsigned most = (unsigned)r->len;

	if (random_below(rng, 2)) {
		size_t more = between(rng, 1, 64);

		r->fault = "bytes behind the packet";
		more = MIN(more, REQUEST_ROOM - r->len);
		random_fill(rng, r->frame + r->len, more);
		r->len += more;
		return;
	}
	r->fault = "frame cut off";
	if (one_in(rng, 2))
		most = MIN(most, 160);
	r->len = between(rng, MIN(CUT_LEN_MIN, most), most);
}

static void spoil_headers(struct request *r, uint64_t *rng)
{
	uint8_t *ip = r->frame + r->map.l3, *l4 = r->frame + r->map.l4;

	switch (random_below(rng, 7)) {
	case 0:
		r->fault = "IP version or header length";
		ip[0] = (uint8_t)random_next(rng);
		break;
	case 1:
		r->fault = "TCP header length or UDP length";
		l4[r->packet.udp ? 4 : 12] = (uint8_t)random_next(rng);
		break;
	case 2:
		r->fault = "protocol";
		ip[r->packet.v6 ? 6 : 9] = (uint8_t)random_next(rng);
		break;
	case 3:
		r->fault = "EtherType";
		store_be16(ip - 2, r->packet.v6 ? 0x0800 : 0x86dd);
		break;
	case 4:
		r->fault = "fragment";
		if (!r->packet.v6)
			store_be16(ip + 6, (uint16_t)random_next(rng));
		else
			ip[6] = 44;
		break;
	case 5:
		r->fault = "seed of the checksum";
		store_be16(l4 + (r->packet.udp ? 6 : 16), (uint16_t)random_next(rng));
		break;
	default:
		r->fault = "a byte of the headers";
		r->frame[between(rng, 12, (unsigned)r->map.payload - 1)] = (uint8_t)random_next(rng);
	}
}

static void make_bad(struct request *r, uint64_t *rng)
{
	request_make(r, random_below(rng, REQUEST_ANY_CSUM), random_next(rng));
	r->spoiled = true;
	switch (random_below(rng, 4)) {
	case 0:
		spoil_length(r, rng);
		break;
	case 1:
		spoil_request(r, rng);
		break;
	default:
		spoil_headers(r, rng);
	}
}

void request_make(struct request *r, enum request_kind kind, uint64_t seed)
{
	static void (*const make[N_REQUEST_KINDS])(struct request *, uint64_t *) = {
		[REQUEST_TCP] = make_tcp,   [REQUEST_USO] = make_uso,           [REQUEST_UFO] = make_ufo,
		[REQUEST_CSUM] = make_csum, [REQUEST_ANY_CSUM] = make_any_csum, [REQUEST_BAD] = make_bad,
	};

	r->fault = NULL;
	r->spoiled = false;
	make[kind](r, &seed);
}

bool request_is_ufo6(const struct request *r)
{
	return r->packet.v6 && (r->hdr.gso_type & GSO_KIND_MASK) == GSO_UDP;
}
