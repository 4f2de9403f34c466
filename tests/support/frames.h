/* SPDX-License-Identifier: Apache-2.0 */
/* frames.h - Frames as plain bytes, and lists of them. */
#ifndef RINGWAY_TESTS_FRAMES_H
#define RINGWAY_TESTS_FRAMES_H

#include <stddef.h>
#include <stdint.h>

struct bytes {
	uint8_t *data; /* exactly `len` bytes are allocated, so that a sanitizer sees a read beyond them */
	size_t len;
};

/* Frames that were put out, in a list that grows. */
struct frames {
	struct bytes *at;
	size_t n, room;
};

/* Append `len` bytes that the caller fills in. */
uint8_t *frames_add(struct frames *frames, size_t len);
void frames_free(struct frames *frames);

#endif
