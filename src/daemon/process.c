/* SPDX-License-Identifier: Apache-2.0 */
/* process.c - How this process was started: what another one needs that is to take its place. */
#include "daemon/process.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/fd_store.h"

/* For as long as the process lives. */
static char program[PATH_MAX], directory[PATH_MAX];
static char **arguments;

/* Where the executable is, whatever it was called as. When it was replaced since, the new one is there. */
static void find_program(const char *called)
{
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (len < 0)
		snprintf(program, sizeof(program), "%s", called);
	else
		program[len] = '\0';
}

void process_describe(struct api_process *p, int argc, char **argv)
{
	arguments = calloc((size_t)argc + 1, sizeof(*arguments));
	find_program(argv[0]);
	if (!getcwd(directory, sizeof(directory)))
		snprintf(directory, sizeof(directory), "/");
	*p = (struct api_process){
		.program = program,
		.directory = directory,
		.arguments = arguments,
		.is_supervised = fd_store_exists(),
	};
	for (int i = 1; i < argc && arguments; i++)
		if (strcmp(argv[i], "--handover") != 0)
			arguments[p->n_arguments++] = argv[i];
}
