/* SPDX-License-Identifier: Apache-2.0 */
/* allowed_paths.c - Compares real paths, without links and dots. */
#include "base/allowed_paths.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { DIRS_MAX = 256 };

/* syscalls control: readlink readlinkat newfstatat faccessat faccessat2 getcwd */

static char *dirs[DIRS_MAX];
static unsigned n_dirs;

static bool is_beneath(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (len == 1 || path[len] == '\0' || path[len] == '/');
}

static bool is_known(const char *real)
{
	for (unsigned i = 0; i < n_dirs; i++)
		if (is_beneath(real, dirs[i]))
			return true;
	return false;
}

int allowed_paths_add(const char *dir)
{
	char *real = realpath(dir, NULL);

	if (!real)
		return -errno;
	if (is_known(real)) {
		free(real);
		return 0;
	}
	if (n_dirs == DIRS_MAX) {
		free(real);
		return -ENOSPC;
	}
	dirs[n_dirs++] = real;
	return 0;
}

bool allowed_paths_permit(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX], real[PATH_MAX];
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (n_dirs == 0 || len >= sizeof(dir))
		return true;
	memcpy(dir, path, len);
	dir[len] = '\0';
	return !realpath(len > 0 ? dir : slash ? "/" : ".", real) || is_known(real);
}
