/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_port.c - ringway port */
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/format.h"
#include "cli/table.h"

static void print_ports(const json_t *list)
{
	struct table *t = table_create("PORT|NETWORK|TYPE|>QUEUES|STATE");
	const json_t *p;
	size_t i;

	json_array_foreach (list, i, p) {
		table_cell(t, "%s", cli_text(p, "name"));
		table_cell(t, "%s", cli_text(p, "network"));
		table_cell(t, "%s", cli_text(p, "type"));
		table_cell(t, "%lld of %lld", (long long)cli_number(p, "queues_active"),
			   (long long)cli_number(p, "queues"));
		table_cell(t, "%s", cli_text(p, "state"));
	}
	table_print(t, "There are no ports. Add one with 'ringway port add NAME --network NETWORK'.", stdout);
}

int cmd_port_list(struct cli *cli, const struct cli_args *args)
{
	const char *network = cli_option(args, "network");
	json_t *reply =
	    network ? client_get(cli->client, "/api/ports?network=%s", network) : client_get(cli->client, "/api/ports");
	const json_t *list = json_object_get(reply, "ports");

	if (!reply)
		return CLI_FAILED;
	if (cli->json)
		cli_print_json(list);
	else
		print_ports(list);
	json_decref(reply);
	return CLI_OK;
}

/* Some words to a line. */
static void word_rows(struct table *t, const char *heading, const json_t *words, const char *empty)
{
	enum { LINE_MAX_CHARS = 80 };
	char line[LINE_MAX_CHARS + 1];
	size_t i, len = 0;
	const json_t *word;

	json_array_foreach (words, i, word) {
		const char *name = json_string_value(word) ? json_string_value(word) : "?";

		if (len > 0 && len + 1 + strlen(name) > LINE_MAX_CHARS) {
			table_cell(t, "%s", heading);
			table_cell(t, "%s", line);
			heading = "";
			len = 0;
		}
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%s%s", len ? " " : "", name);
		len = MIN(len, sizeof(line) - 1);
	}
	table_cell(t, "%s", heading);
	table_cell(t, "%s", len ? line : empty);
}

static void traffic_row(struct table *t, const char *heading, const json_t *c)
{
	char frames[FORMAT_MAX], bytes[FORMAT_MAX], dropped[FORMAT_MAX];

	table_cell(t, "%s", heading);
	table_cell(t, "%s frames, %s, %s dropped", format_count(frames, (uint64_t)cli_number(c, "frames")),
		   format_quantity(bytes, (double)cli_number(c, "bytes"), "B"),
		   format_count(dropped, (uint64_t)cli_number(c, "dropped")));
}

static void print_port(const json_t *p)
{
	static const struct {
		const char *label, *key;
	} rows[] = {
		{ "port", "name" },          { "network", "network" }, { "type", "type" },     { "state", "state" },
		{ "socket", "socket_path" }, { "mode", "mode" },       { "device", "ifname" },
	};
	struct table *t = table_create("|");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!json_object_get(p, rows[i].key))
			continue;
		table_cell(t, "%s", rows[i].label);
		table_cell(t, "%s", cli_text(p, rows[i].key));
	}
	table_cell(t, "MTU");
	if (json_object_get(p, "guest_mtu"))
		table_cell(t, "%lld, the guest's %lld", (long long)cli_number(p, "mtu"),
			   (long long)cli_number(p, "guest_mtu"));
	else
		table_cell(t, "%lld", (long long)cli_number(p, "mtu"));
	table_cell(t, "queues");
	table_cell(t, "%lld, in use %lld", (long long)cli_number(p, "queues"),
		   (long long)cli_number(p, "queues_active"));
	if (json_object_get(p, "features"))
		word_rows(t, "features", json_object_get(p, "features"), "none yet");
	word_rows(t, "offloads", json_object_get(p, "offloads"), "none: what is sent there is finished first");
	traffic_row(t, "received", json_object_get(p, "rx"));
	traffic_row(t, "sent", json_object_get(p, "tx"));
	table_print(t, "", stdout);
}

int cmd_port_show(struct cli *cli, const struct cli_args *args)
{
	json_t *port = client_get(cli->client, "/api/ports/%s", args->words[0]);

	if (!port)
		return CLI_FAILED;
	if (cli->json)
		cli_print_json(port);
	else
		print_port(port);
	json_decref(port);
	return CLI_OK;
}

/* The name of the only network, new; NULL after a message. */
static json_t *only_network(struct cli *cli)
{
	json_t *reply = client_get(cli->client, "/api/networks");
	const json_t *list = json_object_get(reply, "networks");
	json_t *name = NULL;

	if (reply && json_array_size(list) == 1)
		name = json_string(cli_text(json_array_get(list, 0), "name"));
	else if (reply && json_array_size(list) == 0)
		cli_fail("there is no network to add it to: see 'ringway network add --help'");
	else if (reply)
		cli_fail("there are %zu networks: say which with --network NAME", json_array_size(list));
	json_decref(reply);
	return name;
}

static json_t *add_port(struct cli *cli, const struct cli_args *args)
{
	const char *given = cli_option(args, "network");
	json_t *network = given ? json_string(given) : only_network(cli);
	json_t *body, *port;

	if (!network)
		return NULL;
	body = cli_config_body(args);
	json_object_set_new(body, "network", network);
	if (!json_object_get(body, "type"))
		json_object_set_new(body, "type", json_string("vhost-user"));
	port = client_post(cli->client, body, "/api/ports");
	json_decref(body);
	return port;
}

int cmd_port_add(struct cli *cli, const struct cli_args *args)
{
	json_t *port = add_port(cli, args);

	if (!port)
		return CLI_FAILED;
	if (cli->json)
		cli_print_json(port);
	else
		printf("Port %s was added to network %s: %s\n", cli_text(port, "name"), cli_text(port, "network"),
		       cli_text(port, "state"));
	json_decref(port);
	return CLI_OK;
}

int cmd_port_del(struct cli *cli, const struct cli_args *args)
{
	json_t *reply = client_delete(cli->client, "/api/ports/%s", args->words[0]);

	if (!reply)
		return CLI_FAILED;
	if (cli->json)
		cli_print_json(reply);
	else
		printf("Port %s was deleted.\n", args->words[0]);
	json_decref(reply);
	return CLI_OK;
}
