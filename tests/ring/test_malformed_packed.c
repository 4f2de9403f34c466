/* SPDX-License-Identifier: Apache-2.0 */
/* test_malformed_packed.c - Descriptors that no driver may write, on a packed ring: each defect at each place of a chain.
 *
 * As test_malformed_split.c, and at each place of the ring as well, so that chains lie across its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <endian.h>
#include <string.h>

#include "ring_fixture.h"

enum {
	SIZE = 7,
	CHAIN = 4,
	TABLE_GPA = GPA_C,
	LEN = 100,
	NEXT = VRING_DESC_F_NEXT,
	WRITE = VRING_DESC_F_WRITE,
	INDIRECT = VRING_DESC_F_INDIRECT,
};

enum field { ADDR, DESC_LEN, FLIP_FLAGS, ID };

struct defect {
	const char *name;
	const char *error; /* part of what virtq_error() must say */
	enum field field;
	uint64_t value;
	enum { ANYWHERE, DIRECT_NOT_FIRST, TABLE, DIRECT_LAST, NOT_READ_FROM_TABLE } where;
};

static const struct defect defects[] = {
	{ "address 0", "outside guest memory", ADDR, 0, ANYWHERE },
	{ "address below memory", "outside guest memory", ADDR, GPA_A - 1, ANYWHERE },
	{ "address in a hole", "outside guest memory", ADDR, GPA_HOLE, ANYWHERE },
	{ "last byte outside", "outside guest memory", ADDR, GPA_HOLE - LEN + 1, ANYWHERE },
	{ "address wraps", "outside guest memory", ADDR, UINT64_MAX - LEN + 2, ANYWHERE },
	{ "highest address", "outside guest memory", ADDR, UINT64_MAX, ANYWHERE },
	{ "longer than memory", "outside guest memory", DESC_LEN, 2 * REGION_SIZE + 1, ANYWHERE },
	{ "length 2^32 - 1", "outside guest memory", DESC_LEN, UINT32_MAX, ANYWHERE },
	{ "other direction", "buffer", FLIP_FLAGS, WRITE, NOT_READ_FROM_TABLE },
	{ "indirect in a chain", "inside a chain", FLIP_FLAGS, INDIRECT, DIRECT_NOT_FIRST },
	{ "indirect in a table", "inside an indirect table", FLIP_FLAGS, INDIRECT, TABLE },
	{ "id is the size", "buffer id", ID, SIZE, DIRECT_LAST },
	{ "id is 65535", "buffer id", ID, 0xffff, DIRECT_LAST },
};

static void raw_desc(struct vring_packed_desc *d, uint64_t addr, uint32_t len, unsigned id, unsigned flags)
{
	*d = (struct vring_packed_desc){ htole64(addr), htole32(len), htole16((uint16_t)id), htole16((uint16_t)flags) };
}

static void spoil(struct vring_packed_desc *d, const struct defect *defect)
{
	switch (defect->field) {
	case ADDR:
		d->addr = htole64(defect->value);
		break;
	case DESC_LEN:
		d->len = htole32((uint32_t)defect->value);
		break;
	case FLIP_FLAGS:
		d->flags ^= htole16((uint16_t)defect->value);
		break;
	case ID:
		d->id = htole16((uint16_t)defect->value);
	}
}

/* 2.8.1: available is what has the first bit as the wrap counter and the second one opposite to it. */
static unsigned available(unsigned place)
{
	return place / SIZE % 2 == 0 ? 1u << 7 : 1u << 15;
}

static struct vring_packed_desc *table_of(struct ring *r)
{
	return (void *)ring_at(r, TABLE_GPA);
}

/* A ring on which `start` single descriptors have gone round already. */
static void ring_at_place(struct ring *r, uint64_t features, unsigned start)
{
	struct virtq_chain chain;
	struct iovec iov[2];

	ring_init(r, SIZE, features);
	for (unsigned i = 0; i < start; i++) {
		raw_desc(&r->drv.packed_desc[i % SIZE], GPA_A, LEN, 0, available(i));
		assert_int_equal(virtq_available(&r->dev, 1), 1);
		assert_int_equal(virtq_pop(&r->dev, VIRTQ_READABLE, iov, 2, &chain), 0);
		virtq_push(&r->dev, &chain, 0);
		virtq_publish(&r->dev);
	}
}

/* A good chain of `n` from ring place `start` on, or in a table there. Descriptor i's address in desc[i]. */
static void lay_out(struct ring *r, bool in_table, unsigned start, unsigned n, enum virtq_dir dir,
		    struct vring_packed_desc **desc)
{
	unsigned dir_flag = dir == VIRTQ_WRITABLE ? WRITE : 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned flags = in_table ? 0 : available(start + i) | (i < n - 1 ? NEXT : 0);

		desc[i] = in_table ? &table_of(r)[i] : &r->drv.packed_desc[(start + i) % SIZE];
		raw_desc(desc[i], GPA_A + i * LEN, LEN, 3, flags | dir_flag);
	}
	if (in_table)
		raw_desc(&r->drv.packed_desc[start % SIZE], TABLE_GPA, n * 16, 3, INDIRECT | available(start));
}

static int pop(struct ring *r, enum virtq_dir dir, struct virtq_chain *chain)
{
	static struct iovec iov[1024];

	return ring_pop(&r->dev, dir, iov, ARRAY_SIZE(iov), chain);
}

/* The ring says `error`, and nothing moves any more: the descriptors are as they were. */
static void assert_broken(struct ring *r, const char *error)
{
	struct virtq_chain chain = { .id = 0, .n_desc = 1 };
	uint16_t flags[SIZE];

	assert_non_null(virtq_error(&r->dev));
	if (!strstr(virtq_error(&r->dev), error))
		fail_msg("\"%s\" does not say \"%s\"", virtq_error(&r->dev), error);
	for (unsigned i = 0; i < SIZE; i++)
		flags[i] = r->drv.packed_desc[i].flags;
	assert_int_equal(virtq_available(&r->dev, 1), 0);
	assert_int_equal(pop(r, VIRTQ_READABLE, &chain), -EPROTO);
	assert_int_equal(pop(r, VIRTQ_WRITABLE, &chain), -EPROTO);
	virtq_push(&r->dev, &chain, 0);
	virtq_publish(&r->dev);
	assert_false(virtq_should_notify(&r->dev));
	assert_false(virtq_enable_notify(&r->dev));
	virtq_disable_notify(&r->dev);
	virtq_unpop(&r->dev, 1);
	assert_int_equal(virtq_available(&r->dev, 1), 0);
	for (unsigned i = 0; i < SIZE; i++)
		assert_int_equal(r->drv.packed_desc[i].flags, flags[i]);
}

static void check_defect(const struct defect *defect, bool in_table, unsigned start, unsigned n, unsigned at,
			 enum virtq_dir dir)
{
	struct vring_packed_desc *desc[CHAIN];
	struct virtq_chain chain;
	struct ring r;

	ring_at_place(&r, F_ALL_PACKED, start);
	lay_out(&r, in_table, start, n, dir, desc);
	spoil(desc[at], defect);
	assert_int_equal(virtq_available(&r.dev, 1), 1);
	if (pop(&r, dir, &chain) != -EPROTO)
		fail_msg("%s was accepted: %s, at %u: %u of %u", defect->name, in_table ? "table" : "ring", start, at,
			 n);
	assert_broken(&r, defect->error);
	ring_deinit(&r);
}

static bool applies(const struct defect *d, bool in_table, unsigned n, unsigned at, enum virtq_dir dir)
{
	switch (d->where) {
	case DIRECT_NOT_FIRST:
		return !in_table && at > 0;
	case TABLE:
		return in_table;
	case DIRECT_LAST:
		return !in_table && at == n - 1;
	case NOT_READ_FROM_TABLE:
		return !in_table || dir == VIRTQ_WRITABLE;
	default:
		return true;
	}
}

static void check_everywhere(const struct defect *defect, bool in_table, unsigned start)
{
	for (unsigned n = 1; n <= CHAIN; n++) {
		for (unsigned at = 0; at < n; at++) {
			if (applies(defect, in_table, n, at, VIRTQ_READABLE))
				check_defect(defect, in_table, start, n, at, VIRTQ_READABLE);
			if (applies(defect, in_table, n, at, VIRTQ_WRITABLE))
				check_defect(defect, in_table, start, n, at, VIRTQ_WRITABLE);
		}
	}
}

/* DPDK's driver says of its tables that they are to be written, and sends what they hold. */
static void test_table_to_be_read_that_says_otherwise(void **state)
{
	struct vring_packed_desc *desc[CHAIN];
	struct virtq_chain chain;
	struct ring r;

	(void)state;
	ring_at_place(&r, F_ALL_PACKED, 0);
	lay_out(&r, true, 0, CHAIN, VIRTQ_READABLE, desc);
	desc[0]->flags = desc[2]->flags = htole16(WRITE);
	assert_int_equal(virtq_available(&r.dev, 1), 1);
	assert_int_equal(pop(&r, VIRTQ_READABLE, &chain), 0);
	assert_int_equal(chain.len, CHAIN * LEN);
	assert_null(virtq_error(&r.dev));
	ring_deinit(&r);
}

static void test_every_defect_at_every_place(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(defects); i++) {
		for (unsigned start = 0; start < 2 * SIZE; start++) {
			check_everywhere(&defects[i], false, start);
			check_everywhere(&defects[i], true, start);
		}
	}
}

/* One descriptor, and what becomes of it. */
static void check_head(uint64_t features, uint64_t addr, uint32_t len, unsigned flags, const char *error)
{
	struct virtq_chain chain;
	struct ring r;

	ring_init(&r, SIZE, features);
	for (unsigned i = 0; i < 2048; i++)
		raw_desc(&table_of(&r)[i], GPA_A, i == 0 ? LEN : 0, 0, 0);
	raw_desc(&r.drv.packed_desc[0], addr, len, 0, flags | available(0));
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
	uint64_t all = F_ALL_PACKED;

	(void)state;
	for (uint32_t len = 0; len < 64; len++)
		check_head(all, TABLE_GPA, len, INDIRECT, len == 0 || len % 16 ? "multiple of 16" : NULL);
	check_head(all, TABLE_GPA, 1024 * 16, INDIRECT, NULL);
	check_head(all, TABLE_GPA, 1025 * 16, INDIRECT, "too long");
	check_head(all, TABLE_GPA, 0xfffffff0, INDIRECT, "too long");
	check_head(all, TABLE_GPA, 16, INDIRECT | WRITE, NULL);
	check_head(all & ~F_INDIRECT, TABLE_GPA, 16, INDIRECT, "not negotiated");
	check_head(all, TABLE_GPA, 16, INDIRECT | NEXT, "next one");
	check_head(all, GPA_HOLE, 16, INDIRECT, "outside guest memory");
	check_head(all, GPA_HOLE - 16, 32, INDIRECT, "outside guest memory");
	check_head(all, UINT64_MAX - 7, 16, INDIRECT, "outside guest memory");
}

/* A chain as long as the ring is fine; one that goes on behind that is not. */
static void test_endless_chain(void **state)
{
	(void)state;
	for (unsigned start = 0; start < 2 * SIZE; start++) {
		for (unsigned last_flags = 0; last_flags <= NEXT; last_flags += NEXT) {
			struct virtq_chain chain;
			struct ring r;

			ring_at_place(&r, F_ALL_PACKED, start);
			for (unsigned i = 0; i < SIZE; i++)
				raw_desc(&r.drv.packed_desc[(start + i) % SIZE], GPA_A, i % 2 ? LEN : 0, 0,
					 available(start + i) | (i < SIZE - 1 ? NEXT : last_flags));
			assert_int_equal(virtq_available(&r.dev, 1), 1);
			assert_int_equal(pop(&r, VIRTQ_READABLE, &chain), last_flags ? -EPROTO : 0);
			if (last_flags)
				assert_broken(&r, "longer than the ring");
			else
				assert_int_equal(chain.n_desc, SIZE);
			ring_deinit(&r);
		}
	}
}

/* Counted as available, then withdrawn. */
static void test_taken_back(void **state)
{
	struct virtq_chain chain;
	struct ring r;

	(void)state;
	ring_init(&r, SIZE, F_ALL_PACKED);
	raw_desc(&r.drv.packed_desc[0], GPA_A, LEN, 0, available(0));
	assert_int_equal(virtq_available(&r.dev, 1), 1);
	r.drv.packed_desc[0].flags = 0;
	assert_int_equal(pop(&r, VIRTQ_READABLE, &chain), -EPROTO);
	assert_broken(&r, "taken back");
	ring_deinit(&r);
}

/* Chains that go over each other, as the driver makes available again what is not used yet: no place is lost, and none outside the ring
 * is looked at. */
static void test_chains_overlap(void **state)
{
	struct vring_packed_desc *desc[SIZE];
	struct virtq_chain chain;

	(void)state;
	for (unsigned start = 0; start < 2 * SIZE; start++) {
		for (unsigned n = 2; n <= SIZE; n++) {
			struct ring r;

			ring_at_place(&r, F_ALL_PACKED, start);
			lay_out(&r, false, start, SIZE - 1, VIRTQ_READABLE, desc);
			assert_int_equal(pop(&r, VIRTQ_READABLE, &chain), 0);
			/* Of the second chain, only the first place is free. */
			lay_out(&r, false, start + SIZE - 1, n, VIRTQ_READABLE, desc);
			if (n > 2)
				assert_int_equal(pop(&r, VIRTQ_READABLE, &chain), -EPROTO);
			else if (pop(&r, VIRTQ_READABLE, &chain) ==
				 0) /* a short one is not looked after until it is given back */
				virtq_unpop(&r.dev, SIZE - 1 + n);
			assert_broken(&r, "chains overlap");
			assert_in_range(r.dev.last_avail & 0x7fff, 0, SIZE - 1);
			ring_deinit(&r);
		}
	}
}

static void test_given_back_more_than_a_lap(void **state)
{
	struct vring_packed_desc *desc[1];
	struct virtq_chain chain;

	(void)state;
	for (unsigned start = 0; start < 2 * SIZE; start++) {
		struct ring r;

		ring_at_place(&r, F_ALL_PACKED, start);
		for (unsigned i = 0; i < 2 * SIZE - 1; i++) {
			lay_out(&r, false, start + i, 1, VIRTQ_WRITABLE, desc);
			assert_int_equal(pop(&r, VIRTQ_WRITABLE, &chain), 0);
		}
		virtq_unpop(&r.dev, 2 * SIZE - 1);
		assert_broken(&r, "chains overlap");
		assert_in_range(r.dev.last_avail & 0x7fff, 0, SIZE - 1);
		ring_deinit(&r);
	}
}

/* Buffers without a byte take no room, so their number is limited: whoever sends them cannot have the worker walk for long. */
static void test_empty_buffers(void **state)
{
	enum { ALLOWED = 1024 };
	struct virtq_chain chain;

	(void)state;
	for (unsigned n = ALLOWED; n <= ALLOWED + 1; n++) {
		struct ring r;

		ring_init(&r, 2 * ALLOWED, F_ALL_PACKED);
		for (unsigned i = 0; i < n; i++)
			raw_desc(&r.drv.packed_desc[i], GPA_A, 0, 0, available(0) | (i < n - 1 ? NEXT : 0));
		if (n == ALLOWED) {
			assert_int_equal(pop(&r, VIRTQ_READABLE, &chain), 0);
			assert_int_equal(chain.n_iov, 0);
			assert_int_equal(chain.len, 0);
		} else {
			assert_int_equal(pop(&r, VIRTQ_READABLE, &chain), -EPROTO);
			assert_broken(&r, "empty buffers");
		}
		ring_deinit(&r);
	}
}

/* Of a chain with more pieces than there is room for, the end is found all the same, and the next chain is whole. */
static void test_too_many_pieces(void **state)
{
	struct vring_packed_desc *desc[CHAIN];
	struct virtq_chain chain;
	struct iovec iov[CHAIN];

	(void)state;
	for (unsigned start = 0; start < 2 * SIZE; start++) {
		for (unsigned max = 0; max <= CHAIN; max++) {
			struct ring r;

			ring_at_place(&r, F_ALL_PACKED, start);
			lay_out(&r, false, start, CHAIN, VIRTQ_READABLE, desc);
			lay_out(&r, false, start + CHAIN, 1, VIRTQ_READABLE, desc);
			assert_int_equal(virtq_available(&r.dev, 9), 2);
			assert_int_equal(virtq_pop(&r.dev, VIRTQ_READABLE, iov, max, &chain),
					 max < CHAIN ? -ENOBUFS : 0);
			assert_int_equal(chain.n_iov, max < CHAIN ? 0 : CHAIN);
			assert_int_equal(chain.n_desc, CHAIN);
			assert_int_equal(chain.id, 3);
			assert_int_equal(virtq_pop(&r.dev, VIRTQ_READABLE, iov, CHAIN, &chain), 0);
			assert_int_equal(chain.n_desc, 1);
			assert_ptr_equal(iov[0].iov_base, ring_at(&r, GPA_A));
			ring_deinit(&r);
		}
	}
}

/* What an event area may hold: places that do not exist and flags that mean nothing bring a notification, nothing worse. */
static void test_event_areas(void **state)
{
	struct virtq_chain chain;

	(void)state;
	for (unsigned off_wrap = 0; off_wrap <= 0xffff; off_wrap += off_wrap % 0x8000 < 2 * SIZE ? 1 : 251) {
		for (unsigned flags = 0; flags < 4; flags++) {
			bool here = off_wrap == 0x8000, nowhere = off_wrap % 0x8000 >= SIZE;
			struct ring r;

			ring_init(&r, SIZE, F_ALL_PACKED);
			raw_desc(&r.drv.packed_desc[0], GPA_A, LEN, 0, available(0));
			r.drv.driver_event->off_wrap = htole16((uint16_t)off_wrap);
			r.drv.driver_event->flags = htole16((uint16_t)(flags | 0xfffc));
			assert_int_equal(virtq_available(&r.dev, 1), 1);
			assert_int_equal(pop(&r, VIRTQ_READABLE, &chain), 0);
			virtq_push(&r.dev, &chain, 0);
			virtq_publish(&r.dev);
			assert_int_equal(virtq_should_notify(&r.dev), flags == 1   ? false
								      : flags == 2 ? here || nowhere
										   : true);
			ring_deinit(&r);
		}
	}
}

static void test_sizes_and_places(void **state)
{
	(void)state;
	for (unsigned size = 0; size <= 0xffff; size++) {
		struct virtq_config config = { .size = (uint16_t)size, .features = F_PACKED };
		struct virtq vq;

		assert_int_equal(virtq_init(&vq, &config, NULL), size && size <= 32768 ? 0 : -EINVAL);
		if (size == 0 || size >= 32768)
			continue;
		config.last_avail = (uint16_t)(0x8000 | size); /* the last index is size - 1 */
		assert_int_equal(virtq_init(&vq, &config, NULL), -EINVAL);
		config.last_avail = (uint16_t)(size - 1);
		assert_int_equal(virtq_init(&vq, &config, NULL), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_defect_at_every_place),
		cmocka_unit_test(test_table_to_be_read_that_says_otherwise),
		cmocka_unit_test(test_indirect_tables),
		cmocka_unit_test(test_endless_chain),
		cmocka_unit_test(test_taken_back),
		cmocka_unit_test(test_chains_overlap),
		cmocka_unit_test(test_given_back_more_than_a_lap),
		cmocka_unit_test(test_empty_buffers),
		cmocka_unit_test(test_too_many_pieces),
		cmocka_unit_test(test_event_areas),
		cmocka_unit_test(test_sizes_and_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
