/* SPDX-License-Identifier: Apache-2.0 */
/* format.h - Numbers and times as people read them. Each fills `buf` and returns it. */
#ifndef RINGWAY_CLI_FORMAT_H
#define RINGWAY_CLI_FORMAT_H

#include <stddef.h>
#include <stdint.h>

enum { FORMAT_MAX = 32 };

/* 12,345,678 */
const char *format_count(char buf[FORMAT_MAX], uint64_t n);
/* Three digits and a decimal prefix: "512 B", "9.41 Gbit/s". `unit` "B", "bit/s", "/s". */
const char *format_quantity(char buf[FORMAT_MAX], double value, const char *unit);
/* "4.2 s", "3 min 12 s", "5 h 2 min", "12 d 3 h" */
const char *format_duration(char buf[FORMAT_MAX], double seconds);

#endif
