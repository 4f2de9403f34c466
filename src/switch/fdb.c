/* SPDX-License-Identifier: Apache-2.0 */
/* fdb.c - Learning, ageing and flushing; the look-up is inline in the header.
 *
 * Entries are single words that are stored whole, so readers need no lock and no order: they see an entry or its
 * predecessor. All changes of an entry's address or port, and the counts, are made with `lock` held. Time stamps live in an array
 * beside the buckets, because readers have no use for them; a refresh writes one without the lock. It may hit a place that
 * was given to another address a moment ago, which then lives a little longer.
 *
 * Ageing and flushing walk the table without the lock and take it for each entry that they remove, so a worker that
 * learns never waits for longer than that. */
#include "switch/fdb.h"

#include <assert.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	CAPACITY_MIN = 64,
	N_PORTS = 1 << 16,
	PLACES_PER_ENTRY = 2,
	NEARLY_FULL = 3,  /* empty places left in a bucket */
	LARGE_SHARE = 4,  /* a quarter of a table is much for one port */
	MORE_BUCKETS = 4, /* in which an entry is sought that makes room in a full table */
};

#define KEY_MASK  ((1ull << FDB_PORT_SHIFT) - 1)
#define GROUP_BIT 0x01ull

struct fdb {
	struct fdb_table table;
	unsigned n_buckets;
	bool has_own_buckets;
	unsigned capacity, port_limit, ageing_s;

	pthread_mutex_t lock cache_aligned;
	unsigned count;
	unsigned hand; /* the bucket where the next entry is sought that makes room */
	uint64_t evictions;
	uint32_t *port_count; /* [N_PORTS]: untouched pages cost nothing */
};
static_assert(offsetof(struct fdb, table) == 0, "fdb_lookup() finds the table at the start");

/* A place in the table. */
struct place {
	struct fdb_bucket *bucket; /* NULL: none */
	unsigned way;
};

/* Configuration */

/* Without the kernel's generator the clock has to do: tables differ, but can be guessed. */
static void choose_hash(struct fdb_table *t)
{
	uint64_t random[3] = { clock_ns(), clock_ns() * 0x9e3779b97f4a7c15ull,
			       (uint64_t)(uintptr_t)t * 0xd1342543de82ef95ull };

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		log_warning("no random numbers for the address table: its order can be guessed");
	t->hash_xor = random[0];
	t->hash_mul[0] = random[1] | 1;
	t->hash_mul[1] = random[2] | 1;
}

static unsigned log2_up(unsigned n)
{
	unsigned bits = 0;

	while (1u << bits < n)
		bits++;
	return bits;
}

static unsigned log2_capacity(unsigned capacity)
{
	return log2_up(MIN(MAX(capacity, (unsigned)CAPACITY_MIN), (unsigned)FDB_CAPACITY_MAX));
}

static unsigned log2_buckets(unsigned capacity)
{
	return log2_up((1u << log2_capacity(capacity)) * PLACES_PER_ENTRY / FDB_WAYS);
}

size_t fdb_storage_size(unsigned capacity)
{
	return sizeof(struct fdb_bucket) << log2_buckets(capacity);
}

struct fdb *fdb_create(unsigned capacity, unsigned port_limit, unsigned ageing_s)
{
	size_t size = fdb_storage_size(capacity);
	void *buckets = aligned_alloc(CACHE_LINE, size);
	struct fdb *fdb = NULL;

	if (buckets)
		fdb = fdb_create_in(memset(buckets, 0, size), capacity, port_limit, ageing_s);
	if (fdb)
		fdb->has_own_buckets = true;
	else
		free(buckets);
	return fdb;
}

struct fdb *fdb_create_in(void *storage, unsigned capacity, unsigned port_limit, unsigned ageing_s)
{
	unsigned capacity_bits = log2_capacity(capacity), bucket_bits = log2_buckets(capacity);
	size_t n_buckets = 1ul << bucket_bits;
	struct fdb *fdb = aligned_alloc(CACHE_LINE, sizeof(*fdb));

	if (!fdb)
		return NULL;
	*fdb = (struct fdb){
		.n_buckets = (unsigned)n_buckets,
		.capacity = 1u << capacity_bits,
		.port_limit = port_limit ? port_limit : 1u << capacity_bits,
		.ageing_s = ageing_s,
		.table = {
			.buckets = storage,
			.mask = n_buckets - 1,
			.first_shift = (uint8_t)(64 - bucket_bits),
			.second_shift = (uint8_t)(64 - 2 * bucket_bits),
		},
	};
	choose_hash(&fdb->table);
	pthread_mutex_init(&fdb->lock, NULL);
	fdb->table.seen_s = calloc(n_buckets, sizeof(*fdb->table.seen_s));
	fdb->port_count = calloc(N_PORTS, sizeof(*fdb->port_count));
	if (!fdb->table.seen_s || !fdb->port_count) {
		fdb_destroy(fdb);
		return NULL;
	}
	return fdb;
}

void fdb_destroy(struct fdb *fdb)
{
	if (!fdb)
		return;
	pthread_mutex_destroy(&fdb->lock);
	if (fdb->has_own_buckets)
		free(fdb->table.buckets);
	free(fdb->table.seen_s);
	free(fdb->port_count);
	free(fdb);
}

/* Places */

static uint64_t place_entry(struct place p)
{
	return read_once(&p.bucket->entries[p.way]);
}

static uint32_t *place_seen(const struct fdb *fdb, struct place p)
{
	return &fdb->table.seen_s[p.bucket - fdb->table.buckets][p.way];
}

/* Seconds since the entry was seen; 0 when another worker's clock, a moment ahead, has stamped it. */
static uint32_t place_age(const struct fdb *fdb, struct place p, uint32_t now_s)
{
	int32_t age = (int32_t)(now_s - read_once(place_seen(fdb, p)));

	return age < 0 ? 0 : (uint32_t)age;
}

static struct place find_in_bucket(struct fdb_bucket *b, uint64_t key)
{
	for (unsigned i = 0; i < FDB_WAYS; i++)
		if (fdb_entry_has_key(read_once(&b->entries[i]), key))
			return (struct place){ b, i };
	return (struct place){ NULL, 0 };
}

static struct place find(const struct fdb *fdb, uint64_t key)
{
	uint64_t hash = fdb_hash(&fdb->table, key);
	struct place p = find_in_bucket(fdb_first_bucket(&fdb->table, hash), key);

	return p.bucket ? p : find_in_bucket(fdb_second_bucket(&fdb->table, hash), key);
}

/* Learning; from here on the lock is held */

static uint32_t port_count(const struct fdb *fdb, uint64_t entry)
{
	return fdb->port_count[fdb_entry_port(entry)];
}

static void count_entry(struct fdb *fdb, uint64_t entry, unsigned by)
{
	if (entry == 0)
		return;
	write_once(&fdb->count, fdb->count + by);
	write_once(&fdb->port_count[fdb_entry_port(entry)], port_count(fdb, entry) + by);
}

static void place_set(struct fdb *fdb, struct place p, uint64_t entry)
{
	count_entry(fdb, place_entry(p), -1u);
	count_entry(fdb, entry, 1);
	write_once(&p.bucket->entries[p.way], entry);
}

static void evict(struct fdb *fdb, struct place p)
{
	place_set(fdb, p, 0);
	write_once(&fdb->evictions, fdb->evictions + 1);
}

/* An empty place in the first bucket unless that is nearly full, else in the emptier one of the two. */
static struct place find_empty(struct fdb_bucket *const buckets[2])
{
	struct place best = { NULL, 0 };
	unsigned best_n = 0;

	for (unsigned b = 0; b < 2 && best_n <= NEARLY_FULL; b++) {
		unsigned n = 0, way = 0;

		for (unsigned i = FDB_WAYS; i-- > 0;)
			if (buckets[b]->entries[i] == 0) {
				n++;
				way = i;
			}
		if (n > best_n) {
			best = (struct place){ buckets[b], way };
			best_n = n;
		}
	}
	return best;
}

/* Is `a` to give way sooner than `b`? The port with more entries first, then the older entry. */
static bool gives_way_sooner(const struct fdb *fdb, struct place a, struct place b, uint32_t now_s)
{
	uint32_t n_a = port_count(fdb, place_entry(a)), n_b = port_count(fdb, place_entry(b));

	if (n_a != n_b)
		return n_a > n_b;
	return place_age(fdb, a, now_s) > place_age(fdb, b, now_s);
}

/* May an entry of `port` take the place of `entry`? */
static bool may_replace(const struct fdb *fdb, uint16_t port, uint64_t entry, bool only_own)
{
	if (entry == 0)
		return false;
	if (fdb_entry_port(entry) == port)
		return true;
	return !only_own && port_count(fdb, entry) > fdb->port_count[port];
}

/* `best` or what gives way sooner among the entries of the bucket. */
static struct place find_victim(const struct fdb *fdb, struct place best, struct fdb_bucket *bucket, uint16_t port,
				bool only_own, uint32_t now_s)
{
	for (unsigned i = 0; i < FDB_WAYS; i++) {
		struct place p = { bucket, i };

		if (!may_replace(fdb, port, place_entry(p), only_own))
			continue;
		if (!best.bucket || gives_way_sooner(fdb, p, best, now_s))
			best = p;
	}
	return best;
}

/* Make sure that `port` may have one more entry among these buckets. */
static bool make_room(struct fdb *fdb, struct fdb_bucket *const buckets[2], uint16_t port, bool need_place,
		      uint32_t now_s)
{
	bool at_limit = fdb->port_count[port] >= fdb->port_limit, is_full = fdb->count >= fdb->capacity;
	bool has_place = find_empty(buckets).bucket;
	bool may_be_elsewhere = !at_limit && has_place && fdb->port_count[port] < fdb->capacity / LARGE_SHARE;
	struct place victim = { NULL, 0 };

	if (!at_limit && (!need_place || (!is_full && has_place)))
		return true;
	for (unsigned i = 0; i < 2; i++)
		victim = find_victim(fdb, victim, buckets[i], port, at_limit, now_s);
	/* It need not be from these buckets: two may well have none of the port that fills the table, unless it is this one. */
	for (unsigned i = 0; i < MORE_BUCKETS && may_be_elsewhere; i++) {
		struct fdb_bucket *bucket = &fdb->table.buckets[fdb->hand++ & fdb->table.mask];

		victim = find_victim(fdb, victim, bucket, port, false, now_s);
	}
	if (!victim.bucket)
		return false;
	evict(fdb, victim);
	return true;
}

static bool learn_locked(struct fdb *fdb, uint64_t key, uint16_t port, uint32_t now_s)
{
	uint64_t entry = key | (uint64_t)(uint16_t)~port << FDB_PORT_SHIFT;
	uint64_t hash = fdb_hash(&fdb->table, key);
	struct fdb_bucket *const buckets[2] = {
		fdb_first_bucket(&fdb->table, hash),
		fdb_second_bucket(&fdb->table, hash),
	};
	struct place p = find(fdb, key);

	if (p.bucket && place_entry(p) == entry) /* another worker was faster */
		return true;
	if (!make_room(fdb, buckets, port, !p.bucket, now_s))
		return false;
	if (!p.bucket)
		p = find_empty(buckets);
	write_once(place_seen(fdb, p), now_s);
	place_set(fdb, p, entry);
	return true;
}

bool fdb_learn(struct fdb *fdb, uint64_t key, uint16_t port, uint32_t now_s)
{
	struct place p = find(fdb, key);
	bool learned;

	if (p.bucket && fdb_entry_port(place_entry(p)) == port && key != 0) {
		if (read_once(place_seen(fdb, p)) != now_s)
			write_once(place_seen(fdb, p), now_s);
		return true;
	}
	if (key == 0 || (key & GROUP_BIT) || port == FDB_NO_PORT)
		return false;
	pthread_mutex_lock(&fdb->lock);
	learned = learn_locked(fdb, key, port, now_s);
	pthread_mutex_unlock(&fdb->lock);
	return learned;
}

/* Ageing and flushing */

typedef bool unwanted_fn(const struct fdb *fdb, struct place p, uint32_t arg);

/* Removes what is unwanted; looks twice, the second time with the lock held. */
static unsigned sweep(struct fdb *fdb, unwanted_fn *unwanted, uint32_t arg)
{
	unsigned n = 0;

	for (unsigned i = 0; i < fdb->n_buckets * FDB_WAYS; i++) {
		struct place p = { &fdb->table.buckets[i / FDB_WAYS], i % FDB_WAYS };

		if (place_entry(p) == 0 || !unwanted(fdb, p, arg))
			continue;
		pthread_mutex_lock(&fdb->lock);
		if (place_entry(p) != 0 && unwanted(fdb, p, arg)) {
			place_set(fdb, p, 0);
			n++;
		}
		pthread_mutex_unlock(&fdb->lock);
	}
	return n;
}

static bool is_old(const struct fdb *fdb, struct place p, uint32_t now_s)
{
	return place_age(fdb, p, now_s) >= fdb->ageing_s;
}

static bool is_of_port(const struct fdb *fdb, struct place p, uint32_t port)
{
	(void)fdb;
	return fdb_entry_port(place_entry(p)) == port;
}

unsigned fdb_age(struct fdb *fdb, uint32_t now_s)
{
	return fdb->ageing_s && fdb_count(fdb) ? sweep(fdb, is_old, now_s) : 0;
}

unsigned fdb_flush_port(struct fdb *fdb, uint16_t port)
{
	return fdb_count_port(fdb, port) ? sweep(fdb, is_of_port, port) : 0;
}

/* Reading */

unsigned fdb_count(const struct fdb *fdb)
{
	return read_once(&fdb->count);
}

unsigned fdb_count_port(const struct fdb *fdb, uint16_t port)
{
	return read_once(&fdb->port_count[port]);
}

unsigned fdb_capacity(const struct fdb *fdb)
{
	return fdb->capacity;
}

uint64_t fdb_evictions(const struct fdb *fdb)
{
	return read_once(&fdb->evictions);
}

void fdb_for_each(const struct fdb *fdb, uint32_t now_s, bool (*cb)(void *arg, const struct fdb_entry *entry),
		  void *arg)
{
	for (unsigned i = 0; i < fdb->n_buckets * FDB_WAYS; i++) {
		struct place p = { &fdb->table.buckets[i / FDB_WAYS], i % FDB_WAYS };
		uint64_t word = place_entry(p), key = word & KEY_MASK;
		struct fdb_entry entry = { .port = fdb_entry_port(word), .age_s = place_age(fdb, p, now_s) };

		if (word == 0)
			continue;
		memcpy(entry.mac, &key, sizeof(entry.mac));
		if (!cb(arg, &entry))
			return;
	}
}
