/* SPDX-License-Identifier: Apache-2.0 */
/* run_dir.c - Finding, checking and making the run directory. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/run_dir.h"

static int printf_like(4, 5) fail(char *err, size_t err_size, int status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(err, err_size, fmt, args);
	va_end(args);
	return status;
}

/* A relative --run-dir is taken from where we stand. */
static int choose(const char *given, char *buf, size_t size, char *err, size_t err_size)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	char here[PATH_MAX];
	int len;

	if (given && *given == '/')
		len = snprintf(buf, size, "%s", given);
	else if (given && *given && getcwd(here, sizeof(here)))
		len = snprintf(buf, size, "%s/%s", here, given);
	else if (given)
		return fail(err, err_size, -EINVAL, "the run directory '%s' has no absolute path", given);
	else if (geteuid() == 0)
		len = snprintf(buf, size, "/run/ringway");
	else if (xdg && *xdg == '/')
		len = snprintf(buf, size, "%s/ringway", xdg);
	else
		len = snprintf(buf, size, "/tmp/ringway-%u", (unsigned)geteuid());
	if ((size_t)len >= size)
		return fail(err, err_size, -ENAMETOOLONG, "the run directory's path is longer than %zu bytes",
			    size - 1);
	return 0;
}

/* lstat(2), not stat(2): a link in /tmp could point at a directory of ours that is meant for something else. */
static int check(const char *path, bool is_given, char *err, size_t err_size)
{
	struct stat st;

	if ((is_given ? stat(path, &st) : lstat(path, &st)) < 0)
		return fail(err, err_size, -errno, "the run directory %s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return fail(err, err_size, -ENOTDIR, "%s should be the run directory but is no directory", path);
	if (is_given)
		return 0;
	if (st.st_uid != geteuid())
		return fail(err, err_size, -EPERM, "the run directory %s belongs to user %u, not to us (%u)", path,
			    (unsigned)st.st_uid, (unsigned)geteuid());
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return fail(err, err_size, -EPERM, "others may write to the run directory %s (mode %03o)", path,
			    (unsigned)(st.st_mode & 0777));
	return 0;
}

int run_dir_find(const char *given, char *buf, size_t size, char *err, size_t err_size)
{
	int status = choose(given, buf, size, err, err_size);

	if (!status)
		status = check(buf, given, err, err_size);
	return status == -ENOENT ? 0 : status;
}

int run_dir_prepare(const char *given, char *buf, size_t size, char *err, size_t err_size)
{
	int status = choose(given, buf, size, err, err_size);

	if (status)
		return status;
	if (mkdir(buf, geteuid() == 0 ? 0755 : 0700) < 0 && errno != EEXIST)
		return fail(err, err_size, -errno, "the run directory %s cannot be made: %s", buf, strerror(errno));
	return check(buf, given, err, err_size);
}
