/* SPDX-License-Identifier: Apache-2.0 */
/* bench_workers.c - What a second worker on a second core is worth, with guests that cannot be the limit.
 *
 *	bench-workers [-j] [-r REPETITIONS] [ROW...]
 *
 * Four guests in two pairs, on the daemon's own ports, rings and tables. A thread is worker and guests by turns, as in bench-switch, and only
 * the switch's part is timed: what counts is how many frames its cores move in the time that they give it. In turn, a thousand
 * times and more: one worker has one pair; one worker has both; two workers have a pair each ("apart"); two workers have two guests each
 * that send to the other's ("across"), so that every ring is touched by both cores. Others that run on this machine make a repetition
 * slower, never faster: the best of all is compared, the median is shown beside it. -j: one JSON object per row instead. */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/account.h"
#include "base/clock.h"
#include "base/cycles.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/lost_memory.h"
#include "load_end.h"
#include "port/port_vhost.h"
#include "switch/fdb.h"
#include "switch/forward.h"

enum { PORTS = 4, THREADS = 2, RING = 256, BATCH = 32, REP_NS = 1000 * 1000, WARM_UP_NS = 300 * 1000 };

struct row {
	const char *name;
	uint32_t frame_len;
	bool packed, offload;
};

static const struct row rows[] = {
	{ "split-60", 60, false, false },
	{ "split-1514", 1514, false, false },
	{ "split-64k", 65226, false, true },
	{ "packed-60", 60, true, false },
};

/* Who serves which ports, and how far away the port is to which a guest sends. */
static const struct arrangement {
	const char *name;
	unsigned workers, ports_each, to;
} arrangements[] = {
	{ "one_pair", 1, 2, 1 },
	{ "one", 1, 4, 1 },
	{ "apart", 2, 2, 1 },
	{ "across", 2, 2, 2 },
};
enum { ONE = 1, APART, ACROSS }; /* places in the list */

struct thread {
	struct account account;
	struct batch *batch;
	unsigned idx;
	uint64_t frames, cycles; /* of this repetition, timed */
	uint64_t taken;          /* frames of all */
} cache_aligned;

static unsigned n_repetitions = 300;
static bool as_json;
static double cycles_per_ns;
static char dir[] = "/tmp/bench-workers-XXXXXX";
static struct event_loop *loop;
static struct port *ports[PORTS];
static struct load_end ends[PORTS];
static struct snapshot *snapshot;
static struct thread threads[THREADS];
static pthread_barrier_t barrier;
static const struct arrangement *current; /* NULL: the end */
static unsigned batch_size;
static unsigned n_done; /* threads whose repetition is over */

_Noreturn static void fail(const char *what, const char *why)
{
	fprintf(stderr, "bench-workers: %s: %s\n", what, why);
	exit(1);
}

static void calibrate(void)
{
	uint64_t ns, cycles = cycles_now(), start = clock_ns();

	while ((ns = clock_ns() - start) < 20 * NSEC_PER_MSEC)
		;
	cycles_per_ns = (double)(cycles_now() - cycles) / (double)ns;
}

/* Set-up */

static uint64_t address_of(unsigned port)
{
	return fdb_key((uint8_t[6]){ 2, 0, 0, 0, 0, (uint8_t)port });
}

static void let_backends_work(void *arg)
{
	(void)arg;
	event_loop_turn(loop, 0);
}

static void open_port(const struct row *row, unsigned i)
{
	char path[64], name[16], err[256] = "";
	struct port_vhost_config pc = { .name = name,
					.socket = path,
					.queues = 1,
					.mtu = 9000,
					.socket_mode = 0600,
					.socket_uid = (uid_t)-1,
					.socket_gid = (gid_t)-1 };
	struct load_config lc = { .socket = path,
				  .packed = row->packed,
				  .mergeable = true,
				  .offload = row->offload,
				  .ring_size = RING,
				  .frame_len = row->frame_len,
				  .src = address_of(i),
				  .dst = address_of(i ^ 1),
				  .while_waiting = let_backends_work };

	snprintf(name, sizeof(name), "p%u", i);
	snprintf(path, sizeof(path), "%s/%u.sock", dir, i);
	if (port_vhost_create(loop, &pc, &ports[i], err, sizeof(err)) < 0 ||
	    !load_end_open(&ends[i], &lc, err, sizeof(err)))
		fail(row->name, err);
	port_vhost_start(ports[i]);
	ports[i]->idx = (uint16_t)i;
	ports[i]->max_frame_len = UINT32_MAX;
}

/* Between repetitions: all frames of all guests go to the guest that is `to` further. */
static void readdress(unsigned to)
{
	for (unsigned i = 0; i < PORTS; i++) {
		uint64_t dst = address_of(i ^ to);

		for (unsigned k = 0; k < RING; k++)
			memcpy(load_end_frame(&ends[i], k), &dst, 6);
	}
}

/* Work */

/* Frames for a guest of the other thread, which has to empty its ring first: nobody's time. */
static void see_through(struct batch *b, unsigned first, unsigned n)
{
	while (!forward_retry(snapshot, b, b->waiting_since_ns))
		for (unsigned i = first; i < first + n; i++)
			load_end_receive(&ends[i], RING);
}

static void serve(struct thread *t, unsigned i, uint64_t now_ns)
{
	const struct arrangement *a = current;
	uint64_t start = cycles_now();
	unsigned n = ports[i]->ops->rx(ports[i], 0, t->batch);

	if (n == 0)
		return;
	t->taken += n;
	account_lap(ACCOUNT_RX, n);
	forward_batch(snapshot, ports[i], 0, t->batch, now_ns);
	if (unlikely(t->batch->waiting)) {
		t->cycles += cycles_now() - start;
		n -= (unsigned)__builtin_popcountll(t->batch->waiting);
		see_through(t->batch, t->idx * a->ports_each, a->ports_each);
		start = cycles_now();
	}
	ports[i]->ops->rx_done(ports[i], 0, t->batch);
	account_lap(ACCOUNT_PUBLISH, n);
	t->cycles += cycles_now() - start;
	t->frames += n;
}

static void work(struct thread *t, uint64_t duration_ns)
{
	unsigned n = current->ports_each, first = t->idx * n;
	uint64_t now_ns = clock_ns(), end_ns = now_ns + duration_ns;

	t->frames = t->cycles = 0;
	while (now_ns < end_ns) {
		for (unsigned i = first; i < first + n; i++) {
			load_end_receive(&ends[i], RING);
			load_end_send(&ends[i], batch_size);
		}
		for (unsigned i = first; i < first + n; i++)
			serve(t, i, now_ns);
		now_ns = clock_ns();
	}
}

/* Until nobody waits for this thread's guests any more. */
static void drain(const struct thread *t)
{
	unsigned n = current->ports_each, first = t->idx * n;

	for (unsigned i = first; i < first + n; i++)
		load_end_receive(&ends[i], RING);
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(t->idx, &cpus);
	if (pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus) != 0)
		fail("start", "needs CPUs 0 and 1");
	account_open(&t->account);
	while (pthread_barrier_wait(&barrier), current) {
		if (t->idx < current->workers) {
			work(t, WARM_UP_NS);
			work(t, REP_NS);
		}
		__atomic_add_fetch(&n_done, 1, __ATOMIC_RELEASE);
		while (t->idx < current->workers && load_acquire(&n_done) < THREADS)
			drain(t);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

/* Results */

struct result {
	double *rates; /* [n_repetitions] Mframe/s, of all workers together */
};

static void repeat(const struct arrangement *a, double *rate)
{
	if (!current || current->to != a->to)
		readdress(a->to);
	current = a;
	n_done = 0;
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	*rate = 0;
	for (unsigned i = 0; i < a->workers; i++)
		*rate += (double)threads[i].frames / (double)threads[i].cycles * cycles_per_ns * 1e3;
}

static int by_rate(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double best(const struct result *r)
{
	return r->rates[n_repetitions - 1];
}

static double median(const struct result *r)
{
	return r->rates[n_repetitions / 2];
}

static void print_text(const struct row *row, const struct result *r)
{
	printf("%-12s", row->name);
	for (size_t i = 0; i < ARRAY_SIZE(arrangements); i++)
		printf(" %7.2f (%5.2f)", best(&r[i]), median(&r[i]));
	printf("   x%.2f (%.2f)   x%.2f (%.2f)\n", best(&r[APART]) / best(&r[ONE]), median(&r[APART]) / median(&r[ONE]),
	       best(&r[ACROSS]) / best(&r[ONE]), median(&r[ACROSS]) / median(&r[ONE]));
}

static void print_json(const struct row *row, const struct result *r)
{
	printf("{\"row\": \"%s\"", row->name);
	for (size_t i = 0; i < ARRAY_SIZE(arrangements); i++)
		printf(", \"%s\": %.3f, \"%s_median\": %.3f", arrangements[i].name, best(&r[i]), arrangements[i].name,
		       median(&r[i]));
	puts("}");
}

static void open_switch(const struct row *row, struct fdb **fdb)
{
	struct snapshot_network *network;

	*fdb = fdb_create(1024, 0, 300);
	snapshot = snapshot_create(PORTS, 1);
	network = snapshot_add_network(snapshot, *fdb, 9000, PORTS);
	for (unsigned i = 0; i < PORTS; i++) {
		open_port(row, i);
		snapshot_add_port(snapshot, network, ports[i]);
		fdb_learn(*fdb, address_of(i), (uint16_t)i, (uint32_t)(clock_ns() / NSEC_PER_SEC));
	}
	batch_size = MIN((unsigned)BATCH, RING / ends[0].rx_chains);
}

static uint64_t count_lost(void)
{
	uint64_t taken = 0, received = 0;

	for (unsigned i = 0; i < THREADS; i++) {
		taken += threads[i].taken;
		threads[i].taken = 0;
	}
	for (unsigned i = 0; i < PORTS; i++) {
		load_end_receive(&ends[i], RING);
		received += ends[i].received;
	}
	return taken - received;
}

static void run(const struct row *row)
{
	struct result results[ARRAY_SIZE(arrangements)];
	uint64_t lost;
	struct fdb *fdb;

	open_switch(row, &fdb);
	current = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(arrangements); i++)
		results[i].rates = calloc(n_repetitions, sizeof(double));
	for (unsigned n = 0; n < n_repetitions; n++)
		for (size_t i = 0; i < ARRAY_SIZE(arrangements); i++)
			repeat(&arrangements[i], &results[i].rates[n]);
	for (size_t i = 0; i < ARRAY_SIZE(arrangements); i++)
		qsort(results[i].rates, n_repetitions, sizeof(double), by_rate);
	(as_json ? print_json : print_text)(row, results);
	lost = count_lost();
	if (lost)
		fprintf(stderr, "%-12s %llu frames were lost\n", row->name, (unsigned long long)lost);
	fflush(stdout);
	for (unsigned i = 0; i < PORTS; i++) {
		load_end_close(&ends[i]);
		ports[i]->ops->destroy(ports[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(arrangements); i++)
		free(results[i].rates);
	snapshot_destroy(snapshot);
	fdb_destroy(fdb);
}

static bool is_chosen(const struct row *row, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (strncmp(row->name, *names, strlen(*names)) == 0)
			return true;
	return false;
}

static void parse_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "jr:")) != -1) {
		if (c == 'j')
			as_json = true;
		else if (c == 'r')
			n_repetitions = (unsigned)atoi(optarg);
		else
			fail("usage", "bench-workers [-j] [-r REPETITIONS] [ROW...]");
	}
	if (n_repetitions == 0)
		fail("usage", "repetitions are 1 or more");
}

static void start_threads(pthread_t ids[THREADS])
{
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (unsigned i = 0; i < THREADS; i++) {
		threads[i].idx = i;
		threads[i].batch = batch_create();
		if (!threads[i].batch || pthread_create(&ids[i], NULL, thread_main, &threads[i]) != 0)
			fail("start", "no thread");
	}
}

static void end_threads(const pthread_t ids[THREADS])
{
	current = NULL;
	pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(ids[i], NULL);
		batch_destroy(threads[i].batch);
	}
	pthread_barrier_destroy(&barrier);
}

int main(int argc, char **argv)
{
	pthread_t ids[THREADS];

	parse_options(argc, argv);
	log_set_level(LOG_LEVEL_ERROR);
	loop = event_loop_create();
	if (!loop || !mkdtemp(dir) || lost_memory_init() < 0)
		fail("start", strerror(errno));
	calibrate();
	start_threads(ids);
	if (!as_json)
		printf("Mframe/s, best of %u (median)\n%-12s %15s %15s %15s %15s   apart/one       across/one\n",
		       n_repetitions, "", "one, one pair", "one, both", "two, apart", "two, across");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (is_chosen(&rows[i], argv + optind))
			run(&rows[i]);
	end_threads(ids);
	rmdir(dir);
	event_loop_destroy(loop);
	return 0;
}
