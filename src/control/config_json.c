/* SPDX-License-Identifier: Apache-2.0 */
/* config_json.c - From the structures of config.h back to a JSON tree, along the schema.
 *
 * What is written reads back as the same configuration. A failed allocation leaves a NULL in jansson's hands, which it
 * ignores: the tree lacks a member then, or is NULL. */
#include <stdint.h>
#include <string.h>

#include "control/config_schema.h"

static json_t *object_to_json(const struct config_object *o, const char *base, bool with_defaults);

static size_t list_length(const struct config_key *k, const char *base)
{
	size_t n;

	memcpy(&n, base + k->count_offset, sizeof(n));
	return n;
}

static json_t *list_to_json(const struct config_key *k, const char *base, bool with_defaults)
{
	json_t *list = json_array();
	const char *elements;
	size_t n = list_length(k, base);

	memcpy(&elements, base + (k->kind == KEY_LIST ? k->offset : k->list_offset), sizeof(elements));
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, object_to_json(k->object, elements + i * k->object->size, with_defaults));
	return list;
}

static json_t *value_to_json(const struct config_key *k, const char *base, bool with_defaults)
{
	unsigned number = 0;

	if (k->size == sizeof(number))
		memcpy(&number, base + k->offset, sizeof(number));
	switch (k->kind) {
	case KEY_WORKERS:
		if (list_length(k, base))
			return list_to_json(k, base, with_defaults);
		return json_integer(number);
	case KEY_NUMBER:
		return json_integer(number);
	case KEY_WORD:
		return json_string(k->words[number]);
	case KEY_MODE:
		return json_sprintf("%04o", number);
	case KEY_OBJECT:
		return object_to_json(k->object, base, with_defaults);
	case KEY_LIST:
		return list_to_json(k, base, with_defaults);
	default:
		return base[k->offset] ? json_string(base + k->offset) : NULL;
	}
}

/* Does the field hold what reading gives when the key is not there? */
static bool is_default(const struct config_object *o, const struct config_key *k, const char *base)
{
	_Alignas(unsigned) char field[CONFIG_PATH_MAX] = { 0 };
	const struct port_config *port = (const void *)base;

	if (k->kind == KEY_OBJECT || k->kind == KEY_LIST || k->required)
		return false;
	if (k->kind == KEY_WORKERS && list_length(k, base))
		return false;
	if (k->fallback && config_key_set_text(k, field, k->fallback))
		return memcmp(field, base + k->offset, k->size) == 0;
	if (o == &port_schema && strcmp(k->name, "ifname") == 0)
		return strcmp(port->ifname, port->name) == 0;
	if (o == &port_schema && strcmp(k->name, "socket") == 0) {
		size_t len = strlen(port->name);

		return strncmp(port->socket, port->name, len) == 0 && strcmp(port->socket + len, ".sock") == 0;
	}
	return false;
}

static json_t *object_to_json(const struct config_object *o, const char *base, bool with_defaults)
{
	json_t *object = json_object();

	for (size_t i = 0; i < o->n_keys; i++) {
		const struct config_key *k = &o->keys[i];
		json_t *value;

		if (o == &port_schema && !config_key_applies(k, ((const struct port_config *)(const void *)base)->type))
			continue;
		if (!with_defaults && is_default(o, k, base))
			continue;
		value = value_to_json(k, base, with_defaults);
		if (!with_defaults && k->kind == KEY_OBJECT && json_object_size(value) == 0) {
			json_decref(value);
			value = NULL;
		}
		if (value)
			json_object_set_new(object, k->name, value);
	}
	return object;
}

json_t *config_to_json(const struct config *c, bool with_defaults)
{
	return object_to_json(&config_schema, (const char *)c, with_defaults);
}

json_t *network_config_to_json(const struct network_config *c, bool with_defaults)
{
	return object_to_json(&network_schema, (const char *)c, with_defaults);
}

json_t *port_config_to_json(const struct port_config *c, bool with_defaults)
{
	return object_to_json(&port_schema, (const char *)c, with_defaults);
}
