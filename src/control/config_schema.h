/* SPDX-License-Identifier: Apache-2.0 */
/* config_schema.h - The table of configuration keys: names, types, limits, defaults, help.
 *
 * config_schema.c holds one array per object. Reading (config_parse.c), writing (config_json.c), the options of `ringway network
 * add` and `ringway port add`, and the tables of ringway.yaml(5) all walk it; a new key is one new line there and one field
 * in config.h. */
#ifndef RINGWAY_CONTROL_CONFIG_SCHEMA_H
#define RINGWAY_CONTROL_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "control/config.h"

enum key_kind {
	KEY_NUMBER, /* unsigned */
	KEY_WORD,   /* one of `words`, stored as its place among them in an enum */
	KEY_NAME,   /* char[]: a letter or digit, then letters, digits and _ . - */
	KEY_TEXT,   /* char[]: printable, no blanks, '/' or ':' */
	KEY_PATH,   /* char[]: printable */
	KEY_MODE,   /* mode_t, written as octal text */
	KEY_OBJECT, /* keys of their own, in the same structure */
	KEY_LIST,   /* a pointer to an array of objects, and a size_t at `count_offset` */
	/* unsigned; or "auto", one per CPU that we may use; or a list, as many as it has entries, stored at `list_offset` */
	KEY_WORKERS,
};

struct config_object;

struct config_key {
	const char *name;
	enum key_kind kind;
	bool required;
	unsigned port_types; /* ports only: a set of 1 << enum port_type, 0: all */
	unsigned min, max;   /* number, or most entries of a list */
	size_t offset, size; /* of the field */
	size_t count_offset;
	size_t list_offset;
	const char *const *words;
	const struct config_object *object; /* of KEY_OBJECT, of a list's elements */
	const char *fallback;               /* default as text; NULL: required, or "" or empty until others are known */
	const char *fallback_help;          /* how that default is found */
	const char *help;
};

struct config_object {
	const char *name;
	size_t size; /* of the structure */
	size_t n_keys;
	const struct config_key *keys;
};

extern const struct config_object config_schema, network_schema, port_schema;

/* The key called `name`, or NULL. */
const struct config_key *config_key_find(const struct config_object *o, const char *name);
/* The key whose name is nearest to `name` by edit distance, or NULL when none is near. */
const struct config_key *config_key_nearest(const struct config_object *o, const char *name);
/* Does the key belong to ports of this type? */
bool config_key_applies(const struct config_key *k, enum port_type type);

/* What a key may be, for messages and the manual: "1..16", "adaptive, always or never". */
void config_key_allowed(const struct config_key *k, char *buf, size_t size);

/* Take over a value given as text (a default, or a word of the file). False: not allowed. `field` is where the key's field is. */
bool config_key_set_text(const struct config_key *k, void *field, const char *text);

#endif
