/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_inflight.h - What a device has taken from a ring and not given back, in memory that its front-end keeps
 * (vhost-user.rst, "Inflight I/O tracking").
 *
 * The layout is the specification's, so any back-end can go on where another one was killed. How much of it has to be written depends on
 * the device. This one uses chains in the order in which they came, as the caller of virtq_push() has to while an area is kept. So:
 *
 *   split ring   What was popped and not used stands in the available ring behind the used index, which is all that the area
 *                has to tell. No descriptor is ever marked.
 *   packed ring  Pushing overwrites descriptors before they are published. What they said is noted first, chain by chain, and
 *                forgotten when the batch is published. Between two batches nothing is marked.
 *
 * An area that another back-end left may have anything marked, in any order. Resuming writes those chains into the ring again, in
 * the order of their counters, where they would stand had all been used in order: on a packed ring into the descriptors from the used
 * place on, on a split one into the available ring behind the used index. Neither is looked at by the driver until it is used again.
 *
 * The area is shared: each field is read once, and none is believed. Each step leaves it in a state from which the next process resumes to
 * the same end. As with virtq_journal.h the order of stores is that of a process which may be killed, no more. */
#ifndef RINGWAY_VIRTIO_VIRTQ_INFLIGHT_H
#define RINGWAY_VIRTIO_VIRTQ_INFLIGHT_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct virtq;
struct virtq_chain;
struct virtq_config;

enum { VIRTQ_INFLIGHT_VERSION = 1 };

struct virtq_inflight_split_desc {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next;
	uint64_t counter;
};

struct virtq_inflight_split {
	uint64_t features;
	uint16_t version; /* written last; 0: nothing is in here yet */
	uint16_t desc_num;
	uint16_t last_batch_head;
	uint16_t used_idx;
	struct virtq_inflight_split_desc desc[];
};

struct virtq_inflight_packed_desc {
	uint8_t inflight;
	uint8_t padding;
	uint16_t next;
	uint16_t last;
	uint16_t num;
	uint64_t counter;
	uint16_t id;
	uint16_t flags;
	uint32_t len;
	uint64_t addr;
};

/* Where a packed ring stands, and stood before the batch that is being published. One word, so that it changes at once. */
union virtq_inflight_place {
	struct {
		uint16_t used_idx, old_used_idx;
		uint8_t used_wrap_counter, old_used_wrap_counter;
		uint8_t padding[2];
	};
	uint64_t word;
};

struct virtq_inflight_packed {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t free_head;
	uint16_t old_free_head;
	union virtq_inflight_place place;
	uint64_t padding;
	struct virtq_inflight_packed_desc desc[];
};

static_assert(sizeof(struct virtq_inflight_split_desc) == 16, "vhost-user.rst, DescStateSplit");
static_assert(offsetof(struct virtq_inflight_split, desc) == 16, "vhost-user.rst, QueueRegionSplit");
static_assert(sizeof(struct virtq_inflight_packed_desc) == 32, "vhost-user.rst, DescStatePacked");
static_assert(offsetof(struct virtq_inflight_packed, desc) == 32, "vhost-user.rst, QueueRegionPacked");
static_assert(offsetof(struct virtq_inflight_packed, version) == offsetof(struct virtq_inflight_split, version),
	      "virtq_inflight_end() knows no kinds");

/* Control, with the ring parked. The area is that of config->inflight, and large enough for its size. */

/* Bytes of a ring's area; the next one follows behind them. DPDK and QEMU's library place them so. */
size_t virtq_inflight_size(uint16_t size, bool packed);
/* Bring the ring to where its device was killed. config->last_avail is the place that the front-end named, and becomes the one to go
 * on at. 0; -EBADMSG: what stands in the area is impossible; -ENOMEM. */
int virtq_inflight_resume(struct virtq_config *config);
/* Begin with nothing in flight at config->last_avail. */
void virtq_inflight_begin(const struct virtq_config *config);
/* The front-end has been told where the ring stands. */
void virtq_inflight_end(void *area);

/* Worker, for virtq_push() and virtq_publish(), with vq->inflight. */

/* Packed: before the descriptors of `chain`, at `pos`, are overwritten. */
void virtq_inflight_note(struct virtq *vq, uint16_t pos, const struct virtq_chain *chain);
/* Packed: the next store publishes. */
void virtq_inflight_publish(struct virtq *vq);
/* It has been published. */
void virtq_inflight_published(struct virtq *vq);

#endif
