/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_guest.c - ringway qemu-args, ringway libvirt-xml */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/guest.h"

/* Keeps the addresses of two hosts apart that have ports of the same name. */
static void read_machine_id(char buf[64])
{
	FILE *file = fopen("/etc/machine-id", "re");

	buf[0] = 0;
	if (!file)
		return;
	if (!fgets(buf, 64, file))
		buf[0] = 0;
	fclose(file);
}

/* The port's object, which `out` points into. NULL after a message. */
static json_t *fetch_port(struct cli *cli, const char *name, struct guest_port *out)
{
	json_t *port = client_get(cli->client, "/api/ports/%s", name);

	if (!port)
		return NULL;
	if (strcmp(cli_text(port, "type"), "vhost-user") != 0) {
		cli_fail("port %s is of type %s: guests attach to vhost-user ports", name, cli_text(port, "type"));
		json_decref(port);
		return NULL;
	}
	*out = (struct guest_port){
		.name = cli_text(port, "name"),
		.socket = cli_text(port, "socket_path"),
		.queues = (unsigned)cli_number(port, "queues"),
		.mtu = (unsigned)cli_number(port, "mtu"),
		.daemon_listens = strcmp(cli_text(port, "mode"), "client") != 0,
	};
	return port;
}

/* One option to a line for people, one line for $(ringway qemu-args vm1). */
static void print_args(const json_t *list)
{
	const char *gap = isatty(STDOUT_FILENO) ? " \\\n" : " ";
	const json_t *word;
	size_t i;

	json_array_foreach (list, i, word) {
		fputs(i == 0 ? "" : i % 2 ? " " : gap, stdout);
		guest_print_word(json_string_value(word), stdout);
	}
	putchar('\n');
}

/* QEMU's sizes: digits and a unit. What goes into -object must not bring a comma along. */
static bool memory_is_sane(const char *memory)
{
	size_t digits = strspn(memory, "0123456789");

	return digits > 0 && (!memory[digits] || (strchr("KMGTkmgt", memory[digits]) && !memory[digits + 1]));
}

int cmd_qemu_args(struct cli *cli, const struct cli_args *args)
{
	const char *memory = cli_option(args, "memory");
	const struct guest_options o = { memory ? memory : "1G", cli_option(args, "tcg") };
	struct guest_port *ports = calloc(args->n_words, sizeof(*ports));
	json_t *objects = json_array(), *list;
	char host[64];
	int status = CLI_FAILED;

	if (!memory_is_sane(o.memory)) {
		cli_fail("--memory is '%s', allowed: a number with K, M, G or T behind it", o.memory);
		status = CLI_USAGE;
		goto out;
	}
	for (size_t i = 0; i < args->n_words; i++)
		if (!ports || json_array_append_new(objects, fetch_port(cli, args->words[i], &ports[i])))
			goto out;
	read_machine_id(host);
	list = guest_qemu_args(ports, args->n_words, host, &o);
	if (cli->json)
		cli_print_json(list);
	else
		print_args(list);
	json_decref(list);
	status = CLI_OK;
out:
	json_decref(objects);
	free(ports);
	return status;
}

static int print_xml(const struct cli *cli, const struct guest_port *port)
{
	char host[64];
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return cli_fail("out of memory");
	read_machine_id(host);
	guest_libvirt_xml(port, host, out);
	fclose(out);
	if (cli->json) {
		json_t *object = json_pack("{s:s}", "xml", text);

		cli_print_json(object);
		json_decref(object);
	} else {
		fputs(text, stdout);
	}
	free(text);
	return CLI_OK;
}

int cmd_libvirt_xml(struct cli *cli, const struct cli_args *args)
{
	struct guest_port port;
	json_t *object = fetch_port(cli, args->words[0], &port);
	int status = object ? print_xml(cli, &port) : CLI_FAILED;

	json_decref(object);
	return status;
}
