/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - test-vectors DIR...: run every *.vec file of the folders through src/packet, and compare with what a kernel did.
 *
 * Prints each failure with the first byte that differs, then "N passed, N failed, N skipped". Exit status 0, 1 when one failed, 2 when
 * nothing could be run. */
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet/csum.h"
#include "vector.h"

struct tally {
	unsigned passed, failed, skipped;
};

bool failed(const struct vector *v, const char *fmt, ...)
{
	va_list ap;

	printf("FAILED %s: ", v->name);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	return false;
}

bool same_bytes(const struct vector *v, const char *what, size_t idx, struct bytes got, struct bytes expected)
{
	for (size_t i = 0; i < got.len && i < expected.len; i++) {
		if (v->mask_len && i >= v->mask_off && i < v->mask_off + v->mask_len)
			continue;
		if (got.data[i] != expected.data[i])
			return failed(v, "%s %zu differs at byte %zu: %02x, should be %02x", what, idx, i, got.data[i],
				      expected.data[i]);
	}
	if (got.len != expected.len)
		return failed(v, "%s %zu has %zu bytes, should have %zu", what, idx, got.len, expected.len);
	return true;
}

static void run_file(struct tally *tally, const char *path)
{
	struct vector *v = calloc(1, sizeof(*v));
	int err;

	if (!v)
		exit(2);
	err = vector_read(v, path);
	if (err) {
		printf("FAILED %s: %s\n", path, strerror(-err));
		tally->failed++;
	} else if (v->kind == VECTOR_OTHER) {
		tally->skipped++;
	} else if (v->kind == VECTOR_GSO ? run_gso(v) : run_gro(v)) {
		tally->passed++;
	} else {
		tally->failed++;
	}
	vector_free(v);
	free(v);
}

static void run_dir(struct tally *tally, const char *dir)
{
	char pattern[4096];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/*.vec", dir);
	if (glob(pattern, 0, NULL, &found) != 0) {
		fprintf(stderr, "test-vectors: no *.vec files in %s\n", dir);
		return;
	}
	for (size_t i = 0; i < found.gl_pathc; i++)
		run_file(tally, found.gl_pathv[i]);
	globfree(&found);
}

int main(int argc, char *argv[])
{
	struct tally tally = { 0 };

	if (argc < 2) {
		fputs("usage: test-vectors DIR...\n", stderr);
		return 2;
	}
	csum_init();
	for (int i = 1; i < argc; i++)
		run_dir(&tally, argv[i]);
	printf("%u passed, %u failed, %u skipped\n", tally.passed, tally.failed, tally.skipped);
	if (tally.failed)
		return 1;
	return tally.passed ? 0 : 2;
}
