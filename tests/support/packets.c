/* SPDX-License-Identifier: Apache-2.0 */
/* packets.c - Headers from the outside in, lengths and checksums from the inside out. */
#include "packets.h"

#include <string.h>

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static uint32_t sum_bytes(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static size_t put_ethernet(uint8_t *p, unsigned n_tags, unsigned ethertype)
{
	static const uint8_t macs[12] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1 };
	size_t n = sizeof(macs);

	memcpy(p, macs, sizeof(macs));
	for (unsigned i = 0; i < n_tags; i++, n += 4) {
		put16(p + n, i + 1 < n_tags ? 0x88a8 : 0x8100);
		put16(p + n + 2, 100 + i);
	}
	put16(p + n, ethertype);
	return n + 2;
}

static size_t put_ipv4(uint8_t *p, const struct packet *spec, uint8_t proto, unsigned opt_words)
{
	static const uint8_t addrs[8] = { 10, 1, 2, 3, 192, 168, 77, 9 };

	memset(p, 1, 20 + 4 * opt_words); /* options: NOP */
	p[0] = (uint8_t)(0x45 + opt_words);
	p[1] = spec->tos;
	put16(p + 4, spec->id);
	put16(p + 6, spec->df ? 0x4000 : 0);
	p[8] = 64;
	p[9] = proto;
	put16(p + 10, 0);
	memcpy(p + 12, addrs, sizeof(addrs));
	return 20 + 4 * opt_words;
}

static size_t put_ipv6(uint8_t *p, const struct packet *spec, uint8_t proto, unsigned ext_units)
{
	static const uint8_t prefix[6] = { 0xfd, 0, 0x12, 0x34, 0, 0 };

	memset(p, 0, 40 + 8 * ext_units);
	put32(p, 6u << 28 | (uint32_t)spec->tos << 20 | 0x12345);
	p[6] = ext_units ? 60 : proto;
	p[7] = 64;
	memcpy(p + 8, prefix, sizeof(prefix));
	memcpy(p + 24, prefix, sizeof(prefix));
	put16(p + 22, 0xa01);
	put16(p + 38, 0xa02);
	if (ext_units) {
		p[40] = proto;
		p[41] = (uint8_t)(ext_units - 1);
		p[42] = 1; /* PadN over all the rest */
		p[43] = (uint8_t)(8 * ext_units - 4);
	}
	return 40 + 8 * ext_units;
}

static size_t put_tcp(uint8_t *p, const struct packet *spec)
{
	size_t len = 20 + 4 * (size_t)spec->tcp_opt_words;

	memset(p, 1, len);
	put16(p, 1000 + spec->port);
	put16(p + 2, 80);
	put32(p + 4, spec->seq);
	put32(p + 8, spec->ack);
	p[12] = (uint8_t)(len / 4 << 4);
	p[13] = spec->tcp_flags ? spec->tcp_flags : 0x10;
	put16(p + 14, spec->window);
	put32(p + 16, 0);
	return len;
}

static size_t put_udp(uint8_t *p, unsigned sport, unsigned dport)
{
	put16(p, sport);
	put16(p + 2, dport);
	put32(p + 4, 0);
	return 8;
}

static size_t put_tunnel(uint8_t *p, enum packet_tunnel tunnel)
{
	size_t len = tunnel == TUNNEL_GENEVE ? 16 : 8;

	memset(p, 0, len);
	if (tunnel == TUNNEL_VXLAN) {
		p[0] = 8;
	} else {
		p[0] = 2; /* two words of options */
		put16(p + 2, 0x6558);
	}
	p[6] = 42;
	return len;
}

/* Lengths and checksum of the IP header at `l3`; returns the pseudo header's sum. */
static uint32_t finish_ip(uint8_t *f, size_t l3, size_t l4, size_t len, bool v6, uint8_t proto)
{
	uint32_t pseudo = sum_bytes(proto + (uint32_t)((len - l4) >> 16) + (uint32_t)((len - l4) & 0xffff),
				    f + l3 + (v6 ? 8 : 12), v6 ? 32 : 8);

	if (v6) {
		put16(f + l3 + 4, len - l3 - 40);
		return pseudo;
	}
	put16(f + l3 + 2, len - l3);
	put16(f + l3 + 10, 0);
	put16(f + l3 + 10, sum_bytes(0, f + l3, l4 - l3) ^ 0xffff);
	return pseudo;
}

static void finish_l4(uint8_t *f, size_t l4, size_t field, size_t len, uint32_t pseudo, bool partial, bool zero_is_ffff)
{
	uint32_t csum;

	put16(f + l4 + field, 0);
	csum = partial ? sum_bytes(pseudo, NULL, 0) : sum_bytes(pseudo, f + l4, len - l4) ^ 0xffff;
	if (partial)
		csum = (csum & 0xffff) + (csum >> 16);
	put16(f + l4 + field, csum == 0 && zero_is_ffff ? 0xffff : csum);
}

static uint8_t gso_type(const struct packet *p)
{
	uint8_t type = p->udp ? p->ufo ? GSO_UDP : GSO_UDP_L4 : p->v6 ? GSO_TCPV6 : GSO_TCPV4;

	if (p->tunnel)
		type |= p->tunnel_v6 ? GSO_UDP_TUNNEL_IPV6 : GSO_UDP_TUNNEL_IPV4;
	return type;
}

static void fill_offload(struct offload *o, const struct packet *p, const struct packet_map *m)
{
	*o = (struct offload){ 0 };
	if (!p->partial)
		return;
	o->flags = OFFLOAD_NEEDS_CSUM;
	o->csum_start = (uint16_t)m->l4;
	o->csum_offset = p->udp ? 6 : 16;
	if (!p->gso_size)
		return;
	o->gso_type = gso_type(p);
	o->gso_size = p->gso_size;
	o->hdr_len = (uint16_t)m->payload;
	if (!p->tunnel)
		return;
	o->outer_th_offset = (uint16_t)m->outer_l4;
	o->inner_nh_offset = (uint16_t)m->l3;
	o->flags |= p->tunnel_csum ? OFFLOAD_UDP_TUNNEL_CSUM : 0;
}

static size_t put_outer(uint8_t *buf, const struct packet *p, struct packet_map *m)
{
	size_t n = m->outer_l3 = put_ethernet(buf, 0, p->tunnel_v6 ? 0x86dd : 0x0800);

	n += p->tunnel_v6 ? put_ipv6(buf + n, p, 17, 0) : put_ipv4(buf + n, p, 17, 0);
	m->outer_l4 = n;
	n += put_udp(buf + n, 50000, p->tunnel == TUNNEL_VXLAN ? 4789 : 6081);
	return n + put_tunnel(buf + n, p->tunnel);
}

struct packet_map packet_build(uint8_t *buf, const struct packet *p, uint64_t payload_seed, struct offload *o)
{
	uint8_t proto = p->udp ? 17 : 6;
	struct packet_map m = { 0 };
	uint32_t pseudo;
	size_t n = 0;

	if (p->tunnel)
		n = put_outer(buf, p, &m);
	n += put_ethernet(buf + n, p->n_tags, p->v6 ? 0x86dd : 0x0800);
	m.l3 = n;
	n += p->v6 ? put_ipv6(buf + n, p, proto, p->ext_units) : put_ipv4(buf + n, p, proto, p->ip_opt_words);
	m.l4 = n;
	n += p->udp ? put_udp(buf + n, 1000u + p->port, 53) : put_tcp(buf + n, p);
	m.payload = n;
	m.len = n + p->payload_len;
	for (uint64_t x = payload_seed; n < m.len; n++) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		buf[n] = (uint8_t)(x >> 56);
	}
	pseudo = finish_ip(buf, m.l3, m.l4, m.len, p->v6, proto);
	if (p->udp)
		put16(buf + m.l4 + 4, m.len - m.l4);
	finish_l4(buf, m.l4, p->udp ? 6 : 16, m.len, pseudo, p->partial, p->udp);
	if (p->tunnel) {
		pseudo = finish_ip(buf, m.outer_l3, m.outer_l4, m.len, p->tunnel_v6, 17);
		put16(buf + m.outer_l4 + 4, m.len - m.outer_l4);
		if (p->tunnel_csum)
			finish_l4(buf, m.outer_l4, 6, m.len, pseudo, p->partial, true);
	}
	fill_offload(o, p, &m);
	return m;
}
