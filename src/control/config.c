/* SPDX-License-Identifier: Apache-2.0 */
/* config.c - Reading a configuration file, and the life of what was read. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config.h"
#include "control/config_yaml.h"

int config_read_file(const char *path, struct config *c, struct config_error *e)
{
	struct config_yaml yaml;
	int err = config_yaml_read(&yaml, path, e);

	if (err)
		return err;
	err = config_from_json(yaml.tree, c, e);
	if (err)
		config_yaml_locate(&yaml, path, e);
	config_yaml_deinit(&yaml);
	return err;
}

void network_config_deinit(struct network_config *c)
{
	free(c->ports);
	c->ports = NULL;
	c->n_ports = 0;
}

void config_deinit(struct config *c)
{
	for (size_t i = 0; i < c->n_networks; i++)
		network_config_deinit(&c->networks[i]);
	free(c->networks);
	free(c->pinned);
	c->pinned = NULL;
	c->n_pinned = 0;
	c->networks = NULL;
	c->n_networks = 0;
}

struct network_config *config_find_network(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_networks; i++)
		if (strcmp(c->networks[i].name, name) == 0)
			return &c->networks[i];
	return NULL;
}

struct port_config *network_config_find_port(const struct network_config *c, const char *name)
{
	for (size_t i = 0; i < c->n_ports; i++)
		if (strcmp(c->ports[i].name, name) == 0)
			return &c->ports[i];
	return NULL;
}

void config_error_format(const struct config_error *e, char *buf, size_t size)
{
	char line[16] = "";

	if (e->line > 0)
		snprintf(line, sizeof(line), "%s%d", e->file[0] ? ":" : "line ", e->line);
	snprintf(buf, size, "%s%s%s%s%s%s", e->file, line, e->file[0] || e->line > 0 ? ": " : "", e->field,
		 e->field[0] ? ": " : "", e->text);
}
