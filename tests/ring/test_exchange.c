/* SPDX-License-Identifier: Apache-2.0 */
/* test_exchange.c - Chains go round between driver and device, every kind of ring and every set of features.
 *
 * More chains than 16 bits count are exchanged in batches of random size, with chains of random shape: which pieces come
 * out of virtq_pop() is computed from the layout of guest memory, which token comes back from what was pushed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "ring_fixture.h"

enum {
	CHAINS = 70000, /* 16-bit indices wrap */
	BUFS_MAX = 6,
	IN_FLIGHT_MAX = 64,
};

/* What one chain was made of, and what came of it. */
struct item {
	struct virtq_buf bufs[BUFS_MAX];
	unsigned n_bufs;
	uint32_t len;
	uint32_t used_len;
	bool done;
	uint8_t *table;
	uint64_t table_gpa;
};

struct exchange {
	struct ring r;
	struct item items[IN_FLIGHT_MAX];
	struct virtq_chain chains[IN_FLIGHT_MAX];
	unsigned popped[IN_FLIGHT_MAX]; /* which item chains[i] is */
	uint64_t seed;
	enum virtq_dir dir;
};

/* Buffers anywhere in A and B, some across the border, some without a byte. */
static void make_item(struct exchange *x, struct item *it, unsigned max_bufs)
{
	it->n_bufs = 1 + prng(&x->seed) % max_bufs;
	it->len = 0;
	it->done = false;
	for (unsigned i = 0; i < it->n_bufs; i++) {
		uint32_t kind = prng(&x->seed) % 8;
		uint64_t addr = kind == 0 ? GPA_B - 1 - prng(&x->seed) % 100 : GPA_A + prng(&x->seed) % 60000;

		if (kind == 1)
			addr = GPA_C + prng(&x->seed) % 60000;
		it->bufs[i] = (struct virtq_buf){
			.addr = addr,
			.len = kind == 2 ? 0 : 1 + prng(&x->seed) % 2000,
			.write = x->dir == VIRTQ_WRITABLE,
		};
		it->len += it->bufs[i].len;
	}
}

static bool add_item(struct exchange *x, struct item *it)
{
	bool indirect = x->r.features & F_INDIRECT && prng(&x->seed) % 2;

	if (x->r.drv.n_free == 0)
		return false;
	make_item(x, it, indirect ? BUFS_MAX : MIN(BUFS_MAX, x->r.drv.n_free));
	if (indirect)
		return virtq_driver_add_indirect(&x->r.drv, it->bufs, it->n_bufs, it->table, it->table_gpa, it) == 0;
	return virtq_driver_add(&x->r.drv, it->bufs, it->n_bufs, it) == 0;
}

/* The pieces must be the item's bytes in order, whatever way they are cut. */
static void check_pieces(struct exchange *x, const struct item *it, const struct iovec *iov, unsigned n_iov)
{
	unsigned k = 0;
	size_t at = 0;

	for (unsigned b = 0; b < it->n_bufs; b++) {
		for (uint32_t done = 0; done < it->bufs[b].len;) {
			uint64_t gpa = it->bufs[b].addr + done;
			uint32_t n = it->bufs[b].len - done;

			if (gpa < GPA_B && gpa + n > GPA_B)
				n = (uint32_t)(GPA_B - gpa);
			assert_true(k < n_iov);
			assert_ptr_equal(iov[k].iov_base, ring_at(&x->r, gpa));
			assert_int_equal(iov[k].iov_len, n);
			done += n;
			at += n;
			k++;
		}
	}
	assert_int_equal(k, n_iov);
	assert_int_equal(at, it->len);
}

static void device_pops(struct exchange *x, unsigned n)
{
	struct iovec iov[2 * BUFS_MAX];

	assert_int_equal(virtq_available(&x->r.dev, IN_FLIGHT_MAX), n);
	for (unsigned i = 0; i < n; i++) {
		int (*pop)(struct virtq *, enum virtq_dir, struct iovec *, unsigned, struct virtq_chain *) =
		    (n + i) % 2 ? ring_pop : virtq_pop;

		assert_int_equal(pop(&x->r.dev, x->dir, iov, ARRAY_SIZE(iov), &x->chains[i]), 0);
		x->popped[i] = i;
		assert_int_equal(x->chains[i].len, x->items[i].len);
		check_pieces(x, &x->items[i], iov, x->chains[i].n_iov);
	}
	assert_int_equal(virtq_available(&x->r.dev, 1), 0);
}

static void swap(struct exchange *x, unsigned a, unsigned b)
{
	struct virtq_chain c = x->chains[a];
	unsigned p = x->popped[a];

	x->chains[a] = x->chains[b];
	x->popped[a] = x->popped[b];
	x->chains[b] = c;
	x->popped[b] = p;
}

static void device_pushes(struct exchange *x, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct item *it;

		if (!(x->r.features & F_IN_ORDER))
			swap(x, i, i + prng(&x->seed) % (n - i));
		it = &x->items[x->popped[i]];
		it->used_len = x->dir == VIRTQ_WRITABLE ? prng(&x->seed) % (it->len + 1) : 0;
		if (!(i % 3 && ring_run_push(&x->r.dev, x->dir, &x->chains[i], it->used_len)))
			virtq_push(&x->r.dev, &x->chains[i], it->used_len);
	}
}

static void driver_collects(struct exchange *x, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint32_t len = UINT32_MAX;
		struct item *it = virtq_driver_get_used(&x->r.drv, &len);

		assert_ptr_equal(it, &x->items[x->popped[i]]);
		assert_false(it->done);
		assert_int_equal(len, it->used_len);
		it->done = true;
	}
}

static void exchange(struct exchange *x)
{
	struct virtq_driver *drv = &x->r.drv;
	uint32_t len;

	for (unsigned chains = 0; chains < CHAINS;) {
		unsigned want = 1 + prng(&x->seed) % IN_FLIGHT_MAX, n = 0;

		while (n < want && add_item(x, &x->items[n]))
			n++;
		assert_int_equal(virtq_available(&x->r.dev, 1), 0);
		virtq_driver_publish(drv);
		device_pops(x, n);
		if (prng(&x->seed) % 4 == 0) {
			unsigned n_desc = 0;

			for (unsigned i = 0; i < n; i++)
				n_desc += x->chains[i].n_desc;
			virtq_unpop(&x->r.dev, n_desc);
			device_pops(x, n);
		}
		device_pushes(x, n);
		assert_null(virtq_driver_get_used(drv, &len));
		virtq_publish(&x->r.dev);
		driver_collects(x, n);
		assert_null(virtq_driver_get_used(drv, &len));
		assert_false(drv->broken);
		assert_int_equal(drv->n_free, x->r.size);
		chains += n;
	}
	assert_null(virtq_error(&x->r.dev));
}

static void exchange_ring(uint16_t size, uint64_t features, enum virtq_dir dir)
{
	static struct exchange x;
	static uint8_t tables[IN_FLIGHT_MAX][BUFS_MAX * sizeof(struct vring_desc)] __attribute__((aligned(16)));
	const uint64_t tables_gpa = 0x7000000;

	print_message("%u entries, %s, %s\n", size, features_name(features), dir ? "writable" : "readable");
	memset(&x, 0, sizeof(x));
	ring_init(&x.r, size, features);
	assert_int_equal(guest_mem_add_host(&x.r.mem, tables_gpa, 0, sizeof(tables), tables), 0);
	for (unsigned i = 0; i < IN_FLIGHT_MAX; i++) {
		x.items[i].table = tables[i];
		x.items[i].table_gpa = tables_gpa + i * sizeof(tables[i]);
	}
	x.seed = 0x9e3779b97f4a7c15;
	x.dir = dir;
	exchange(&x);
	ring_deinit(&x.r);
}

static void exchange_sizes(uint64_t features)
{
	static const uint16_t split_sizes[] = { 1, 2, 8, 64, 256 };
	static const uint16_t packed_sizes[] = { 1, 2, 3, 7, 64, 250 };
	const uint16_t *sizes = features & F_PACKED ? packed_sizes : split_sizes;
	unsigned n = features & F_PACKED ? ARRAY_SIZE(packed_sizes) : ARRAY_SIZE(split_sizes);

	for (unsigned i = 0; i < n; i++)
		exchange_ring(sizes[i], features, i % 2 ? VIRTQ_WRITABLE : VIRTQ_READABLE);
}

static void test_split_legacy(void **state)
{
	(void)state;
	exchange_sizes(0);
	exchange_sizes(F_INDIRECT);
}

/* With every set of the features that a kind of ring knows. */
static void exchange_kind(uint64_t kind)
{
	for (unsigned set = 0; set < 8; set++)
		exchange_sizes(F_VERSION_1 | kind | (set & 1 ? F_INDIRECT : 0) | (set & 2 ? F_EVENT_IDX : 0) |
			       (set & 4 ? F_IN_ORDER : 0));
}

static void test_split(void **state)
{
	(void)state;
	exchange_kind(0);
}

static void test_packed(void **state)
{
	(void)state;
	exchange_kind(F_PACKED);
}

/* An in-order device may return a batch by its last chain alone (2.7.9, 2.8.17): those skipped count as used in full. */
static void in_order_batches(uint64_t features)
{
	struct virtq_chain chain = { 0 };
	struct iovec iov[4];
	struct ring r;
	uint32_t len;

	ring_init(&r, 16, features | F_VERSION_1 | F_IN_ORDER);
	for (unsigned round = 0; round < 70000; round++) {
		unsigned n = 1 + round % 5, n_desc = 0;
		struct virtq_buf bufs[2] = { { GPA_A, 10, true }, { GPA_B, 20, true } };

		for (unsigned i = 0; i < n; i++)
			assert_int_equal(virtq_driver_add(&r.drv, bufs, 1 + i % 2, &bufs[i % 2]), 0);
		virtq_driver_publish(&r.drv);
		for (unsigned i = 0; i < n; i++) {
			assert_true(virtq_available(&r.dev, 1) > 0);
			assert_int_equal(virtq_pop(&r.dev, VIRTQ_WRITABLE, iov, 4, &chain), 0);
			n_desc += chain.n_desc;
		}
		chain.n_desc = (uint16_t)n_desc;
		virtq_push(&r.dev, &chain, 5);
		if (!(features & F_PACKED))
			r.dev.used_idx = (uint16_t)(r.dev.used_idx + n - 1);
		virtq_publish(&r.dev);
		for (unsigned i = 0; i < n; i++) {
			assert_ptr_equal(virtq_driver_get_used(&r.drv, &len), &bufs[i % 2]);
			assert_int_equal(len, i == n - 1 ? 5 : 10 + i % 2 * 20);
			assert_int_equal(virtq_driver_enable_notify(&r.drv), i < n - 1);
		}
		assert_null(virtq_driver_get_used(&r.drv, &len));
	}
	assert_false(r.drv.broken);
	ring_deinit(&r);
}

static void test_in_order_batches(void **state)
{
	(void)state;
	in_order_batches(0);
	in_order_batches(F_PACKED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split_legacy),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_in_order_batches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
