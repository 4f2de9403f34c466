/* SPDX-License-Identifier: Apache-2.0 */
/* kernel_path.h - What this machine's kernel makes of a frame and its virtio_net_hdr.
 *
 *	write -> tap "kin" -> tc ingress: mirred egress redirect -> tap "kout" -> read
 *
 * Both taps have IFF_VNET_HDR with a little-endian header of 12 bytes. What "kout" is said to be able to take decides what the kernel
 * has to finish; with IFF_NAPI on "kin" it also coalesces what is written there. */
#ifndef TESTS_NET_KERNEL_PATH_H
#define TESTS_NET_KERNEL_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "frames.h"
#include "virtio/vnet_hdr.h"

struct kernel_path {
	int in, out;
	uint64_t n_markers;
};

enum kernel_direction {
	KERNEL_CUTS,   /* kout takes nothing */
	KERNEL_MERGES, /* kin coalesces, kout takes TCP of any size */
};

/* In the caller's namespace, which has no device of these names. Leaves the program with EXIT_SKIP when tc or what it needs of the
 * kernel is not there. */
void kernel_path_open(struct kernel_path *k, enum kernel_direction direction);
void kernel_path_close(struct kernel_path *k);

/* False when write() says EINVAL. Any other error ends the test. */
bool kernel_path_write(struct kernel_path *k, const struct vnet_hdr *h, const uint8_t *frame, size_t len);

/* Wait for the next frame that comes out, at most so long; false when there is none. Frames that do not come from the MAC
 * addresses of packets.h are the kernel's own and skipped. `*h` is its header; the frame is added to `to`. */
bool kernel_path_read(struct kernel_path *k, int timeout_ms, struct vnet_hdr *h, struct frames *to);

/* All that became of what was written so far. A marker is sent behind it and waited for. */
void kernel_path_drain(struct kernel_path *k, struct frames *to);

#endif
