/* SPDX-License-Identifier: Apache-2.0 */
/* wire.h - What goes over a vhost-user socket (QEMU docs/interop/vhost-user.rst).
 *
 * A message is a header of three 32-bit words and a payload of header.size bytes, in the byte order of the machine. Ring
 * states and ring addresses have the shape of the kernel's vhost structures and are taken from there. Only what this
 * project speaks stands here; other numbers are named in the specification. */
#ifndef RINGWAY_VHOST_WIRE_H
#define RINGWAY_VHOST_WIRE_H

#include <assert.h>
#include <linux/vhost_types.h>
#include <stddef.h>
#include <stdint.h>

/* "Front-end message types" */
enum vhost_user_request {
	VHOST_USER_NONE = 0,
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_RESET_OWNER = 4,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_LOG_BASE = 6,
	VHOST_USER_SET_LOG_FD = 7,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_SEND_RARP = 19,
	VHOST_USER_NET_SET_MTU = 20,
	VHOST_USER_SET_BACKEND_REQ_FD = 21,
	VHOST_USER_IOTLB_MSG = 22,
	VHOST_USER_SET_VRING_ENDIAN = 23,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_SET_CONFIG = 25,
	VHOST_USER_POSTCOPY_ADVISE = 28,
	VHOST_USER_POSTCOPY_LISTEN = 29,
	VHOST_USER_POSTCOPY_END = 30,
	VHOST_USER_GET_INFLIGHT_FD = 31,
	VHOST_USER_SET_INFLIGHT_FD = 32,
	VHOST_USER_RESET_DEVICE = 34,
	VHOST_USER_VRING_KICK = 35,
	VHOST_USER_GET_MAX_MEM_SLOTS = 36,
	VHOST_USER_ADD_MEM_REG = 37,
	VHOST_USER_REM_MEM_REG = 38,
	VHOST_USER_SET_STATUS = 39,
	VHOST_USER_GET_STATUS = 40,
	VHOST_USER_SET_DEVICE_STATE_FD = 42,
	VHOST_USER_CHECK_DEVICE_STATE = 43,
	VHOST_USER_GET_VRING_BASE_SKIP_DRAIN = 45,
	VHOST_USER_REQUEST_MAX = VHOST_USER_GET_VRING_BASE_SKIP_DRAIN,
};

/* "Back-end message types" */
enum vhost_user_backend_request {
	VHOST_USER_BACKEND_IOTLB_MSG = 1,
	VHOST_USER_BACKEND_VRING_CALL = 4,
	VHOST_USER_BACKEND_VRING_ERR = 5,
};

/* A bit of the virtio features that no virtio device uses; says that the other side knows protocol features. */
enum { VHOST_USER_F_PROTOCOL_FEATURES = 30 };

/* "Protocol features": bit numbers. */
enum vhost_user_protocol_feature {
	VHOST_USER_PROTOCOL_F_MQ = 0,
	VHOST_USER_PROTOCOL_F_LOG_SHMFD = 1,
	VHOST_USER_PROTOCOL_F_RARP = 2,
	VHOST_USER_PROTOCOL_F_REPLY_ACK = 3,
	VHOST_USER_PROTOCOL_F_MTU = 4,
	VHOST_USER_PROTOCOL_F_BACKEND_REQ = 5,
	VHOST_USER_PROTOCOL_F_PAGEFAULT = 8,
	VHOST_USER_PROTOCOL_F_CONFIG = 9,
	VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD = 12,
	VHOST_USER_PROTOCOL_F_RESET_DEVICE = 13,
	VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS = 14,
	VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15,
	VHOST_USER_PROTOCOL_F_STATUS = 16,
	VHOST_USER_PROTOCOL_F_DEVICE_STATE = 19,
	VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT = 20,
	VHOST_USER_PROTOCOL_F_GPA_ADDRESSES = 21,
	VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN = 23,
};

/* Header flags. */
enum {
	VHOST_USER_VERSION = 1,
	VHOST_USER_VERSION_MASK = 3,
	VHOST_USER_REPLY = 1 << 2,
	VHOST_USER_NEED_REPLY = 1 << 3,
};

/* The number that SET_VRING_KICK, _CALL and _ERR carry. */
enum { VHOST_USER_VRING_IDX_MASK = 0xff, VHOST_USER_VRING_NOFD_MASK = 1 << 8 };

/* Regions of one SET_MEM_TABLE, and so the descriptors that any message can carry. */
enum { VHOST_USER_TABLE_REGIONS_MAX = 8, VHOST_USER_FDS_MAX = VHOST_USER_TABLE_REGIONS_MAX };

struct vhost_user_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload, bytes */
};

struct vhost_user_region {
	uint64_t guest_addr;
	uint64_t size;
	uint64_t user_addr;
	uint64_t mmap_offset;
};

struct vhost_user_mem_table {
	uint32_t n_regions;
	uint32_t padding;
	struct vhost_user_region regions[VHOST_USER_TABLE_REGIONS_MAX];
};

struct vhost_user_mem_reg {
	uint64_t padding;
	struct vhost_user_region region;
};

struct vhost_user_log {
	uint64_t mmap_size;
	uint64_t mmap_offset;
};

/* As front-ends in C and Rust have it: with the padding of a struct, which the specification does not show. */
struct vhost_user_inflight {
	uint64_t mmap_size;
	uint64_t mmap_offset;
	uint16_t n_rings;
	uint16_t ring_size;
	uint32_t padding;
};

/* "Virtio device config space". 256 bytes are what front-ends ask for at most. */
enum { VHOST_USER_CONFIG_HEADER = 12, VHOST_USER_CONFIG_MAX = 256, VHOST_USER_CONFIG_MIGRATION = 1 };
struct vhost_user_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t bytes[VHOST_USER_CONFIG_MAX];
};

/* "Device state transfer parameters" */
struct vhost_user_transfer {
	uint32_t direction;
	uint32_t phase;
};
enum { VHOST_USER_TRANSFER_SAVE = 0, VHOST_USER_TRANSFER_LOAD = 1, VHOST_USER_TRANSFER_STOPPED = 0 };

union vhost_user_payload {
	uint64_t u64;
	struct vhost_vring_state state;
	struct vhost_vring_addr addr;
	struct vhost_user_mem_table mem_table;
	struct vhost_user_mem_reg mem_reg;
	struct vhost_user_log log;
	struct vhost_user_inflight inflight;
	struct vhost_user_transfer transfer;
	struct vhost_user_config config;
	struct vhost_iotlb_msg iotlb;
};

/* The two parts do not follow one another without a gap here as they do on the wire. */
struct vhost_user_msg {
	struct vhost_user_header header;
	union vhost_user_payload payload;
};

static_assert(sizeof(struct vhost_user_header) == 12, "vhost-user.rst, Header");
static_assert(sizeof(struct vhost_vring_state) == 8, "vhost-user.rst, A vring state description");
static_assert(sizeof(struct vhost_vring_addr) == 40, "vhost-user.rst, A vring address description");
static_assert(sizeof(struct vhost_user_region) == 32, "vhost-user.rst, Memory regions description");
static_assert(sizeof(struct vhost_user_mem_table) == 264, "vhost-user.rst, Memory regions description");
static_assert(sizeof(struct vhost_user_log) == 16, "vhost-user.rst, Log description");
static_assert(offsetof(struct vhost_user_config, bytes) == VHOST_USER_CONFIG_HEADER,
	      "vhost-user.rst, Virtio device config space");
static_assert(offsetof(struct vhost_user_inflight, padding) == 20, "vhost-user.rst, Inflight description");
static_assert(sizeof(struct vhost_iotlb_msg) == 32, "vhost-user.rst, An IOTLB message: as the C structure");
static_assert(sizeof(struct vhost_user_mem_reg) == 40, "vhost-user.rst, Single memory region description");

#endif
