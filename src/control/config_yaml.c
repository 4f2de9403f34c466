/* SPDX-License-Identifier: Apache-2.0 */
/* config_yaml.c - libyaml's events made into a JSON tree.
 *
 * Recursive descent over the event stream, bounded in depth. The caller of each read_*() has fetched the event that the
 * function is about. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "base/compiler.h"
#include "control/config_path.h"
#include "control/config_yaml.h"

/* syscalls control: openat read newfstatat fstat close */

enum { DEPTH_MAX = 16, FILE_SIZE_MAX = 4 << 20 };

struct reader {
	yaml_parser_t parser;
	struct config_path path;
	json_t *lines;
	unsigned depth;
	struct config_error *e;
};

static int printf_like(4, 5) fail_at(struct reader *r, size_t line, int err, const char *fmt, ...)
{
	va_list args;

	r->e->line = (int)line + 1;
	snprintf(r->e->field, sizeof(r->e->field), "%s", r->path.text);
	va_start(args, fmt);
	vsnprintf(r->e->text, sizeof(r->e->text), fmt, args);
	va_end(args);
	return err;
}

static int fail_memory(struct reader *r)
{
	return fail_at(r, r->parser.mark.line, -ENOMEM, "out of memory");
}

static int next_event(struct reader *r, yaml_event_t *event)
{
	const yaml_parser_t *p = &r->parser;

	if (yaml_parser_parse(&r->parser, event))
		return 0;
	if (p->error == YAML_MEMORY_ERROR)
		return fail_memory(r);
	config_path_cut(&r->path, 0); /* no value is wrong but the text */
	if (p->error == YAML_READER_ERROR)
		return fail_at(r, p->mark.line, -EINVAL, "is not YAML: %s", p->problem);
	return fail_at(r, p->problem_mark.line, -EINVAL, "is not YAML: %s%s%s, column %zu",
		       p->context ? p->context : "", p->context ? ", " : "", p->problem, p->problem_mark.column + 1);
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

/* YAML 1.2, 10.3.2: a plain scalar in the core schema. */
static json_t *plain_scalar(const char *text)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const trues[] = { "true", "True", "TRUE", NULL };
	static const char *const falses[] = { "false", "False", "FALSE", NULL };
	const char *digits = text + (*text == '-' || *text == '+');
	json_t *real = NULL;
	long long integer;
	char *end;

	if (is_one_of(text, nulls))
		return json_null();
	if (is_one_of(text, trues) || is_one_of(text, falses))
		return json_boolean(is_one_of(text, trues));
	if (text[strspn(text, "+-.0123456789eE")] || (digits[0] == '0' && digits[1] && digits[1] != '.'))
		return json_string(text);
	errno = 0;
	integer = strtoll(text, &end, 10);
	if (end != text && !*end && !errno)
		return json_integer(integer);
	errno = 0;
	if (strpbrk(digits, "0123456789")) {
		double value = strtod(text, &end);

		if (end != text && !*end && !errno)
			real = json_real(value);
	}
	return real ? real : json_string(text);
}

static int read_scalar(struct reader *r, const yaml_event_t *event, json_t **out)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;

	if (memchr(text, 0, len))
		return fail_at(r, event->start_mark.line, -EINVAL, "has a NUL character");
	*out = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain_scalar(text) : json_stringn(text, len);
	return *out ? 0 : fail_memory(r);
}

static int read_node(struct reader *r, const yaml_event_t *event, json_t **out);

static int note_line(struct reader *r, size_t line)
{
	return json_object_set_new_nocheck(r->lines, r->path.text, json_integer((json_int_t)line + 1)) ? fail_memory(r)
												       : 0;
}

static int read_sequence(struct reader *r, json_t *list)
{
	for (size_t i = 0;; i++) {
		yaml_event_t event;
		json_t *value = NULL;
		size_t before;
		int err = next_event(r, &event);

		if (err || event.type == YAML_SEQUENCE_END_EVENT)
			return err;
		before = config_path_index(&r->path, i);
		err = note_line(r, event.start_mark.line);
		if (!err)
			err = read_node(r, &event, &value);
		yaml_event_delete(&event);
		if (!err && json_array_append_new(list, value))
			err = fail_memory(r);
		if (err)
			return err;
		config_path_cut(&r->path, before);
	}
}

static int read_key(struct reader *r, const json_t *object, const yaml_event_t *event)
{
	const char *key = (const char *)event->data.scalar.value;

	if (event->type != YAML_SCALAR_EVENT)
		return fail_at(r, event->start_mark.line, -EINVAL, "has a key that is not text");
	if (memchr(key, 0, event->data.scalar.length))
		return fail_at(r, event->start_mark.line, -EINVAL, "has a NUL character");
	config_path_key(&r->path, key);
	if (json_object_get(object, key))
		return fail_at(r, event->start_mark.line, -EINVAL, "is given twice");
	return note_line(r, event->start_mark.line);
}

/* The value behind the key of `key_event`. */
static int read_pair(struct reader *r, json_t *object, const yaml_event_t *key_event)
{
	yaml_event_t event;
	json_t *value = NULL;
	int err = next_event(r, &event);

	if (err)
		return err;
	err = read_node(r, &event, &value);
	yaml_event_delete(&event);
	if (!err && json_object_set_new(object, (const char *)key_event->data.scalar.value, value))
		err = fail_memory(r);
	return err;
}

static int read_mapping(struct reader *r, json_t *object)
{
	for (;;) {
		yaml_event_t event;
		size_t before = r->path.len;
		int err = next_event(r, &event);

		if (err || event.type == YAML_MAPPING_END_EVENT)
			return err;
		err = read_key(r, object, &event);
		if (!err)
			err = read_pair(r, object, &event);
		yaml_event_delete(&event);
		if (err)
			return err;
		config_path_cut(&r->path, before);
	}
}

static int read_collection(struct reader *r, const yaml_event_t *event, json_t **out)
{
	bool is_list = event->type == YAML_SEQUENCE_START_EVENT;
	json_t *made = is_list ? json_array() : json_object();
	int err;

	if (!made)
		return fail_memory(r);
	if (r->depth == DEPTH_MAX) {
		json_decref(made);
		return fail_at(r, event->start_mark.line, -EINVAL, "is nested too deeply, allowed: %d levels",
			       DEPTH_MAX);
	}
	r->depth++;
	err = is_list ? read_sequence(r, made) : read_mapping(r, made);
	r->depth--;
	if (err)
		json_decref(made);
	else
		*out = made;
	return err;
}

static bool has_anchor_or_tag(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return event->data.scalar.anchor || event->data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT:
		return event->data.sequence_start.anchor || event->data.sequence_start.tag;
	case YAML_MAPPING_START_EVENT:
		return event->data.mapping_start.anchor || event->data.mapping_start.tag;
	default:
		return event->type == YAML_ALIAS_EVENT;
	}
}

static int read_node(struct reader *r, const yaml_event_t *event, json_t **out)
{
	if (has_anchor_or_tag(event))
		return fail_at(r, event->start_mark.line, -EINVAL,
			       "uses an anchor, an alias or a tag, which is not supported");
	if (event->type == YAML_SCALAR_EVENT)
		return read_scalar(r, event, out);
	return read_collection(r, event, out);
}

/* STREAM-START [DOCUMENT-START node DOCUMENT-END] STREAM-END */
static int read_stream(struct reader *r, json_t **out)
{
	bool in_document = false;

	for (;;) {
		yaml_event_t event;
		int err = next_event(r, &event);
		bool end = !err && event.type == YAML_STREAM_END_EVENT;

		if (err)
			return err;
		if (event.type == YAML_DOCUMENT_START_EVENT && *out)
			err = fail_at(r, event.start_mark.line, -EINVAL, "a second document begins here, allowed: one");
		else if (event.type == YAML_DOCUMENT_START_EVENT || event.type == YAML_DOCUMENT_END_EVENT)
			in_document = event.type == YAML_DOCUMENT_START_EVENT;
		else if (in_document)
			err = read_node(r, &event, out);
		yaml_event_delete(&event);
		if (err || end)
			return err;
	}
}

int config_yaml_parse(struct config_yaml *y, const char *text, size_t len, const char *name, struct config_error *e)
{
	struct reader r = { .e = e };
	int err;

	memset(e, 0, sizeof(*e));
	snprintf(e->file, sizeof(e->file), "%s", name);
	*y = (struct config_yaml){ .lines = json_object() };
	r.lines = y->lines;
	if (!y->lines || !yaml_parser_initialize(&r.parser)) {
		config_yaml_deinit(y);
		snprintf(e->text, sizeof(e->text), "out of memory");
		return -ENOMEM;
	}
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
	err = read_stream(&r, &y->tree);
	if (!err && (!y->tree || json_is_null(y->tree))) {
		json_decref(y->tree);
		y->tree = json_object();
		err = y->tree ? 0 : fail_memory(&r);
	}
	yaml_parser_delete(&r.parser);
	if (err)
		config_yaml_deinit(y);
	return err;
}

/* Up to FILE_SIZE_MAX bytes of `fd`. */
static int read_all(int fd, char **text, size_t *len)
{
	size_t room = 0;
	ssize_t n = 1;

	*text = NULL;
	*len = 0;
	while (n > 0) {
		if (*len == room) {
			char *larger = realloc(*text, room = room ? 2 * room : 16384);

			if (!larger)
				return -ENOMEM;
			*text = larger;
		}
		n = read(fd, *text + *len, room - *len);
		if (n < 0)
			return -errno;
		*len += (size_t)n;
		if (*len > FILE_SIZE_MAX)
			return -EFBIG;
	}
	return 0;
}

int config_yaml_read(struct config_yaml *y, const char *path, struct config_error *e)
{
	bool from_stdin = strcmp(path, "-") == 0;
	const char *name = from_stdin ? "<stdin>" : path;
	int fd = from_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t len = 0;
	int err = fd < 0 ? -errno : read_all(fd, &text, &len);

	if (fd >= 0 && !from_stdin)
		close(fd);
	if (err) {
		memset(e, 0, sizeof(*e));
		snprintf(e->file, sizeof(e->file), "%s", name);
		snprintf(e->text, sizeof(e->text), "cannot be read: %s", strerror(-err));
	} else {
		err = config_yaml_parse(y, text, len, name, e);
	}
	free(text);
	return err;
}

void config_yaml_deinit(struct config_yaml *y)
{
	json_decref(y->tree);
	json_decref(y->lines);
	*y = (struct config_yaml){ 0 };
}

/* The end of what encloses the last part of a path: 11 for "networks[0].name" and 8 for "networks[0]". */
static size_t parent_len(const char *path)
{
	size_t len = strlen(path);

	while (len > 0 && path[len - 1] != '.' && path[len - 1] != '[')
		len--;
	return len > 0 ? len - 1 : 0;
}

void config_yaml_locate(const struct config_yaml *y, const char *name, struct config_error *e)
{
	char path[sizeof(e->field)];
	json_t *line;

	snprintf(e->file, sizeof(e->file), "%s", strcmp(name, "-") == 0 ? "<stdin>" : name);
	snprintf(path, sizeof(path), "%s", e->field);
	line = json_object_get(y->lines, path);
	while (!line && path[0]) {
		path[parent_len(path)] = 0;
		line = json_object_get(y->lines, path);
	}
	e->line = line ? (int)json_integer_value(line) : 1;
}
