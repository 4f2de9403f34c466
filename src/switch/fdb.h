/* SPDX-License-Identifier: Apache-2.0 */
/* fdb.h - Which port each MAC address was last seen on. One table per network.
 *
 * Looked up per frame by every worker without a lock: an entry is one 64-bit word (address and port index), a bucket of eight is
 * one cache line, an address may be in two buckets and nearly always is in the first. So a look-up touches a line, two at most,
 * whatever the number of entries.
 * Learning a new or moved address takes the table's lock; refreshing a known one writes its time stamp at most once a second,
 * without a lock. Ageing is done by the control thread, a slice at a time.
 *
 * Fairness: memory is bounded by `capacity`, each port by `port_limit`. A port at its limit replaces its own oldest entry
 * among the candidate buckets, or learns nothing. When both candidate buckets are full, the port that has most entries in the table, of
 * those present in the two, gives up its oldest one there; when the table is full, of those present in these and a few more that
 * are looked at in turn. But a port never pushes out an entry of another one that has no more entries than itself: it learns nothing
 * then. So a guest that invents addresses pushes out its own.
 *
 * The hash is keyed with random bits, so that addresses cannot be chosen to collide. There are twice as many places as
 * entries, and the second bucket is used before the first is full: so the table fills up before a bucket does.
 */
#ifndef RINGWAY_SWITCH_FDB_H
#define RINGWAY_SWITCH_FDB_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/barrier.h"
#include "base/compiler.h"
#include "base/prefetch.h"

struct fdb;

enum { FDB_NO_PORT = 0xffff, FDB_CAPACITY_MAX = 1 << 20 };

/* An address as its six bytes in the low 48 bits, in the order of memory read little-endian. */
static always_inline uint64_t fdb_key(const uint8_t mac[6])
{
	uint32_t low;
	uint16_t high;

	__builtin_memcpy(&low, mac, sizeof(low));
	__builtin_memcpy(&high, mac + sizeof(low), sizeof(high));
	return le32toh(low) | (uint64_t)le16toh(high) << 32;
}

/* Configuration. `capacity`: entries, rounded up to a power of two, 64..FDB_CAPACITY_MAX. `port_limit`: entries per port, 0: capacity.
 * `ageing_s`: seconds an unused entry lives, 0: forever. NULL: out of memory. */
struct fdb *fdb_create(unsigned capacity, unsigned port_limit, unsigned ageing_s);
void fdb_destroy(struct fdb *fdb);

/* The same with the entries in memory of the caller: zeroed, aligned to a cache line, of fdb_storage_size() bytes, an array of
 * struct fdb_bucket. It outlives the table. An entry is stored whole, so whoever finds the memory can read it. */
size_t fdb_storage_size(unsigned capacity);
struct fdb *fdb_create_in(void *storage, unsigned capacity, unsigned port_limit, unsigned ageing_s);

/* Lookup, any worker: the port's index, or FDB_NO_PORT. */
static inline uint16_t fdb_lookup(const struct fdb *fdb, uint64_t key);

/* Learning, any worker: the address was seen on `port` at now_s (monotonic seconds, wraps allowed). Cheap when nothing
 * changes. False when it was not learned: limit of the port, table full of ports with fewer entries, zero or group address. */
bool fdb_learn(struct fdb *fdb, uint64_t key, uint16_t port, uint32_t now_s);

/* Ageing, control thread: removes what was not seen for ageing_s. Returns how many. */
unsigned fdb_age(struct fdb *fdb, uint32_t now_s);

/* Flushing, control thread: all entries of one port. */
unsigned fdb_flush_port(struct fdb *fdb, uint16_t port);

/* Reading, control thread. */
struct fdb_entry {
	uint8_t mac[6];
	uint16_t port;
	uint32_t age_s;
};
unsigned fdb_count(const struct fdb *fdb);
unsigned fdb_count_port(const struct fdb *fdb, uint16_t port);
unsigned fdb_capacity(const struct fdb *fdb);
uint64_t fdb_evictions(const struct fdb *fdb);
/* Calls cb for each entry; stops when it returns false. */
void fdb_for_each(const struct fdb *fdb, uint32_t now_s, bool (*cb)(void *arg, const struct fdb_entry *entry),
		  void *arg);

/* Inline: the part of the layout that fdb_lookup() needs. */

enum { FDB_WAYS = 8, FDB_PORT_SHIFT = 48 };

/* An entry is an address and, above it, the complement of the port: so an empty one (0) reads as address 0 on FDB_NO_PORT. */
struct fdb_bucket {
	uint64_t entries[FDB_WAYS];
} cache_aligned;

/* Written by fdb_create() alone, but for the entries. */
struct fdb_table {
	struct fdb_bucket *buckets;
	uint32_t (*seen_s)[FDB_WAYS];   /* when each entry was seen, like the buckets */
	uint64_t hash_xor, hash_mul[2]; /* secret; the factors are odd */
	uint64_t mask;                  /* buckets - 1 */
	uint8_t first_shift, second_shift;
};

/* The two candidate buckets are the topmost bits and those below them. One multiplication is not enough: with one factor
 * in two hundred, addresses in a row overflow some buckets of a table that is half empty. With two, none of 14,000 did. */
static always_inline uint64_t fdb_hash(const struct fdb_table *t, uint64_t key)
{
	uint64_t hash = (key ^ t->hash_xor) * t->hash_mul[0];

	return (hash ^ hash >> 32) * t->hash_mul[1];
}

static always_inline struct fdb_bucket *fdb_first_bucket(const struct fdb_table *t, uint64_t hash)
{
	return &t->buckets[hash >> t->first_shift];
}

static always_inline struct fdb_bucket *fdb_second_bucket(const struct fdb_table *t, uint64_t hash)
{
	return &t->buckets[(hash >> t->second_shift) & t->mask];
}

static always_inline uint16_t fdb_entry_port(uint64_t entry)
{
	return (uint16_t) ~(entry >> FDB_PORT_SHIFT);
}

static always_inline bool fdb_entry_has_key(uint64_t entry, uint64_t key)
{
	return (entry ^ key) << (64 - FDB_PORT_SHIFT) == 0;
}

/* The entry of `key` if it is in this bucket, else 0. */
static always_inline uint64_t fdb_bucket_entry(const struct fdb_bucket *b, uint64_t key)
{
	for (unsigned i = 0; i < FDB_WAYS; i++) {
		uint64_t entry = read_once(&b->entries[i]);

		if (fdb_entry_has_key(entry, key))
			return entry;
	}
	return 0;
}

static inline uint16_t fdb_lookup(const struct fdb *fdb, uint64_t key)
{
	const struct fdb_table *t = (const struct fdb_table *)(const void *)fdb; /* its first member, see fdb.c */
	uint64_t hash = fdb_hash(t, key), entry = fdb_bucket_entry(fdb_first_bucket(t, hash), key);

	if (unlikely(!entry))
		entry = fdb_bucket_entry(fdb_second_bucket(t, hash), key);
	return fdb_entry_port(entry);
}

/* The address will be looked up in a moment, or learned. Nearly all are in their first bucket. */
static always_inline void fdb_prefetch(const struct fdb *fdb, uint64_t key, bool learned)
{
	const struct fdb_table *t = (const struct fdb_table *)(const void *)fdb;
	uint64_t hash = fdb_hash(t, key);

	prefetch_to_read(fdb_first_bucket(t, hash));
	if (learned)
		prefetch_to_read(&t->seen_s[hash >> t->first_shift]);
}

#endif
