/* SPDX-License-Identifier: Apache-2.0 */
/* test_inflight.c - Rings that go on from an area that another device left, in order or not, or that is nonsense.
 *
 * What such an area looks like is written here by hand after vhost-user.rst, "Inflight I/O tracking": the steps "when receiving
 * available buffers" and "when supplying used buffers" of a device that uses chains out of order. Kills at any instruction of our own are
 * tests/vhost/test_kill.c's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* the order is cmocka's wish */
#include <cmocka.h>

#include "ring_fixture.h"

enum { SIZE = 8, BUF = 64 };

/* An area as large as it has to be, and no larger. */
static void *make_area(uint16_t size, bool packed)
{
	void *area = aligned_alloc(64, virtq_inflight_size(size, packed));

	assert_non_null(area);
	memset(area, 0, virtq_inflight_size(size, packed));
	return area;
}

/* The device comes back. What virtq_inflight_resume() said. */
static int restart(struct ring *r, void *area, uint16_t named)
{
	struct virtq_config c = { .size = r->size,
				  .features = r->features,
				  .desc = r->dev.desc,
				  .avail = r->dev.avail,
				  .used = r->dev.used,
				  .last_avail = named,
				  .inflight = area };
	int err = virtq_inflight_resume(&c);

	return err < 0 ? err : virtq_init(&r->dev, &c, &r->mem);
}

/* Chains are told apart by where their first buffer is. */
static void add(struct ring *r, unsigned number, unsigned n_desc)
{
	struct virtq_buf bufs[4];

	for (unsigned i = 0; i < n_desc; i++)
		bufs[i] = (struct virtq_buf){ GPA_A + 0x1000 * number + 0x100 * i, BUF + i, true };
	assert_int_equal(virtq_driver_add(&r->drv, bufs, n_desc, (void *)(uintptr_t)(number + 1)), 0);
	virtq_driver_publish(&r->drv);
}

static unsigned pop(struct ring *r, struct virtq_chain *chain, unsigned n_desc)
{
	struct iovec iov[4];

	assert_true(virtq_available(&r->dev, 1) > 0);
	assert_int_equal(virtq_pop(&r->dev, VIRTQ_WRITABLE, iov, 4, chain), 0);
	assert_int_equal(chain->n_iov, n_desc);
	for (unsigned i = 0; i < n_desc; i++)
		assert_int_equal(iov[i].iov_len, BUF + i);
	return (unsigned)((uint8_t *)iov[0].iov_base - r->region[0]) / 0x1000;
}

/* The next chains are these, and no more; all are used, and the driver finds what it gave. */
static void assert_next(struct ring *r, const unsigned *numbers, unsigned n, unsigned n_desc)
{
	struct virtq_chain chain;
	uint32_t len;

	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(pop(r, &chain, n_desc), numbers[i]);
		virtq_push(&r->dev, &chain, 1 + i);
	}
	assert_int_equal(virtq_available(&r->dev, 1), 0);
	virtq_publish(&r->dev);
	for (unsigned i = 0; i < n; i++) {
		assert_ptr_equal(virtq_driver_get_used(&r->drv, &len), (void *)(uintptr_t)(numbers[i] + 1));
		assert_int_equal(len, 1 + i);
	}
	assert_false(r->drv.broken);
}

static void assert_nothing_marked(const void *area, uint16_t size, bool packed)
{
	const struct virtq_inflight_packed *p = area;
	const struct virtq_inflight_split *s = area;

	for (uint16_t i = 0; i < size; i++)
		assert_int_equal(packed ? p->desc[i].inflight : s->desc[i].inflight, 0);
}

static void test_sizes(void **state)
{
	(void)state;
	/* DPDK and libvhost-user place the next ring's area so. */
	assert_int_equal(virtq_inflight_size(256, false), 4096 + 64);
	assert_int_equal(virtq_inflight_size(256, true), 8192 + 64);
	assert_int_equal(virtq_inflight_size(1, false), 64);
	assert_int_equal(virtq_inflight_size(3, true), 128);
}

/* A fresh area: the place is the one that is named, or on a split ring in the ring. */
static void test_fresh_area(void **state)
{
	static const unsigned numbers[] = { 0, 1, 2 };

	(void)state;
	for (unsigned packed = 0; packed < 2; packed++) {
		void *area = make_area(SIZE, packed);
		struct ring r;

		ring_init(&r, SIZE, packed ? F_ALL_PACKED : F_ALL_SPLIT);
		assert_int_equal(restart(&r, area, packed ? 0x8000 : 77), 0);
		for (unsigned round = 0; round < 10; round++) {
			for (unsigned i = 0; i < 3; i++)
				add(&r, i, 1);
			assert_next(&r, numbers, 3, 1);
			assert_nothing_marked(area, SIZE, packed);
			/* Killed between two batches. */
			assert_int_equal(restart(&r, area, 0), 0);
		}
		ring_deinit(&r);
		free(area);
	}
}

/* Of chains 0 to 4 a device took all and used 1 and 3; the driver made 5 and 6 available in the meantime. `reported`: its last steps, those
 * that follow publishing, were made as well. */
static void split_out_of_order(uint64_t first_counter, bool reported)
{
	static const unsigned left[] = { 0, 2, 4, 5, 6 };
	struct virtq_inflight_split *area = make_area(SIZE, false);
	struct ring r;
	uint32_t len;

	ring_init(&r, SIZE, F_ALL_SPLIT);
	assert_int_equal(restart(&r, area, 0), 0);
	r.dev.inflight = NULL;
	for (unsigned i = 0; i < 5; i++)
		add(&r, i, 1);
	for (unsigned i = 0; i < 5; i++) {
		struct virtq_chain chain;

		assert_int_equal(pop(&r, &chain, 1), i);
		area->desc[chain.id].counter = first_counter + i;
		area->desc[chain.id].inflight = 1;
		if (i == 1 || i == 3) {
			virtq_push(&r.dev, &chain, 9);
			area->desc[chain.id].next = area->last_batch_head;
			area->last_batch_head = chain.id;
			if (reported)
				area->desc[chain.id].inflight = 0;
		}
	}
	virtq_publish(&r.dev);
	if (reported)
		area->used_idx = 2;
	assert_non_null(virtq_driver_get_used(&r.drv, &len));
	assert_non_null(virtq_driver_get_used(&r.drv, &len));
	add(&r, 5, 1);
	add(&r, 6, 1);

	assert_int_equal(restart(&r, area, 0), 0);
	assert_nothing_marked(area, SIZE, false);
	assert_int_equal(area->used_idx, 2);
	assert_next(&r, left, 5, 1);
	ring_deinit(&r);
	free(area);
}

static void test_split_out_of_order(void **state)
{
	(void)state;
	split_out_of_order(0, true);
	split_out_of_order(1000, false);
	split_out_of_order(UINT64_MAX - 10, true);
}

/* The available ring says something else already: a driver may use its entries again once it has as many descriptors back. */
static void test_split_with_entries_used_again(void **state)
{
	static const unsigned left[] = { 1, 0 };
	struct virtq_inflight_split *area = make_area(SIZE, false);
	struct virtq_chain chain;
	uint16_t heads[2];
	struct ring r;

	(void)state;
	ring_init(&r, SIZE, F_ALL_SPLIT);
	assert_int_equal(restart(&r, area, 0), 0);
	r.dev.inflight = NULL;
	for (unsigned i = 0; i < 2; i++) {
		add(&r, i, 1);
		pop(&r, &chain, 1);
		heads[i] = chain.id;
		area->desc[chain.id].inflight = 1;
		area->desc[chain.id].counter = 7 - i;
	}
	r.dev.avail->ring[0] = r.dev.avail->ring[1] = htole16(SIZE - 1);
	assert_int_equal(restart(&r, area, 0), 0);
	assert_int_equal(le16toh(r.dev.avail->ring[0]), heads[1]);
	assert_int_equal(le16toh(r.dev.avail->ring[1]), heads[0]);
	assert_next(&r, left, 2, 1);
	ring_deinit(&r);
	free(area);
}

/* vhost-user.rst, packed virtqueue, "When receiving available buffers from the driver", for the chain at `pos`. */
static uint16_t fetch(struct virtq_inflight_packed *a, const struct ring *r, uint16_t pos, uint64_t *counter)
{
	uint16_t entry = a->old_free_head, flags;

	a->desc[entry].num = 0;
	a->desc[entry].counter = (*counter)++;
	a->desc[entry].inflight = 1;
	do {
		const struct vring_packed_desc *d = &r->dev.packed_desc[pos++ % r->size];
		struct virtq_inflight_packed_desc *e = &a->desc[a->free_head];

		flags = le16toh(d->flags);
		if (!(flags & VRING_DESC_F_NEXT))
			a->desc[entry].last = a->free_head;
		a->desc[entry].num++;
		e->addr = le64toh(d->addr);
		e->len = le32toh(d->len);
		e->flags = flags;
		e->id = le16toh(d->id);
		a->free_head = e->next;
	} while (flags & VRING_DESC_F_NEXT);
	a->old_free_head = a->free_head;
	return entry;
}

/* How far a device came with publishing a batch. */
enum { OVERWRITTEN, PUBLISHED, SETTLED };

/* Of chains 0, 1 and 2, of two descriptors each, a device took all, and uses 2 first. */
static void packed_out_of_order(int how_far)
{
	static const unsigned all[] = { 0, 1, 2, 3 };
	struct virtq_inflight_packed *a = make_area(SIZE, true);
	struct virtq_chain chains[3];
	uint64_t counter = 40;
	uint16_t entry[3];
	struct ring r;
	uint32_t len;

	ring_init(&r, SIZE, F_ALL_PACKED);
	assert_int_equal(restart(&r, a, 0x8000), 0);
	r.dev.inflight = NULL;
	for (unsigned i = 0; i < 3; i++) {
		add(&r, i, 2);
		assert_int_equal(pop(&r, &chains[i], 2), i);
		entry[i] = fetch(a, &r, (uint16_t)(2 * i), &counter);
	}
	/* "When supplying used buffers to the driver" */
	a->desc[a->desc[entry[2]].last].next = a->free_head;
	a->free_head = entry[2];
	a->place.used_idx = 2;
	virtq_push(&r.dev, &chains[2], 5);
	if (how_far >= PUBLISHED) {
		virtq_publish(&r.dev);
		assert_ptr_equal(virtq_driver_get_used(&r.drv, &len), (void *)3);
		add(&r, 3, 2);
	}
	assert_true(how_far != OVERWRITTEN || le32toh(r.dev.packed_desc[0].len) == 5);
	if (how_far >= SETTLED) {
		a->desc[entry[2]].inflight = 0;
		a->old_free_head = a->free_head;
		a->place.old_used_idx = 2;
	}

	assert_int_equal(restart(&r, a, 0x8000), 0);
	assert_nothing_marked(a, SIZE, true);
	if (how_far == OVERWRITTEN) {
		assert_next(&r, all, 3, 2);
	} else {
		static const unsigned rest[] = { 0, 1, 3 };

		assert_next(&r, rest, 3, 2);
	}
	add(&r, 4, 2);
	assert_next(&r, (const unsigned[]){ 4 }, 1, 2);
	ring_deinit(&r);
	free(a);
}

static void test_packed_out_of_order(void **state)
{
	(void)state;
	for (int how_far = OVERWRITTEN; how_far <= SETTLED; how_far++)
		packed_out_of_order(how_far);
}

/* Our own device, killed with a batch that was pushed and not published; once round the ring in one batch as well. */
static void test_unpublished_batch(void **state)
{
	static const unsigned numbers[] = { 0, 1, 2, 3, 4, 5, 6, 7 };

	(void)state;
	for (unsigned n = 1; n <= SIZE; n++) {
		struct virtq_inflight_packed *a = make_area(SIZE, true);
		struct virtq_chain chain;
		struct ring r;

		ring_init(&r, SIZE, F_ALL_PACKED);
		assert_int_equal(restart(&r, a, 0x8000), 0);
		for (unsigned round = 0; round < 20; round++) {
			for (unsigned i = 0; i < n; i++)
				add(&r, i, 1);
			for (unsigned i = 0; i < n; i++) {
				pop(&r, &chain, 1);
				virtq_push(&r.dev, &chain, 99);
			}
			if (round % 2)
				virtq_inflight_publish(&r.dev);
			assert_int_equal(restart(&r, a, 0x8000), 0);
			assert_next(&r, numbers, n, 1);
		}
		ring_deinit(&r);
		free(a);
	}
}

static void randomize(uint8_t *bytes, size_t len, uint64_t *seed)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = prng(seed) % 4 ? (uint8_t)(prng(seed) % 10) : (uint8_t)prng(seed);
}

/* Whatever it says: an error, or a ring that can be looked at. The area ends where it ends, and so does the ring. */
static void test_nonsense(void **state)
{
	uint64_t seed = 5;
	unsigned accepted = 0;

	(void)state;
	for (unsigned round = 0; round < 6000; round++) {
		bool packed = round % 2;
		uint8_t *area = make_area(SIZE, packed);
		struct ring r;

		ring_init(&r, SIZE, packed ? F_ALL_PACKED : F_ALL_SPLIT);
		for (unsigned i = 0; i < prng(&seed) % SIZE; i++)
			add(&r, i, 1);
		if (round % 3)
			virtq_inflight_begin(&(struct virtq_config){ .size = SIZE,
								     .features = r.features,
								     .desc = r.dev.desc,
								     .avail = r.dev.avail,
								     .used = r.dev.used,
								     .last_avail = packed ? 0x8000 : 0,
								     .inflight = area });
		randomize(area + 12, virtq_inflight_size(SIZE, packed) - 12, &seed);
		if (restart(&r, area, 0x8000) == 0) {
			struct virtq_chain chain;
			struct iovec iov[4];

			accepted++;
			for (unsigned i = 0; i < 3 * SIZE && virtq_available(&r.dev, 1) > 0; i++) {
				if (virtq_pop(&r.dev, VIRTQ_WRITABLE, iov, 4, &chain) == -EPROTO)
					break;
				virtq_push(&r.dev, &chain, 1);
			}
			virtq_publish(&r.dev);
		}
		ring_deinit(&r);
		free(area);
	}
	assert_true(accepted > 300);
}

static void test_refused(void **state)
{
	struct virtq_inflight_packed *a = make_area(SIZE, true);
	struct ring r;

	(void)state;
	ring_init(&r, SIZE, F_ALL_PACKED);
#define REFUSED(field, value)                                       \
	do {                                                        \
		memset(a, 0, virtq_inflight_size(SIZE, true));      \
		assert_int_equal(restart(&r, a, 0x8000), 0);        \
		a->field = (value);                                 \
		assert_int_equal(restart(&r, a, 0x8000), -EBADMSG); \
	} while (0)
	REFUSED(version, 2);
	REFUSED(desc_num, SIZE - 1);
	REFUSED(place.used_idx, SIZE);
	REFUSED(place.old_used_idx, 0xffff);
#undef REFUSED
	ring_deinit(&r);
	free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_fresh_area),
		cmocka_unit_test(test_split_out_of_order),
		cmocka_unit_test(test_split_with_entries_used_again),
		cmocka_unit_test(test_packed_out_of_order),
		cmocka_unit_test(test_unpublished_batch),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
