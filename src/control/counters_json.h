/* SPDX-License-Identifier: Apache-2.0 */
/* counters_json.h - A port's counters as JSON: for the API, and for a process that takes over. */
#ifndef RINGWAY_CONTROL_COUNTERS_JSON_H
#define RINGWAY_CONTROL_COUNTERS_JSON_H

#include <jansson.h>

struct port_counters;

/* New reference. */
json_t *counters_to_json(const struct port_counters *c);
/* What is not there is 0; what has a name of another version's is left out. */
void counters_from_json(const json_t *object, struct port_counters *c);

#endif
