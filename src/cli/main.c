/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - ringway: the table of verbs, and what happens around a verb. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "control/config_schema.h"

static const struct cli_option network_only[] = {
	{ "network", "NAME", "Only of this network." },
	{ 0 },
};
static const struct cli_option port_add_options[] = {
	{ "network", "NAME", "The network that the port becomes part of. May be left out when there is only one." },
	{ 0 },
};
static const struct cli_option stats_options[] = {
	{ "watch", NULL, "Print rates again and again." },
	{ "interval", "SECONDS", "Time between two outputs of --watch. Default: 1." },
	{ "count", "N", "End after so many outputs of --watch." },
	{ 0 },
};
static const struct cli_option qemu_options[] = {
	{ "memory", "SIZE", "Memory of the guest, as QEMU's -m takes it. Default: 1G." },
	{ "tcg", NULL, "For a guest without KVM: no MSI-X, with which QEMU 7.2 crashes then." },
	{ 0 },
};
static const struct cli_option handover_options[] = {
	{ "exec", "PATH", "The new ringwayd. Default: the path of the one that runs." },
	{ 0 },
};
static const struct cli_option config_get_options[] = {
	{ "defaults", NULL, "With the values that nobody set." },
	{ 0 },
};

/* group, verb, words, how many of them, help, options, schema, needs the daemon, function */
static const struct cli_command commands[] = {
	{ NULL, "status", "", 0, 0, "Show how the daemon is.", NULL, NULL, true, cmd_status },
	{ "network", "list", "", 0, 0, "List the networks.", NULL, NULL, true, cmd_network_list },
	{ "network", "show", "NAME", 1, 1, "Show one network and its ports.", NULL, NULL, true, cmd_network_show },
	{ "network", "add", "NAME", 1, 1, "Add a network.", NULL, &network_schema, true, cmd_network_add },
	{ "network", "del", "NAME", 1, 1, "Delete a network and its ports.", NULL, NULL, true, cmd_network_del },
	{ "port", "list", "", 0, 0, "List the ports.", network_only, NULL, true, cmd_port_list },
	{ "port", "show", "NAME", 1, 1, "Show one port: state, features, counters.", NULL, NULL, true, cmd_port_show },
	{ "port", "add", "NAME", 1, 1, "Add a port.", port_add_options, &port_schema, true, cmd_port_add },
	{ "port", "del", "NAME", 1, 1, "Delete a port.", NULL, NULL, true, cmd_port_del },
	{ NULL, "fdb", "", 0, 0, "List the learned addresses.", network_only, NULL, true, cmd_fdb },
	{ NULL, "stats", "[PORT]", 0, 1, "Show counters of all ports, or everything that is counted at one.",
	  stats_options, NULL, true, cmd_stats },
	{ NULL, "qemu-args", "PORT...", 1, 16, "Print arguments for QEMU that attach a guest to these ports.",
	  qemu_options, NULL, true, cmd_qemu_args },
	{ NULL, "libvirt-xml", "PORT", 1, 1, "Print the parts of a libvirt domain that attach it to a port.", NULL,
	  NULL, true, cmd_libvirt_xml },
	{ "worker", "list", "", 0, 0, "List the threads that move frames, and which queues each polls.", NULL, NULL,
	  true, cmd_worker_list },
	{ "worker", "rebalance", "", 0, 0, "Spread the queues over the workers by load, now.", NULL, NULL, true,
	  cmd_worker_rebalance },
	{ "worker", "stats", "[WORKER]", 0, 1, "Show where the cycles of the threads that move frames go.", NULL, NULL,
	  true, cmd_worker_stats },
	{ "daemon", "handover", "", 0, 0,
	  "Start a new daemon that takes over from the running one. No guest loses its connection.", handover_options,
	  NULL, true, cmd_daemon_handover },
	{ "config", "get", "", 0, 0, "Print the running configuration.", config_get_options, NULL, true,
	  cmd_config_get },
	{ "config", "apply", "FILE", 1, 1, "Make the daemon's configuration what FILE says. -: standard input.", NULL,
	  NULL, true, cmd_config_apply },
	{ "config", "check", "FILE", 1, 1, "Say what is wrong with FILE. Needs no daemon. -: standard input.", NULL,
	  NULL, false, cmd_config_check },
};

int cli_fail(const char *fmt, ...)
{
	va_list args;

	fputs("ringway: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return CLI_FAILED;
}

int cli_print_json(const json_t *tree)
{
	json_dumpf(tree, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
	return CLI_OK;
}

const char *cli_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

json_int_t cli_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

bool cli_flag(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static void print_usage(FILE *out)
{
	fputs("usage: ringway [--run-dir DIR | --api-socket PATH] [--json] VERB [ARGUMENT...] [OPTION...]\n\n"
	      "Shows and changes what ringwayd does.\n\n",
	      out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		char name[64], line[96];

		cli_command_name(&commands[i], name, sizeof(name));
		snprintf(line, sizeof(line), "%s %s", name, commands[i].words);
		fprintf(out, "  %-20s %s\n", line, commands[i].help);
	}
	fputs("\nEvery verb: --help, --json, --run-dir DIR, --api-socket PATH. Alone: --version.\nExit status: 0 done, "
	      "1 failed, 2 wrong usage.\n",
	      out);
}

/* The verb in argv[0] and, for one of a group, argv[1]. NULL after a message. */
static const struct cli_command *find_command(int argc, char **argv)
{
	bool group_found = false;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct cli_command *c = &commands[i];
		bool in_group = c->group && strcmp(c->group, argv[0]) == 0;

		group_found |= in_group;
		if (!c->group && strcmp(c->verb, argv[0]) == 0)
			return c;
		if (in_group && argc > 1 && strcmp(c->verb, argv[1]) == 0)
			return c;
	}
	if (!group_found)
		cli_fail("there is no verb '%s'", argv[0]);
	else if (argc > 1)
		cli_fail("there is no verb '%s %s'", argv[0], argv[1]);
	else
		cli_fail("'%s' needs another word", argv[0]);
	fputs("Try 'ringway --help'.\n", stderr);
	return NULL;
}

static int run_command(const struct cli_command *command, const struct cli_args *args)
{
	struct cli cli = { .run_dir = args->run_dir, .json = args->json };
	int status = CLI_FAILED;

	if (command->needs_daemon)
		cli.client = client_create(args->run_dir, args->api_socket);
	if (cli.client || !command->needs_daemon)
		status = command->run(&cli, args);
	client_destroy(cli.client);
	/* A full disk or a closed pipe is a failure too. */
	if (fflush(stdout) != 0 && status == CLI_OK)
		status = CLI_FAILED;
	return status;
}

int main(int argc, char **argv)
{
	const struct cli_command *command;
	struct cli_args args = { 0 };
	int next, skip;

	if (cli_args_parse_global(&args, argc, argv, &next, stderr))
		return CLI_USAGE;
	if (args.version) {
		puts("ringway " RINGWAY_VERSION);
		return CLI_OK;
	}
	if (args.help || next == argc) {
		print_usage(args.help ? stdout : stderr);
		return args.help ? CLI_OK : CLI_USAGE;
	}
	command = find_command(argc - next, argv + next);
	if (!command)
		return CLI_USAGE;
	skip = next + (command->group ? 1 : 0);
	if (cli_args_parse(&args, command, argc - skip, argv + skip, stderr))
		return CLI_USAGE;
	if (args.help) {
		cli_command_help(command, stdout);
		return CLI_OK;
	}
	return run_command(command, &args);
}
