/* SPDX-License-Identifier: Apache-2.0 */
/* args.c - getopt_long(3) on a list of options that is put together from the verb's, the schema's and the common ones. */
#include <assert.h>
#include <getopt.h>
#include <string.h>

#include "base/compiler.h"
#include "cli/args.h"
#include "control/config_schema.h"

enum { OPTION_FIRST = 1000, KEY_FIRST = 2000, RUN_DIR = 3000, API_SOCKET, JSON, VERSION };

static const struct cli_option common[] = {
	{ "run-dir", "DIR", "Run directory of the daemon." },
	{ "api-socket", "PATH", "The daemon's API socket, where its configuration has another than api.sock." },
	{ "json", NULL, "Print JSON." },
	{ "help", NULL, "Print this." },
};
static const int common_codes[ARRAY_SIZE(common)] = { RUN_DIR, API_SOCKET, JSON, 'h' };

struct option_list {
	struct option options[2 * CLI_OPTIONS_MAX + ARRAY_SIZE(common) + 2];
	char key_names[CLI_OPTIONS_MAX][CLI_OPTION_NAME_MAX];
	size_t n;
};

static void add(struct option_list *l, const char *name, bool takes_value, int code)
{
	l->options[l->n++] = (struct option){ name, takes_value ? required_argument : no_argument, NULL, code };
}

/* Can the key be given as one option? The name is a word of the verb. */
static bool is_option(const struct config_key *k)
{
	return k->kind != KEY_OBJECT && k->kind != KEY_LIST && strcmp(k->name, "name") != 0;
}

static void key_option_name(const struct config_key *k, char name[CLI_OPTION_NAME_MAX])
{
	snprintf(name, CLI_OPTION_NAME_MAX, "%s", k->name);
	for (char *c = name; *c; c++)
		if (*c == '_')
			*c = '-';
}

static void add_keys(struct option_list *l, const struct config_object *schema)
{
	assert(schema->n_keys <= CLI_OPTIONS_MAX);
	for (size_t i = 0; i < schema->n_keys; i++) {
		if (!is_option(&schema->keys[i]))
			continue;
		key_option_name(&schema->keys[i], l->key_names[i]);
		add(l, l->key_names[i], true, KEY_FIRST + (int)i);
	}
}

static void list_options(struct option_list *l, const struct cli_command *command)
{
	*l = (struct option_list){ 0 };
	for (int i = 0; command && command->options && command->options[i].name; i++) {
		assert(i < CLI_OPTIONS_MAX);
		add(l, command->options[i].name, command->options[i].arg, OPTION_FIRST + i);
	}
	if (command && command->schema)
		add_keys(l, command->schema);
	if (!command)
		add(l, "version", false, VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(common); i++)
		add(l, common[i].name, common[i].arg, common_codes[i]);
}

static void set(struct cli_args *args, int code, const char *value)
{
	if (code == RUN_DIR)
		args->run_dir = value;
	else if (code == API_SOCKET)
		args->api_socket = value;
	else if (code == VERSION)
		args->version = true;
	else if (code == JSON)
		args->json = true;
	else if (code == 'h')
		args->help = true;
	else if (code >= KEY_FIRST)
		args->key_values[code - KEY_FIRST] = value;
	else
		args->values[code - OPTION_FIRST] = value ? value : "";
}

static void hint(const struct cli_command *command, FILE *err)
{
	char name[64] = "";

	if (command)
		cli_command_name(command, name, sizeof(name));
	fprintf(err, "Try 'ringway %s%s--help'.\n", name, *name ? " " : "");
}

/* `flags`: "+" stops at the first word, "" takes options from anywhere. */
static int parse_options(struct cli_args *args, const struct cli_command *command, int argc, char **argv,
			 const char *flags, FILE *err)
{
	struct option_list l;
	char short_options[8];
	int code;

	list_options(&l, command);
	snprintf(short_options, sizeof(short_options), "%s:h", flags);
	opterr = 0;
	optind = 0; /* glibc: start anew */
	while ((code = getopt_long(argc, argv, short_options, l.options, NULL)) != -1) {
		if (code == '?' || code == ':') {
			fprintf(err, "ringway: option %s %s\n", argv[optind - 1],
				code == ':' ? "needs a value" : "is not known here");
			hint(command, err);
			return 2;
		}
		set(args, code, optarg);
	}
	return 0;
}

int cli_args_parse_global(struct cli_args *args, int argc, char **argv, int *next, FILE *err)
{
	int status = parse_options(args, NULL, argc, argv, "+", err);

	*next = optind;
	return status;
}

int cli_args_parse(struct cli_args *args, const struct cli_command *command, int argc, char **argv, FILE *err)
{
	int status = parse_options(args, command, argc, argv, "", err);

	if (status)
		return status;
	args->command = command;
	args->words = (const char *const *)argv + optind;
	args->n_words = (size_t)(argc - optind);
	if (args->help || (args->n_words >= command->min_words && args->n_words <= command->max_words))
		return 0;
	if (args->n_words > command->max_words)
		fprintf(err, "ringway: unexpected argument '%s'\n", args->words[command->max_words]);
	else
		fprintf(err, "ringway: an argument is missing: %s\n", command->words);
	hint(command, err);
	return 2;
}

const char *cli_option(const struct cli_args *args, const char *name)
{
	const struct cli_option *o = args->command->options;

	for (size_t i = 0; o && o[i].name; i++)
		if (strcmp(o[i].name, name) == 0)
			return args->values[i];
	assert(false);
	return NULL;
}

void cli_command_name(const struct cli_command *command, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s", command->group ? command->group : "", command->group ? " " : "", command->verb);
}

static void option_help(const char *name, const char *arg, const char *help, FILE *out)
{
	char left[48];

	snprintf(left, sizeof(left), "--%s%s%s", name, arg ? " " : "", arg ? arg : "");
	fprintf(out, "  %-22s %s\n", left, help);
}

static void key_help(const struct config_key *k, FILE *out)
{
	char name[CLI_OPTION_NAME_MAX], allowed[128], help[512];
	const char *fallback = k->fallback ? k->fallback : k->fallback_help;

	config_key_allowed(k, allowed, sizeof(allowed));
	snprintf(help, sizeof(help), "%s\n%25sAllowed: %s.%s%s%s", k->help, "", allowed, fallback ? " Default: " : "",
		 fallback ? fallback : "", fallback ? "." : "");
	key_option_name(k, name);
	option_help(name, k->kind == KEY_NUMBER ? "N" : "VALUE", help, out);
}

void cli_command_help(const struct cli_command *command, FILE *out)
{
	char name[64];

	cli_command_name(command, name, sizeof(name));
	fprintf(out, "usage: ringway %s%s%s [OPTION...]\n\n%s\n\n", name, *command->words ? " " : "", command->words,
		command->help);
	for (size_t i = 0; command->options && command->options[i].name; i++)
		option_help(command->options[i].name, command->options[i].arg, command->options[i].help, out);
	for (size_t i = 0; command->schema && i < command->schema->n_keys; i++)
		if (is_option(&command->schema->keys[i]))
			key_help(&command->schema->keys[i], out);
	for (size_t i = 0; i < ARRAY_SIZE(common); i++)
		option_help(common[i].name, common[i].arg, common[i].help, out);
}
