/* SPDX-License-Identifier: Apache-2.0 */
/* test_log.c - What arrives on stderr. Each case runs in a child whose stderr is a pipe. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"

enum { OUT_MAX = 16384 };

/* Everything that `say` writes to stderr, as a string; `stream`: "this" sets JOURNAL_STREAM to the pipe, else it is its value. */
static const char *stderr_of(void (*say)(void), const char *stream)
{
	static char out[OUT_MAX];
	size_t len = 0;
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	assert_return_code(pipe(fds), errno);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0) {
		struct stat st;
		char text[64];

		dup2(fds[1], STDERR_FILENO);
		fstat(STDERR_FILENO, &st);
		snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
		if (stream)
			setenv("JOURNAL_STREAM", strcmp(stream, "this") == 0 ? text : stream, 1);
		else
			unsetenv("JOURNAL_STREAM");
		say();
		_exit(0);
	}
	close(fds[1]);
	while (len < OUT_MAX - 1 && (n = read(fds[0], out + len, OUT_MAX - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = 0;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return out;
}

static void say_each_level(void)
{
	log_error("e %d", 1);
	log_warning("w %s", "x");
	log_info("i");
	log_debug("d");
}

static void say_each_level_up_to_debug(void)
{
	log_set_level(LOG_LEVEL_DEBUG);
	say_each_level();
}

static void test_levels(void **state)
{
	(void)state;
	assert_string_equal(stderr_of(say_each_level, NULL), "error: e 1\nwarning: w x\ninfo: i\n");
	assert_string_equal(stderr_of(say_each_level_up_to_debug, NULL),
			    "error: e 1\nwarning: w x\ninfo: i\ndebug: d\n");
}

/* sd-daemon(3): SD_ERR "<3>", SD_WARNING "<4>", SD_INFO "<6>", SD_DEBUG "<7>" */
static void test_journal_prefix(void **state)
{
	(void)state;
	assert_string_equal(stderr_of(say_each_level_up_to_debug, "this"), "<3>e 1\n<4>w x\n<6>i\n<7>d\n");
	assert_string_equal(stderr_of(say_each_level, "1:2"), "error: e 1\nwarning: w x\ninfo: i\n");
}

static void say_hostile(void)
{
	log_info("name '%s'", "a\nerror: b\x1b[2J\x7f\xc3\xa4");
}

static void test_control_characters_are_replaced(void **state)
{
	(void)state;
	assert_string_equal(stderr_of(say_hostile, NULL), "info: name 'a?error: b?[2J?\xc3\xa4'\n");
}

static void say_long(void)
{
	char text[5000];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	log_info("%s", text);
	log_info("next");
}

static void test_long_line_is_cut(void **state)
{
	const char *out = stderr_of(say_long, NULL);
	size_t len = strcspn(out, "\n");

	(void)state;
	assert_in_range(len, 1900, 2100);
	assert_string_equal(out + len + 1, "info: next\n");
}

static void say_errno(void)
{
	errno = EBADMSG;
	log_info("a");
	if (errno == EBADMSG)
		log_info("kept");
}

static void test_errno_is_kept(void **state)
{
	(void)state;
	assert_string_equal(stderr_of(say_errno, NULL), "info: a\ninfo: kept\n");
}

static void say_limited(void)
{
	struct log_limit limit = { 0 };

	for (int i = 0; i < 10; i++)
		log_limited(&limit, 2, LOG_LEVEL_INFO, "n %d", i);
	log_limited(&limit, 2, LOG_LEVEL_DEBUG, "not counted");
	limit.last_shown_ns -= 10 * NSEC_PER_SEC; /* ten seconds pass */
	log_limited(&limit, 2, LOG_LEVEL_INFO, "again");
	log_limited(&limit, 2, LOG_LEVEL_INFO, "and again");
	log_limited(&limit, 2, LOG_LEVEL_INFO, "no more");
}

static void test_limit(void **state)
{
	(void)state;
	assert_string_equal(stderr_of(say_limited, NULL),
			    "info: n 0\ninfo: n 1\ninfo: again (8 more like this were left out)\ninfo: and again\n");
}

static void test_level_names(void **state)
{
	(void)state;
	assert_int_equal(log_level_from_name("error"), LOG_LEVEL_ERROR);
	assert_int_equal(log_level_from_name("warning"), LOG_LEVEL_WARNING);
	assert_int_equal(log_level_from_name("info"), LOG_LEVEL_INFO);
	assert_int_equal(log_level_from_name("debug"), LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_from_name("Warning"), -1);
	assert_int_equal(log_level_from_name(""), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_journal_prefix),
		cmocka_unit_test(test_control_characters_are_replaced),
		cmocka_unit_test(test_long_line_is_cut),
		cmocka_unit_test(test_errno_is_kept),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_level_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
