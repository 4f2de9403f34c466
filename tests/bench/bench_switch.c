/* SPDX-License-Identifier: Apache-2.0 */
/* bench_switch.c - What a frame costs the switch, in cycles by stage, with both guests and the switch in one thread.
 *
 *	bench-switch [-j] [-l] [-r REPETITIONS] [-b BATCH] [ROW...]
 *
 * The ports, rings and tables are the daemon's own; the guests are load ends. Turn by turn, each guest puts a batch into its ring and
 * takes out what has come, and then the switch serves each: only its part is timed. With one thread there is no other
 * core whose caches have to be asked, so figures are lower than those of a running daemon and say what the code costs. A
 * repetition is less than a millisecond, and the cheapest of many counts: a change of two cycles can be seen on a machine that does
 * other things too.
 *
 * Stages: rx (ring to frames), forward (learn, look up, sort), tx (fit, copy, publish), done (give back). Cycles are those of
 * the time stamp counter; what reading it costs is taken off. A row is chosen by the beginning of its name; -j prints one JSON object per
 * row, -l the names alone. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cycles.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/lost_memory.h"
#include "load_end.h"
#include "packet/csum.h"
#include "port/port_vhost.h"
#include "switch/fdb.h"
#include "switch/forward.h"

enum { PORTS_MAX = 256, RING = 256, ADDR_CAPACITY = 1 << 18, REP_FRAMES = 2048, REP_BYTES = 8 << 20 };

struct row {
	const char *name;
	uint32_t frame_len;
	unsigned ports;     /* each sends to the next one */
	unsigned addresses; /* learned; frames go between random ones of them. 0: one per port */
	bool packed, mergeable, in_order, offload;
};

static const struct row rows[] = {
	{ "split-60", 60, 2, 0, false, true, false, false },
	{ "split-252", 252, 2, 0, false, true, false, false },
	{ "split-1514", 1514, 2, 0, false, true, false, false },
	{ "split-64k", 65226, 2, 0, false, true, false, true },
	{ "split-one-buffer-60", 60, 2, 0, false, false, false, false },
	{ "split-one-buffer-64k", 65226, 2, 0, false, false, false, true },
	{ "split-in-order-60", 60, 2, 0, false, true, true, false },
	{ "packed-60", 60, 2, 0, true, true, false, false },
	{ "packed-252", 252, 2, 0, true, true, false, false },
	{ "packed-1514", 1514, 2, 0, true, true, false, false },
	{ "packed-64k", 65226, 2, 0, true, true, false, true },
	{ "packed-one-buffer-60", 60, 2, 0, true, false, false, false },
	{ "packed-in-order-60", 60, 2, 0, true, true, true, false },
	{ "ports-4", 60, 4, 0, false, true, false, false },
	{ "ports-16", 60, 16, 0, false, true, false, false },
	{ "ports-64", 60, 64, 0, false, true, false, false },
	{ "ports-256", 60, 256, 0, false, true, false, false },
	{ "addresses-16", 60, 2, 16, false, true, false, false },
	{ "addresses-256", 60, 2, 256, false, true, false, false },
	{ "addresses-4096", 60, 2, 4096, false, true, false, false },
	{ "addresses-32768", 60, 2, 32768, false, true, false, false },
	{ "addresses-100000", 60, 2, 100000, false, true, false, false },
};

enum stage { RX, FORWARD, TX, DONE, N_STAGES };

struct sample {
	uint64_t cycles[N_STAGES];
	uint64_t total;
	uint64_t frames;
};

static unsigned n_repetitions = 500, batch_wanted = 32;
static unsigned batch_size; /* as wanted, or what a ring's buffers hold of large frames */
static bool list_only, as_json;
static uint64_t clock_cost;
static double cycles_per_ns;
static char dir[] = "/tmp/bench-switch-XXXXXX";
static struct event_loop *loop;
static struct port *ports[PORTS_MAX];
static struct load_end ends[PORTS_MAX];
static struct fdb *fdb;
static struct snapshot *snapshot;
static struct batch *batch;

_Noreturn static void fail(const char *what, const char *why)
{
	fprintf(stderr, "bench-switch: %s: %s\n", what, why);
	exit(1);
}

/* Timing of tx, which the switch calls */

static uint64_t tx_cycles;
static struct port_ops timed_ops;
static int (*real_tx)(struct port *port, unsigned queue, struct frame *const *frames, unsigned n);

static int timed_tx(struct port *port, unsigned queue, struct frame *const *frames, unsigned n)
{
	uint64_t start = cycles_now();
	int taken = real_tx(port, queue, frames, n);

	tx_cycles += cycles_now() - start - clock_cost;
	return taken;
}

static void calibrate(void)
{
	uint64_t ns, cycles = cycles_now(), start = clock_ns();

	clock_cost = UINT64_MAX;
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t a = cycles_now(), b = cycles_now();

		clock_cost = MIN(clock_cost, b - a);
	}
	while ((ns = clock_ns() - start) < 20 * NSEC_PER_MSEC)
		;
	cycles_per_ns = (double)(cycles_now() - cycles) / (double)ns;
}

/* Set-up */

static uint64_t address_of(unsigned port, unsigned i)
{
	uint8_t mac[6] = { 2, (uint8_t)(port >> 8), (uint8_t)port, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i };

	return fdb_key(mac);
}

static void let_backends_work(void *arg)
{
	(void)arg;
	event_loop_turn(loop, 0);
}

static void open_port(const struct row *row, unsigned i)
{
	char path[64], journal[64], name[16], err[256] = "";
	struct port_vhost_config pc = { .name = name,
					.socket = path,
					.journal = journal,
					.queues = 1,
					.mtu = 9000,
					.socket_mode = 0600,
					.socket_uid = (uid_t)-1,
					.socket_gid = (gid_t)-1 };
	struct load_config lc = {
		.socket = path,
		.packed = row->packed,
		.mergeable = row->mergeable,
		.in_order = row->in_order,
		.event_idx = true,
		.offload = row->offload,
		.ring_size = RING,
		.frame_len = row->frame_len,
		.src = address_of(i, 0),
		.dst = address_of((i + 1) % row->ports, 0),
		.while_waiting = let_backends_work,
	};

	snprintf(name, sizeof(name), "p%u", i);
	snprintf(path, sizeof(path), "%s/%u.sock", dir, i);
	snprintf(journal, sizeof(journal), "%s/%u.rings", dir, i);
	if (port_vhost_create(loop, &pc, &ports[i], err, sizeof(err)) < 0 ||
	    !load_end_open(&ends[i], &lc, err, sizeof(err)))
		fail(row->name, err);
	port_vhost_start(ports[i]);
	ports[i]->idx = (uint16_t)i;
	ports[i]->max_frame_len = UINT32_MAX;
	timed_ops = *ports[i]->ops;
	real_tx = timed_ops.tx;
	timed_ops.tx = timed_tx;
}

static void open_switch(const struct row *row)
{
	struct snapshot_network *network;
	uint32_t now_s = (uint32_t)(clock_ns() / NSEC_PER_SEC);

	fdb = fdb_create(ADDR_CAPACITY, 0, 300);
	snapshot = snapshot_create(row->ports, 1);
	network = snapshot_add_network(snapshot, fdb, 9000, row->ports);
	for (unsigned i = 0; i < row->ports; i++) {
		open_port(row, i);
		snapshot_add_port(snapshot, network, ports[i]);
	}
	for (unsigned i = 0; i < MAX(row->ports, row->addresses); i++)
		fdb_learn(fdb, address_of(i % row->ports, i / row->ports), (uint16_t)(i % row->ports), now_s);
}

static void remove_journal(unsigned port)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%u.rings", dir, port);
	unlink(path);
}

static void close_switch(const struct row *row)
{
	for (unsigned i = 0; i < row->ports; i++) {
		load_end_close(&ends[i]);
		ports[i]->ops->destroy(ports[i]);
		remove_journal(i);
	}
	snapshot_destroy(snapshot);
	fdb_destroy(fdb);
}

/* Load */

static uint32_t random_below(uint32_t n)
{
	static uint64_t state = 88172645463325252;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) * n >> 32);
}

/* The frames that are sent next get other addresses, as the guest's core would have written them. */
static void readdress(const struct row *row, unsigned i)
{
	struct load_end *e = &ends[i];
	unsigned each = row->addresses / row->ports;

	load_end_in_flight(e);
	for (unsigned k = 0; k < batch_size; k++) {
		uint8_t *frame = load_end_frame(e, e->tx.ids[(e->tx.ids_out + k) & e->tx.mask]);
		uint64_t src = address_of(i, random_below(each));
		uint64_t dst = address_of((i + 1) % row->ports, random_below(each));

		memcpy(frame, &dst, 6);
		memcpy(frame + 6, &src, 6);
	}
}

/* One queue's turn, as in worker/lane.c. */
static void serve(struct port *port, uint64_t now_ns, struct sample *s)
{
	uint64_t start = cycles_now(), taken, forwarded, done;
	unsigned n = port->ops->rx(port, 0, batch);

	if (n == 0)
		return;
	taken = cycles_now();
	tx_cycles = 0;
	forward_batch(snapshot, port, 0, batch, now_ns);
	if (batch->waiting)
		forward_drop_waiting(snapshot, batch, DROP_NONE);
	forwarded = cycles_now();
	port->ops->rx_done(port, 0, batch);
	done = cycles_now();
	s->cycles[RX] += taken - start - clock_cost;
	s->cycles[FORWARD] += forwarded - taken - tx_cycles - 3 * clock_cost;
	s->cycles[TX] += tx_cycles;
	s->cycles[DONE] += done - forwarded - clock_cost;
	s->total += done - start - 5 * clock_cost;
	s->frames += n;
}

static uint64_t n_received(const struct row *row)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < row->ports; i++)
		n += ends[i].received;
	return n;
}

static struct sample repeat(const struct row *row, uint64_t frames)
{
	struct sample s = { .frames = 0 };
	uint64_t now_ns = clock_ns();

	while (s.frames < frames) {
		for (unsigned i = 0; i < row->ports; i++) {
			if (row->addresses)
				readdress(row, i);
			load_end_send(&ends[i], batch_size);
			load_end_receive(&ends[i], RING);
		}
		for (unsigned i = 0; i < row->ports; i++)
			serve(ports[i], now_ns, &s);
	}
	for (unsigned i = 0; i < row->ports; i++)
		load_end_receive(&ends[i], RING);
	return s;
}

/* What memcpy() alone takes for the frames' bytes, from the same senders' memory into the same receivers', in the same order. The
 * receivers' headers go unwritten. Returns cycles. */
static uint64_t copy_only(const struct row *row, uint64_t frames)
{
	uint32_t room = row->mergeable ? LOAD_MERGEABLE_BUF : UINT32_MAX;
	uint64_t start = cycles_now();

	for (uint64_t done = 0; done < frames; done += (uint64_t)row->ports * batch_size) {
		for (unsigned i = 0; i < row->ports; i++) {
			struct load_end *from = &ends[i], *to = &ends[(i + 1) % row->ports];
			static unsigned next_frame[PORTS_MAX], next_buffer[PORTS_MAX];

			for (unsigned k = 0; k < batch_size; k++) {
				const uint8_t *src = load_end_frame(from, next_frame[i]++ % RING);

				for (uint32_t off = 0; off < row->frame_len; off += room)
					memcpy(load_end_buffer(to, next_buffer[i]++ % RING), src + off,
					       MIN(room, row->frame_len - off));
			}
		}
	}
	return cycles_now() - start;
}

static int by_cycles(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int by_total(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;
	double cx = (double)x->total / (double)x->frames, cy = (double)y->total / (double)y->frames;

	return (cx > cy) - (cx < cy);
}

static double per_frame(uint64_t cycles, const struct sample *s)
{
	return (double)cycles / (double)s->frames;
}

/* What a row came to. */
struct result {
	const struct sample *best, *median;
	double median_copy; /* cycles per frame of memcpy() alone */
};

static void print_text(const struct row *row, const struct result *r)
{
	const struct sample *best = r->best, *median = r->median;
	double total = per_frame(best->total, best);

	printf("%-22s %8.1f %8.1f %8.1f %8.1f %9.1f %9.1f %9.2f %8.2f %9.1f %7.2f\n", row->name,
	       per_frame(best->cycles[RX], best), per_frame(best->cycles[FORWARD], best),
	       per_frame(best->cycles[TX], best), per_frame(best->cycles[DONE], best), total,
	       per_frame(median->total, median), 1e3 * cycles_per_ns / total, row->frame_len * cycles_per_ns / total,
	       r->median_copy, r->median_copy / per_frame(median->total, median));
}

static void print_json(const struct row *row, const struct result *r)
{
	double cycles = per_frame(r->best->total, r->best), median = per_frame(r->median->total, r->median);

	printf("{\"row\": \"%s\", \"cycles\": %.2f, \"median_cycles\": %.2f, \"ns\": %.3f, \"median_memcpy_cycles\": "
	       "%.2f}\n",
	       row->name, cycles, median, cycles / cycles_per_ns, r->median_copy);
}

static void run(const struct row *row)
{
	uint64_t frames = MIN((uint64_t)REP_FRAMES, (uint64_t)REP_BYTES / row->frame_len), sent = 0, received;
	struct sample *samples = calloc(n_repetitions, sizeof(*samples));
	uint64_t *copies = calloc(n_repetitions, sizeof(*copies));
	struct result result = { .best = samples, .median = &samples[n_repetitions / 2] };

	open_switch(row);
	batch_size = MIN(batch_wanted, RING / ends[0].rx_chains);
	for (unsigned i = 0; i < row->ports; i++)
		ports[i]->ops = &timed_ops;
	repeat(row, frames);
	received = n_received(row);
	for (unsigned i = 0; i < n_repetitions; i++) {
		samples[i] = repeat(row, frames);
		sent += samples[i].frames;
		copies[i] = copy_only(row, frames);
	}
	received = n_received(row) - received;
	qsort(samples, n_repetitions, sizeof(*samples), by_total);
	qsort(copies, n_repetitions, sizeof(*copies), by_cycles);
	result.median_copy = (double)copies[n_repetitions / 2] / (double)samples[0].frames;
	(as_json ? print_json : print_text)(row, &result);
	if (received != sent)
		fprintf(stderr, "%-22s %llu of %llu frames were lost\n", "", (unsigned long long)(sent - received),
			(unsigned long long)sent);
	fflush(stdout);
	close_switch(row);
	free(samples);
	free(copies);
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

static void allow_many_files(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void parse_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "r:b:lj")) != -1) {
		if (c == 'r')
			n_repetitions = (unsigned)atoi(optarg);
		else if (c == 'b')
			batch_wanted = (unsigned)atoi(optarg);
		else if (c == 'l')
			list_only = true;
		else if (c == 'j')
			as_json = true;
		else
			fail("usage", "bench-switch [-j] [-l] [-r REPETITIONS] [-b BATCH] [ROW...]");
	}
	if (n_repetitions == 0 || batch_wanted == 0 || batch_wanted > BATCH_FRAMES)
		fail("usage", "repetitions are 1 or more, a batch 1 to 64");
}

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	allow_many_files();
	log_set_level(LOG_LEVEL_ERROR);
	loop = event_loop_create();
	batch = batch_create();
	if (!loop || !batch || !mkdtemp(dir) || lost_memory_init() < 0)
		fail("start", strerror(errno));
	csum_init();
	calibrate();
	if (!as_json && !list_only)
		printf("cycles per frame at %.2f GHz, batches of %u, best of %u\n%-22s %8s %8s %8s %8s %9s %9s %9s %8s "
		       "%9s %7s\n",
		       cycles_per_ns, batch_wanted, n_repetitions, "", "rx", "forward", "tx", "done", "total", "median",
		       "Mframe/s", "GB/s", "memcpy", "ratio");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (list_only)
			puts(rows[i].name);
		else if (is_chosen(&rows[i], argv + optind))
			run(&rows[i]);
	}
	rmdir(dir);
	batch_destroy(batch);
	event_loop_destroy(loop);
	return 0;
}
