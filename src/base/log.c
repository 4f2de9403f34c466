/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - Formats a message into one buffer and writes it with one write(2), so that lines of several threads never mix. */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/clock.h"
#include "base/log.h"

/* syscalls worker: write newfstatat fstat */

enum { LINE_MAX_LEN = 2048 };

#define LIMIT_WINDOW_NS (10 * NSEC_PER_SEC)

/* The numbers are those of syslog(3), which sd-daemon(3) takes over. */
static const struct {
	const char *name;
	const char *journal_prefix;
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", "<3>" },
	[LOG_LEVEL_WARNING] = { "warning", "<4>" },
	[LOG_LEVEL_INFO] = { "info", "<6>" },
	[LOG_LEVEL_DEBUG] = { "debug", "<7>" },
};
_Static_assert(ARRAY_SIZE(levels) == N_LOG_LEVELS, "every level has a name");

static enum log_level shown_level = LOG_LEVEL_INFO;
static bool to_journal;
static pthread_once_t journal_once = PTHREAD_ONCE_INIT;

void log_set_level(enum log_level level)
{
	write_once(&shown_level, level);
}

enum log_level log_get_level(void)
{
	return read_once(&shown_level);
}

int log_level_from_name(const char *name)
{
	for (int i = 0; i < N_LOG_LEVELS; i++)
		if (strcmp(name, levels[i].name) == 0)
			return i;
	return -1;
}

/* systemd.exec(5): JOURNAL_STREAM is "device:inode" of the stream. A child whose stderr was redirected inherits the variable
 * without being connected to the journal, hence the comparison. */
static void find_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char mine[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return;
	snprintf(mine, sizeof(mine), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	to_journal = strcmp(stream, mine) == 0;
}

/* A message is one line, whatever text it quotes. */
static void replace_control_characters(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

/* Append at line[len], cut to what fits; returns the new length, at most LINE_MAX_LEN - 2 (newline and 0 still fit). */
static size_t append_text(char *line, size_t len, const char *fmt, va_list ap) printf_like(3, 0);

static size_t append_text(char *line, size_t len, const char *fmt, va_list ap)
{
	size_t room = LINE_MAX_LEN - 1 - len;
	int n = vsnprintf(line + len, room, fmt, ap);

	if (n < 0)
		return len;
	return len + MIN((size_t)n, room - 1);
}

static size_t append(char *line, size_t len, const char *fmt, ...) printf_like(3, 4);

static size_t append(char *line, size_t len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	len = append_text(line, len, fmt, ap);
	va_end(ap);
	return len;
}

static size_t begin_line(char *line, enum log_level level)
{
	pthread_once(&journal_once, find_journal);
	if (to_journal)
		return append(line, 0, "%s", levels[level].journal_prefix);
	return append(line, 0, "%s: ", levels[level].name);
}

static void write_line(char *line, size_t len)
{
	ssize_t n;

	replace_control_characters(line);
	line[len++] = '\n';
	do {
		n = write(STDERR_FILENO, line, len);
	} while (n < 0 && errno == EINTR);
}

void log_at(enum log_level level, const char *fmt, ...)
{
	int saved_errno = errno;
	char line[LINE_MAX_LEN];
	va_list ap;
	size_t len;

	if (level > log_get_level())
		return;
	len = begin_line(line, level);
	va_start(ap, fmt);
	len = append_text(line, len, fmt, ap);
	va_end(ap);
	write_line(line, len);
	errno = saved_errno;
}

/* May one more line be shown? Counts it either way. The window begins anew ten seconds after the last line that was shown,
 * so no ten seconds hold lines of two windows. */
static bool limit_allows(struct log_limit *limit, unsigned burst)
{
	uint64_t now_ns = clock_ns();

	if (now_ns - limit->last_shown_ns >= LIMIT_WINDOW_NS)
		limit->shown = 0;
	if (limit->shown >= burst) {
		limit->left_out++;
		return false;
	}
	limit->shown++;
	limit->last_shown_ns = now_ns;
	return true;
}

void log_limited(struct log_limit *limit, unsigned burst, enum log_level level, const char *fmt, ...)
{
	int saved_errno = errno;
	char line[LINE_MAX_LEN];
	va_list ap;
	size_t len;

	if (level > log_get_level() || !limit_allows(limit, burst))
		return;
	len = begin_line(line, level);
	va_start(ap, fmt);
	len = append_text(line, len, fmt, ap);
	va_end(ap);
	if (limit->left_out)
		len = append(line, len, " (%u more like this were left out)", limit->left_out);
	limit->left_out = 0;
	write_line(line, len);
	errno = saved_errno;
}
