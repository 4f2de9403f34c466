/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - Columns that line up. */
#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/format.h"
#include "cli/table.h"

enum { COLUMNS_MAX = 16, GAP = 2 };

struct table {
	size_t n_columns, n_cells;
	char *cells[COLUMNS_MAX]; /* the heading */
	char **rows;              /* n_cells of them, row by row */
	bool to_right[COLUMNS_MAX];
	size_t width[COLUMNS_MAX];
};

static void *or_die(void *p)
{
	if (p)
		return p;
	fputs("ringway: out of memory\n", stderr);
	exit(1);
}

/* Characters, not bytes, of UTF-8. */
static size_t text_width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

struct table *table_create(const char *heading)
{
	struct table *t = or_die(calloc(1, sizeof(*t)));

	for (bool more = true; more; t->n_columns++) {
		size_t len = strcspn(heading, "|");
		size_t i = t->n_columns;

		assert(i < COLUMNS_MAX);
		more = heading[len] == '|';
		t->to_right[i] = *heading == '>';
		t->cells[i] = or_die(strndup(heading + t->to_right[i], len - t->to_right[i]));
		t->width[i] = text_width(t->cells[i]);
		heading += len + 1;
	}
	return t;
}

void table_cell(struct table *t, const char *fmt, ...)
{
	size_t column = t->n_cells % t->n_columns, width;
	va_list args;
	char *text;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		or_die(NULL);
	va_end(args);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	width = text_width(text);
	t->width[column] = MAX(t->width[column], width);
	t->rows = or_die(reallocarray(t->rows, t->n_cells + 1, sizeof(*t->rows)));
	t->rows[t->n_cells++] = text;
}

void table_count(struct table *t, uint64_t n)
{
	char buf[FORMAT_MAX];

	table_cell(t, "%s", format_count(buf, n));
}

/* No blanks at the end of a line. */
static void print_row(const struct table *t, char *const *cells, FILE *out)
{
	size_t last = t->n_columns;

	while (last > 0 && !*cells[last - 1])
		last--;
	for (size_t i = 0; i < last; i++) {
		int pad = (int)(t->width[i] - text_width(cells[i]));

		fprintf(out, "%*s%s", t->to_right[i] ? pad : 0, "", cells[i]);
		fprintf(out, "%*s", i + 1 < last ? (t->to_right[i] ? 0 : pad) + GAP : 0, "");
	}
	fputc('\n', out);
}

static bool has_heading(const struct table *t)
{
	for (size_t i = 0; i < t->n_columns; i++)
		if (*t->cells[i])
			return true;
	return false;
}

static void table_destroy(struct table *t)
{
	for (size_t i = 0; i < t->n_columns; i++)
		free(t->cells[i]);
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->rows[i]);
	free(t->rows);
	free(t);
}

void table_print(struct table *t, const char *empty, FILE *out)
{
	if (t->n_cells == 0)
		fprintf(out, "%s\n", empty);
	else if (has_heading(t))
		print_row(t, t->cells, out);
	for (size_t i = 0; i + t->n_columns <= t->n_cells; i += t->n_columns)
		print_row(t, t->rows + i, out);
	table_destroy(t);
}
