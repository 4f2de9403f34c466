/* SPDX-License-Identifier: Apache-2.0 */
/* vector.h - One recorded case: what went into a kernel, and what came out. */
#ifndef RINGWAY_TESTS_VECTOR_H
#define RINGWAY_TESTS_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frames.h"

enum { VECTOR_FRAMES_MAX = 4096 };

enum vector_kind { VECTOR_GSO, VECTOR_GRO, VECTOR_OTHER };
enum vector_expect { EXPECT_GOOD, EXPECT_BAD, EXPECT_NA, EXPECT_QUIRK };

struct vector {
	char *name;
	char *note; /* "" without one */
	enum vector_kind kind;
	enum vector_expect expect;
	bool udp_gro_forwarding;
	bool passed; /* verdict ok */
	struct bytes vnet_hdr;
	size_t mask_off, mask_len;
	size_t n_in, n_out, n_out_hdrs;
	struct bytes in[VECTOR_FRAMES_MAX];
	struct bytes out[VECTOR_FRAMES_MAX];
	struct bytes out_hdrs[VECTOR_FRAMES_MAX];
};

/* Read one file into zeroed memory. 0; -EINVAL for a file of another format; another negative errno. Free it in any case. */
int vector_read(struct vector *v, const char *path);
void vector_free(struct vector *v);

/* Run a case through src/packet. True when it came out as it should; prints why not. */
bool run_gso(const struct vector *v);
bool run_gro(const struct vector *v);

/* The same bytes, but for the masked ones? Prints the first that differs. `what` names the frame. */
bool same_bytes(const struct vector *v, const char *what, size_t idx, struct bytes got, struct bytes expected);

/* Print "FAILED name: ..." */
bool failed(const struct vector *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
