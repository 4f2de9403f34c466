/* SPDX-License-Identifier: Apache-2.0 */
/* bytes.h - Fields of packets: big-endian, at any address.
 *
 * Headers lie where the ones before them end, so no field may be assumed to be aligned. A field is named by the kernel's own
 * structure: load_be16(ip + offsetof(struct iphdr, tot_len)). */
#ifndef RINGWAY_PACKET_PROTO_BYTES_H
#define RINGWAY_PACKET_PROTO_BYTES_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* As it lies in memory. */
static inline uint16_t load_raw16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t load_raw32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void store_raw16(void *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void store_raw32(void *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

/* In host byte order. */
static inline uint16_t load_be16(const void *p)
{
	return be16toh(load_raw16(p));
}

static inline uint32_t load_be32(const void *p)
{
	return be32toh(load_raw32(p));
}

static inline void store_be16(void *p, uint16_t v)
{
	store_raw16(p, htobe16(v));
}

static inline void store_be32(void *p, uint32_t v)
{
	store_raw32(p, htobe32(v));
}

#endif
