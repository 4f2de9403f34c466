/* SPDX-License-Identifier: Apache-2.0 */
/* table.h - Columns that line up.
 *
 * Cells are added from left to right, row by row; widths are known when all are there, so printing comes last. Text of the
 * daemon may hold what a guest said: control characters are printed as '?'. Out of memory ends the program. */
#ifndef RINGWAY_CLI_TABLE_H
#define RINGWAY_CLI_TABLE_H

#include <stdint.h>
#include <stdio.h>

#include "base/compiler.h"

struct table;

/* `heading`: names of the columns separated by '|'; one that begins with '>' is aligned to the right. An empty heading for all
 * columns ("|") is not printed. */
struct table *table_create(const char *heading);
void table_cell(struct table *t, const char *fmt, ...) printf_like(2, 3);
/* A number with separators. */
void table_count(struct table *t, uint64_t n);
/* Print and free. Without rows: `empty` alone. */
void table_print(struct table *t, const char *empty, FILE *out);

#endif
