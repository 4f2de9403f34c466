/* SPDX-License-Identifier: Apache-2.0 */
/* good_pair.h - Two front-ends that exchange frames whatever happens around them, and may lose none. */
#ifndef RINGWAY_TESTS_GOOD_PAIR_H
#define RINGWAY_TESTS_GOOD_PAIR_H

#include "switch_rig.h"

struct good_pair {
	struct vhost_frontend *f[2];
	bool stop;         /* set by control: come to an end when all has arrived */
	uint64_t n_frames; /* that arrived, when it has ended */
};

/* Ports "good0" and "good1", and their front-ends. */
void good_pair_start(struct good_pair *p, struct rig *rig);
/* Checks their counters, too. */
void good_pair_stop(struct good_pair *p, struct rig *rig);
/* The thread that drives them; its arg is the pair. */
void good_pair_run(struct rig_thread *t);

#endif
