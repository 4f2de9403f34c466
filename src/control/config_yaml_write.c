/* SPDX-License-Identifier: Apache-2.0 */
/* config_yaml_write.c - A JSON tree as YAML text, for `ringway config get`. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/compiler.h"
#include "control/config_yaml.h"

/* libyaml takes ownership of an event, whether it could be written or not. */
static bool emit(yaml_emitter_t *emitter, yaml_event_t *event, int initialized)
{
	return initialized && yaml_emitter_emit(emitter, event);
}

static bool write_scalar(yaml_emitter_t *emitter, const char *text, bool quoted)
{
	yaml_event_t event;

	return emit(emitter, &event,
		    yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text), 1, 1,
						 quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE));
}

/* Would the text, unquoted, be read as something else? */
static bool needs_quotes(const char *text)
{
	static const char *const words[] = { "null", "true", "false", "yes", "no", "on", "off" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(text, words[i]) == 0)
			return true;
	return !isalpha((unsigned char)*text) && *text != '/';
}

static bool write_node(yaml_emitter_t *emitter, const json_t *node);

static bool write_list(yaml_emitter_t *emitter, const json_t *list)
{
	yaml_event_t event;
	json_t *value;
	size_t i;

	if (!emit(emitter, &event,
		  yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE)))
		return false;
	json_array_foreach (list, i, value)
		if (!write_node(emitter, value))
			return false;
	return emit(emitter, &event, yaml_sequence_end_event_initialize(&event));
}

static bool write_object(yaml_emitter_t *emitter, const json_t *object)
{
	yaml_event_t event;
	const char *key;
	json_t *value;

	if (!emit(emitter, &event,
		  yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE)))
		return false;
	json_object_foreach ((json_t *)(uintptr_t)object, key, value)
		if (!write_scalar(emitter, key, needs_quotes(key)) || !write_node(emitter, value))
			return false;
	return emit(emitter, &event, yaml_mapping_end_event_initialize(&event));
}

static bool write_node(yaml_emitter_t *emitter, const json_t *node)
{
	char *text;
	bool ok;

	if (json_is_array(node))
		return write_list(emitter, node);
	if (json_is_object(node))
		return write_object(emitter, node);
	if (json_is_string(node))
		return write_scalar(emitter, json_string_value(node), needs_quotes(json_string_value(node)));
	text = json_dumps(node, JSON_ENCODE_ANY);
	ok = text && write_scalar(emitter, text, false);
	free(text);
	return ok;
}

static bool write_stream(yaml_emitter_t *emitter, const json_t *tree)
{
	yaml_event_t event;

	return emit(emitter, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING)) &&
	       emit(emitter, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1)) &&
	       write_node(emitter, tree) && emit(emitter, &event, yaml_document_end_event_initialize(&event, 1)) &&
	       emit(emitter, &event, yaml_stream_end_event_initialize(&event)) && yaml_emitter_flush(emitter);
}

static int append(void *arg, unsigned char *text, size_t len)
{
	return fwrite(text, 1, len, arg) == len;
}

char *config_yaml_write(const json_t *tree)
{
	yaml_emitter_t emitter;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	bool ok = false;

	if (out && yaml_emitter_initialize(&emitter)) {
		yaml_emitter_set_output(&emitter, append, out);
		yaml_emitter_set_unicode(&emitter, 1);
		ok = write_stream(&emitter, tree);
		yaml_emitter_delete(&emitter);
	}
	if (out)
		fclose(out);
	if (!ok) {
		free(text);
		text = NULL;
	}
	return text;
}
