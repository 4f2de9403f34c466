/* SPDX-License-Identifier: Apache-2.0 */
/* handover_form.c - Packs and unpacks by the tables of handover_form.h. */
#include "control/handover_form.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/handover_fds.h"
#include "control/runtime_priv.h"

/* Numbers: of the low bytes, so this is for little-endian and big-endian alike. */

static uint64_t load(const void *from, size_t size)
{
	switch (size) {
	case 1:
		return *(const uint8_t *)from;
	case 2:
		return *(const uint16_t *)from;
	case 4:
		return *(const uint32_t *)from;
	default:
		return *(const uint64_t *)from;
	}
}

static void store(void *to, size_t size, uint64_t value)
{
	switch (size) {
	case 1:
		*(uint8_t *)to = (uint8_t)value;
		break;
	case 2:
		*(uint16_t *)to = (uint16_t)value;
		break;
	case 4:
		*(uint32_t *)to = (uint32_t)value;
		break;
	default:
		*(uint64_t *)to = value;
		break;
	}
}

/* Hexadecimal */

json_t *handover_hex(const void *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *from = bytes;
	char *text = malloc(2 * len + 1);
	json_t *json;

	if (!text)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		text[2 * i] = digits[from[i] >> 4];
		text[2 * i + 1] = digits[from[i] & 15];
	}
	json = json_stringn(text, 2 * len);
	free(text);
	return json;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool handover_unhex(const json_t *text, void *bytes, size_t len)
{
	const char *from = json_string_value(text);
	uint8_t *to = bytes;

	if (!from || json_string_length(text) != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		int high = digit(from[2 * i]), low = digit(from[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		to[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* Packing */

/* Text of any bytes: as text when it is, else not at all. */
static json_t *pack_text(const char *from, size_t size)
{
	json_t *text = json_stringn(from, strnlen(from, size));

	return text ? text : json_string("");
}

static json_t *pack_field(const struct handover_field *f, const char *base, struct handover_fds *fds)
{
	const char *from = base + f->offset;

	switch (f->kind) {
	case HANDOVER_NUMBER:
		return json_integer((json_int_t)load(from, f->size));
	case HANDOVER_BOOL:
		return json_boolean(*(const bool *)(const void *)from);
	case HANDOVER_TEXT:
		return pack_text(from, f->size);
	case HANDOVER_BYTES:
		return handover_hex(from, f->size);
	case HANDOVER_FD:
		return json_integer(handover_fds_add(fds, *(const int *)(const void *)from));
	case HANDOVER_OTHER:
		break;
	}
	return NULL;
}

json_t *handover_pack(const struct handover_form *form, const void *from, struct handover_fds *fds)
{
	json_t *object = json_object();

	for (size_t i = 0; i < form->n_fields; i++) {
		const struct handover_field *f = &form->fields[i];

		if (f->kind != HANDOVER_OTHER)
			json_object_set_new(object, f->name, pack_field(f, from, fds));
	}
	return object;
}

/* Unpacking */

static bool unpack_number(const struct handover_field *f, const json_t *json, void *to)
{
	uint64_t value = (uint64_t)json_integer_value(json);

	if (!json_is_integer(json) || (f->size < sizeof(value) && value >> (8 * f->size) != 0))
		return false;
	store(to, f->size, value);
	return true;
}

static bool unpack_bool(const json_t *json, bool *to)
{
	*to = json_is_true(json);
	return json_is_boolean(json);
}

static bool unpack_text(const json_t *json, char *to, size_t size)
{
	size_t len = json_string_length(json);

	if (!json_is_string(json) || len >= size || strlen(json_string_value(json)) != len)
		return false;
	memset(to, 0, size);
	memcpy(to, json_string_value(json), len);
	return true;
}

bool handover_unpack_fd(const json_t *json, int *to, const struct handover_fds *fds)
{
	json_int_t number = json_integer_value(json);

	if (!json_is_integer(json) || number < -1 || number >= (json_int_t)fds->n)
		return false;
	*to = number < 0 ? -1 : fds->fds[number];
	return number < 0 || *to >= 0;
}

static bool unpack_field(const struct handover_field *f, const json_t *json, char *base, const struct handover_fds *fds)
{
	char *to = base + f->offset;

	switch (f->kind) {
	case HANDOVER_NUMBER:
		return unpack_number(f, json, to);
	case HANDOVER_BOOL:
		return unpack_bool(json, (bool *)(void *)to);
	case HANDOVER_TEXT:
		return unpack_text(json, to, f->size);
	case HANDOVER_BYTES:
		return handover_unhex(json, to, f->size);
	case HANDOVER_FD:
		return handover_unpack_fd(json, (int *)(void *)to, fds);
	case HANDOVER_OTHER:
		break;
	}
	return true;
}

int handover_unpack(const struct handover_form *form, const json_t *object, void *to, const struct handover_fds *fds,
		    const char *where, struct runtime_error *e)
{
	int err = 0;

	if (!json_is_object(object))
		return runtime_fail(e, -EPROTO, "", "%s is no object", where);
	for (size_t i = 0; i < form->n_fields && !err; i++) {
		const struct handover_field *f = &form->fields[i];
		const json_t *value = json_object_get(object, f->name);

		if (!value && f->is_newer)
			memset((char *)to + f->offset, 0, f->size);
		else if (!value)
			err = runtime_fail(e, -EPROTO, "", "%s has no key \"%s\"", where, f->name);
		else if (!unpack_field(f, value, to, fds))
			err = runtime_fail(e, -EPROTO, "", "%s: \"%s\" has no value that is possible", where, f->name);
	}
	return err;
}
