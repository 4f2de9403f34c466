/* SPDX-License-Identifier: Apache-2.0 */
/* bench_ring.c - What popping and pushing a chain costs the device: nanoseconds per chain, without the driver's part.
 *
 *	bench_ring [CHAINS]
 *
 * One thread plays both ends; only the device's half of each batch of 32 is timed, reading the clock included. The best sample
 * of many counts. Everything is in cache, so this is the price of the code, not of memory. */
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "virtio/virtq.h"
#include "virtio/virtq_driver.h"

enum { RING = 256, BATCH = 32, SAMPLE = BATCH * 64, GPA = 0x100000, MEMORY = 1 << 20, TABLE_GPA = GPA + MEMORY - 4096 };

struct bench {
	uint64_t features;
	unsigned bufs; /* per chain */
	bool indirect;
	struct guest_mem mem;
	uint8_t *memory;
	void *areas;
	struct virtq dev;
	struct virtq_driver drv;
};

static void setup(struct bench *b)
{
	size_t avail, used, size = virtq_driver_size(RING, &avail, &used);
	struct virtq_config config = { .size = RING, .features = b->features };

	b->areas = aligned_alloc(4096, (size + 4095) & ~(size_t)4095);
	b->memory = aligned_alloc(4096, MEMORY);
	if (!b->areas || !b->memory || guest_mem_init(&b->mem))
		abort();
	memset(b->areas, 0, size);
	memset(b->memory, 0, MEMORY);
	config.desc = b->areas;
	config.avail = (char *)b->areas + avail;
	config.used = (char *)b->areas + used;
	config.last_avail = b->features >> VIRTIO_F_RING_PACKED & 1 ? 0x8000 : 0;
	if (guest_mem_add_host(&b->mem, GPA, GPA, MEMORY, b->memory) ||
	    virtq_driver_init(&b->drv, RING, b->features, b->areas) || virtq_init(&b->dev, &config, &b->mem))
		abort();
}

static void teardown(struct bench *b)
{
	virtq_driver_deinit(&b->drv);
	guest_mem_deinit(&b->mem);
	free(b->areas);
	free(b->memory);
}

static void driver_adds(struct bench *b)
{
	struct virtq_buf bufs[2] = { { GPA, 12, false }, { GPA + 4096, 64, false } };
	struct virtq_buf *from = &bufs[2 - b->bufs];

	for (unsigned i = 0; i < BATCH; i++) {
		uint64_t table = TABLE_GPA + i * 32u;

		if (b->indirect)
			virtq_driver_add_indirect(&b->drv, from, b->bufs, b->memory + (table - GPA), table, b);
		else
			virtq_driver_add(&b->drv, from, b->bufs, b);
	}
	virtq_driver_publish(&b->drv);
}

static __attribute__((noinline)) uint64_t device_turns(struct bench *b)
{
	struct virtq_chain chains[BATCH];
	struct iovec iov[BATCH * 2];
	unsigned n = virtq_available(&b->dev, BATCH);
	uint64_t bytes = 0;

	n = n < BATCH ? n : BATCH;
	for (unsigned i = 0; i < n; i++) {
		if (virtq_pop(&b->dev, VIRTQ_READABLE, &iov[i * 2], 2, &chains[i]))
			abort();
		bytes += chains[i].len;
	}
	for (unsigned i = 0; i < n; i++)
		virtq_push(&b->dev, &chains[i], 0);
	virtq_publish(&b->dev);
	return bytes;
}

static void run(const char *name, uint64_t features, unsigned bufs, bool indirect, unsigned long chains)
{
	struct bench b = { .features = features, .bufs = bufs, .indirect = indirect };
	uint64_t ns = 0, best = UINT64_MAX, bytes = 0;
	uint32_t len;

	setup(&b);
	for (unsigned long i = 0; i < chains; i += BATCH) {
		uint64_t start;

		if (i % SAMPLE == 0) {
			best = i && ns < best ? ns : best;
			ns = 0;
		}
		driver_adds(&b);
		start = clock_ns();
		bytes += device_turns(&b);
		ns += clock_ns() - start;
		while (virtq_driver_get_used(&b.drv, &len))
			;
	}
	printf("%-28s %6.2f ns/chain  (%lu bytes)\n", name, (double)best / SAMPLE, (unsigned long)bytes);
	teardown(&b);
}

int main(int argc, char **argv)
{
	unsigned long chains = argc > 1 ? strtoul(argv[1], NULL, 0) : 10000000;
	uint64_t split = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC;
	uint64_t packed = split | 1ull << VIRTIO_F_RING_PACKED;

	run("split, 1 descriptor", split, 1, false, chains);
	run("split, 2 descriptors", split, 2, false, chains);
	run("split, indirect of 2", split, 2, true, chains);
	run("packed, 1 descriptor", packed, 1, false, chains);
	run("packed, 2 descriptors", packed, 2, false, chains);
	run("packed, indirect of 2", packed, 2, true, chains);
	return 0;
}
