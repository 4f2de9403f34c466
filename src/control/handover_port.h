/* SPDX-License-Identifier: Apache-2.0 */
/* handover_port.h - Ports in a document of a handover: the state of one, and its places (vhost/backend_state.h). */
#ifndef RINGWAY_CONTROL_HANDOVER_PORT_H
#define RINGWAY_CONTROL_HANDOVER_PORT_H

#include <jansson.h>

struct handover_fds;
struct handover_form;
struct network_config;
struct port_config;
struct runtime;
struct runtime_error;
struct runtime_port;

extern const struct handover_form handover_listener_form; /* of struct vhost_listener_state */

/* New references. NULL: out of memory, or, with a text, cannot be handed over now. The second when workers stand still. */
json_t *handover_port_save(const struct runtime_port *rp, struct handover_fds *fds, struct runtime_error *e);
json_t *handover_port_save_places(const struct runtime_port *rp);

/* Make the port of this configuration, as the state says. 0 or negative errno. */
int handover_port_resume(struct runtime *rt, const char *network, const struct port_config *c, const json_t *state,
			 const struct handover_fds *fds, struct runtime_error *e);
int handover_port_go_on(struct runtime_port *rp, const json_t *places, struct runtime_error *e);

#endif
