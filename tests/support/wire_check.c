/* SPDX-License-Identifier: Apache-2.0 */
/* wire_check.c - Lengths and checksums by the book, byte by byte. */
#include "wire_check.h"

#include <string.h>

static unsigned be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t sum_bytes(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/* What stands in the way from the start of the IP header to L4. */
struct ip {
	bool v6;
	size_t off, hdr_len, total; /* bytes */
	size_t frag_hdr;            /* of IPv6, from the start of the frame; 0: none */
	size_t nexthdr_off;
	uint8_t proto;
	size_t frag_off;
	bool more;
};

static const char *read_ipv6(const uint8_t *f, size_t len, struct ip *ip)
{
	size_t pos = ip->off + 40;

	if (len < pos)
		return "IPv6 header cut off";
	ip->total = 40 + be16(f + ip->off + 4);
	ip->proto = f[ip->off + 6];
	ip->nexthdr_off = ip->off + 6;
	while (ip->proto == 0 || ip->proto == 43 || ip->proto == 60 || ip->proto == 44) {
		if (len < pos + 8)
			return "extension header cut off";
		if (ip->proto == 44) {
			ip->frag_hdr = pos;
			ip->frag_off = be16(f + pos + 2) & 0xfff8u;
			ip->more = f[pos + 3] & 1;
			ip->proto = f[pos];
			pos += 8;
			break;
		}
		ip->proto = f[pos];
		ip->nexthdr_off = pos;
		pos += (f[pos + 1] + 1u) * 8;
	}
	ip->hdr_len = pos - ip->off;
	return NULL;
}

static const char *read_ipv4(const uint8_t *f, size_t len, struct ip *ip)
{
	const uint8_t *hdr = f + ip->off;
	unsigned frag;

	if (len < ip->off + 20)
		return "IPv4 header cut off";
	ip->hdr_len = (hdr[0] & 0xfu) * 4;
	if (ip->hdr_len < 20 || ip->off + ip->hdr_len > len)
		return "ihl";
	if (sum_bytes(0, hdr, ip->hdr_len) != 0xffff)
		return "IPv4 header checksum";
	ip->total = be16(hdr + 2);
	frag = be16(hdr + 6);
	ip->frag_off = (frag & 0x1fff) * 8;
	ip->more = frag & 0x2000;
	ip->proto = hdr[9];
	return NULL;
}

static const char *read_ip(const uint8_t *f, size_t len, size_t off, struct ip *ip)
{
	*ip = (struct ip){ .off = off };
	if (off >= len)
		return "no IP header";
	ip->v6 = f[off] >> 4 == 6;
	if (ip->v6)
		return read_ipv6(f, len, ip);
	return f[off] >> 4 == 4 ? read_ipv4(f, len, ip) : "IP version";
}

/* 0: not IP. */
static size_t l3_off(const uint8_t *f, size_t len)
{
	size_t off = 12;

	while (off + 2 <= len && (be16(f + off) == 0x8100 || be16(f + off) == 0x88a8))
		off += 4;
	if (off + 2 > len || (be16(f + off) != 0x0800 && be16(f + off) != 0x86dd))
		return 0;
	return off + 2;
}

static bool l4_sum_is_good(const uint8_t *f, const struct ip *ip, size_t l4_len)
{
	size_t addrs = ip->off + (ip->v6 ? 8 : 12), addrs_len = ip->v6 ? 32 : 8;
	uint32_t sum =
	    sum_bytes(ip->proto + (uint32_t)(l4_len >> 16) + (uint32_t)(l4_len & 0xffff), f + addrs, addrs_len);

	return sum_bytes(sum, f + ip->off + ip->hdr_len, l4_len) == 0xffff;
}

static const char *l4_fault(const uint8_t *f, size_t end, const struct ip *ip, bool sum_optional)
{
	const uint8_t *l4 = f + ip->off + ip->hdr_len;
	size_t l4_len = end - ip->off - ip->hdr_len;

	if (ip->proto == 6) {
		if (l4_len < 20 || (l4[12] >> 4) * 4u > l4_len)
			return "TCP header cut off";
		return l4_sum_is_good(f, ip, l4_len) ? NULL : "TCP checksum";
	}
	if (ip->proto != 17)
		return NULL;
	if (l4_len < 8 || be16(l4 + 4) != l4_len)
		return "UDP length";
	if (sum_optional && be16(l4 + 6) == 0)
		return NULL;
	return l4_sum_is_good(f, ip, l4_len) ? NULL : "UDP checksum";
}

const char *wire_fault(const uint8_t *f, size_t len, size_t inner_nh)
{
	size_t off = l3_off(f, len);
	const char *fault;
	struct ip ip;

	if (!off)
		return NULL;
	fault = read_ip(f, len, off, &ip);
	if (fault)
		return fault;
	if (off + ip.total > len || ip.total < ip.hdr_len)
		return "IP length";
	if (ip.more || ip.frag_off)
		return NULL;
	fault = l4_fault(f, off + ip.total, &ip, !ip.v6 || inner_nh);
	if (fault || !inner_nh)
		return fault;
	fault = read_ip(f, len, inner_nh, &ip);
	if (!fault && inner_nh + ip.total != len)
		fault = "inner IP length";
	return fault ? fault : l4_fault(f, len, &ip, false);
}

bool wire_reassemble(const struct frames *fragments, struct frames *out)
{
	static uint8_t data[65536 + 65536];
	static bool seen[65536 + 65536];
	size_t end = 0, covered = 0, first = SIZE_MAX;
	struct ip ip, ip0 = { 0 };
	uint8_t *f;

	memset(seen, 0, sizeof(seen));
	for (size_t i = 0; i < fragments->n; i++) {
		struct bytes b = fragments->at[i];
		size_t off = l3_off(b.data, b.len), n;

		if (!off || read_ip(b.data, b.len, off, &ip) || off + ip.total != b.len)
			return false;
		n = ip.total - ip.hdr_len;
		if (ip.more && n % 8)
			return false;
		for (size_t k = 0; k < n; k++) {
			if (seen[ip.frag_off + k])
				return false;
			seen[ip.frag_off + k] = true;
		}
		memcpy(data + ip.frag_off, b.data + off + ip.hdr_len, n);
		covered += n;
		if (!ip.more)
			end = ip.frag_off + n;
		if (ip.frag_off == 0) {
			first = i;
			ip0 = ip;
		}
	}
	if (first == SIZE_MAX || covered != end)
		return false;
	ip0.hdr_len -= ip0.frag_hdr ? 8 : 0;
	f = frames_add(out, ip0.off + ip0.hdr_len + end);
	memcpy(f, fragments->at[first].data, ip0.off + ip0.hdr_len);
	memcpy(f + ip0.off + ip0.hdr_len, data, end);
	if (ip0.v6) {
		size_t payload_len = ip0.hdr_len - 40 + end;

		f[ip0.nexthdr_off] = ip0.proto;
		f[ip0.off + 4] = (uint8_t)(payload_len >> 8);
		f[ip0.off + 5] = (uint8_t)payload_len;
	} else {
		uint32_t sum;

		f[ip0.off + 2] = (uint8_t)((ip0.hdr_len + end) >> 8);
		f[ip0.off + 3] = (uint8_t)(ip0.hdr_len + end);
		memset(f + ip0.off + 6, 0, 2);
		memset(f + ip0.off + 10, 0, 2);
		sum = sum_bytes(0, f + ip0.off, ip0.hdr_len) ^ 0xffff;
		f[ip0.off + 10] = (uint8_t)(sum >> 8);
		f[ip0.off + 11] = (uint8_t)sum;
	}
	return true;
}
