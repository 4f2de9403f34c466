/* SPDX-License-Identifier: Apache-2.0 */
/* format.c - Numbers and times as people read them. */
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "cli/format.h"

const char *format_count(char buf[FORMAT_MAX], uint64_t n)
{
	char digits[FORMAT_MAX];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n), out = 0;

	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			buf[out++] = ',';
		buf[out++] = digits[i];
	}
	buf[out] = 0;
	return buf;
}

const char *format_quantity(char buf[FORMAT_MAX], double value, const char *unit)
{
	static const char *const prefixes[] = { "", "k", "M", "G", "T", "P", "E" };
	size_t i = 0;
	int digits;

	/* 999.5 would be shown as 1000 */
	for (; value >= 999.5 && i < ARRAY_SIZE(prefixes) - 1; i++)
		value /= 1000;
	digits = i == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
	snprintf(buf, FORMAT_MAX, "%.*f %s%s", digits, value, prefixes[i], unit);
	return buf;
}

const char *format_duration(char buf[FORMAT_MAX], double seconds)
{
	unsigned long long s = (unsigned long long)seconds;

	if (s < 60)
		snprintf(buf, FORMAT_MAX, "%.1f s", seconds);
	else if (s < 3600)
		snprintf(buf, FORMAT_MAX, "%llu min %llu s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, FORMAT_MAX, "%llu h %llu min", s / 3600, s / 60 % 60);
	else
		snprintf(buf, FORMAT_MAX, "%llu d %llu h", s / 86400, s / 3600 % 24);
	return buf;
}
