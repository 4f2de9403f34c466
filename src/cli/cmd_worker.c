/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_worker.c - ringway worker ... */
#include <stdlib.h>

#include "base/account.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/format.h"
#include "cli/table.h"

static const char *const explanations[] = {
#define X(constant, name, explanation) explanation,
	ACCOUNT_STAGES(X)
#undef X
};

static const json_t *stage_of(const json_t *worker, unsigned stage)
{
	static const char *const names[] = {
#define X(constant, name, explanation) name,
		ACCOUNT_STAGES(X)
#undef X
	};

	return json_object_get(json_object_get(json_object_get(worker, "account"), "stages"), names[stage]);
}

static double total_cycles(const json_t *worker)
{
	double total = 0;

	for (unsigned i = 0; i < N_ACCOUNT_STAGES; i++)
		total += (double)cli_number(stage_of(worker, i), "cycles");
	return total;
}

static void print_stages(const json_t *worker)
{
	struct table *t = table_create(">SHARE|>FRAMES|>CYCLES EACH|SPENT ON");
	double total = total_cycles(worker);

	for (unsigned i = 0; i < N_ACCOUNT_STAGES && total > 0; i++) {
		double cycles = (double)cli_number(stage_of(worker, i), "cycles");
		json_int_t n = cli_number(stage_of(worker, i), "frames");

		table_cell(t, "%.1f %%", 100 * cycles / total);
		table_count(t, (uint64_t)n);
		if (n)
			table_cell(t, "%.1f", cycles / (double)n);
		else
			table_cell(t, "-");
		table_cell(t, "%s", explanations[i]);
	}
	table_print(t, "No account of cycles is kept.", stdout);
}

static void print_worker(const json_t *worker)
{
	const json_t *account = json_object_get(worker, "account");
	json_int_t batches = cli_number(worker, "batches"), empty = cli_number(worker, "empty_polls");
	char buf[FORMAT_MAX];

	printf("Worker %lld: thread %lld, %s on a CPU\n", (long long)cli_number(worker, "idx"),
	       (long long)cli_number(worker, "tid"), format_duration(buf, (double)cli_number(worker, "cpu_ns") / 1e9));
	printf("%lld frames in %lld batches; %lld looks at queues, %lld in vain\n",
	       (long long)cli_number(worker, "frames"), (long long)batches, (long long)(batches + empty),
	       (long long)empty);
	printf("Slept %lld times, woken %lld times; %lld notifications sent, %lld not wanted\n\n",
	       (long long)cli_number(worker, "sleeps"), (long long)cli_number(worker, "wakeups"),
	       (long long)cli_number(account, "notifications"),
	       (long long)cli_number(account, "notifications_suppressed"));
	print_stages(worker);
}

/* All, or the one that the command line names; NULL after a message. */
static json_t *choose(const json_t *workers, const struct cli_args *args)
{
	json_t *chosen = json_array(), *worker;
	const char *word = args->n_words ? args->words[0] : NULL;
	char *end;
	unsigned long idx = word ? strtoul(word, &end, 10) : 0;
	size_t i;

	json_array_foreach (workers, i, worker)
		if (!word || (*word >= '0' && *word <= '9' && !*end && (json_int_t)idx == cli_number(worker, "idx")))
			json_array_append(chosen, worker);
	if (json_array_size(chosen))
		return chosen;
	json_decref(chosen);
	cli_fail("there is no worker %s", word ? word : "");
	return NULL;
}

int cmd_worker_stats(struct cli *cli, const struct cli_args *args)
{
	json_t *answer = client_get(cli->client, "/api/workers");
	json_t *chosen = answer ? choose(json_object_get(answer, "workers"), args) : NULL;
	const json_t *worker;
	size_t i;

	json_decref(answer);
	if (!chosen)
		return CLI_FAILED;
	if (cli->json)
		cli_print_json(chosen);
	else
		json_array_foreach (chosen, i, worker) {
			if (i)
				putchar('\n');
			print_worker(worker);
		}
	json_decref(chosen);
	return CLI_OK;
}

static void print_assigned(struct table *t, const json_t *worker)
{
	const json_t *assigned = json_object_get(worker, "assigned"), *a;
	size_t i;

	json_array_foreach (assigned, i, a) {
		table_cell(t, "%lld", (long long)cli_number(worker, "idx"));
		table_cell(t, "%s", cli_text(a, "port"));
		table_cell(t, "%lld", (long long)cli_number(a, "queue"));
		table_cell(t, "%.1f %%", 100 * json_number_value(json_object_get(a, "load")));
	}
}

static void print_place(struct table *t, const json_t *worker, const char *key)
{
	if (json_object_get(worker, key))
		table_cell(t, "%lld", (long long)cli_number(worker, key));
	else
		table_cell(t, "any");
}

static void print_workers(const json_t *workers)
{
	struct table *t = table_create(">WORKER|>THREAD|>CPU|>NODE|>LOAD|>QUEUES|>POLLED|>FRAMES");
	const json_t *w;
	size_t i;

	json_array_foreach (workers, i, w) {
		table_cell(t, "%lld", (long long)cli_number(w, "idx"));
		table_cell(t, "%lld", (long long)cli_number(w, "tid"));
		print_place(t, w, "cpu");
		print_place(t, w, "node");
		table_cell(t, "%.1f %%", 100 * json_number_value(json_object_get(w, "load")));
		table_count(t, (uint64_t)cli_number(w, "queues"));
		table_count(t, (uint64_t)cli_number(w, "queues_polled"));
		table_count(t, (uint64_t)cli_number(w, "frames"));
	}
	table_print(t, "", stdout);
	putchar('\n');
	t = table_create(">WORKER|PORT|>QUEUE|>LOAD");
	json_array_foreach (workers, i, w)
		print_assigned(t, w);
	table_print(t, "No queues.", stdout);
}

int cmd_worker_list(struct cli *cli, const struct cli_args *args)
{
	json_t *answer = client_get(cli->client, "/api/workers");
	const json_t *workers = json_object_get(answer, "workers");

	(void)args;
	if (!answer)
		return CLI_FAILED;
	if (cli->json)
		cli_print_json(workers);
	else
		print_workers(workers);
	json_decref(answer);
	return CLI_OK;
}

static void print_moves(const json_t *moves)
{
	struct table *t = table_create("PORT|>QUEUE|>FROM|>TO|");
	const json_t *m;
	size_t i;

	json_array_foreach (moves, i, m) {
		table_cell(t, "%s", cli_text(m, "port"));
		table_cell(t, "%lld", (long long)cli_number(m, "queue"));
		table_cell(t, "%lld", (long long)cli_number(m, "from"));
		table_cell(t, "%lld", (long long)cli_number(m, "to"));
		table_cell(t, "%s", cli_flag(m, "done") ? "" : "not done: its frames wait for a full receiver");
	}
	table_print(t, "Nothing to move.", stdout);
}

int cmd_worker_rebalance(struct cli *cli, const struct cli_args *args)
{
	json_t *body = json_object(), *answer = client_post(cli->client, body, "/api/workers/rebalance");
	const json_t *moves = json_object_get(answer, "moves");

	(void)args;
	json_decref(body);
	if (!answer)
		return CLI_FAILED;
	if (cli->json)
		cli_print_json(moves);
	else
		print_moves(moves);
	json_decref(answer);
	return CLI_OK;
}
