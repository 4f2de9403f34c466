/* SPDX-License-Identifier: Apache-2.0 */
/* test_hostile.c - A guest that rewrites its ring while the device reads it gains nothing.
 *
 * One thread writes likely and unlikely values all over descriptors, tables and the available ring, without a pause. The device
 * pops meanwhile: every piece that comes out must lie inside a region, and is touched at both ends (which AddressSanitizer sees
 * when it does not). A broken ring is set up anew and goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <endian.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "base/tsan.h"
#include "ring_fixture.h"

enum { SIZE = 16, TABLE_GPA = GPA_B - 64, TABLE_ENTRIES = 16, MAX_IOV = 64, POPS = TSAN_IS_ON ? 1000 : 20000 };

struct hostile {
	struct ring r;
	struct virtq_config config;
	enum virtq_dir dir;
	bool stop;
	unsigned rounds; /* of the writer */
};

static bool one_in(unsigned n, uint64_t *seed)
{
	return prng(seed) % n == 0;
}

static uint64_t some_addr(uint64_t *seed)
{
	static const uint64_t base[] = { GPA_A, GPA_B, GPA_C, GPA_HOLE, GPA_C + REGION_SIZE, 0, UINT64_MAX };

	if (!one_in(16, seed))
		return base[prng(seed) % N_REGIONS] + prng(seed) % REGION_SIZE;
	return base[prng(seed) % ARRAY_SIZE(base)] + prng(seed) % 600 - 300;
}

static uint32_t some_len(uint64_t *seed)
{
	static const uint32_t len[] = { 0, 15, 16, 48, REGION_SIZE, UINT32_MAX, 0x80000000 };

	return one_in(16, seed) ? len[prng(seed) % ARRAY_SIZE(len)] : prng(seed) % 200;
}

/* The bits that mean something on either kind of ring. */
static uint16_t some_flags(const struct hostile *h, uint64_t *seed)
{
	uint16_t flags = h->dir == VIRTQ_WRITABLE ? VRING_DESC_F_WRITE : 0;

	if (one_in(3, seed))
		flags |= VRING_DESC_F_NEXT;
	if (one_in(32, seed))
		flags ^= (uint16_t)(prng(seed) & 7);
	if (h->r.features & F_PACKED)
		flags |= (uint16_t)(prng(seed) & (1 << VRING_PACKED_DESC_F_AVAIL | 1 << VRING_PACKED_DESC_F_USED));
	return flags;
}

/* One field of a descriptor, or all that makes it an indirect one. Both kinds have addr and len in the same place; what follows
 * is flags and next, or id and flags. */
static void scribble_desc(const struct hostile *h, struct vring_desc *d, uint64_t *seed)
{
	__virtio16 *flags = h->r.features & F_PACKED ? &d->next : &d->flags;
	__virtio16 *next = h->r.features & F_PACKED ? &d->flags : &d->next;

	switch (prng(seed) % 5) {
	case 0:
		write_once(&d->addr, htole64(some_addr(seed)));
		break;
	case 1:
		write_once(&d->len, htole32(some_len(seed)));
		break;
	case 2:
		write_once(flags, htole16(some_flags(h, seed)));
		break;
	case 3:
		write_once(next, htole16((uint16_t)(prng(seed) % (SIZE + one_in(64, seed)))));
		break;
	default:
		write_once(&d->addr, htole64(TABLE_GPA + prng(seed) % 8 * 16));
		write_once(&d->len, htole32(16 + prng(seed) % 8 * 16));
		write_once(flags, htole16(some_flags(h, seed) & ~VRING_DESC_F_NEXT) | htole16(VRING_DESC_F_INDIRECT));
	}
}

/* A descriptor of the table, which lies across two regions. */
static struct vring_desc *table_entry(const struct hostile *h, unsigned i)
{
	return (void *)ring_at(&h->r, TABLE_GPA + i * 16u);
}

/* Most of the time an index that is possible: up to a ring's length ahead of what the device has used. */
static void scribble_avail(struct hostile *h, uint64_t *seed)
{
	uint16_t used = le16toh(read_once(&h->r.drv.used->idx));
	uint16_t ahead = one_in(256, seed) ? SIZE + 1 : (uint16_t)(1 + prng(seed) % SIZE);

	write_once(&h->r.drv.avail->ring[prng(seed) % SIZE], htole16((uint16_t)(prng(seed) % SIZE + one_in(64, seed))));
	write_once(&h->r.drv.avail->idx, htole16((uint16_t)(used + ahead)));
}

static void *writer_main(void *arg)
{
	struct hostile *h = arg;
	uint64_t seed = 4711;

	while (!read_once(&h->stop)) {
		scribble_desc(h, &h->r.drv.desc[prng(&seed) % SIZE], &seed);
		scribble_desc(h, table_entry(h, prng(&seed) % TABLE_ENTRIES), &seed);
		if (!(h->r.features & F_PACKED))
			scribble_avail(h, &seed);
		write_once(&h->rounds, h->rounds + 1);
	}
	return NULL;
}

static void touch(const struct hostile *h, enum virtq_dir dir, const struct iovec *iov, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t *base = iov[i].iov_base;

		assert_true(iov[i].iov_len > 0);
		assert_true(ring_holds(&h->r, base, iov[i].iov_len));
		if (dir == VIRTQ_WRITABLE) {
			write_once(&base[0], 1);
			write_once(&base[iov[i].iov_len - 1], 1);
		} else {
			(void)read_once(&base[0]);
			(void)read_once(&base[iov[i].iov_len - 1]);
		}
	}
}

/* After the writer has been round a few times: what broke the ring would only do it again. */
static void set_up_again(struct hostile *h)
{
	unsigned start = read_once(&h->rounds);

	while (read_once(&h->rounds) - start < 8)
		sched_yield();
	h->config.last_avail = h->r.features & F_PACKED ? 0x8000 : le16toh(read_once(&h->r.drv.used->idx));
	assert_int_equal(virtq_init(&h->r.dev, &h->config, &h->r.mem), 0);
}

static void hostile_ring(uint64_t features, enum virtq_dir dir)
{
	static struct hostile h;
	unsigned popped = 0, pieces = 0, broken = 0, too_long = 0;
	size_t avail_off, used_off;
	struct virtq_chain chain;
	struct iovec iov[MAX_IOV];
	pthread_t writer;

	h = (struct hostile){ .dir = dir };
	ring_init(&h.r, SIZE, features);
	virtq_driver_size(SIZE, &avail_off, &used_off);
	h.config = (struct virtq_config){ .size = SIZE,
					  .features = features,
					  .desc = h.r.areas,
					  .avail = (char *)h.r.areas + avail_off,
					  .used = (char *)h.r.areas + used_off };
	assert_int_equal(pthread_create(&writer, NULL, writer_main, &h), 0);
	while (popped + broken < POPS) {
		struct virtq *vq = &h.r.dev;
		int err = -EAGAIN;

		if (popped % 2 && ring_run_pop(vq, dir, 1, iov, &chain))
			err = 0;
		else if (virtq_available(vq, 1) > 0)
			err = virtq_pop(vq, dir, iov, MAX_IOV, &chain);
		if (err == 0) {
			touch(&h, dir, iov, chain.n_iov);
			popped++;
			pieces += chain.n_iov;
		}
		if ((err == 0 || err == -ENOBUFS) && !(popped % 4 && ring_run_push(vq, dir, &chain, chain.len)))
			virtq_push(vq, &chain, chain.len);
		too_long += err == -ENOBUFS;
		virtq_publish(vq);
		(void)virtq_should_notify(vq);
		(void)virtq_enable_notify(vq);
		virtq_disable_notify(vq);
		if (virtq_error(vq)) {
			broken++;
			set_up_again(&h);
		}
	}
	write_once(&h.stop, true);
	pthread_join(writer, NULL);
	print_message("%-40s %s: %u chains of %u pieces, %u with too many, %u times broken\n", features_name(features),
		      dir ? "written" : "read", popped, pieces, too_long, broken);
	assert_true(popped > 0);
	assert_true(broken > 0);
	ring_deinit(&h.r);
}

static void test_split(void **state)
{
	(void)state;
	hostile_ring(F_ALL_SPLIT, VIRTQ_READABLE);
	hostile_ring(F_ALL_SPLIT, VIRTQ_WRITABLE);
	hostile_ring(F_VERSION_1, VIRTQ_READABLE);
}

static void test_packed(void **state)
{
	(void)state;
	hostile_ring(F_ALL_PACKED, VIRTQ_READABLE);
	hostile_ring(F_ALL_PACKED, VIRTQ_WRITABLE);
	hostile_ring(F_VERSION_1 | F_PACKED, VIRTQ_READABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_packed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
