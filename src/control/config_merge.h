/* SPDX-License-Identifier: Apache-2.0 */
/* config_merge.h - What a changed file changes in a configuration that was changed otherwise as well.
 *
 * A daemon that takes over finds what runs, with all that was done through the API, and the configuration file, which somebody may have
 * edited since the daemon before it has read it. */
#ifndef RINGWAY_CONTROL_CONFIG_MERGE_H
#define RINGWAY_CONTROL_CONFIG_MERGE_H

#include <stdbool.h>

struct config;
struct network_config;
struct port_config;

/* Add to `running`, take out of it and replace in it the networks and ports that `after` has otherwise than `before`. What is the same
 * in both stays as it runs, or gone. Nothing else of `running` changes. 0 or -ENOMEM. */
int config_merge(struct config *running, const struct config *before, const struct config *after);

bool port_config_same(const struct port_config *a, const struct port_config *b);
/* Apart from the ports. */
bool network_config_same(const struct network_config *a, const struct network_config *b);

#endif
