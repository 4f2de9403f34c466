/* SPDX-License-Identifier: Apache-2.0 */
/* client.c - libcurl on a unix socket. */
#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/run_dir.h"
#include "cli/cli.h"
#include "cli/client.h"

enum { CONNECT_TIMEOUT_S = 5, TIMEOUT_S = 60, REPLY_MAX = 512 << 20 };

struct client {
	CURL *curl;
	struct curl_slist *headers;
	char socket[512];
	bool default_run_dir, given_socket;
	char *text; /* the reply as it comes in */
	size_t len;
};

/* False after a message. */
static bool find_socket(struct client *c, const char *run_dir, const char *api_socket)
{
	char dir[400], err[512];

	c->default_run_dir = !run_dir;
	c->given_socket = api_socket;
	if (api_socket) {
		snprintf(c->socket, sizeof(c->socket), "%s", api_socket);
		return true;
	}
	if (run_dir_find(run_dir, dir, sizeof(dir), err, sizeof(err))) {
		cli_fail("%s", err);
		return false;
	}
	snprintf(c->socket, sizeof(c->socket), "%s/api.sock", dir);
	return true;
}

struct client *client_create(const char *run_dir, const char *api_socket)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c) {
		cli_fail("out of memory");
		return NULL;
	}
	if (!find_socket(c, run_dir, api_socket)) {
		free(c);
		return NULL;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	c->curl = curl_easy_init();
	c->headers = curl_slist_append(NULL, "Content-Type: application/json");
	if (c->curl && c->headers)
		return c;
	cli_fail("the HTTP client cannot be started");
	client_destroy(c);
	return NULL;
}

void client_destroy(struct client *c)
{
	if (!c)
		return;
	curl_slist_free_all(c->headers);
	curl_easy_cleanup(c->curl);
	curl_global_cleanup();
	free(c->text);
	free(c);
}

static size_t take_reply(char *data, size_t size, size_t n, void *arg)
{
	struct client *c = arg;
	size_t len = size * n;
	char *text = len < REPLY_MAX - c->len ? realloc(c->text, c->len + len + 1) : NULL;

	if (!text)
		return 0;
	memcpy(text + c->len, data, len);
	c->text = text;
	c->len += len;
	text[c->len] = 0;
	return len;
}

/* "/api/ports/%s" with escaped words: no other conversion is used. */
static char *make_url(struct client *c, const char *fmt, va_list args)
{
	char *url = NULL;
	size_t len;
	FILE *out = open_memstream(&url, &len);

	if (!out)
		return NULL;
	fputs("http://ringwayd", out);
	for (; *fmt; fmt++) {
		char *word;

		if (*fmt != '%') {
			fputc(*fmt, out);
			continue;
		}
		fmt++; /* the s */
		word = curl_easy_escape(c->curl, va_arg(args, const char *), 0);
		fputs(word ? word : "", out);
		curl_free(word);
	}
	fclose(out);
	return url;
}

static CURLcode perform(struct client *c, const char *method, const char *url, const char *body)
{
	curl_easy_reset(c->curl);
	curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, c->socket);
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(c->curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take_reply);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
	if (body) {
		curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->headers);
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body);
	}
	free(c->text);
	c->text = NULL;
	c->len = 0;
	return curl_easy_perform(c->curl);
}

static void report_failure(const struct client *c, CURLcode code)
{
	long error = 0;

	if (code != CURLE_COULDNT_CONNECT) {
		cli_fail("%s: %s", c->socket, curl_easy_strerror(code));
		return;
	}
	curl_easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &error);
	cli_fail("no daemon answers on %s%s%s", c->socket, error ? ": " : "", error ? strerror((int)error) : "");
	if (error == EACCES)
		fputs("The socket belongs to the daemon's user: run this as that user.\n", stderr);
	else if (c->given_socket)
		fputs("The daemon's configuration says where its socket is: api.socket.\n", stderr);
	else if (c->default_run_dir)
		fputs("Start it with 'ringwayd -c ringway.yaml', or say --run-dir DIR if it runs elsewhere.\n", stderr);
	else
		fprintf(stderr, "Start it with 'ringwayd -c ringway.yaml --run-dir %.*s'.\n",
			(int)(strlen(c->socket) - strlen("/api.sock")), c->socket);
}

static bool request(struct client *c, struct client_reply *reply, const char *method, const json_t *body,
		    const char *path_fmt, va_list args)
{
	char *url = make_url(c, path_fmt, args);
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	CURLcode code = CURLE_OUT_OF_MEMORY;
	json_error_t e;

	*reply = (struct client_reply){ 0 };
	if (url && (text || !body))
		code = perform(c, method, url, text);
	free(url);
	free(text);
	if (code != CURLE_OK) {
		report_failure(c, code);
		return false;
	}
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &reply->status);
	if (c->len == 0)
		return true;
	reply->body = json_loadb(c->text, c->len, 0, &e);
	if (!reply->body)
		cli_fail("the reply to %s is not JSON: %s", method, e.text);
	return reply->body;
}

bool client_try(struct client *c, struct client_reply *reply, const char *path)
{
	char url[128];

	*reply = (struct client_reply){ 0 };
	snprintf(url, sizeof(url), "http://ringwayd%s", path);
	if (perform(c, "GET", url, NULL) != CURLE_OK || c->len == 0)
		return false;
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &reply->status);
	reply->body = json_loadb(c->text, c->len, 0, NULL);
	return reply->body;
}

bool client_request(struct client *c, struct client_reply *reply, const char *method, const json_t *body,
		    const char *path_fmt, ...)
{
	va_list args;
	bool ok;

	va_start(args, path_fmt);
	ok = request(c, reply, method, body, path_fmt, args);
	va_end(args);
	return ok;
}

void client_print_problem(const struct client_reply *reply)
{
	/* What is not there was named on the command line. */
	const char *field = reply->status == 404 ? "" : cli_text(reply->body, "field");
	const char *detail = cli_text(reply->body, "detail");

	if (*detail)
		cli_fail("%s%s%s", field, *field ? ": " : "", detail);
	else
		cli_fail("the daemon answered with HTTP status %ld", reply->status);
}

/* The body of a success, or NULL. */
static json_t *take_success(bool came, const struct client_reply *reply)
{
	if (!came)
		return NULL;
	if (reply->status >= 200 && reply->status < 300)
		return reply->body ? reply->body : json_object();
	client_print_problem(reply);
	json_decref(reply->body);
	return NULL;
}

json_t *client_get(struct client *c, const char *path_fmt, ...)
{
	struct client_reply reply;
	va_list args;
	bool came;

	va_start(args, path_fmt);
	came = request(c, &reply, "GET", NULL, path_fmt, args);
	va_end(args);
	return take_success(came, &reply);
}

json_t *client_post(struct client *c, const json_t *body, const char *path_fmt, ...)
{
	struct client_reply reply;
	va_list args;
	bool came;

	va_start(args, path_fmt);
	came = request(c, &reply, "POST", body, path_fmt, args);
	va_end(args);
	return take_success(came, &reply);
}

json_t *client_delete(struct client *c, const char *path_fmt, ...)
{
	struct client_reply reply;
	va_list args;
	bool came;

	va_start(args, path_fmt);
	came = request(c, &reply, "DELETE", NULL, path_fmt, args);
	va_end(args);
	return take_success(came, &reply);
}
