/* SPDX-License-Identifier: Apache-2.0 */
/* allowed_paths.h - The directories in which this process may make files.
 *
 * The kernel enforces the list (Landlock) and says no more than "Permission denied". Here is the same list for those who can
 * tell people more. Filled in before threads are started, read only afterwards. As long as it is empty everything is allowed. */
#ifndef RINGWAY_BASE_ALLOWED_PATHS_H
#define RINGWAY_BASE_ALLOWED_PATHS_H

#include <stdbool.h>

/* `dir` exists. Links are followed now. 0, -ENOSPC, or the error of finding the directory. */
int allowed_paths_add(const char *dir);

/* May a file be made at `path`? Also true when its directory does not exist: that is another error. */
bool allowed_paths_permit(const char *path);

#endif
