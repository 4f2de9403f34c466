/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_driver_impl.h - What virtq_driver.c and its two kinds of ring share; nobody else includes it. */
#ifndef RINGWAY_VIRTIO_VIRTQ_DRIVER_IMPL_H
#define RINGWAY_VIRTIO_VIRTQ_DRIVER_IMPL_H

#include "virtio/virtq_driver.h"

/* Buffer `b` as a descriptor's flags. */
uint16_t virtq_driver_flags(const struct virtq_buf *b, bool more);
/* Remember a chain of `n_desc` descriptors under the first free slot; `last` is the last one it takes of the list. Returns the first. */
uint16_t virtq_driver_take(struct virtq_driver *d, uint16_t last, unsigned n_desc, const struct virtq_buf *bufs,
			   unsigned n, void *token);

void virtq_driver_split_add(struct virtq_driver *d, const struct virtq_buf *bufs, unsigned n, void *token);
void virtq_driver_split_add_indirect(struct virtq_driver *d, const struct virtq_buf *bufs, unsigned n, void *table,
				     uint64_t table_gpa, void *token);
void virtq_driver_split_publish(struct virtq_driver *d);
bool virtq_driver_split_wants_kick(struct virtq_driver *d, uint16_t old);
/* The number and length that the device returned next. False when there is none. */
bool virtq_driver_split_peek(struct virtq_driver *d, uint32_t *id, uint32_t *len);
bool virtq_driver_split_enable_notify(struct virtq_driver *d);
void virtq_driver_split_disable_notify(struct virtq_driver *d);

void virtq_driver_packed_add(struct virtq_driver *d, const struct virtq_buf *bufs, unsigned n, void *token);
void virtq_driver_packed_add_indirect(struct virtq_driver *d, const struct virtq_buf *bufs, unsigned n, void *table,
				      uint64_t table_gpa, void *token);
void virtq_driver_packed_publish(struct virtq_driver *d);
bool virtq_driver_packed_wants_kick(struct virtq_driver *d, uint16_t old);
bool virtq_driver_packed_peek(struct virtq_driver *d, uint32_t *id, uint32_t *len);
bool virtq_driver_packed_enable_notify(struct virtq_driver *d);
void virtq_driver_packed_disable_notify(struct virtq_driver *d);

#endif
