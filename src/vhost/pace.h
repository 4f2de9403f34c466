/* SPDX-License-Identifier: Apache-2.0 */
/* pace.h - How often a front-end may come back.
 *
 * A connection costs the control thread work, and workers a moment in which they cannot enter the port's rings; one that breaks the rules can
 * cost more. Each is paid for with time, of which a front-end that stays away gathers up to PACE_MOST_MS. So one that comes and
 * goes in a loop gets ten connections a second, one that breaks the rules each time gets two, and whoever does neither never waits. */
#ifndef RINGWAY_VHOST_PACE_H
#define RINGWAY_VHOST_PACE_H

#include <stdint.h>

enum { PACE_MOST_MS = 5000, PACE_CONNECTION_MS = 100, PACE_FAULT_MS = 400 };

struct vhost_pace {
	uint64_t
	    paid_until_ns; /* as long as that lies in the future there is no connection; at 0 there is all the time in the world */
};

/* For how long no connection is to be taken; 0: take one. now_ns: CLOCK_MONOTONIC. */
unsigned vhost_pace_wait_ms(const struct vhost_pace *p, uint64_t now_ns);
/* One was taken, or has ended with a fault. */
void vhost_pace_charge(struct vhost_pace *p, uint64_t now_ns, unsigned cost_ms);

#endif
