/* SPDX-License-Identifier: Apache-2.0 */
/* frontend_internal.h - What the files of the front-end share. Not for others. */
#ifndef RINGWAY_VHOST_FRONTEND_INTERNAL_H
#define RINGWAY_VHOST_FRONTEND_INTERNAL_H

#include <linux/virtio_config.h>

#include "vhost/frontend.h"
#include "vhost/listener.h"
#include "vhost/socket.h"
#include "virtio/iotlb.h"

enum { FRONTEND_RINGS_MAX = 2 * VHOST_FRONTEND_PAIRS_MAX };

#define FRONTEND_GUEST_ADDR 0x40000000ull
/* With an IOMMU: addresses for the device, and how the file is known to the back-end. */
#define FRONTEND_IOVA      0xfffe00000000ull
#define FRONTEND_USER_ADDR 0x7e0000000000ull

enum { FRONTEND_SPARE_PAGES = 16 };

/* A ring with a slot of guest memory for each entry: a receive buffer, or a frame to send with its indirect table. */
struct frontend_ring {
	struct virtq_driver driver;
	void *areas;
	uint8_t *slots;
	size_t slot_size;
	uint16_t *free_slots; /* transmit ring: a stack */
	unsigned n_free;
	unsigned n_unpublished; /* receive ring: buffers given back */
	int kick_fd, call_fd;
	bool started;
	uint64_t interrupts;
	unsigned errors;
	uint16_t base; /* where the back-end goes on */
};

struct frontend_iommu {
	uint32_t *page_at; /* of each page of ours: which page of the file it is; NULL: there is no IOMMU */
	uint64_t n_misses, n_updates, n_moves;
};

struct vhost_frontend {
	struct vhost_frontend_config config;
	struct vhost_listener listener; /* server mode */
	struct vhost_socket socket;
	uint64_t features; /* with VHOST_USER_F_PROTOCOL_FEATURES */
	uint64_t protocol_features;
	uint32_t last_request; /* for error texts */
	struct vhost_socket channel;
	bool silent; /* leaves what comes on the channel lying */

	int inflight_fd; /* -1: there is none yet */
	struct vhost_user_inflight inflight;

	int mem_fd;
	uint8_t *mem;
	size_t mem_size, areas_size;
	size_t hdr_len;
	struct frontend_iommu iommu;

	unsigned n_rings;
	struct frontend_ring rings[FRONTEND_RINGS_MAX];
};

/* frontend_channel.c */

int frontend_open_channel(struct vhost_frontend *f);

/* frontend_iommu.c */

/* Scatter the pages of the memory, which is mapped already. */
int frontend_iommu_map(struct vhost_frontend *f);
/* Tell where the page with this address is. 0 or negative errno. */
int frontend_iommu_update(struct vhost_frontend *f, uint64_t iova, uint8_t wanted);
void frontend_iommu_deinit(struct vhost_frontend *f);

/* The address of the memory in messages. */
static inline uint64_t frontend_user_base(const struct vhost_frontend *f)
{
	if (f->protocol_features >> VHOST_USER_PROTOCOL_F_GPA_ADDRESSES & 1)
		return FRONTEND_GUEST_ADDR;
	return f->iommu.page_at ? FRONTEND_USER_ADDR : (uintptr_t)f->mem;
}

/* What the device is told. */
static inline uint64_t frontend_guest_addr(const struct vhost_frontend *f, const void *p)
{
	return (f->iommu.page_at ? FRONTEND_IOVA : FRONTEND_GUEST_ADDR) + (uint64_t)((const uint8_t *)p - f->mem);
}

static inline bool frontend_wants_iommu(const struct vhost_frontend *f)
{
	return f->config.iommu && f->features >> VIRTIO_F_ACCESS_PLATFORM & 1 &&
	       f->protocol_features >> VHOST_USER_PROTOCOL_F_BACKEND_REQ & 1;
}

static inline bool frontend_is_inband(const struct vhost_frontend *f)
{
	return f->protocol_features >> VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS & 1;
}

static inline bool frontend_has(const struct vhost_frontend *f, unsigned feature)
{
	return f->features >> feature & 1;
}

/* frontend_session.c. 0 or negative errno. */

/* Wait until `fd` is readable or the time is up (-ETIMEDOUT), or once for what config.while_waiting does. */
int frontend_wait_readable(struct vhost_frontend *f, int fd, uint64_t deadline_ns);
uint64_t frontend_deadline_ns(const struct vhost_frontend *f);
int frontend_connect(struct vhost_frontend *f);
int frontend_negotiate(struct vhost_frontend *f);
int frontend_share_memory(struct vhost_frontend *f);
/* Once there is memory: give the back-end the area for what is in flight; the first time, ask it for one. */
int frontend_share_inflight(struct vhost_frontend *f);
int frontend_start_ring(struct vhost_frontend *f, unsigned ring);
int frontend_stop_ring(struct vhost_frontend *f, unsigned ring);

/* frontend_queue.c */

/* A new ring: make all receive buffers available, or all transmit slots free. */
void frontend_fill(struct vhost_frontend *f, unsigned ring);

#endif
