/* SPDX-License-Identifier: Apache-2.0 */
/* ring_fixture.h - A guest's memory and one ring in it, with a device and a driver on its ends.
 *
 * Guest memory as the tests see it (each region is an allocation of its own, so what is adjacent for the guest is not for us):
 *
 *	0x100000 [ A 64 KiB ][ B 64 KiB ] 0x120000      nothing      0x40000000 [ C 64 KiB ] */
#ifndef RINGWAY_TESTS_RING_RING_FIXTURE_H
#define RINGWAY_TESTS_RING_RING_FIXTURE_H

#include <linux/virtio_config.h>
#include <stdbool.h>
#include <stdint.h>

#include "virtio/guest_mem.h"
#include "virtio/virtq.h"
#include "ring_run.h"
#include "virtio/virtq_driver.h"

#define BIT(n)       (UINT64_C(1) << (n))
#define F_VERSION_1  BIT(VIRTIO_F_VERSION_1)
#define F_EVENT_IDX  BIT(VIRTIO_RING_F_EVENT_IDX)
#define F_INDIRECT   BIT(VIRTIO_RING_F_INDIRECT_DESC)
#define F_IN_ORDER   BIT(VIRTIO_F_IN_ORDER)
#define F_PACKED     BIT(VIRTIO_F_RING_PACKED)
#define F_ALL_SPLIT  (F_VERSION_1 | F_EVENT_IDX | F_INDIRECT)
#define F_ALL_PACKED (F_ALL_SPLIT | F_PACKED)

enum {
	REGION_SIZE = 0x10000,
	GPA_A = 0x100000,
	GPA_B = GPA_A + REGION_SIZE,
	GPA_HOLE = GPA_B + REGION_SIZE,
	GPA_C = 0x40000000,
	N_REGIONS = 3,
};

struct ring {
	uint64_t features;
	uint16_t size;
	void *areas;
	size_t areas_size;
	uint8_t *region[N_REGIONS];
	struct guest_mem mem;
	struct virtq dev;
	struct virtq_driver drv;
};

void ring_init(struct ring *r, uint16_t size, uint64_t features);
void ring_deinit(struct ring *r);

/* Our address of guest address `gpa`, which lies in a region. Knows the layout by itself, not from the map. */
uint8_t *ring_at(const struct ring *r, uint64_t gpa);
/* Does [p, p + len) lie inside one region? */
bool ring_holds(const struct ring *r, const void *p, size_t len);

/* Pop as ports do: in a run, where that can be. As virtq_pop(). */
static inline int ring_pop(struct virtq *vq, enum virtq_dir dir, struct iovec *iov, unsigned max,
			   struct virtq_chain *chain)
{
	return ring_run_pop(vq, dir, 1, iov, chain) ? 0 : virtq_pop(vq, dir, iov, max, chain);
}

/* "packed event_idx ...", static. */
const char *features_name(uint64_t features);

/* xorshift; the same on every machine. */
uint32_t prng(uint64_t *state);

#endif
