/* SPDX-License-Identifier: Apache-2.0 */
/* parse.c - From Ethernet to TCP, header by header. */
#include "packet/parse.h"

#include "base/compiler.h"
#include "packet/proto/bytes.h"
#include "packet/proto/ip.h"
#include "packet/proto/l4.h"
#include "packet/proto/tunnel.h"
#include "packet/proto/vlan.h"

/* The bytes, and how far the walk has come: pos <= len, always. */
struct walk {
	const uint8_t *buf;
	size_t len;
	size_t pos;
	struct parsed *p;
};

/* `n` bytes at the position, or NULL when they are not there. */
static const uint8_t *peek(struct walk *w, size_t n)
{
	if (w->len - w->pos < n) {
		w->p->flags |= PARSE_TRUNCATED;
		return NULL;
	}
	return w->buf + w->pos;
}

static bool malformed(struct walk *w)
{
	w->p->flags |= PARSE_MALFORMED;
	return false;
}

static bool skip(struct walk *w, size_t n)
{
	if (!peek(w, n))
		return false;
	w->pos += n;
	w->p->payload_off = (uint16_t)w->pos;
	return true;
}

static bool walk_tcp(struct walk *w)
{
	const uint8_t *tcp = peek(w, sizeof(struct tcphdr));
	size_t hlen;

	if (!tcp)
		return false;
	hlen = (size_t)(tcp[TCP_DOFF_BYTE] >> 4) * 4;
	return hlen < sizeof(struct tcphdr) ? malformed(w) : skip(w, hlen);
}

static bool walk_icmp6(struct walk *w)
{
	const uint8_t *icmp = peek(w, 4);

	if (!icmp)
		return false;
	if (icmp[0] >= ND_TYPE_FIRST && icmp[0] <= ND_TYPE_LAST)
		w->p->flags |= PARSE_ND;
	return skip(w, 4);
}

static bool walk_l4(struct walk *w)
{
	if (w->p->flags & PARSE_NOT_FIRST)
		return true;
	w->p->l4_off = (uint16_t)w->pos;
	switch (w->p->l4_proto) {
	case IPPROTO_TCP:
		return walk_tcp(w);
	case IPPROTO_UDP:
		return skip(w, sizeof(struct udphdr));
	case IPPROTO_ICMP:
		return skip(w, sizeof(struct icmphdr));
	case IPPROTO_ICMPV6:
		return walk_icmp6(w);
	default:
		return true;
	}
}

/* RFC 791, 3.1 */
static bool walk_ipv4(struct walk *w)
{
	struct parsed *p = w->p;
	const uint8_t *ip = peek(w, sizeof(struct iphdr));
	uint16_t frag;
	size_t hlen;

	if (!ip)
		return false;
	hlen = (size_t)(ip[0] & 0xf) * 4;
	if (ip[0] >> 4 != 4 || hlen < sizeof(struct iphdr))
		return malformed(w);
	p->l3 = PARSE_L3_IPV4;
	p->l3_off = (uint16_t)w->pos;
	p->l4_proto = ip[offsetof(struct iphdr, protocol)];
	p->nexthdr_off = (uint16_t)(w->pos + offsetof(struct iphdr, protocol));
	frag = load_be16(ip + offsetof(struct iphdr, frag_off));
	if (frag & (IPV4_MF | IPV4_OFFSET_MASK))
		p->flags |= PARSE_FRAGMENT;
	if (frag & IPV4_OFFSET_MASK)
		p->flags |= PARSE_NOT_FIRST;
	if (hlen > sizeof(struct iphdr))
		p->flags |= PARSE_IP_OPTIONS;
	return skip(w, hlen) && walk_l4(w);
}

/* One IPv6 extension header, whose type is p->l4_proto (RFC 8200, 4; RFC 4302, 2). */
static bool walk_ext(struct walk *w)
{
	struct parsed *p = w->p;
	const uint8_t *ext = peek(w, 8);
	size_t hlen = 8;

	if (!ext)
		return false;
	if (p->l4_proto == IPPROTO_FRAGMENT) {
		p->flags |= PARSE_FRAGMENT;
		if (load_be16(ext + offsetof(struct ipv6_frag, frag_off)) & IPV6_FRAG_OFFSET_MASK)
			p->flags |= PARSE_NOT_FIRST;
	} else if (p->l4_proto == IPPROTO_AH) {
		p->flags |= PARSE_AUTH;
		hlen = (size_t)(ext[1] + 2) * 4;
	} else {
		p->flags |= PARSE_EXT_HDR;
		hlen = (size_t)(ext[1] + 1) * 8;
	}
	p->l4_proto = ext[0];
	p->nexthdr_off = (uint16_t)w->pos;
	return skip(w, hlen);
}

static bool is_ext(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS ||
	       proto == IPPROTO_FRAGMENT || proto == IPPROTO_AH;
}

static bool walk_ipv6(struct walk *w)
{
	struct parsed *p = w->p;
	const uint8_t *ip = peek(w, sizeof(struct ipv6hdr));

	if (!ip)
		return false;
	if (ip[0] >> 4 != 6)
		return malformed(w);
	p->l3 = PARSE_L3_IPV6;
	p->l3_off = (uint16_t)w->pos;
	p->l4_proto = ip[offsetof(struct ipv6hdr, nexthdr)];
	p->nexthdr_off = (uint16_t)(w->pos + offsetof(struct ipv6hdr, nexthdr));
	skip(w, sizeof(struct ipv6hdr));
	while (is_ext(p->l4_proto) && !(p->flags & PARSE_NOT_FIRST)) {
		if (!walk_ext(w))
			return false;
	}
	return walk_l4(w);
}

/* RFC 826, for IPv4 over Ethernet: hardware type 1, 6 and 4 bytes of address. */
static bool walk_arp(struct walk *w)
{
	static const uint8_t ipv4_over_ethernet[] = { 0, 1, 8, 0, 6, 4 };
	const uint8_t *arp = peek(w, 28);

	if (!arp)
		return false;
	if (memcmp(arp, ipv4_over_ethernet, sizeof(ipv4_over_ethernet)) != 0)
		return malformed(w);
	w->p->l3 = PARSE_L3_ARP;
	w->p->l3_off = (uint16_t)w->pos;
	return skip(w, 28);
}

static bool walk_l3(struct walk *w)
{
	switch (w->p->ethertype) {
	case ETH_P_IP:
		return walk_ipv4(w);
	case ETH_P_IPV6:
		return walk_ipv6(w);
	case ETH_P_ARP:
		return walk_arp(w);
	default:
		return true;
	}
}

static bool walk_ethernet(struct walk *w)
{
	struct parsed *p = w->p;
	const uint8_t *eth = peek(w, sizeof(struct ethhdr));

	if (!eth)
		return false;
	p->ethertype = load_be16(eth + offsetof(struct ethhdr, h_proto));
	skip(w, sizeof(struct ethhdr));
	while (is_vlan_ethertype(p->ethertype)) {
		const uint8_t *tag = peek(w, sizeof(struct vlan_tag));

		if (!tag)
			return false;
		if (p->n_tags < PARSE_TAGS_MAX)
			p->tci[p->n_tags++] = load_be16(tag);
		p->ethertype = load_be16(tag + offsetof(struct vlan_tag, ethertype));
		skip(w, sizeof(struct vlan_tag));
	}
	return walk_l3(w);
}

/* Offsets have 16 bits; no header is that far out. */
static struct walk walk_begin(const uint8_t *buf, size_t len, size_t off, struct parsed *p)
{
	len = MIN(len, UINT16_MAX);
	off = MIN(off, len);
	memset(p, 0, sizeof(*p));
	p->payload_off = (uint16_t)off;
	return (struct walk){ buf, len, off, p };
}

bool parse_frame(const uint8_t *buf, size_t len, struct parsed *p)
{
	struct walk w = walk_begin(buf, len, 0, p);

	return walk_ethernet(&w);
}

static bool walk_any_ip(struct walk *w)
{
	const uint8_t *ip = peek(w, 1);

	if (!ip)
		return false;
	return *ip >> 4 == 6 ? walk_ipv6(w) : walk_ipv4(w);
}

bool parse_ip(const uint8_t *buf, size_t len, size_t off, struct parsed *p)
{
	struct walk w = walk_begin(buf, len, off, p);

	return walk_any_ip(&w);
}

/* RFC 7348, 5 */
static bool walk_vxlan(struct walk *w)
{
	const uint8_t *vxlan = peek(w, sizeof(struct vxlan_hdr));

	if (!vxlan || !(vxlan[0] & VXLAN_VNI_VALID))
		return false;
	w->p->ethertype = GENEVE_PROTO_ETHERNET;
	return skip(w, sizeof(struct vxlan_hdr));
}

/* RFC 8926, 3.4 */
static bool walk_geneve(struct walk *w)
{
	const uint8_t *geneve = peek(w, sizeof(struct geneve_hdr));

	if (!geneve || geneve[0] >> GENEVE_VERSION_SHIFT != 0)
		return false;
	w->p->ethertype = load_be16(geneve + offsetof(struct geneve_hdr, protocol));
	return skip(w, sizeof(struct geneve_hdr) + (size_t)(geneve[0] & GENEVE_OPT_LEN_MASK) * 4);
}

bool parse_tunnel(const uint8_t *buf, size_t len, const struct parsed *outer, struct parsed *inner, uint16_t *inner_off)
{
	struct walk w = walk_begin(buf, len, outer->payload_off, inner);
	uint16_t port;

	if (outer->l4_proto != IPPROTO_UDP || !outer->l4_off || outer->flags & (PARSE_TRUNCATED | PARSE_FRAGMENT))
		return false;
	port = load_be16(buf + outer->l4_off + offsetof(struct udphdr, dest));
	if (!(port == VXLAN_PORT ? walk_vxlan(&w) : port == GENEVE_PORT && walk_geneve(&w)))
		return false;
	*inner_off = (uint16_t)w.pos;
	return inner->ethertype == GENEVE_PROTO_ETHERNET ? walk_ethernet(&w) : walk_l3(&w);
}
