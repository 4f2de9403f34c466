/* SPDX-License-Identifier: Apache-2.0 */
/* steer.c - The hash of a flow, and the table of queues that flows were seen on. */
#include "port/steer.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/barrier.h"
#include "base/compiler.h"
#include "packet/frame.h"
#include "packet/parse.h"
#include "packet/proto/ip.h"

enum {
	WAYS = 8, /* of a cache line */
	BUCKETS = STEER_FLOWS / WAYS,
	HASH_SHIFT = 32,
	TIME_SHIFT = 16,
	QUEUE_MASK = 0xffff,
};

/* An entry: hash, the second it was last seen in (16 bits, wraps), queue + 1. All in one word, so a reader sees all or nothing of
 * a change. 0: free. */
struct bucket {
	uint64_t entries[WAYS];
} cache_aligned;

struct steer {
	struct bucket buckets[BUCKETS];
};

/* Secret, the same for all tables: a frame's hash serves its sender's and its receiver's. Set before there is a table. */
static uint64_t secret[4];

struct steer *steer_create(void)
{
	struct steer *s = aligned_alloc(CACHE_LINE, sizeof(*s));

	if (!s)
		return NULL;
	memset(s, 0, sizeof(*s));
	/* Without random bits the hash can be foreseen, which is no reason to have no queues. */
	if (secret[3] == 0 && getrandom(secret, sizeof(secret), 0) < 0)
		memset(secret, 0x5a, sizeof(secret));
	secret[3] |= 1;
	return s;
}

void steer_destroy(struct steer *s)
{
	free(s);
}

/* Hash */

/* Both halves of the product of two words: each bit of the result depends on all of them. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* A sum of the two ends is the same in both directions. */
static uint32_t hash_ends(uint64_t src_addr, uint64_t dst_addr, uint16_t src_port, uint16_t dst_port)
{
	uint64_t src = mix(src_addr ^ secret[0], src_port ^ secret[1]);
	uint64_t dst = mix(dst_addr ^ secret[0], dst_port ^ secret[1]);
	uint32_t hash = (uint32_t)(mix(src + dst, secret[3]) >> 16);

	return hash ? hash : 1;
}

static uint16_t load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* An IPv6 address in one word. */
static uint64_t fold_address(const uint8_t *p)
{
	uint64_t half[2];

	memcpy(half, p, sizeof(half));
	return mix(half[0] ^ secret[2], half[1] ^ secret[3]);
}

static bool has_ports(const struct parsed *p)
{
	return p->l4_off && p->payload_off >= p->l4_off + 4 && !(p->flags & PARSE_FRAGMENT) &&
	       (p->l4_proto == IPPROTO_TCP || p->l4_proto == IPPROTO_UDP);
}

static uint32_t hash_any(const struct frame *f)
{
	struct parsed p;
	uint16_t src_port = 0, dst_port = 0;
	const uint8_t *ip;

	(void)parse_frame(f->head, f->head_len, &p);
	if (has_ports(&p)) {
		src_port = load16(f->head + p.l4_off);
		dst_port = load16(f->head + p.l4_off + 2);
	}
	ip = f->head + p.l3_off;
	switch (p.l3) {
	case PARSE_L3_IPV4:
		return hash_ends(load32(ip + offsetof(struct iphdr, saddr)), load32(ip + offsetof(struct iphdr, daddr)),
				 src_port, dst_port);
	case PARSE_L3_IPV6:
		return hash_ends(fold_address(ip + offsetof(struct ipv6hdr, saddr)),
				 fold_address(ip + offsetof(struct ipv6hdr, daddr)), src_port, dst_port);
	default:
		return 0;
	}
}

uint32_t steer_hash(const struct frame *f)
{
	enum { IP = 14, PORTS = IP + 20, NEEDED = PORTS + 4 };
	const uint8_t *head = f->head;
	bool plain = f->head_len >= NEEDED && head[12] == 0x08 && head[13] == 0x00 && /* IPv4 without tags, */
		     head[IP] == 0x45 &&                                              /* without options, */
		     ((head[IP + 6] & 0x3f) | head[IP + 7]) == 0 && /* not a fragment (RFC 791, 3.1), */
		     (head[IP + 9] == IPPROTO_TCP || head[IP + 9] == IPPROTO_UDP);

	if (unlikely(!plain))
		return hash_any(f);
	return hash_ends(load32(head + IP + 12), load32(head + IP + 16), load16(head + PORTS),
			 load16(head + PORTS + 2));
}

/* Table */

static struct bucket *bucket_of(const struct steer *s, uint32_t hash)
{
	return (struct bucket *)&s->buckets[hash % BUCKETS];
}

static uint16_t idle_s(uint64_t entry, uint32_t now_s)
{
	return (uint16_t)(now_s - (uint32_t)(entry >> TIME_SHIFT));
}

void steer_learn(struct steer *s, uint32_t hash, unsigned queue, uint32_t now_s)
{
	struct bucket *b = bucket_of(s, hash);
	uint64_t entry = (uint64_t)hash << HASH_SHIFT | (uint64_t)(now_s & 0xffff) << TIME_SHIFT | (queue + 1);
	unsigned longest = 0, place = WAYS;

	for (unsigned i = 0; i < WAYS; i++) {
		uint64_t old = read_once(&b->entries[i]);
		unsigned idle = old ? idle_s(old, now_s) : UINT32_MAX;

		if (old == entry)
			return;
		if (old >> HASH_SHIFT == hash) {
			place = i;
			break;
		}
		if (idle >= STEER_IDLE_S && idle > longest) {
			longest = idle;
			place = i;
		}
	}
	if (place < WAYS)
		write_once(&b->entries[place], entry);
}

unsigned steer_pick(const struct steer *s, uint32_t hash, unsigned n_active)
{
	const struct bucket *b = bucket_of(s, hash);

	for (unsigned i = 0; i < WAYS; i++) {
		uint64_t entry = read_once(&b->entries[i]);
		unsigned queue = (unsigned)(entry & QUEUE_MASK) - 1;

		if (entry >> HASH_SHIFT == hash && queue < n_active)
			return queue;
	}
	/* The bits above those that choose the bucket. */
	return (unsigned)((uint64_t)hash * n_active >> 32);
}
