/* SPDX-License-Identifier: Apache-2.0 */
/* config_parse.c - Walks a JSON tree along the schema and fills in the structures of config.h.
 *
 * The tree may come from anybody who can write to the API socket: every value is checked against its key before it is stored.
 * Lists are allocated and counted before their elements are read, so config_deinit() frees a half-read one. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_parse.h"
#include "control/config_path.h"
#include "control/config_schema.h"

struct parse {
	struct config_path path;
	struct config_error *e;
};

int config_fail(struct config_error *e, const char *field, const char *fmt, ...)
{
	va_list args;

	memset(e, 0, sizeof(*e));
	snprintf(e->field, sizeof(e->field), "%s", field);
	va_start(args, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, args);
	va_end(args);
	return -EINVAL;
}

/* The value as a person would name it: 99, "two", the number 1, a list. `typed`: its type is what is wrong. */
static void describe_value(const json_t *value, bool typed, char *buf, size_t size)
{
	enum { SHOWN_MAX = 60 };
	char *text;

	if (json_is_object(value) || json_is_array(value) || json_is_null(value)) {
		snprintf(buf, size, "%s",
			 json_is_object(value)  ? "a mapping"
			 : json_is_array(value) ? "a list"
						: "empty");
		return;
	}
	text = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	snprintf(buf, size, "%s%.*s%s",
		 !typed || json_is_boolean(value) ? ""
		 : json_is_string(value)          ? "the text "
						  : "the number ",
		 SHOWN_MAX, text ? text : "?", text && strlen(text) > SHOWN_MAX ? "..." : "");
	free(text);
}

static int fail_value(struct parse *p, const struct config_key *k, const json_t *value, bool typed)
{
	char found[128], allowed[128];

	describe_value(value, typed, found, sizeof(found));
	config_key_allowed(k, allowed, sizeof(allowed));
	return config_fail(p->e, p->path.text, "is %s, allowed: %s", found, allowed);
}

static int fail_unknown(struct parse *p, const struct config_object *o, const char *name)
{
	const struct config_key *nearest = config_key_nearest(o, name);
	char all[256];
	size_t len = 0;

	if (nearest)
		return config_fail(p->e, p->path.text, "is not a known key, the nearest one is: %s", nearest->name);
	all[0] = 0;
	for (size_t i = 0; i < o->n_keys && len < sizeof(all); i++)
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", i ? ", " : "", o->keys[i].name);
	return config_fail(p->e, p->path.text, "is not a known key, allowed: %s", all);
}

/* JSON's type of a key's value; KEY_WORKERS takes the one string as well. */
static bool type_fits(const struct config_key *k, const json_t *value)
{
	switch (k->kind) {
	case KEY_NUMBER:
		return json_is_integer(value);
	case KEY_WORKERS:
		return json_is_integer(value) || (json_is_string(value) && !strcmp(json_string_value(value), "auto"));
	default:
		return json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value);
	}
}

static int parse_scalar(struct parse *p, const struct config_key *k, const json_t *value, char *base)
{
	char number[32];
	const char *text = json_string_value(value);

	if (!type_fits(k, value))
		return fail_value(p, k, value, true);
	if (json_is_integer(value)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		text = number;
	}
	return config_key_set_text(k, base + k->offset, text) ? 0 : fail_value(p, k, value, false);
}

static int parse_object(struct parse *p, const struct config_object *o, const json_t *tree, char *base);

/* A list, or nothing at all as in "ports:" with no entry behind it. */
static int parse_list(struct parse *p, const struct config_key *k, const json_t *value, char *base)
{
	size_t n = json_array_size(value);
	char *elements;
	int err = 0;

	if (!json_is_array(value) && !json_is_null(value))
		return fail_value(p, k, value, true);
	if (n > k->max)
		return config_fail(p->e, p->path.text, "has %zu entries, allowed: up to %u", n, k->max);
	if (n == 0)
		return 0;
	elements = calloc(n, k->object->size);
	if (!elements)
		return -ENOMEM;
	memcpy(base + k->offset, &elements, sizeof(elements));
	memcpy(base + k->count_offset, &n, sizeof(n));
	for (size_t i = 0; i < n && !err; i++) {
		size_t before = config_path_index(&p->path, i);

		err = parse_object(p, k->object, json_array_get(value, i), elements + i * k->object->size);
		config_path_cut(&p->path, before);
	}
	return err;
}

/* The number, and the list behind it. */
static int parse_workers(struct parse *p, const struct config_key *k, const json_t *value, char *base)
{
	struct config_key list = *k;
	unsigned n = (unsigned)json_array_size(value);

	if (!json_is_array(value))
		return parse_scalar(p, k, value, base);
	if (n == 0)
		return config_fail(p->e, p->path.text, "has no entries, allowed: %u..%u", k->min, k->max);
	list.kind = KEY_LIST;
	list.offset = k->list_offset;
	memcpy(base + k->offset, &n, sizeof(n));
	return parse_list(p, &list, value, base);
}

static int parse_value(struct parse *p, const struct config_key *k, const json_t *value, char *base)
{
	if (k->kind == KEY_LIST)
		return parse_list(p, k, value, base);
	if (k->kind == KEY_OBJECT)
		return parse_object(p, k->object, value, base);
	if (k->kind == KEY_WORKERS)
		return parse_workers(p, k, value, base);
	return parse_scalar(p, k, value, base);
}

static int set_default(struct parse *p, const struct config_key *k, char *base)
{
	char allowed[128];

	if (k->required) {
		config_key_allowed(k, allowed, sizeof(allowed));
		return config_fail(p->e, p->path.text, "is missing, allowed: %s", allowed);
	}
	if (k->fallback)
		config_key_set_text(k, base + k->offset, k->fallback);
	return 0;
}

static int parse_key(struct parse *p, const struct config_object *o, const struct config_key *k, const json_t *value,
		     char *base)
{
	size_t before = config_path_key(&p->path, k->name);
	bool applies = o != &port_schema || config_key_applies(k, ((const struct port_config *)(void *)base)->type);
	int err;

	if (value && !applies)
		err = config_fail(p->e, p->path.text, "is not a key of ports of type %s",
				  port_type_name(((const struct port_config *)(void *)base)->type));
	else if (value)
		err = parse_value(p, k, value, base);
	else if (k->kind == KEY_OBJECT)
		err = parse_object(p, k->object, NULL, base);
	else
		err = applies ? set_default(p, k, base) : 0;
	config_path_cut(&p->path, before);
	return err;
}

static int refuse_unknown(struct parse *p, const struct config_object *o, const json_t *tree)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)tree, name, value) {
		if (!config_key_find(o, name)) {
			config_path_key(&p->path, name);
			return fail_unknown(p, o, name);
		}
	}
	return 0;
}

/* `tree` NULL or JSON's null: nothing given, all defaults. Null is what YAML makes of "api:" alone. */
static int parse_object(struct parse *p, const struct config_object *o, const json_t *tree, char *base)
{
	int err;

	if (tree && !json_is_object(tree) && !json_is_null(tree)) {
		char found[128];

		describe_value(tree, true, found, sizeof(found));
		return config_fail(p->e, p->path.text, "is %s, allowed: a mapping of keys to values", found);
	}
	err = refuse_unknown(p, o, tree);
	for (size_t i = 0; i < o->n_keys && !err; i++)
		err = parse_key(p, o, &o->keys[i], json_object_get(tree, o->keys[i].name), base);
	if (!err && o == &port_schema)
		err = port_config_finish((struct port_config *)(void *)base, p->path.text, p->e);
	return err;
}

/* Read and check all of `tree`, into the structure at `base`. */
static int parse_root(const struct config_object *o, const json_t *tree, void *base, struct config_error *e)
{
	struct parse p = { .e = e };
	int err;

	memset(e, 0, sizeof(*e));
	memset(base, 0, o->size);
	err = parse_object(&p, o, tree, base);
	if (!err && o == &config_schema)
		err = config_check(base, e);
	if (!err && o == &network_schema)
		err = network_config_check(base, e);
	if (err == -ENOMEM)
		config_fail(e, p.path.text, "out of memory");
	return err;
}

int config_from_json(const json_t *tree, struct config *c, struct config_error *e)
{
	int err = parse_root(&config_schema, tree, c, e);

	if (err)
		config_deinit(c);
	return err;
}

int network_config_from_json(const json_t *tree, struct network_config *c, struct config_error *e)
{
	int err = parse_root(&network_schema, tree, c, e);

	if (err)
		network_config_deinit(c);
	return err;
}

int port_config_from_json(const json_t *tree, struct port_config *c, struct config_error *e)
{
	return parse_root(&port_schema, tree, c, e);
}

void config_init_default(struct config *c)
{
	struct config_error e;

	/* Nothing in the top object is required, and its defaults are within their limits: test_config.c. */
	(void)parse_root(&config_schema, NULL, c, &e);
}
