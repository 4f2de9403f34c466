/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_driver.h - The driver side of one virtqueue: what a guest's driver does.
 *
 * Tests run it against virtq.h in one process, and the vhost-user front-end (src/vhost/frontend) drives other back-ends with it.
 * The caller provides the memory of the areas (virtq_driver_size()) and gives buffers by guest address. The device is trusted as
 * far as a driver trusts its device: what it returns is checked enough not to crash, and `broken` says that it was wrong. One
 * thread.
 *
 * Slots are taken first in, first out. So as long as the device uses chains in the order in which they came, the descriptors of
 * a split ring go round in ring order, which is what VIRTIO_F_IN_ORDER asks of a driver (VIRTIO 1.2, 2.7.5.2). */
#ifndef RINGWAY_VIRTIO_VIRTQ_DRIVER_H
#define RINGWAY_VIRTIO_VIRTQ_DRIVER_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* What the driver remembers of a chain, under the number that the device returns: split: its head, packed: its buffer id. On a split
 * ring the numbers are those of the descriptors, too. */
struct virtq_driver_slot {
	void *token;     /* the caller's; NULL: the device does not have it */
	uint32_t in_len; /* bytes the device may write */
	uint16_t n_desc;
	uint16_t last; /* split: the chain's last descriptor; packed: the id itself */
	uint16_t next; /* in the chain, or in the free list */
};

struct virtq_driver {
	union {
		struct vring_desc *desc;
		struct vring_packed_desc *packed_desc;
	};
	union {
		struct vring_avail *avail;
		struct vring_packed_desc_event *driver_event;
	};
	union {
		struct vring_used *used;
		struct vring_packed_desc_event *device_event;
	};
	struct virtq_driver_slot *slots; /* [size] */
	uint16_t size;
	uint16_t n_free;                        /* descriptors */
	uint16_t free_head, free_tail, n_slots; /* free slots, first in, first out */

	/* On a packed ring these are places, virtq_pos. */
	uint16_t avail_idx, published_idx, signalled_idx; /* added, shown, and shown when a kick was last decided on */
	uint16_t last_used;                               /* taken back */
	uint16_t used_idx;                                /* split: the device's index as last read */
	uint16_t held_flags; /* packed: what publishing puts into the descriptor at published_idx */

	uint16_t batch_last, oldest; /* in order: the number that the device named, and the one that is due */
	uint32_t batch_len;
	bool in_batch;
	bool packed, event_idx, indirect, in_order;
	bool broken; /* the device returned what it did not have */
	uint64_t features;
};

/* A buffer by guest address. */
struct virtq_buf {
	uint64_t addr;
	uint32_t len;
	bool write; /* device writes it */
};

/* Bytes of the three areas of a ring with `size` entries, and their offsets from a 4096-byte aligned start. The descriptors
 * are at 0. Enough for either kind. */
size_t virtq_driver_size(uint16_t size, size_t *avail_off, size_t *used_off);

/* Fill `d` over zeroed memory of virtq_driver_size() bytes. 0, -EINVAL (a split ring's size is a power of two), -ENOMEM. */
int virtq_driver_init(struct virtq_driver *d, uint16_t size, uint64_t features, void *areas);
void virtq_driver_deinit(struct virtq_driver *d);

/* Make one chain of `n` >= 1 buffers available, under `token` (not NULL). -ENOSPC: not enough descriptors. Not published yet. */
int virtq_driver_add(struct virtq_driver *d, const struct virtq_buf *bufs, unsigned n, void *token);
/* The same through an indirect table of `n` 16-byte entries that the caller keeps at guest address `table_gpa`, our `table`. */
int virtq_driver_add_indirect(struct virtq_driver *d, const struct virtq_buf *bufs, unsigned n, void *table,
			      uint64_t table_gpa, void *token);
void virtq_driver_publish(struct virtq_driver *d);
/* After a publish: does the device want a kick? Counts as having decided. */
bool virtq_driver_should_kick(struct virtq_driver *d);
/* The next used chain's token and length, or NULL when there is none. A chain that an in-order device skipped counts as
 * written in full (2.7.9). */
void *virtq_driver_get_used(struct virtq_driver *d, uint32_t *len);
/* Ask to be notified of used chains. True when there are some already. */
bool virtq_driver_enable_notify(struct virtq_driver *d);
void virtq_driver_disable_notify(struct virtq_driver *d);

#endif
