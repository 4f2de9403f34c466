/* SPDX-License-Identifier: Apache-2.0 */
/* config_parse.h - From a JSON tree to the structures of config.h, shared by config_parse.c and config_check.c. */
#ifndef RINGWAY_CONTROL_CONFIG_PARSE_H
#define RINGWAY_CONTROL_CONFIG_PARSE_H

#include "base/compiler.h"
#include "control/config.h"

/* Fill in `e`; the field is the path, made of "networks[0]", ".ports[1]", ".name". Returns -EINVAL. */
int config_fail(struct config_error *e, const char *field, const char *fmt, ...) printf_like(3, 4);

/* What no single key can say: defaults that come from other keys, names and sockets that must be unique. `path` is where the
 * object stands: "", "networks[0]", "networks[0].ports[1]". 0 or -EINVAL. */
int port_config_finish(struct port_config *c, const char *path, struct config_error *e);
int network_config_check(const struct network_config *c, struct config_error *e);
int config_check(const struct config *c, struct config_error *e);

#endif
