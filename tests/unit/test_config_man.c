/* SPDX-License-Identifier: Apache-2.0 */
/* test_config_man.c - The tables of keys in ringway.yaml(5) say what the schema says.
 *
 *	test_config_man FILE       compares
 *	test_config_man --print    prints what has to stand between the two marks of the manual page */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_schema.h"

static const char begin_mark[] = ".\\\" keys begin\n", end_mark[] = ".\\\" keys end\n";

/* Text for roff: '-' would become a hyphen, and a line must not begin with '.' or '\''. */
static void print_roff(const char *text, FILE *out)
{
	for (; *text; text++)
		fprintf(out, *text == '-' ? "\\-" : *text == '\\' ? "\\e" : "%c", *text);
}

static void print_key(const struct config_key *k, FILE *out)
{
	const char *fallback = k->fallback ? k->fallback : k->fallback_help;
	char allowed[128];

	config_key_allowed(k, allowed, sizeof(allowed));
	fprintf(out, ".TP\n.B %s\n", k->name);
	print_roff(k->help, out);
	fputs("\nAllowed: ", out);
	print_roff(allowed, out);
	fputs(".\n", out);
	if (fallback) {
		fputs("Default: ", out);
		print_roff(fallback, out);
		fputs(".\n", out);
	}
	if (k->required)
		fputs("Required.\n", out);
	for (unsigned t = 0; t < N_PORT_TYPES; t++) {
		if (k->port_types != 1u << t)
			continue;
		fputs("Only for type ", out);
		print_roff(port_type_name(t), out);
		fputs(".\n", out);
	}
}

/* Each object, and behind it those that its keys lead to. */
static void print_object(const struct config_object *o, const char *title, FILE *out)
{
	fprintf(out, ".SS %s\n", title);
	for (size_t i = 0; i < o->n_keys; i++)
		print_key(&o->keys[i], out);
	for (size_t i = 0; i < o->n_keys; i++) {
		char below[64];

		snprintf(below, sizeof(below), "%s %s", o->keys[i].kind == KEY_OBJECT ? "Keys of" : "Each entry of",
			 o->keys[i].name);
		if (o->keys[i].object)
			print_object(o->keys[i].object, below, out);
	}
}

static char *expected_text(void)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		exit(1);
	print_object(&config_schema, "Top level", out);
	fclose(out);
	return text;
}

static char *read_text(const char *path)
{
	enum { TEXT_MAX = 1 << 20 };
	FILE *file = fopen(path, "r");
	char *text = calloc(1, TEXT_MAX);

	if (!file || !text || fread(text, 1, TEXT_MAX - 1, file) == 0) {
		perror(path);
		exit(1);
	}
	fclose(file);
	return text;
}

int main(int argc, char **argv)
{
	char *expected = expected_text(), *page, *begin, *end;
	int status = 1;

	if (argc != 2 || strcmp(argv[1], "--print") == 0) {
		fputs(expected, stdout);
		free(expected);
		return argc != 2;
	}
	page = read_text(argv[1]);
	begin = strstr(page, begin_mark);
	end = begin ? strstr(begin, end_mark) : NULL;
	if (end) {
		*end = 0;
		status = strcmp(begin + strlen(begin_mark), expected) != 0;
	}
	if (status)
		fprintf(stderr, "%s differs from the schema: put what '%s --print' prints between its marks\n", argv[1],
			argv[0]);
	free(expected);
	free(page);
	return status;
}
