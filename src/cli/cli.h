/* SPDX-License-Identifier: Apache-2.0 */
/* cli.h - What the verbs of `ringway` share.
 *
 * main.c has the table of verbs; a verb lives in the cmd_*.c of its group, asks the daemon through client.h and prints either
 * the daemon's JSON (--json) or something for people. It returns the exit status: 0 done, 1 failed (a message is on
 * stderr), 2 wrong usage. */
#ifndef RINGWAY_CLI_CLI_H
#define RINGWAY_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "cli/args.h"

enum { CLI_OK, CLI_FAILED, CLI_USAGE };

struct client;

struct cli {
	const char *run_dir; /* as given, or NULL */
	bool json;
	struct client *client; /* set for verbs with needs_daemon */
};

typedef int cli_run(struct cli *cli, const struct cli_args *args);

/* "ringway: " and a message on stderr. Returns CLI_FAILED. */
int cli_fail(const char *fmt, ...) printf_like(1, 2);
/* --json: the tree, indented. Returns CLI_OK. */
int cli_print_json(const json_t *tree);

/* A member of an object, or something empty when it is not there or of another type. */
const char *cli_text(const json_t *object, const char *key);
json_int_t cli_number(const json_t *object, const char *key);
bool cli_flag(const json_t *object, const char *key);

/* From the options of the command line that stand for keys of the schema: the body of a POST. */
json_t *cli_config_body(const struct cli_args *args);

/* Verbs */
cli_run cmd_status, cmd_fdb, cmd_stats;
cli_run cmd_worker_list, cmd_worker_rebalance, cmd_worker_stats;
cli_run cmd_daemon_handover;
cli_run cmd_network_add, cmd_network_del, cmd_network_list, cmd_network_show;
cli_run cmd_port_add, cmd_port_del, cmd_port_list, cmd_port_show;
cli_run cmd_qemu_args, cmd_libvirt_xml;
cli_run cmd_config_get, cmd_config_apply, cmd_config_check;

#endif
