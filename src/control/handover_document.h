/* SPDX-License-Identifier: Apache-2.0 */
/* handover_document.h - The two documents of a handover (handover.h). */
#ifndef RINGWAY_CONTROL_HANDOVER_DOCUMENT_H
#define RINGWAY_CONTROL_HANDOVER_DOCUMENT_H

#include <jansson.h>
#include <stdint.h>

struct handover;
struct handover_fds;
struct handover_source;
struct runtime;
struct runtime_error;
struct vhost_listener_state;

/* New references; NULL, with a text: it cannot be handed over now. `server`: of the handover's own socket. */
json_t *handover_state_json(const struct handover_source *source, const struct vhost_listener_state *server,
			    struct handover_fds *fds, struct runtime_error *e);
/* NULL: out of memory. The runtime is paused, since `stopped_ns`. */
json_t *handover_places_json(const struct runtime *rt, uint64_t stopped_ns);

/* Read h->state, but for its ports, into the rest of `h`. 0 or negative errno. */
int handover_read_state(struct handover *h, struct runtime_error *e);
/* Make what h->state says, and start what h->places says. */
int handover_make_ports(const struct handover *h, struct runtime *rt, struct runtime_error *e);
int handover_start_ports(const struct handover *h, struct runtime *rt, uint64_t *stopped_ns, struct runtime_error *e);

#endif
