/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_config.c - Any bytes as ringway.yaml, and as the body of the REST calls that take a configuration.
 *
 * What is accepted must be written out and read again as the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "control/config.h"
#include "control/config_yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct config *c)
{
	json_t *tree = config_to_json(c, false), *second;
	struct config_error e;
	struct config again;

	if (config_from_json(tree, &again, &e))
		abort();
	second = config_to_json(&again, false);
	if (!json_equal(tree, second))
		abort();
	json_decref(second);
	json_decref(tree);
	config_deinit(&again);
}

static void put_through(const json_t *tree, const struct config_yaml *yaml)
{
	struct config_error e;
	struct config c;
	struct network_config network;
	struct port_config port;
	char text[1024];

	if (config_from_json(tree, &c, &e) == 0) {
		check_round_trip(&c);
		config_deinit(&c);
	} else {
		if (yaml)
			config_yaml_locate(yaml, "f", &e);
		config_error_format(&e, text, sizeof(text));
	}
	if (network_config_from_json(tree, &network, &e) == 0)
		network_config_deinit(&network);
	port_config_from_json(tree, &port, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_yaml yaml;
	struct config_error e;
	json_t *tree;

	if (config_yaml_parse(&yaml, (const char *)data, size, "f", &e) == 0) {
		put_through(yaml.tree, &yaml);
		free(config_yaml_write(yaml.tree));
		config_yaml_deinit(&yaml);
	}
	tree = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	if (tree)
		put_through(tree, NULL);
	json_decref(tree);
	return 0;
}
