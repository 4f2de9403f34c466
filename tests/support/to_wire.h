/* SPDX-License-Identifier: Apache-2.0 */
/* to_wire.h - The whole way of a frame from a port to a wire that can do nothing, without the ports. */
#ifndef RINGWAY_TESTS_TO_WIRE_H
#define RINGWAY_TESTS_TO_WIRE_H

#include "frames.h"
#include "packet/frame.h"

/* How the sending port writes: by copying, or by handing on a scatter list. */
enum writer { BY_COPY, BY_IOV, N_WRITERS };

/* Check the request of `f`, as the port does on which a frame arrives, and bring what becomes of it to `out`, as the port does that
 * sends it. Nothing comes out of what is refused. `f` is changed. */
void to_wire(struct frame *f, enum writer writer, struct frames *out);

/* Can this writer reach the checksum field? */
bool to_wire_reaches_csum(const struct offload *o, enum writer writer);

#endif
