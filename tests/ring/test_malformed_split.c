/* SPDX-License-Identifier: Apache-2.0 */
/* test_malformed_split.c - Descriptors that no driver may write, on a split ring: each defect at each place of a chain.
 *
 * A good chain of 1..CHAIN descriptors is laid out in the ring, in an indirect table, or half in each; then one descriptor is
 * spoiled. The device must mark the ring broken, say why, and return at once from then on. What the specification leaves open
 * and Linux's vhost and DPDK accept is accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <endian.h>
#include <string.h>

#include "ring_fixture.h"

enum {
	SIZE = 16,
	CHAIN = 5,
	TABLE_GPA = GPA_C,
	AREAS_GPA = 0x50000000, /* the ring itself is in guest memory too */
	LEN = 100,
	NEXT = VRING_DESC_F_NEXT,
	WRITE = VRING_DESC_F_WRITE,
	INDIRECT = VRING_DESC_F_INDIRECT,
};

/* Where the descriptors of a chain are. */
enum layout { DIRECT, IN_TABLE, DIRECT_THEN_TABLE, N_LAYOUTS };

struct defect {
	const char *name;
	const char *error; /* part of what virtq_error() must say */
	void (*spoil)(struct vring_desc *d, unsigned pos);
	enum { ANYWHERE, NOT_LAST } where;
};

#define SPOIL(name) static void name(struct vring_desc *d, unsigned pos)
#define UNUSED_POS  (void)pos
#define SET_ADDR(name, value)             \
	SPOIL(name)                       \
	{                                 \
		UNUSED_POS;               \
		d->addr = htole64(value); \
	}
#define SET_LEN(name, value)             \
	SPOIL(name)                      \
	{                                \
		UNUSED_POS;              \
		d->len = htole32(value); \
	}
#define SET_NEXT(name, value)             \
	SPOIL(name)                       \
	{                                 \
		UNUSED_POS;               \
		d->next = htole16(value); \
	}

SET_ADDR(addr_zero, 0)
SET_ADDR(addr_below, GPA_A - 1)
SET_ADDR(addr_in_hole, GPA_HOLE)
SET_ADDR(addr_one_beyond, GPA_HOLE - LEN + 1)
SET_ADDR(addr_beyond_all, AREAS_GPA + (1 << 20))
SET_ADDR(addr_wraps, UINT64_MAX - LEN + 2)
SET_ADDR(addr_last, UINT64_MAX)
SET_LEN(len_beyond, 2 * REGION_SIZE + 1)
SET_LEN(len_negative, UINT32_MAX)
SET_LEN(len_half, 0x80000000)
SET_NEXT(next_size, SIZE)
SET_NEXT(next_table_size, 1024)
SET_NEXT(next_far, 0xffff)

SPOIL(next_self)
{
	d->next = htole16((uint16_t)pos);
}

SPOIL(next_first)
{
	UNUSED_POS;
	d->next = 0;
}

SPOIL(next_self_empty)
{
	d->next = htole16((uint16_t)pos);
	d->len = 0;
}

SPOIL(other_direction)
{
	UNUSED_POS;
	d->flags ^= htole16(WRITE);
}

static const struct defect defects[] = {
	{ "address 0", "outside guest memory", addr_zero, ANYWHERE },
	{ "address below memory", "outside guest memory", addr_below, ANYWHERE },
	{ "address in a hole", "outside guest memory", addr_in_hole, ANYWHERE },
	{ "last byte outside", "outside guest memory", addr_one_beyond, ANYWHERE },
	{ "address above memory", "outside guest memory", addr_beyond_all, ANYWHERE },
	{ "address wraps", "outside guest memory", addr_wraps, ANYWHERE },
	{ "highest address", "outside guest memory", addr_last, ANYWHERE },
	{ "longer than memory", "outside guest memory", len_beyond, ANYWHERE },
	{ "length 2^32 - 1", "outside guest memory", len_negative, ANYWHERE },
	{ "length 2^31", "outside guest memory", len_half, ANYWHERE },
	{ "next is the size", "outside the table", next_size, NOT_LAST },
	{ "next is 1024", "outside the table", next_table_size, NOT_LAST },
	{ "next is 65535", "outside the table", next_far, NOT_LAST },
	{ "next is itself", "loops", next_self, NOT_LAST },
	{ "next is the first", "loops", next_first, NOT_LAST },
	{ "next is itself, without a byte", "loops", next_self_empty, NOT_LAST },
	{ "other direction", "buffer", other_direction, ANYWHERE },
};

static void raw_desc(struct vring_desc *d, uint64_t addr, uint32_t len, unsigned flags, unsigned next)
{
	*d = (struct vring_desc){ htole64(addr), htole32(len), htole16((uint16_t)flags), htole16((uint16_t)next) };
}

/* Make `n` descriptor heads available: 0, 1, 2, ... */
static void raw_avail(struct ring *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		r->drv.avail->ring[i] = htole16((uint16_t)i);
	r->drv.avail->idx = htole16((uint16_t)n);
}

static struct vring_desc *table_of(struct ring *r)
{
	return (void *)ring_at(r, TABLE_GPA);
}

/* A good chain of `n`: descriptor i's address in desc[i]. In a chain that is in both, one direct descriptor comes first. */
static void lay_out(struct ring *r, enum layout layout, unsigned n, enum virtq_dir dir, struct vring_desc **desc)
{
	unsigned n_direct = layout == DIRECT ? n : layout == IN_TABLE ? 0 : 1;
	unsigned dir_flag = dir == VIRTQ_WRITABLE ? WRITE : 0;

	for (unsigned i = 0; i < n; i++) {
		bool direct = i < n_direct;
		bool last = i == n - 1;
		unsigned pos = direct ? i : i - n_direct;

		desc[i] = direct ? &r->drv.desc[i] : &table_of(r)[pos];
		raw_desc(desc[i], GPA_A + i * LEN, LEN, dir_flag | (last ? 0 : NEXT), pos + 1);
	}
	if (n_direct < n)
		raw_desc(&r->drv.desc[n_direct], TABLE_GPA, (n - n_direct) * 16, INDIRECT, 0);
	raw_avail(r, 1);
}

static void areas_into_memory(struct ring *r)
{
	assert_int_equal(guest_mem_add_host(&r->mem, AREAS_GPA, AREAS_GPA, r->areas_size, r->areas), 0);
}

static int pop(struct ring *r, enum virtq_dir dir, struct virtq_chain *chain)
{
	static struct iovec iov[1024];

	return ring_pop(&r->dev, dir, iov, ARRAY_SIZE(iov), chain);
}

/* The ring says `error`, and nothing moves any more. */
static void assert_broken(struct ring *r, const char *error)
{
	struct virtq_chain chain = { .id = 0, .n_desc = 1 };

	assert_non_null(virtq_error(&r->dev));
	if (!strstr(virtq_error(&r->dev), error))
		fail_msg("\"%s\" does not say \"%s\"", virtq_error(&r->dev), error);
	assert_int_equal(virtq_available(&r->dev, 1), 0);
	assert_int_equal(pop(r, VIRTQ_READABLE, &chain), -EPROTO);
	assert_int_equal(pop(r, VIRTQ_WRITABLE, &chain), -EPROTO);
	virtq_push(&r->dev, &chain, 0);
	virtq_publish(&r->dev);
	assert_int_equal(r->drv.used->idx, 0);
	assert_false(virtq_should_notify(&r->dev));
	assert_false(virtq_enable_notify(&r->dev));
	virtq_disable_notify(&r->dev);
	virtq_unpop(&r->dev, 1);
	assert_int_equal(virtq_available(&r->dev, 1), 0);
}

static void check_defect(const struct defect *defect, enum layout layout, unsigned n, unsigned at, enum virtq_dir dir)
{
	struct vring_desc *desc[CHAIN];
	struct virtq_chain chain;
	struct ring r;

	ring_init(&r, SIZE, F_ALL_SPLIT);
	areas_into_memory(&r);
	lay_out(&r, layout, n, dir, desc);
	defect->spoil(desc[at], layout == DIRECT_THEN_TABLE && at > 0 ? at - 1 : at);
	assert_int_equal(virtq_available(&r.dev, 1), 1);
	if (pop(&r, dir, &chain) != -EPROTO)
		fail_msg("%s was accepted: layout %d, %u of %u", defect->name, layout, at, n);
	assert_broken(&r, defect->error);
	ring_deinit(&r);
}

/* Does the descriptor have a next one that a defect can spoil? The one before the indirect descriptor has it too. */
static bool has_next(enum layout layout, unsigned n, unsigned at)
{
	return at < n - 1 && !(layout == DIRECT_THEN_TABLE && at == 0);
}

static void test_every_defect_at_every_place(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(defects); i++) {
		for (unsigned layout = 0; layout < N_LAYOUTS; layout++) {
			for (unsigned n = 1; n <= CHAIN; n++) {
				for (unsigned at = 0; at < n; at++) {
					if (defects[i].where == NOT_LAST && !has_next(layout, n, at))
						continue;
					check_defect(&defects[i], layout, n, at, VIRTQ_READABLE);
					check_defect(&defects[i], layout, n, at, VIRTQ_WRITABLE);
				}
			}
		}
	}
}

/* One descriptor at the head of the ring, and what becomes of it. */
static void check_head(uint64_t features, uint64_t addr, uint32_t len, unsigned flags, const char *error)
{
	struct virtq_chain chain;
	struct ring r;

	ring_init(&r, SIZE, features);
	areas_into_memory(&r);
	for (unsigned i = 0; i < 2048; i++) /* what a table may hold: good descriptors without a next one */
		raw_desc(&table_of(&r)[i], GPA_A, LEN, 0, 0);
	raw_desc(&r.drv.desc[0], addr, len, flags, 1);
	raw_desc(&r.drv.desc[1], GPA_A, LEN, 0, 0);
	raw_avail(&r, 1);
	assert_int_equal(virtq_available(&r.dev, 1), 1);
	assert_int_equal(pop(&r, VIRTQ_READABLE, &chain), error ? -EPROTO : 0);
	if (error)
		assert_broken(&r, error);
	else
		assert_int_equal(chain.len, LEN);
	ring_deinit(&r);
}

static void test_indirect_tables(void **state)
{
	uint64_t all = F_ALL_SPLIT;

	(void)state;
	check_head(all, TABLE_GPA, 16, INDIRECT, NULL);
	check_head(all, TABLE_GPA, 1024 * 16, INDIRECT, NULL);
	check_head(all, TABLE_GPA, 16, INDIRECT | WRITE, NULL); /* 2.7.5.3.2: write flag is ignored */
	check_head(all, TABLE_GPA + 16 * 3, 16, INDIRECT, NULL);
	check_head(all & ~F_INDIRECT, TABLE_GPA, 16, INDIRECT, "not negotiated");
	check_head(all, TABLE_GPA, 16, INDIRECT | NEXT, "next one");
	check_head(all, TABLE_GPA, 0, INDIRECT, "multiple of 16");
	for (uint32_t len = 1; len < 64; len++)
		check_head(all, TABLE_GPA, len, INDIRECT, len % 16 ? "multiple of 16" : NULL);
	check_head(all, TABLE_GPA, 1025 * 16, INDIRECT, "too long");
	check_head(all, TABLE_GPA, 0xfffffff0, INDIRECT, "too long");
	check_head(all, GPA_HOLE, 16, INDIRECT, "outside guest memory");
	check_head(all, GPA_HOLE - 16, 32, INDIRECT, "outside guest memory");
	check_head(all, GPA_HOLE - 8, 16, INDIRECT, "outside guest memory");
	check_head(all, UINT64_MAX - 7, 16, INDIRECT, "outside guest memory");
	check_head(all, UINT64_MAX - 15, 32, INDIRECT, "outside guest memory");
}

/* A table that has an indirect descriptor at each of its places; also when the table is the ring's own descriptors. */
static void test_indirect_inside_indirect(void **state)
{
	struct virtq_chain chain;
	struct vring_desc *desc[CHAIN];
	struct ring r;

	(void)state;
	for (unsigned n = 1; n <= CHAIN; n++) {
		for (unsigned at = 0; at < n; at++) {
			ring_init(&r, SIZE, F_ALL_SPLIT);
			lay_out(&r, IN_TABLE, n, VIRTQ_READABLE, desc);
			raw_desc(desc[at], TABLE_GPA, 16, INDIRECT, 0);
			assert_int_equal(virtq_available(&r.dev, 1), 1);
			assert_int_equal(pop(&r, VIRTQ_READABLE, &chain), -EPROTO);
			assert_broken(&r, "inside an indirect table");
			ring_deinit(&r);
		}
	}
	ring_init(&r, SIZE, F_ALL_SPLIT);
	areas_into_memory(&r);
	raw_desc(&r.drv.desc[0], AREAS_GPA, SIZE * 16, INDIRECT, 0);
	raw_avail(&r, 1);
	assert_int_equal(virtq_available(&r.dev, 1), 1);
	assert_int_equal(pop(&r, VIRTQ_READABLE, &chain), -EPROTO);
	assert_broken(&r, "inside an indirect table");
	ring_deinit(&r);
}

static void test_head_out_of_range(void **state)
{
	static const uint16_t heads[] = { SIZE, SIZE + 1, 0x7fff, 0x8000, 0xffff };
	struct virtq_chain chain;
	struct ring r;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(heads); i++) {
		ring_init(&r, SIZE, F_ALL_SPLIT);
		raw_avail(&r, 1);
		r.drv.avail->ring[0] = htole16(heads[i]);
		assert_int_equal(virtq_available(&r.dev, 1), 1);
		assert_int_equal(pop(&r, VIRTQ_READABLE, &chain), -EPROTO);
		assert_broken(&r, "outside the table");
		ring_deinit(&r);
	}
}

/* Every step that the index can take from where it is: up to the size is fine. */
static void test_index_jumps(void **state)
{
	struct ring r;

	(void)state;
	ring_init(&r, SIZE, F_ALL_SPLIT);
	for (unsigned ahead = 0; ahead <= 0xffff; ahead++) {
		r.dev.error = NULL;
		r.drv.avail->idx = htole16((uint16_t)ahead);
		assert_int_equal(virtq_available(&r.dev, 0xffff), ahead <= SIZE ? ahead : 0);
		assert_int_equal(virtq_error(&r.dev) != NULL, ahead > SIZE);
	}
	assert_broken(&r, "further ahead");
	ring_deinit(&r);
}

/* Descriptors without a byte add no piece; a chain of nothing else is a chain of length 0. */
static void test_empty_descriptors(void **state)
{
	struct vring_desc *desc[CHAIN];
	struct virtq_chain chain;
	struct ring r;

	(void)state;
	for (unsigned layout = 0; layout < N_LAYOUTS; layout++) {
		for (unsigned empty = 0; empty < 1 << CHAIN; empty++) {
			unsigned filled = CHAIN - (unsigned)__builtin_popcount(empty);

			ring_init(&r, SIZE, F_ALL_SPLIT);
			lay_out(&r, layout, CHAIN, VIRTQ_WRITABLE, desc);
			for (unsigned i = 0; i < CHAIN; i++) {
				if (empty >> i & 1)
					desc[i]->len = 0;
			}
			assert_int_equal(virtq_available(&r.dev, 1), 1);
			assert_int_equal(pop(&r, VIRTQ_WRITABLE, &chain), 0);
			assert_int_equal(chain.n_iov, filled);
			assert_int_equal(chain.len, filled * LEN);
			ring_deinit(&r);
		}
	}
}

/* More pieces than the caller has room for cost that chain, not the ring. */
static void test_too_many_pieces(void **state)
{
	struct vring_desc *desc[CHAIN];
	struct virtq_chain chain;
	struct iovec iov[CHAIN];
	struct ring r;

	(void)state;
	for (unsigned layout = 0; layout < N_LAYOUTS; layout++) {
		for (unsigned max = 0; max <= CHAIN; max++) {
			ring_init(&r, SIZE, F_ALL_SPLIT);
			lay_out(&r, layout, CHAIN, VIRTQ_READABLE, desc);
			assert_int_equal(virtq_available(&r.dev, 1), 1);
			assert_int_equal(virtq_pop(&r.dev, VIRTQ_READABLE, iov, max, &chain),
					 max < CHAIN ? -ENOBUFS : 0);
			assert_int_equal(chain.n_iov, max < CHAIN ? 0 : CHAIN);
			virtq_push(&r.dev, &chain, 0);
			virtq_publish(&r.dev);
			assert_int_equal(le16toh(r.drv.used->idx), 1);
			assert_int_equal(le32toh(r.drv.used->ring[0].id), 0);
			assert_null(virtq_error(&r.dev));
			ring_deinit(&r);
		}
	}
}

/* A table that begins in A and ends in B, at every offset to the border, odd ones included. */
static void test_table_across_regions(void **state)
{
	struct virtq_chain chain;
	struct iovec iov[8];

	(void)state;
	for (unsigned before = 1; before < 64; before++) {
		struct vring_desc table[4];
		uint64_t gpa = GPA_B - before;
		struct ring r;

		ring_init(&r, SIZE, F_ALL_SPLIT);
		for (unsigned i = 0; i < 4; i++)
			raw_desc(&table[i], GPA_C + i * 512u, LEN + i, i < 3 ? NEXT : 0, i + 1);
		for (unsigned i = 0; i < sizeof(table); i++)
			*ring_at(&r, gpa + i) = ((uint8_t *)table)[i];
		raw_desc(&r.drv.desc[0], gpa, sizeof(table), INDIRECT, 0);
		raw_avail(&r, 1);
		assert_int_equal(virtq_available(&r.dev, 1), 1);
		assert_int_equal(virtq_pop(&r.dev, VIRTQ_READABLE, iov, ARRAY_SIZE(iov), &chain), 0);
		assert_int_equal(chain.n_iov, 4);
		for (unsigned i = 0; i < 4; i++) {
			assert_ptr_equal(iov[i].iov_base, ring_at(&r, GPA_C + i * 512u));
			assert_int_equal(iov[i].iov_len, LEN + i);
		}
		ring_deinit(&r);
	}
}

/* 2.7.5.2: a chain has less than 2^32 bytes in all. */
static void test_chain_of_4_gib(void **state)
{
	enum { BIG_GPA = 0x60000000 };
	uint8_t *far_away = (uint8_t *)0x10000; /* never touched */
	struct virtq_chain chain;
	struct ring r;

	(void)state;
	ring_init(&r, SIZE, F_ALL_SPLIT);
	assert_int_equal(guest_mem_add_host(&r.mem, BIG_GPA, 0, UINT64_C(1) << 32, far_away), 0);
	raw_desc(&r.drv.desc[0], BIG_GPA, UINT32_MAX, NEXT, 2);
	raw_desc(&r.drv.desc[2], BIG_GPA, 1, 0, 0);
	raw_desc(&r.drv.desc[1], BIG_GPA, UINT32_MAX, 0, 0);
	raw_avail(&r, 2);
	r.drv.avail->ring[0] = htole16(1);
	r.drv.avail->ring[1] = htole16(0);
	assert_int_equal(virtq_available(&r.dev, 2), 2);
	assert_int_equal(pop(&r, VIRTQ_READABLE, &chain), 0);
	assert_int_equal(chain.len, UINT32_MAX);
	assert_int_equal(pop(&r, VIRTQ_READABLE, &chain), -EPROTO);
	assert_broken(&r, "4 GiB");
	ring_deinit(&r);
}

static void test_sizes(void **state)
{
	(void)state;
	for (unsigned size = 0; size <= 0xffff; size++) {
		struct virtq_config config = { .size = (uint16_t)size, .used = &(struct vring_used){ 0 } };
		bool allowed = size && size <= 32768 && (size & (size - 1)) == 0;
		struct virtq vq;

		assert_int_equal(virtq_init(&vq, &config, NULL), allowed ? 0 : -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_defect_at_every_place),
		cmocka_unit_test(test_indirect_tables),
		cmocka_unit_test(test_indirect_inside_indirect),
		cmocka_unit_test(test_head_out_of_range),
		cmocka_unit_test(test_index_jumps),
		cmocka_unit_test(test_empty_descriptors),
		cmocka_unit_test(test_too_many_pieces),
		cmocka_unit_test(test_table_across_regions),
		cmocka_unit_test(test_chain_of_4_gib),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
