/* SPDX-License-Identifier: Apache-2.0 */
/* config_yaml.h - A YAML file as a JSON tree, with the line of every value kept aside.
 *
 * Scalars are read by the core schema of YAML 1.2 (so `no` is text and `1` a number), with one exception: digits that begin with
 * a superfluous 0 stay text, because 0600 would be 384 in YAML 1.1 and 600 in 1.2. One document; no anchors, aliases
 * or tags, so that what is read is as large as the file. */
#ifndef RINGWAY_CONTROL_CONFIG_YAML_H
#define RINGWAY_CONTROL_CONFIG_YAML_H

#include <jansson.h>
#include <stddef.h>

#include "control/config.h"

struct config_yaml {
	json_t *tree;
	json_t *lines; /* path as of config_path.h -> line, 1.. */
};

/* 0, or -EINVAL, -ENOMEM or the error of reading, with `e` filled in. `path` "-": standard input. An empty file is an empty
 * mapping. */
int config_yaml_read(struct config_yaml *y, const char *path, struct config_error *e);
/* The same from memory; `name` stands in messages for the file. */
int config_yaml_parse(struct config_yaml *y, const char *text, size_t len, const char *name, struct config_error *e);
void config_yaml_deinit(struct config_yaml *y);

/* Add to an error found in the tree where it stands: the line of its field, or of what encloses a missing one. */
void config_yaml_locate(const struct config_yaml *y, const char *name, struct config_error *e);

/* `tree` as YAML text, or NULL when out of memory. The caller frees it. */
char *config_yaml_write(const json_t *tree);

#endif
