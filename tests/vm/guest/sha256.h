/* SPDX-License-Identifier: Apache-2.0 */
/* sha256.h - SHA-256 (FIPS 180-4), for a guest that has no library. */
#ifndef RINGWAY_TESTS_SHA256_H
#define RINGWAY_TESTS_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
	uint32_t h[8];
	uint64_t len;
	uint8_t block[64];
};

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const uint8_t *p, size_t len);
/* The digest in lower-case hex; `s` is used up. */
void sha256_end(struct sha256 *s, char hex[65]);

#endif
