/* SPDX-License-Identifier: Apache-2.0 */
/* crc32c.h - CRC32c (Castagnoli), SCTP's checksum: RFC 9260, 6.8 and appendix A.
 *
 * A CRC is kept as the register of the reflected algorithm, so that it can be continued: begin with CRC32C_INIT, end with
 * crc32c_finish(). Pure functions; any thread. csum_init() picks the implementation. */
#ifndef RINGWAY_PACKET_CRC32C_H
#define RINGWAY_PACKET_CRC32C_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>

#define CRC32C_INIT 0xffffffffu

/* Go on with `crc` over `len` bytes at any address. */
uint32_t crc32c(const void *buf, size_t len, uint32_t crc);

/* The 32 bits as they lie in SCTP's checksum field. */
static inline uint32_t crc32c_finish(uint32_t crc)
{
	return htole32(~crc);
}

/* Called by csum_init(). */
void crc32c_init(void);

/* For tests: the implementations that this CPU can run, slowest first. */
struct crc32c_impl {
	const char *name;
	uint32_t (*update)(const void *buf, size_t len, uint32_t crc);
};
enum { CRC32C_IMPLS_MAX = 2 };
unsigned crc32c_impls(const struct crc32c_impl *impls[CRC32C_IMPLS_MAX]);

#endif
