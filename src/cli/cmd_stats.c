/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_stats.c - ringway stats
 *
 * Rates are differences between two answers, over the daemon's own clock. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/format.h"
#include "cli/table.h"
#include "packet/drop_reason.h"

static const struct {
	const char *key, *label;
} counters[] = {
	{ "frames", "frames" },
	{ "bytes", "bytes" },
	{ "multicast", "multicast" },
	{ "gso_frames", "larger than the MTU" },
	{ "csum_partial", "checksum left to do" },
	{ "coalesced", "put into larger ones" },
	{ "sw_csum", "checksums made here" },
	{ "sw_gso_frames", "segmented here" },
	{ "sw_segments", "segments made here" },
	{ "notifications", "notifications" },
	{ "dropped", "dropped" },
};

static const char *explain(const char *reason)
{
	for (unsigned i = 0; i < N_DROP_REASONS; i++)
		if (strcmp(drop_reason_name((enum drop_reason)i), reason) == 0)
			return drop_reason_text((enum drop_reason)i);
	return "";
}

static const json_t *find_port(const json_t *stats, const char *name)
{
	const json_t *port;
	size_t i;

	json_array_foreach (json_object_get(stats, "ports"), i, port)
		if (strcmp(cli_text(port, "name"), name) == 0)
			return port;
	return NULL;
}

static json_int_t counter(const json_t *port, const char *direction, const char *key)
{
	return cli_number(json_object_get(port, direction), key);
}

/* One port */

static void print_drops(const json_t *port)
{
	struct table *t = table_create(">RX|>TX|DROPPED BECAUSE");
	const json_t *rx = json_object_get(json_object_get(port, "rx"), "drops");
	const json_t *tx = json_object_get(json_object_get(port, "tx"), "drops");
	const char *reason;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)rx, reason, value) {
		if (!json_integer_value(value) && !cli_number(tx, reason))
			continue;
		table_count(t, (uint64_t)json_integer_value(value));
		table_count(t, (uint64_t)cli_number(tx, reason));
		table_cell(t, "%s: %s", reason, explain(reason));
	}
	table_print(t, "Nothing was dropped.", stdout);
}

static void print_port(const json_t *port)
{
	struct table *t = table_create("|>RX|>TX");

	for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
		table_cell(t, "%s", counters[i].label);
		table_count(t, (uint64_t)counter(port, "rx", counters[i].key));
		table_count(t, (uint64_t)counter(port, "tx", counters[i].key));
	}
	printf("Port %s in network %s. RX is from the port into the switch, TX out to the port.\n\n",
	       cli_text(port, "name"), cli_text(port, "network"));
	table_print(t, "", stdout);
	putchar('\n');
	print_drops(port);
}

/* All ports */

static void print_totals(const json_t *stats)
{
	struct table *t = table_create("PORT|NETWORK|>RX FRAMES|>RX BYTES|>DROPPED|>TX FRAMES|>TX BYTES|>DROPPED");
	const json_t *port;
	size_t i;

	json_array_foreach (json_object_get(stats, "ports"), i, port) {
		table_cell(t, "%s", cli_text(port, "name"));
		table_cell(t, "%s", cli_text(port, "network"));
		for (int tx = 0; tx <= 1; tx++) {
			char buf[FORMAT_MAX];

			table_count(t, (uint64_t)counter(port, tx ? "tx" : "rx", "frames"));
			table_cell(t, "%s",
				   format_quantity(buf, (double)counter(port, tx ? "tx" : "rx", "bytes"), "B"));
			table_count(t, (uint64_t)counter(port, tx ? "tx" : "rx", "dropped"));
		}
	}
	table_print(t, "There are no ports.", stdout);
}

/* Rates */

static void rate_cell(struct table *t, const json_t *now, const json_t *before, const char *direction, const char *key,
		      double per, const char *unit)
{
	double change = (double)(counter(now, direction, key) - counter(before, direction, key));
	char buf[FORMAT_MAX];

	table_cell(t, "%s", format_quantity(buf, MAX(change, 0) * per, unit));
}

static void print_rates(const json_t *now, const json_t *before)
{
	struct table *t = table_create("PORT|>RX FRAMES|>RX|>DROPPED|>TX FRAMES|>TX|>DROPPED");
	double seconds = (double)(cli_number(now, "time_ns") - cli_number(before, "time_ns")) / 1e9;
	const json_t *port;
	size_t i;

	json_array_foreach (json_object_get(now, "ports"), i, port) {
		const json_t *old = find_port(before, cli_text(port, "name"));

		if (!old || seconds <= 0)
			continue;
		table_cell(t, "%s", cli_text(port, "name"));
		for (int tx = 0; tx <= 1; tx++) {
			rate_cell(t, port, old, tx ? "tx" : "rx", "frames", 1 / seconds, "/s");
			rate_cell(t, port, old, tx ? "tx" : "rx", "bytes", 8 / seconds, "bit/s");
			rate_cell(t, port, old, tx ? "tx" : "rx", "dropped", 1 / seconds, "/s");
		}
	}
	table_print(t, "There are no ports.", stdout);
}

static json_t *fetch(struct cli *cli, const struct cli_args *args)
{
	return args->n_words ? client_get(cli->client, "/api/stats?port=%s", args->words[0])
			     : client_get(cli->client, "/api/stats");
}

static void pause_for(double seconds)
{
	struct timespec ts = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

/* With --json: the counters, one document to a line. */
static void print_watched(const struct cli *cli, const json_t *now, const json_t *before)
{
	if (cli->json) {
		json_dumpf(now, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		if (isatty(STDOUT_FILENO))
			fputs("\033[H\033[2J", stdout);
		print_rates(now, before);
	}
}

static int watch(struct cli *cli, const struct cli_args *args, double interval_s, unsigned long count)
{
	json_t *before = fetch(cli, args);

	for (unsigned long i = 0; before && (count == 0 || i < count); i++) {
		json_t *now;

		pause_for(interval_s);
		now = fetch(cli, args);
		if (now)
			print_watched(cli, now, before);
		json_decref(before);
		before = now;
		if (fflush(stdout) != 0)
			break;
	}
	json_decref(before);
	return before ? CLI_OK : CLI_FAILED;
}

/* The options of --watch. False after a message. */
static bool read_watch_options(const struct cli_args *args, double *interval_s, unsigned long *count)
{
	const char *interval = cli_option(args, "interval"), *n = cli_option(args, "count");
	char *end = NULL;

	*interval_s = interval ? strtod(interval, &end) : 1;
	if (interval && (*end || !*interval || !(*interval_s >= 0.1 && *interval_s <= 86400))) {
		cli_fail("--interval is '%s', allowed: 0.1..86400", interval);
		return false;
	}
	*count = n ? strtoul(n, &end, 10) : 0;
	if (n && (*end || *n < '0' || *n > '9' || *count == 0)) {
		cli_fail("--count is '%s', allowed: a number from 1", n);
		return false;
	}
	return true;
}

/* With a port: its object, and the time; without: the whole answer. */
static void print_json(json_t *stats, const struct cli_args *args)
{
	json_t *port = args->n_words ? json_array_get(json_object_get(stats, "ports"), 0) : NULL;

	if (port)
		json_object_set(port, "time_ns", json_object_get(stats, "time_ns"));
	cli_print_json(port ? port : stats);
}

int cmd_stats(struct cli *cli, const struct cli_args *args)
{
	double interval_s;
	unsigned long count;
	json_t *stats;

	if (!read_watch_options(args, &interval_s, &count))
		return CLI_USAGE;
	if (cli_option(args, "watch"))
		return watch(cli, args, interval_s, count);
	stats = fetch(cli, args);
	if (!stats)
		return CLI_FAILED;
	if (cli->json)
		print_json(stats, args);
	else if (args->n_words)
		print_port(json_array_get(json_object_get(stats, "ports"), 0));
	else
		print_totals(stats);
	json_decref(stats);
	return CLI_OK;
}
