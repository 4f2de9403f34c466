/* SPDX-License-Identifier: Apache-2.0 */
/* crc32c.c - CRC32c by table, and with the instruction that x86-64 (SSE 4.2) and aarch64 (CRC32) have for it. */
#include "packet/crc32c.h"

#include <stdbool.h>
#include <string.h>

#include "base/compiler.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif

/* What four steps of the reflected polynomial 0x82f63b78 do to a nibble: 64 bytes of cache instead of a kilobyte, as SCTP is rare
 * and CPUs without the instruction are rarer. */
static const uint32_t table[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
	0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static uint32_t update_scalar(const void *buf, size_t len, uint32_t crc)
{
	const uint8_t *p = buf;

	while (len--) {
		crc ^= *p++;
		crc = (crc >> 4) ^ table[crc & 15];
		crc = (crc >> 4) ^ table[crc & 15];
	}
	return crc;
}

static const struct crc32c_impl scalar = { "scalar", update_scalar };

#if defined(__x86_64__)

#define INSTRUCTION "sse4.2"

__attribute__((target("sse4.2"))) static uint32_t update_instruction(const void *buf, size_t len, uint32_t crc)
{
	const uint8_t *p = buf;

	for (; len >= 8; p += 8, len -= 8) {
		uint64_t v;

		memcpy(&v, p, sizeof(v));
		crc = (uint32_t)_mm_crc32_u64(crc, v);
	}
	while (len--)
		crc = _mm_crc32_u8(crc, *p++);
	return crc;
}

static bool has_instruction(void)
{
	return __builtin_cpu_supports("sse4.2");
}

#elif defined(__aarch64__)

#define INSTRUCTION "armv8-crc"

#ifdef __clang__
#define CRC __attribute__((target("crc")))
#else
#define CRC __attribute__((target("+crc")))
#endif

CRC static uint32_t update_instruction(const void *buf, size_t len, uint32_t crc)
{
	const uint8_t *p = buf;

	for (; len >= 8; p += 8, len -= 8) {
		uint64_t v;

		memcpy(&v, p, sizeof(v));
		crc = __crc32cd(crc, v);
	}
	while (len--)
		crc = __crc32cb(crc, *p++);
	return crc;
}

static bool has_instruction(void)
{
	return getauxval(AT_HWCAP) & HWCAP_CRC32;
}

#endif

unsigned crc32c_impls(const struct crc32c_impl *impls[CRC32C_IMPLS_MAX])
{
	unsigned n = 0;

	impls[n++] = &scalar;
#ifdef INSTRUCTION
	static const struct crc32c_impl instruction = { INSTRUCTION, update_instruction };

	if (has_instruction())
		impls[n++] = &instruction;
#endif
	return n;
}

static const struct crc32c_impl *impl = &scalar;

void crc32c_init(void)
{
	const struct crc32c_impl *impls[CRC32C_IMPLS_MAX];

	impl = impls[crc32c_impls(impls) - 1];
}

uint32_t crc32c(const void *buf, size_t len, uint32_t crc)
{
	return impl->update(buf, len, crc);
}
