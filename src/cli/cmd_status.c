/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_status.c - ringway status */
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/format.h"
#include "cli/table.h"

static void print_daemon(const json_t *s)
{
	struct table *t = table_create("|");
	char buf[FORMAT_MAX];

	table_cell(t, "ringwayd");
	table_cell(t, "%s, process %lld, running for %s", cli_text(s, "version"), (long long)cli_number(s, "pid"),
		   format_duration(buf, json_number_value(json_object_get(s, "uptime_s"))));
	table_cell(t, "run directory");
	table_cell(t, "%s", cli_text(s, "run_dir"));
	table_cell(t, "polling");
	table_cell(t, "%s, asleep after %lld us without a frame at most", cli_text(s, "poll"),
		   (long long)cli_number(s, "busy_poll_us"));
	table_cell(t, "CPU time");
	table_cell(t, "%s", format_duration(buf, (double)cli_number(s, "cpu_ns") / 1e9));
	table_cell(t, "networks");
	table_count(t, (uint64_t)cli_number(s, "networks"));
	table_cell(t, "ports");
	table_cell(t, "%lld, %lld connected", (long long)cli_number(s, "ports"),
		   (long long)cli_number(s, "ports_connected"));
	table_print(t, "", stdout);
}

static void print_workers(const json_t *workers)
{
	struct table *t = table_create(">WORKER|>THREAD|>QUEUES|>POLLED|>FRAMES|>BATCHES|>SLEEPS|>CPU TIME");
	char buf[FORMAT_MAX];
	const json_t *w;
	size_t i;

	json_array_foreach (workers, i, w) {
		table_cell(t, "%lld", (long long)cli_number(w, "idx"));
		table_cell(t, "%lld", (long long)cli_number(w, "tid"));
		table_count(t, (uint64_t)cli_number(w, "queues"));
		table_count(t, (uint64_t)cli_number(w, "queues_polled"));
		table_count(t, (uint64_t)cli_number(w, "frames"));
		table_count(t, (uint64_t)cli_number(w, "batches"));
		table_count(t, (uint64_t)cli_number(w, "sleeps"));
		table_cell(t, "%s", format_duration(buf, (double)cli_number(w, "cpu_ns") / 1e9));
	}
	table_print(t, "no workers", stdout);
}

int cmd_status(struct cli *cli, const struct cli_args *args)
{
	json_t *status = client_get(cli->client, "/api/status");
	json_t *workers = status ? client_get(cli->client, "/api/workers") : NULL;
	int result = workers ? CLI_OK : CLI_FAILED;

	(void)args;
	if (workers && cli->json) {
		json_object_set(status, "worker_threads", json_object_get(workers, "workers"));
		cli_print_json(status);
	} else if (workers) {
		print_daemon(status);
		putchar('\n');
		print_workers(json_object_get(workers, "workers"));
	}
	json_decref(status);
	json_decref(workers);
	return result;
}
