/* SPDX-License-Identifier: Apache-2.0 */
/* pace.c - Time gathered and spent. */
#include "vhost/pace.h"

#include "base/clock.h"
#include "base/compiler.h"

unsigned vhost_pace_wait_ms(const struct vhost_pace *p, uint64_t now_ns)
{
	return p->paid_until_ns <= now_ns ? 0 : (unsigned)((p->paid_until_ns - now_ns) / NSEC_PER_MSEC) + 1;
}

void vhost_pace_charge(struct vhost_pace *p, uint64_t now_ns, unsigned cost_ms)
{
	const uint64_t most = PACE_MOST_MS * NSEC_PER_MSEC;
	uint64_t least = now_ns > most ? now_ns - most : 0;

	p->paid_until_ns = MAX(p->paid_until_ns, least) + cost_ms * NSEC_PER_MSEC;
}
