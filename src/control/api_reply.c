/* SPDX-License-Identifier: Apache-2.0 */
/* api_reply.c - What handlers answer with: resources, problems, entity tags. */
#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/api_route.h"
#include "control/runtime.h"

const char *api_query(const struct api_request *rq, const char *key)
{
	return rq->query ? rq->query(rq->query_arg, key) : NULL;
}

bool api_query_flag(const struct api_request *rq, const char *key)
{
	const char *value = api_query(rq, key);

	return value && (!*value || strcmp(value, "1") == 0 || strcmp(value, "true") == 0);
}

void api_reply_deinit(struct api_reply *rp)
{
	json_decref(rp->body);
	rp->body = NULL;
}

void api_ok(struct api_reply *rp, json_t *body)
{
	rp->status = MHD_HTTP_OK;
	rp->body = body;
}

/* FNV-1a of the text: equal content has equal tags, and that two different ones agree is a matter of 2^64. */
static void make_etag(char *etag, size_t size, json_t *content)
{
	char *text = json_dumps(content, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	uint64_t hash = 0xcbf29ce484222325;

	for (const char *c = text; c && *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
	snprintf(etag, size, "\"%016llx\"", (unsigned long long)hash);
	free(text);
	json_decref(content);
}

void api_ok_resource(struct api_reply *rp, json_t *body, json_t *content)
{
	api_ok(rp, body);
	make_etag(rp->etag, sizeof(rp->etag), content);
}

void api_created(struct api_reply *rp, const char *collection, const char *name, json_t *body)
{
	api_ok(rp, body);
	rp->status = MHD_HTTP_CREATED;
	snprintf(rp->location, sizeof(rp->location), "%s/%s", collection, name);
}

void api_no_content(struct api_reply *rp)
{
	rp->status = MHD_HTTP_NO_CONTENT;
}

static void set_problem(struct api_reply *rp, unsigned status, const char *field, const char *text)
{
	json_decref(rp->body);
	rp->status = status;
	rp->is_problem = true;
	rp->body = json_pack("{s:s, s:s, s:i, s:o}", "type", "about:blank", "title", MHD_get_reason_phrase_for(status),
			     "status", (int)status, "detail", api_text(text));
	if (*field)
		json_object_set_new(rp->body, "field", api_text(field));
}

void api_problem(struct api_reply *rp, unsigned status, const char *field, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	set_problem(rp, status, field, text);
}

void api_problem_config(struct api_reply *rp, const struct config_error *e)
{
	set_problem(rp, MHD_HTTP_UNPROCESSABLE_CONTENT, e->field, e->text);
}

void api_problem_runtime(struct api_reply *rp, const struct runtime_error *e)
{
	static const struct {
		int error;
		unsigned status;
	} statuses[] = {
		{ -EEXIST, MHD_HTTP_CONFLICT },
		{ -EBUSY, MHD_HTTP_CONFLICT },
		{ -EADDRINUSE, MHD_HTTP_CONFLICT },
		{ -EPERM, MHD_HTTP_FORBIDDEN },
		{ -EACCES, MHD_HTTP_FORBIDDEN },
		{ -ENOENT, MHD_HTTP_UNPROCESSABLE_CONTENT },
		{ -EINVAL, MHD_HTTP_UNPROCESSABLE_CONTENT },
		{ -ENAMETOOLONG, MHD_HTTP_UNPROCESSABLE_CONTENT },
		{ -EOPNOTSUPP, MHD_HTTP_UNPROCESSABLE_CONTENT },
		{ -ENOSPC, MHD_HTTP_INSUFFICIENT_STORAGE },
		{ -EMFILE, MHD_HTTP_INSUFFICIENT_STORAGE },
		{ -ENOMEM, MHD_HTTP_INSUFFICIENT_STORAGE },
	};
	unsigned status = MHD_HTTP_INTERNAL_SERVER_ERROR;

	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		if (statuses[i].error == e->status)
			status = statuses[i].status;
	set_problem(rp, status, e->field, e->text);
}

/* Is `etag` in a list of them, separated by commas? Weak ones never match (strong comparison). */
static bool etag_is_listed(const char *list, const char *etag)
{
	size_t len = strlen(etag);

	while (*list) {
		list += strspn(list, ", \t");
		if (*list == '*' || (strncmp(list, etag, len) == 0 && strchr(", \t", list[len])))
			return true;
		list += strcspn(list, ",");
	}
	return false;
}

bool api_if_match(const struct api_request *rq, struct api_reply *rp, json_t *content)
{
	char etag[sizeof(rp->etag)];

	make_etag(etag, sizeof(etag), content);
	if (!rq->if_match || etag_is_listed(rq->if_match, etag))
		return true;
	api_problem(rp, MHD_HTTP_PRECONDITION_FAILED, "If-Match", "it has changed meanwhile: its ETag is %s", etag);
	return false;
}

json_t *api_text(const char *text)
{
	json_t *value = json_string(text);
	char plain[512];

	if (value)
		return value;
	snprintf(plain, sizeof(plain), "%s", text);
	for (char *c = plain; *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	return json_string(plain);
}

json_t *api_link(const char *rel, const char *fmt, ...)
{
	va_list args;
	json_t *href;

	va_start(args, fmt);
	href = json_vsprintf(fmt, args);
	va_end(args);
	return json_pack("{s:s, s:o}", "rel", rel, "href", href);
}
