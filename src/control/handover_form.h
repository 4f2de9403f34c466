/* SPDX-License-Identifier: Apache-2.0 */
/* handover_form.h - Structures as JSON objects and back, by one table for both directions.
 *
 * What is read has to have every key of the table, but for those that an older program of the same version did not write: without one
 * the member is zero. Keys that are not in the table are left alone: they are a newer program's, for readers that can do without. */
#ifndef RINGWAY_CONTROL_HANDOVER_FORM_H
#define RINGWAY_CONTROL_HANDOVER_FORM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct handover_fds;
struct runtime_error;

enum handover_kind {
	HANDOVER_NUMBER, /* unsigned, 1, 2, 4 or 8 bytes */
	HANDOVER_BOOL,
	HANDOVER_TEXT,  /* char[size] */
	HANDOVER_BYTES, /* as hexadecimal digits, all of them */
	HANDOVER_FD,    /* int; number in the table of descriptors */
	HANDOVER_OTHER, /* the caller puts it there, and takes it out */
};

struct handover_field {
	const char *name;
	enum handover_kind kind;
	size_t offset, size;
	bool is_newer; /* than version 1 */
};

struct handover_form {
	const struct handover_field *fields;
	size_t n_fields;
};

#define HANDOVER_FIELD_SINCE(kind, type, member, is_newer)                                              \
	{                                                                                               \
#member, HANDOVER_##kind, offsetof(type, member), sizeof(((type *)0)->member), is_newer \
	}
#define HANDOVER_FIELD(kind, type, member)       HANDOVER_FIELD_SINCE(kind, type, member, false)
#define HANDOVER_FIELD_NEWER(kind, type, member) HANDOVER_FIELD_SINCE(kind, type, member, true)
#define HANDOVER_FIELD_OTHER(name)                \
	{                                         \
		name, HANDOVER_OTHER, 0, 0, false \
	}

/* New reference; descriptors go to `fds`. */
json_t *handover_pack(const struct handover_form *form, const void *from, struct handover_fds *fds);
/* 0 or -EPROTO with `e` filled in; `where` names the object in it. Descriptors stay those of `fds`. */
int handover_unpack(const struct handover_form *form, const json_t *object, void *to, const struct handover_fds *fds,
		    const char *where, struct runtime_error *e);

/* For what a form calls OTHER. */
json_t *handover_hex(const void *bytes, size_t len);
/* False: not so many digits, or others. */
bool handover_unhex(const json_t *text, void *bytes, size_t len);
/* False: no number of a descriptor that came, and not -1, which stays -1. */
bool handover_unpack_fd(const json_t *number, int *to, const struct handover_fds *fds);

#endif
