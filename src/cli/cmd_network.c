/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_network.c - ringway network, ringway fdb */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/table.h"
#include "control/config_schema.h"

/* Digits become a number where the key wants one; whatever else is sent as text, and the daemon says what is wrong with it. */
static json_t *option_value(const struct config_key *k, const char *text)
{
	bool is_number = *text && strspn(text, "0123456789") == strlen(text) && strlen(text) < 18;

	if (k->kind == KEY_NUMBER && is_number)
		return json_integer(strtoll(text, NULL, 10));
	return json_string(text);
}

json_t *cli_config_body(const struct cli_args *args)
{
	const struct config_object *schema = args->command->schema;
	json_t *body = json_pack("{s:s?}", "name", args->words[0]);

	for (size_t i = 0; i < schema->n_keys; i++)
		if (args->key_values[i])
			json_object_set_new(body, schema->keys[i].name,
					    option_value(&schema->keys[i], args->key_values[i]));
	return body;
}

static void print_networks(const json_t *list)
{
	struct table *t = table_create("NETWORK|>MTU|>PORTS|>ADDRESSES|>OF");
	const json_t *n;
	size_t i;

	json_array_foreach (list, i, n) {
		const json_t *fdb = json_object_get(n, "fdb");

		table_cell(t, "%s", cli_text(n, "name"));
		table_cell(t, "%lld", (long long)cli_number(n, "mtu"));
		table_count(t, json_array_size(json_object_get(n, "ports")));
		table_count(t, (uint64_t)cli_number(fdb, "entries"));
		table_count(t, (uint64_t)cli_number(fdb, "capacity"));
	}
	table_print(t, "There are no networks. Add one with 'ringway network add NAME'.", stdout);
}

int cmd_network_list(struct cli *cli, const struct cli_args *args)
{
	json_t *reply = client_get(cli->client, "/api/networks");
	const json_t *list = json_object_get(reply, "networks");

	(void)args;
	if (!reply)
		return CLI_FAILED;
	if (cli->json)
		cli_print_json(list);
	else
		print_networks(list);
	json_decref(reply);
	return CLI_OK;
}

static void print_network(const json_t *n)
{
	struct table *t = table_create("|");
	const json_t *fdb = json_object_get(n, "fdb"), *port;
	long long ageing_s = cli_number(n, "fdb_ageing_s");
	size_t i;

	table_cell(t, "network");
	table_cell(t, "%s", cli_text(n, "name"));
	table_cell(t, "MTU");
	table_cell(t, "%lld", (long long)cli_number(n, "mtu"));
	table_cell(t, "addresses");
	table_cell(t, "%lld of %lld, %lld evicted", (long long)cli_number(fdb, "entries"),
		   (long long)cli_number(fdb, "capacity"), (long long)cli_number(fdb, "evictions"));
	table_cell(t, "forgotten");
	if (ageing_s)
		table_cell(t, "after %lld s", ageing_s);
	else
		table_cell(t, "never");
	json_array_foreach (json_object_get(n, "ports"), i, port) {
		table_cell(t, "%s", i ? "" : "ports");
		table_cell(t, "%s", cli_text(port, "name"));
	}
	table_print(t, "", stdout);
}

int cmd_network_show(struct cli *cli, const struct cli_args *args)
{
	json_t *network = client_get(cli->client, "/api/networks/%s", args->words[0]);

	if (!network)
		return CLI_FAILED;
	if (cli->json)
		cli_print_json(network);
	else
		print_network(network);
	json_decref(network);
	return CLI_OK;
}

int cmd_network_add(struct cli *cli, const struct cli_args *args)
{
	json_t *body = cli_config_body(args);
	json_t *network = client_post(cli->client, body, "/api/networks");

	json_decref(body);
	if (!network)
		return CLI_FAILED;
	if (cli->json)
		cli_print_json(network);
	else
		printf("Network %s was added.\n", cli_text(network, "name"));
	json_decref(network);
	return CLI_OK;
}

int cmd_network_del(struct cli *cli, const struct cli_args *args)
{
	json_t *reply = client_delete(cli->client, "/api/networks/%s", args->words[0]);

	if (!reply)
		return CLI_FAILED;
	if (cli->json)
		cli_print_json(reply);
	else
		printf("Network %s was deleted.\n", args->words[0]);
	json_decref(reply);
	return CLI_OK;
}

static void print_fdb(const json_t *list)
{
	struct table *t = table_create("NETWORK|ADDRESS|PORT|>LAST SEEN");
	const json_t *entry;
	size_t i;

	json_array_foreach (list, i, entry) {
		table_cell(t, "%s", cli_text(entry, "network"));
		table_cell(t, "%s", cli_text(entry, "mac"));
		table_cell(t, "%s", cli_text(entry, "port"));
		table_cell(t, "%lld s ago", (long long)cli_number(entry, "age_s"));
	}
	table_print(t, "No addresses have been learned.", stdout);
}

int cmd_fdb(struct cli *cli, const struct cli_args *args)
{
	const char *network = cli_option(args, "network");
	json_t *reply =
	    network ? client_get(cli->client, "/api/fdb?network=%s", network) : client_get(cli->client, "/api/fdb");
	const json_t *list = json_object_get(reply, "fdb");

	if (!reply)
		return CLI_FAILED;
	if (cli->json)
		cli_print_json(list);
	else
		print_fdb(list);
	json_decref(reply);
	return CLI_OK;
}
