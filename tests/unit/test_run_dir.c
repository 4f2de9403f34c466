/* SPDX-License-Identifier: Apache-2.0 */
/* test_run_dir.c - Which run directory is found, and which is refused. Root takes /run/ringway whatever the environment says;
 * the other cases run in a child that is nobody (65534). */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/run_dir.h"

static char dir[] = "/tmp/ringway-test-XXXXXX"; /* ours, 0755 */
static char buf[256], err[512];

static void test_given(void **state)
{
	char path[512];
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/given", dir);
	assert_int_equal(run_dir_find(path, buf, sizeof(buf), err, sizeof(err)), 0);
	assert_string_equal(buf, path);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(run_dir_prepare(path, buf, sizeof(buf), err, sizeof(err)), 0);
	assert_return_code(stat(path, &st), errno);
	assert_int_equal(st.st_mode, S_IFDIR | (geteuid() == 0 ? 0755 : 0700));
	assert_int_equal(run_dir_prepare(path, buf, sizeof(buf), err, sizeof(err)), 0);
	rmdir(path);

	snprintf(path, sizeof(path), "%s/no/such", dir);
	assert_int_equal(run_dir_prepare(path, buf, sizeof(buf), err, sizeof(err)), -ENOENT);
	assert_non_null(strstr(err, path));
	assert_int_equal(run_dir_find("", buf, sizeof(buf), err, sizeof(err)), -EINVAL);
	assert_int_equal(run_dir_find("/dev/null", buf, sizeof(buf), err, sizeof(err)), -ENOTDIR);
	assert_int_equal(run_dir_find(dir, buf, 10, err, sizeof(err)), -ENAMETOOLONG);
}

static void test_relative(void **state)
{
	char here[PATH_MAX], expected[PATH_MAX + 8];

	(void)state;
	assert_non_null(getcwd(here, sizeof(here)));
	assert_return_code(chdir(dir), errno);
	assert_int_equal(run_dir_find("x", buf, sizeof(buf), err, sizeof(err)), 0);
	assert_return_code(chdir(here), errno);
	snprintf(expected, sizeof(expected), "%s/x", dir);
	assert_string_equal(buf, expected);
}

static void test_default(void **state)
{
	char expected[64];

	(void)state;
	setenv("XDG_RUNTIME_DIR", dir, 1);
	assert_int_equal(run_dir_find(NULL, buf, sizeof(buf), err, sizeof(err)), 0);
	snprintf(expected, sizeof(expected), "%s/ringway", dir);
	assert_string_equal(buf, geteuid() == 0 ? "/run/ringway" : expected);
}

/* The child's verdict on what an ordinary user gets; 0: as expected. */
static int as_nobody(void)
{
	char expected[64];

	if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
		return 2;
	unsetenv("XDG_RUNTIME_DIR");
	snprintf(expected, sizeof(expected), "/tmp/ringway-%u", (unsigned)geteuid());
	/* Whether the machine has one already or not: this is its name. */
	(void)run_dir_find(NULL, buf, sizeof(buf), err, sizeof(err));
	if (strcmp(buf, expected) != 0)
		return 3;
	setenv("XDG_RUNTIME_DIR", dir, 1);
	snprintf(expected, sizeof(expected), "%s/ringway", dir);
	if (run_dir_find(NULL, buf, sizeof(buf), err, sizeof(err)) != -EPERM)
		return 4;
	return strcmp(buf, expected) == 0 && strstr(err, expected) ? 0 : 5;
}

static void run_as_nobody(void)
{
	int status;
	pid_t pid = fork();

	assert_return_code(pid, errno);
	if (pid == 0)
		_exit(as_nobody());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* A directory that others may write to, that is not ours. */
static void test_refused(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/ringway", dir);
	assert_return_code(mkdir(path, 0700), errno);
	assert_return_code(chmod(path, 0777), errno);
	run_as_nobody();
	if (geteuid() == 0) {
		assert_return_code(chmod(path, 0755), errno);
		run_as_nobody();
		rmdir(path);
	}
	rmdir(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_given),
		cmocka_unit_test(test_relative),
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_refused),
	};
	int failed;

	if (!mkdtemp(dir) || chmod(dir, 0755))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return failed;
}
