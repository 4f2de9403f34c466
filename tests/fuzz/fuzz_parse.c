/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_parse.c - Any bytes as a frame: no offset may point beyond them. */
#include <stdlib.h>
#include <string.h>

#include "packet/flow_hash.h"
#include "packet/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct parsed *p, size_t size)
{
	if (p->l3_off > size || p->l4_off > size || p->payload_off > size || (p->l3 && p->nexthdr_off >= size))
		abort();
	if (p->l4_off && p->payload_off < p->l4_off)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct flow_hash hash;
	struct parsed p, inner;
	uint16_t inner_off;

	if (size > UINT16_MAX)
		return 0;
	if (!hash.nibble[0][1])
		flow_hash_init(&hash, flow_hash_default_key, true);
	parse_frame(data, size, &p);
	check(&p, size);
	flow_hash_frame(&hash, data, &p);
	if (parse_tunnel(data, size, &p, &inner, &inner_off)) {
		check(&inner, size);
		if (inner_off > size)
			abort();
		flow_hash_frame(&hash, data, &inner);
	}
	for (size_t off = 0; off <= size && off < 64; off += 7) {
		parse_ip(data, size, off, &p);
		check(&p, size);
	}
	return 0;
}
