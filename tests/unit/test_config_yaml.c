/* SPDX-License-Identifier: Apache-2.0 */
/* test_config_yaml.c - YAML text against the JSON that the core schema of YAML 1.2 makes of it, and the lines of its errors. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "control/config_yaml.h"

/* YAML and the same in JSON. */
static void test_values(void **state)
{
	static const char *const rows[][2] = {
		{ "", "{}" },
		{ "\n# only a comment\n", "{}" },
		{ "a: 1", "{\"a\": 1}" },
		{ "a: -17", "{\"a\": -17}" },
		{ "a: +5", "{\"a\": 5}" },
		{ "a: 0", "{\"a\": 0}" },
		{ "a: 1.5", "{\"a\": 1.5}" },
		{ "a: 0.5", "{\"a\": 0.5}" },
		{ "a: 1e3", "{\"a\": 1000.0}" },
		{ "a: 0600", "{\"a\": \"0600\"}" },
		{ "a: 0x10", "{\"a\": \"0x10\"}" },
		{ "a: 1.2.3.4", "{\"a\": \"1.2.3.4\"}" },
		{ "a: 12:30:45", "{\"a\": \"12:30:45\"}" },
		{ "a: 1e999", "{\"a\": \"1e999\"}" },
		{ "a: .inf", "{\"a\": \".inf\"}" },
		{ "a: -", "[\"wrong\"]" },
		{ "a: --", "{\"a\": \"--\"}" },
		{ "a: e", "{\"a\": \"e\"}" },
		{ "a: '1'", "{\"a\": \"1\"}" },
		{ "a: \"1\"", "{\"a\": \"1\"}" },
		{ "a: true", "{\"a\": true}" },
		{ "a: False", "{\"a\": false}" },
		{ "a: no", "{\"a\": \"no\"}" },
		{ "a: on", "{\"a\": \"on\"}" },
		{ "a: ~", "{\"a\": null}" },
		{ "a:", "{\"a\": null}" },
		{ "a: ''", "{\"a\": \"\"}" },
		{ "a: |\n  x\n  y\n", "{\"a\": \"x\\ny\\n\"}" },
		{ "a: [1, {b: c}, []]", "{\"a\": [1, {\"b\": \"c\"}, []]}" },
		{ "a:\n- b\n- c: d\n  e: f\n", "{\"a\": [\"b\", {\"c\": \"d\", \"e\": \"f\"}]}" },
		{ "{\"a\": {\"b\": [true, null, -1, \"x\"]}}", "{\"a\": {\"b\": [true, null, -1, \"x\"]}}" },
		{ "%YAML 1.1\n---\na: 1\n...\n", "{\"a\": 1}" },
		{ "\xef\xbb\xbf"
		  "a: \xc3\xa9",
		  "{\"a\": \"\xc3\xa9\"}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct config_yaml y;
		struct config_error e;
		json_t *expected = json_loads(rows[i][1], 0, NULL);
		int err = config_yaml_parse(&y, rows[i][0], strlen(rows[i][0]), "f", &e);

		assert_non_null(expected);
		if (json_is_array(expected)) {
			assert_int_equal(err, -EINVAL);
		} else {
			assert_int_equal(err, 0);
			if (!json_equal(y.tree, expected))
				fail_msg("%s is %s", rows[i][0], json_dumps(y.tree, 0));
			config_yaml_deinit(&y);
		}
		json_decref(expected);
	}
}

static void test_errors(void **state)
{
	static const char *const rows[][2] = {
		{ "a: 1\na: 2\n", "f:2: a: is given twice" },
		{ "a:\n  b: 1\n  c: [1, {x: 1,\n   x: 2}]\n", "f:4: a.c[1].x: is given twice" },
		{ "a: &x 1\nb: *x\n", "f:1: a: uses an anchor, an alias or a tag, which is not supported" },
		{ "b: *x\n", "f:1: b: uses an anchor, an alias or a tag, which is not supported" },
		{ "a: !!str 1\n", "f:1: a: uses an anchor, an alias or a tag, which is not supported" },
		{ "a: !x []\n", "f:1: a: uses an anchor, an alias or a tag, which is not supported" },
		{ "a: 1\n---\nb: 2\n", "f:2: a second document begins here, allowed: one" },
		{ "[a]: 1\n", "f:1: has a key that is not text" },
		{ "a:\n  ? {b: c}\n  : d\n", "f:2: a: has a key that is not text" },
		{ "a: \"x\\0y\"\n", "f:1: a: has a NUL character" },
		{ "\"x\\0y\": 1\n", "f:1: has a NUL character" },
		{ "a: [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]\n",
		  "f:1: a[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: is nested too deeply, allowed: 16 levels" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct config_yaml y;
		struct config_error e;
		char text[512];

		assert_int_equal(config_yaml_parse(&y, rows[i][0], strlen(rows[i][0]), "f", &e), -EINVAL);
		config_error_format(&e, text, sizeof(text));
		assert_string_equal(text, rows[i][1]);
	}
}

/* libyaml's own words vary with its version: only the line and the introduction are ours. */
static void test_syntax(void **state)
{
	static const struct {
		const char *text;
		int line;
	} rows[] = {
		{ "a: 1\nb: [1, 2\n", 3 }, { "a: 1\n\tb: 2\n", 2 }, { "a: {b: 1\nc: 2\n", 2 },
		{ "a: 'x\n", 2 },          { "a: 1\n b: 2\n", 2 },  { "a: \xff\n", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct config_yaml y;
		struct config_error e;

		assert_int_equal(config_yaml_parse(&y, rows[i].text, strlen(rows[i].text), "f", &e), -EINVAL);
		assert_string_equal(e.file, "f");
		assert_string_equal(e.field, "");
		assert_ptr_equal(strstr(e.text, "is not YAML: "), e.text);
		assert_int_equal(e.line, rows[i].line);
	}
}

static void test_location(void **state)
{
	static const char text[] = "a:\n- b: 1\n\n- c:\n    d: 2\n";
	static const struct {
		const char *field;
		int line;
	} rows[] = {
		{ "", 1 },           { "a", 1 },      { "a[0]", 2 },   { "a[0].b", 2 },
		{ "a[0].zz", 2 },    { "a[1]", 4 },   { "a[1].c", 4 }, { "a[1].c.d", 5 },
		{ "a[1].c.e.f", 4 }, { "a[7].x", 1 }, { "q", 1 },
	};
	struct config_yaml y;
	struct config_error e;

	(void)state;
	assert_int_equal(config_yaml_parse(&y, text, strlen(text), "f", &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(e.field, sizeof(e.field), "%s", rows[i].field);
		config_yaml_locate(&y, "f", &e);
		assert_int_equal(e.line, rows[i].line);
	}
	config_yaml_deinit(&y);
}

static void test_files(void **state)
{
	char path[] = "/tmp/ringway-test-XXXXXX", text[512], expected[512];
	int fd = mkstemp(path);
	struct config c;
	struct config_error e;

	(void)state;
	assert_return_code(fd, errno);
	assert_int_equal(write(fd, "workers: 3\npol: x\n", 18), 18);
	assert_int_equal(config_read_file(path, &c, &e), -EINVAL);
	config_error_format(&e, text, sizeof(text));
	snprintf(expected, sizeof(expected), "%s:2: pol: is not a known key, the nearest one is: poll", path);
	assert_string_equal(text, expected);

	assert_return_code(ftruncate(fd, 11), errno);
	assert_int_equal(config_read_file(path, &c, &e), 0);
	assert_int_equal(c.workers, 3);
	config_deinit(&c);

	/* Larger than what is read at all. */
	assert_return_code(ftruncate(fd, 5 << 20), errno);
	assert_int_equal(config_read_file(path, &c, &e), -EFBIG);
	close(fd);
	unlink(path);

	assert_int_equal(config_read_file(path, &c, &e), -ENOENT);
	config_error_format(&e, text, sizeof(text));
	snprintf(expected, sizeof(expected), "%s: cannot be read: No such file or directory", path);
	assert_string_equal(text, expected);
	assert_int_equal(config_read_file("/", &c, &e), -EISDIR);
}

/* Text that would be read as something else is quoted. */
static void test_writing(void **state)
{
	static const char source[] =
	    "{\"a\": [\"0600\", \"1\", \"no\", \"true\", \"x\", \"\", \"-\", \"a: b\", \"1e3\"],"
	    " \"b\": {\"c\": 1, \"d\": false, \"e\": null, \"f\": []}}";
	json_t *tree = json_loads(source, 0, NULL);
	char *text = config_yaml_write(tree);
	struct config_yaml y;
	struct config_error e;

	(void)state;
	assert_non_null(text);
	assert_non_null(strstr(text, "- \"0600\"\n"));
	assert_non_null(strstr(text, "- x\n"));
	assert_int_equal(config_yaml_parse(&y, text, strlen(text), "f", &e), 0);
	assert_true(json_equal(y.tree, tree));
	config_yaml_deinit(&y);
	free(text);
	json_decref(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),   cmocka_unit_test(test_errors), cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_location), cmocka_unit_test(test_files),  cmocka_unit_test(test_writing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
