/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_config.c - ringway config
 *
 * A file is read here, so that an error of the daemon about a field can be told with the line that it stands on. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "control/config_yaml.h"

int cmd_config_get(struct cli *cli, const struct cli_args *args)
{
	json_t *tree = cli_option(args, "defaults") ? client_get(cli->client, "/api/config?defaults")
						    : client_get(cli->client, "/api/config");
	char *text;

	if (!tree)
		return CLI_FAILED;
	if (cli->json) {
		cli_print_json(tree);
	} else {
		text = config_yaml_write(tree);
		fputs(text ? text : "", stdout);
		free(text);
	}
	json_decref(tree);
	return CLI_OK;
}

static int report(const struct config_error *e)
{
	char text[1024];

	config_error_format(e, text, sizeof(text));
	return cli_fail("%s", text);
}

/* A problem of the daemon, as an error in the file. */
static int report_problem(const struct config_yaml *yaml, const char *path, const struct client_reply *reply)
{
	struct config_error e = { 0 };

	if (!*cli_text(reply->body, "detail")) {
		client_print_problem(reply);
		return CLI_FAILED;
	}
	snprintf(e.field, sizeof(e.field), "%s", cli_text(reply->body, "field"));
	snprintf(e.text, sizeof(e.text), "%s", cli_text(reply->body, "detail"));
	config_yaml_locate(yaml, path, &e);
	return report(&e);
}

static int apply(struct cli *cli, const struct config_yaml *yaml, const char *path)
{
	struct client_reply reply;
	int status = CLI_OK;

	if (!client_request(cli->client, &reply, "PUT", yaml->tree, "/api/config"))
		return CLI_FAILED;
	if (reply.status != 200)
		status = report_problem(yaml, path, &reply);
	else if (cli->json)
		cli_print_json(reply.body);
	else
		printf("%s is in effect.\n", path);
	json_decref(reply.body);
	return status;
}

int cmd_config_apply(struct cli *cli, const struct cli_args *args)
{
	struct config_yaml yaml;
	struct config_error e;
	int status;

	if (config_yaml_read(&yaml, args->words[0], &e))
		return report(&e);
	status = apply(cli, &yaml, args->words[0]);
	config_yaml_deinit(&yaml);
	return status;
}

static json_t *error_json(const struct config_error *e)
{
	json_t *object =
	    json_pack("{s:b, s:s, s:s, s:s}", "valid", 0, "file", e->file, "field", e->field, "detail", e->text);

	if (e->line > 0)
		json_object_set_new(object, "line", json_integer(e->line));
	return object;
}

static json_t *summary_json(const struct config *c)
{
	size_t n_ports = 0;

	for (size_t i = 0; i < c->n_networks; i++)
		n_ports += c->networks[i].n_ports;
	return json_pack("{s:b, s:i, s:i}", "valid", 1, "networks", (int)c->n_networks, "ports", (int)n_ports);
}

int cmd_config_check(struct cli *cli, const struct cli_args *args)
{
	struct config c;
	struct config_error e;
	int err = config_read_file(args->words[0], &c, &e);
	json_t *result = err ? error_json(&e) : summary_json(&c);

	if (cli->json)
		cli_print_json(result);
	else if (err)
		report(&e);
	else
		printf("%s is good: %lld networks, %lld ports.\n", args->words[0],
		       (long long)cli_number(result, "networks"), (long long)cli_number(result, "ports"));
	json_decref(result);
	if (!err)
		config_deinit(&c);
	return err ? CLI_FAILED : CLI_OK;
}
