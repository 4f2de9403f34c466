/* SPDX-License-Identifier: Apache-2.0 */
/* replay.c - Runs a fuzz target over inputs that are kept: files, and folders of files, named on the command line.
 *
 * So every build, with every compiler, tries what a fuzzer once found; the fuzzer itself needs clang (-Dfuzz=true). */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned n_files;

static _Noreturn void fail(const char *path)
{
	perror(path);
	exit(1);
}

static void replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	long size;

	if (!f || fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) < 0)
		fail(path);
	rewind(f);
	data = malloc(size > 0 ? (size_t)size : 1); /* on the heap, so that a sanitizer sees its end */
	if (!data || fread(data, 1, (size_t)size, f) != (size_t)size)
		fail(path);
	fclose(f);
	LLVMFuzzerTestOneInput(data, (size_t)size);
	free(data);
	n_files++;
}

static void replay_folder(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	if (!d)
		fail(path);
	while ((e = readdir(d))) {
		char name[4096];

		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (e->d_name[0] != '.')
			replay_file(name);
	}
	closedir(d);
}

int main(int argc, char **argv)
{
	struct stat st;

	for (int i = 1; i < argc; i++) {
		if (stat(argv[i], &st) < 0)
			fail(argv[i]);
		if (S_ISDIR(st.st_mode))
			replay_folder(argv[i]);
		else
			replay_file(argv[i]);
	}
	printf("%u inputs\n", n_files);
	return n_files > 0 ? 0 : 1;
}
