/* SPDX-License-Identifier: Apache-2.0 */
/* args.h - The command line of one verb.
 *
 * A verb names its arguments and options in a table. A verb that makes something which the configuration knows names the
 * schema of it as well: each key becomes an option, fdb_size --fdb-size. Options may stand before and behind arguments. */
#ifndef RINGWAY_CLI_ARGS_H
#define RINGWAY_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct cli;
struct config_key;
struct config_object;

enum { CLI_OPTIONS_MAX = 24, CLI_OPTION_NAME_MAX = 24 };

struct cli_option {
	const char *name;
	const char *arg; /* what it takes, for help; NULL: nothing */
	const char *help;
};

struct cli_args {
	const char *const *words; /* arguments that are no options */
	size_t n_words;
	const struct cli_command *command;
	const char *values[CLI_OPTIONS_MAX]; /* of command->options; "" for one that takes nothing; NULL: not given */
	const char *key_values[CLI_OPTIONS_MAX]; /* of command->schema's keys */
	/* options that every verb has */
	bool json, help;
	const char *run_dir, *api_socket;
	bool version; /* in front of the verb only */
};

struct cli_command {
	const char *group; /* NULL: the verb stands alone */
	const char *verb;
	const char *words; /* what it takes, for help: "NAME", "[PORT]" */
	size_t min_words, max_words;
	const char *help;
	const struct cli_option *options; /* ends with a name of NULL; NULL: none */
	const struct config_object *schema;
	bool needs_daemon;
	int (*run)(struct cli *cli, const struct cli_args *args);
};

/* Read argv[1..argc), argv[0] being the program's name. 0, or 2 after a message on `err`. Reorders argv. `args` keeps options
 * that it had before: those in front of the verb. */
int cli_args_parse(struct cli_args *args, const struct cli_command *command, int argc, char **argv, FILE *err);

/* The same for what stands in front of the verb. *next: index of the verb, or argc. */
int cli_args_parse_global(struct cli_args *args, int argc, char **argv, int *next, FILE *err);

/* An option's value by name; NULL: not given. */
const char *cli_option(const struct cli_args *args, const char *name);

void cli_command_help(const struct cli_command *command, FILE *out);
/* "port add" */
void cli_command_name(const struct cli_command *command, char *buf, size_t size);

#endif
