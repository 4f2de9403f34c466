/* SPDX-License-Identifier: Apache-2.0 */
/* vector.c - Reading recorded cases: lines of "key: value", bytes in hex. */
#include "vector.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
	if (!p) {
		fputs("out of memory\n", stderr);
		exit(2);
	}
	return p;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_hex(struct bytes *b, const char *hex)
{
	size_t n = strlen(hex);

	if (n % 2)
		return -EINVAL;
	b->len = n / 2;
	b->data = must(malloc(b->len ? b->len : 1));
	for (size_t i = 0; i < b->len; i++) {
		int hi = hex_digit(hex[2 * i]), lo = hex_digit(hex[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return -EINVAL;
		b->data[i] = (uint8_t)(hi << 4 | lo);
	}
	return 0;
}

static int append(struct bytes list[], size_t *n, const char *hex)
{
	return *n == VECTOR_FRAMES_MAX ? -EINVAL : read_hex(&list[(*n)++], hex);
}

static int read_word(const char *value, const char *const words[], int n)
{
	for (int i = 0; i < n; i++) {
		if (strcmp(value, words[i]) == 0)
			return i;
	}
	return -EINVAL;
}

static int read_expect(struct vector *v, const char *value)
{
	static const char *const words[] = { "good", "bad", "na", "quirk" };
	int i = read_word(value, words, 4);

	v->expect = (enum vector_expect)i;
	return i < 0 ? i : 0;
}

static int read_kind(struct vector *v, const char *value)
{
	static const char *const words[] = { "gso", "gro" };
	int i = read_word(value, words, 2);

	v->kind = i < 0 ? VECTOR_OTHER : (enum vector_kind)i;
	return 0;
}

static int read_mask(struct vector *v, const char *value)
{
	return sscanf(value, "%zu %zu", &v->mask_off, &v->mask_len) == 2 ? 0 : -EINVAL;
}

static int read_field(struct vector *v, const char *key, const char *value)
{
	if (strcmp(key, "name") == 0)
		v->name = must(strdup(value));
	else if (strcmp(key, "note") == 0)
		v->note = must(strdup(value));
	else if (strcmp(key, "kind") == 0)
		return read_kind(v, value);
	else if (strcmp(key, "expect") == 0)
		return read_expect(v, value);
	else if (strcmp(key, "udp_gro_forwarding") == 0)
		v->udp_gro_forwarding = strcmp(value, "1") == 0;
	else if (strcmp(key, "vnet_hdr") == 0)
		return read_hex(&v->vnet_hdr, value);
	else if (strcmp(key, "verdict") == 0)
		v->passed = strcmp(value, "ok") == 0;
	else if (strcmp(key, "mask") == 0)
		return read_mask(v, value);
	else if (strcmp(key, "in") == 0)
		return append(v->in, &v->n_in, value);
	else if (strcmp(key, "out") == 0)
		return append(v->out, &v->n_out, value);
	else if (strcmp(key, "out_vnet_hdr") == 0)
		return append(v->out_hdrs, &v->n_out_hdrs, value);
	return 0;
}

/* "in:" without a value is an empty frame. */
static int read_line(struct vector *v, char *line)
{
	char *colon;

	line[strcspn(line, "\r\n")] = '\0';
	if (line[0] == '\0')
		return 0;
	colon = strchr(line, ':');
	if (!colon)
		return -EINVAL;
	*colon++ = '\0';
	return read_field(v, line, *colon == ' ' ? colon + 1 : colon);
}

static bool is_complete(const struct vector *v)
{
	if (!v->name)
		return false;
	if (v->kind == VECTOR_GSO)
		return v->n_in == 1 && (v->vnet_hdr.len == 12 || v->vnet_hdr.len == 24);
	return v->kind == VECTOR_OTHER || (v->n_in > 0 && v->n_out_hdrs == v->n_out);
}

int vector_read(struct vector *v, const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	int err = 0;

	v->kind = VECTOR_OTHER;
	if (!f)
		return -errno;
	while (!err && getline(&line, &room, f) >= 0)
		err = read_line(v, line);
	free(line);
	fclose(f);
	if (!v->note)
		v->note = must(strdup(""));
	if (err)
		return err;
	return is_complete(v) ? 0 : -EINVAL;
}

static void free_all(struct bytes list[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i].data);
}

void vector_free(struct vector *v)
{
	free_all(v->in, v->n_in);
	free_all(v->out, v->n_out);
	free_all(v->out_hdrs, v->n_out_hdrs);
	free(v->vnet_hdr.data);
	free(v->name);
	free(v->note);
}
