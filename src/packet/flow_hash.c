/* SPDX-License-Identifier: Apache-2.0 */
/* flow_hash.c - Toeplitz, a nibble at a time. */
#include "packet/flow_hash.h"

#include <assert.h>

#include "packet/proto/bytes.h"
#include "packet/proto/ip.h"
#include "packet/proto/l4.h"

const uint8_t flow_hash_default_key[FLOW_HASH_KEY_LEN] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

/* 32 bits of the key from bit `pos` on; those behind its end are 0. */
static uint32_t key_window(const uint8_t *key, size_t pos)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < 5; i++) {
		size_t at = pos / 8 + i;

		bits = bits << 8 | (at < FLOW_HASH_KEY_LEN ? key[at] : 0);
	}
	return (uint32_t)(bits >> (8 - pos % 8));
}

void flow_hash_init(struct flow_hash *h, const uint8_t key[FLOW_HASH_KEY_LEN], bool symmetric)
{
	h->symmetric = symmetric;
	for (size_t i = 0; i < 2 * FLOW_HASH_INPUT_MAX; i++) {
		for (unsigned value = 0; value < 16; value++) {
			uint32_t sum = 0;

			for (size_t bit = 0; bit < 4; bit++)
				sum ^= value & 8u >> bit ? key_window(key, 4 * i + bit) : 0;
			h->nibble[i][value] = sum;
		}
	}
}

uint32_t flow_hash_bytes(const struct flow_hash *h, const uint8_t *input, size_t len)
{
	uint32_t hash = 0;

	assert(len <= FLOW_HASH_INPUT_MAX);
	for (size_t i = 0; i < len; i++)
		hash ^= h->nibble[2 * i][input[i] >> 4] ^ h->nibble[2 * i + 1][input[i] & 0xf];
	return hash;
}

static bool has_ports(const struct parsed *p)
{
	return p->l4_off && p->payload_off >= p->l4_off + 4 && !(p->flags & PARSE_FRAGMENT) &&
	       (p->l4_proto == IPPROTO_TCP || p->l4_proto == IPPROTO_UDP);
}

/* Is the source above the destination, address first? */
static bool is_reversed(const uint8_t *addrs, size_t addr_len, const uint8_t *ports)
{
	int order = memcmp(addrs, addrs + addr_len, addr_len);

	return order > 0 || (order == 0 && ports && memcmp(ports, ports + 2, 2) > 0);
}

uint32_t flow_hash_frame(const struct flow_hash *h, const uint8_t *head, const struct parsed *p)
{
	uint8_t input[FLOW_HASH_INPUT_MAX];
	const uint8_t *ports = has_ports(p) ? head + p->l4_off : NULL;
	const uint8_t *addrs = head + p->l3_off;
	size_t addr_len, first = 0;

	if (p->l3 == PARSE_L3_IPV4) {
		addrs += offsetof(struct iphdr, saddr);
		addr_len = 4;
	} else if (p->l3 == PARSE_L3_IPV6) {
		addrs += offsetof(struct ipv6hdr, saddr);
		addr_len = 16;
	} else {
		return 0;
	}
	if (h->symmetric && is_reversed(addrs, addr_len, ports))
		first = 1;
	memcpy(input, addrs + first * addr_len, addr_len);
	memcpy(input + addr_len, addrs + (1 - first) * addr_len, addr_len);
	if (!ports)
		return flow_hash_bytes(h, input, 2 * addr_len);
	memcpy(input + 2 * addr_len, ports + first * 2, 2);
	memcpy(input + 2 * addr_len + 2, ports + (1 - first) * 2, 2);
	return flow_hash_bytes(h, input, 2 * addr_len + 4);
}
