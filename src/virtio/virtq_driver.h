/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_driver.h - The driver side of one virtqueue: what a guest's driver does.
 *
 * Tests run it against virtq.h in one process, and the vhost-user front-end (src/vhost/frontend) drives other back-ends with it.
 * The caller provides the memory of the areas (virtq_driver_size()), addresses in it are guest addresses equal to `base_gpa` plus the
 * offset in the memory block. Not hardened: the device is trusted as far as a driver trusts its device. One thread. */
#ifndef RINGWAY_VIRTIO_VIRTQ_DRIVER_H
#define RINGWAY_VIRTIO_VIRTQ_DRIVER_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct virtq_driver {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	void **token;        /* per descriptor head: the caller's */
	uint16_t *chain_len; /* per descriptor head: descriptors of its chain */
	uint16_t size;
	uint16_t free_head, n_free;
	uint16_t avail_idx, published_idx, last_used, signalled_idx;
	bool event_idx;
	bool indirect;
	uint64_t features;
};

/* A buffer by guest address. */
struct virtq_buf {
	uint64_t addr;
	uint32_t len;
	bool write; /* device writes it */
};

/* Bytes of the three areas of a ring with `size` entries, and their offsets from a 4096-byte aligned start. */
size_t virtq_driver_size(uint16_t size, size_t *avail_off, size_t *used_off);

/* Fill `d` over zeroed memory of virtq_driver_size() bytes. 0, -EINVAL, -ENOMEM. */
int virtq_driver_init(struct virtq_driver *d, uint16_t size, uint64_t features, void *areas);
void virtq_driver_deinit(struct virtq_driver *d);

/* Make one chain of `n` buffers available, under `token` (not NULL). -ENOSPC: not enough descriptors. Not published yet. */
int virtq_driver_add(struct virtq_driver *d, const struct virtq_buf *bufs, unsigned n, void *token);
/* The same through an indirect table of `n` entries that the caller keeps at guest address `table_gpa`, our `table`. */
int virtq_driver_add_indirect(struct virtq_driver *d, const struct virtq_buf *bufs, unsigned n,
			      struct vring_desc *table, uint64_t table_gpa, void *token);
void virtq_driver_publish(struct virtq_driver *d);
/* After a publish: does the device want a kick? */
bool virtq_driver_should_kick(struct virtq_driver *d);
/* The next used chain's token and length, or NULL when there is none. */
void *virtq_driver_get_used(struct virtq_driver *d, uint32_t *len);
/* True when used chains are there already. */
bool virtq_driver_enable_notify(struct virtq_driver *d);
void virtq_driver_disable_notify(struct virtq_driver *d);

#endif
