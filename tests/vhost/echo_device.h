/* SPDX-License-Identifier: Apache-2.0 */
/* echo_device.h - A network device that sends each frame back on the pair that it came from, over a back-end's rings.
 *
 * Plain and slow: it gathers a frame, then scatters it. Stands for the data path in tests of the front-end. */
#ifndef RINGWAY_TESTS_VHOST_ECHO_DEVICE_H
#define RINGWAY_TESTS_VHOST_ECHO_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "vhost/backend.h"

struct echo_device {
	struct vhost_backend *b;
	unsigned n_pairs;
	uint64_t n_frames;
	uint8_t buf[70000];
};

/* Send back what there is, as long as there are receive buffers. */
void echo_device_run(struct echo_device *e);
/* The same without a look for broken rings, which is the control thread's: for a thread of its own. */
void echo_device_run_rings(struct echo_device *e);

#endif
