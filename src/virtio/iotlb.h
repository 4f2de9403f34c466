/* SPDX-License-Identifier: Apache-2.0 */
/* iotlb.h - What a front-end has told of its guest's IOMMU: I/O virtual addresses, translated to ours.
 *
 * With VIRTIO_F_ACCESS_PLATFORM and an IOMMU the addresses of a ring and of its buffers mean something to the IOMMU alone, which is
 * the front-end's. It is asked for each translation when one is missing, and takes translations back when the guest unmaps
 * something (vhost-user.rst, "IOMMU support"). The table is bounded: when it is full, the oldest entry goes, and is asked for again
 * if it is needed. An entry lies in one region of guest memory; entries do not overlap, and each is valid for reading, writing or both.
 *
 * Control adds and takes away; workers look up without a lock. A lookup that meets a change starts again, a few times at most: a
 * worker never waits for control. It sees a translation as it was at one moment. Who takes a translation back has to wait, afterwards, until
 * nobody uses what was found before: control parks the rings. */
#ifndef RINGWAY_VIRTIO_IOTLB_H
#define RINGWAY_VIRTIO_IOTLB_H

#include <assert.h>
#include <linux/vhost_types.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	IOTLB_ENTRIES_MAX = 2048,
	IOTLB_PAGE = 4096, /* the least that an IOMMU translates: translations are asked for in steps of it */
	IOTLB_READ = VHOST_ACCESS_RO,
	IOTLB_WRITE = VHOST_ACCESS_WO,
};
static_assert((IOTLB_READ | IOTLB_WRITE) == VHOST_ACCESS_RW, "they are bits");

struct iotlb_entry {
	uint64_t iova;
	uint64_t size; /* bytes, > 0; the range may end at 2^64 and not behind it */
	uint8_t *host; /* our address of its first byte */
	uint32_t perm; /* IOTLB_READ | IOTLB_WRITE */
	uint32_t born; /* when it was added, in additions */
};

struct iotlb {
	uint32_t changes; /* odd while control is at it */
	uint32_t n;
	uint32_t n_born;
	struct iotlb_entry *entries; /* sorted by iova; room for IOTLB_ENTRIES_MAX */
};

/* Control */

int iotlb_init(struct iotlb *t); /* 0 or -ENOMEM */
void iotlb_deinit(struct iotlb *t);
/* Add a translation in place of whatever it overlaps. -EINVAL: size is 0, the range wraps, or perm is not one. */
int iotlb_add(struct iotlb *t, uint64_t iova, uint64_t size, uint8_t *host, uint32_t perm);
/* Is a part of the range translated to somewhere else than the translation says, or permitted more? Then it is to be taken back
 * first. */
bool iotlb_contradicts(const struct iotlb *t, uint64_t iova, uint64_t size, const uint8_t *host, uint32_t perm);
/* Count as a change, so that who waits for one tries again. */
void iotlb_touch(struct iotlb *t);
/* Take back every translation that has a byte in [first, last]. */
void iotlb_remove(struct iotlb *t, uint64_t first, uint64_t last);

/* Workers, and control */

/* The translation of the byte at `iova`, when it permits `perm`, into *entry. *changes: the state of the table that the answer is
 * about; while iotlb_changes() is the same, so is the answer. */
bool iotlb_find(const struct iotlb *t, uint64_t iova, uint32_t perm, struct iotlb_entry *entry, uint32_t *changes);
uint32_t iotlb_changes(const struct iotlb *t);

#endif
