/* SPDX-License-Identifier: Apache-2.0 */
/* csum.c - Which implementation of the checksum runs, and sums that are made of others. */
#include "packet/csum.h"

#include <endian.h>

#include "base/copy.h"
#include "packet/crc32c.h"
#include "packet/csum_impl.h"

static const struct csum_impl *impl = &csum_scalar;

unsigned csum_impls(const struct csum_impl *impls[CSUM_IMPLS_MAX])
{
	unsigned n = 0;

	impls[n++] = &csum_scalar;
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		impls[n++] = &csum_avx2;
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
		impls[n++] = &csum_avx512;
#elif defined(__aarch64__)
	impls[n++] = &csum_neon;
#endif
	return n;
}

void csum_init(void)
{
	const struct csum_impl *impls[CSUM_IMPLS_MAX];

	impl = impls[csum_impls(impls) - 1];
	crc32c_init();
	copy_init();
}

const char *csum_impl_name(void)
{
	return impl->name;
}

uint32_t csum_partial(const void *buf, size_t len, uint32_t sum)
{
	return impl->partial(buf, len, sum);
}

uint32_t csum_copy(void *dst, const void *src, size_t len, uint32_t sum)
{
	return impl->copy(dst, src, len, sum);
}

uint32_t csum_pseudo4(const void *addrs, uint8_t proto, uint32_t len)
{
	uint32_t words[2] = { htobe32(proto), htobe32(len) };

	return csum_partial(words, sizeof(words), csum_partial(addrs, 8, 0));
}

uint32_t csum_pseudo6(const void *addrs, uint8_t proto, uint32_t len)
{
	uint32_t words[2] = { htobe32(proto), htobe32(len) };

	return csum_partial(words, sizeof(words), csum_partial(addrs, 32, 0));
}
