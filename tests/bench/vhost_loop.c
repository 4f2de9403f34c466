/* SPDX-License-Identifier: Apache-2.0 */
/* vhost_loop.c - Load for a switch with two vhost-user sockets: two guests that send each other frames, on one core.
 *
 *	vhost-loop [OPTION...] SOCKET SOCKET
 *
 * Keeps a number of frames on their way in each direction, or one frame alone to see how long it takes. Works against anything
 * that speaks vhost-user, so that switches are compared under the same load. Prints one JSON object: what was asked, then per
 * sample the frames that arrived in a second, both directions together. At the end the memory of all receive buffers is
 * compared with what was sent. Addresses are 02:00:00:00:00:01 and :02 unless told otherwise. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/cycles.h"
#include "load_end.h"

enum {
	STALL_NS = 20 * 1000 * 1000,
	GIVE_UP_NS = 1000 * 1000 * 1000,
	LATENCIES = 1 << 17,
	TAKE = 64,
	HDR = VNET_HDR_LEN,
	HEADERS = 54
};

static struct options {
	unsigned in_flight, burst, samples, gap_us;
	uint16_t address; /* the last two bytes of the first end's; the other's is the next */
	double seconds, warm_up;
	bool latency, idle;
	struct load_config end;
} options = { .in_flight = 256,
	      .burst = 32,
	      .address = 1,
	      .samples = 5,
	      .seconds = 1,
	      .warm_up = 0.5,
	      .end = { .ring_size = 256, .frame_len = 60, .mergeable = true } };

static struct load_end ends[2];

_Noreturn static void fail(const char *text)
{
	fprintf(stderr, "vhost-loop: %s\n", text);
	exit(1);
}

/* Full load */

struct direction {
	struct load_end *from, *to;
	unsigned in_flight;
	uint64_t lost, progress_ns;
};

static struct direction directions[2] = { { &ends[0], &ends[1], 0, 0, 0 }, { &ends[1], &ends[0], 0, 0, 0 } };
static uint64_t polls, empty_polls, busy_cycles;

/* Frames that the switch has given back and that do not arrive leave room for others. */
static void find_lost(struct direction *d, uint64_t now_ns)
{
	unsigned held;

	if (d->in_flight == 0 || now_ns - d->progress_ns < STALL_NS)
		return;
	held = load_end_in_flight(d->from);
	if (held >= d->in_flight)
		return;
	d->lost += d->in_flight - held;
	d->in_flight = held;
}

static bool turn(struct direction *d)
{
	unsigned got = load_end_receive(d->to, TAKE), room, sent = 0;

	d->in_flight -= MIN(got, d->in_flight);
	room = options.in_flight - d->in_flight;
	if (room >= options.burst || room == options.in_flight)
		sent = load_end_send(d->from, MIN(room, options.burst));
	d->in_flight += sent;
	return got || sent;
}

/* Some turns between two looks at the clock. */
static uint64_t run_until(uint64_t end_ns)
{
	uint64_t now_ns, n = 0;

	do {
		uint64_t received = ends[0].received + ends[1].received;

		for (unsigned i = 0; i < 64; i++) {
			struct direction *d = &directions[i & 1];
			uint64_t start = cycles_now();

			polls++;
			if (turn(d))
				busy_cycles += cycles_now() - start;
			else
				empty_polls++;
		}
		now_ns = clock_ns();
		for (unsigned i = 0; i < 2; i++) {
			static uint64_t seen[2];

			if (directions[i].to->received != seen[i])
				directions[i].progress_ns = now_ns;
			seen[i] = directions[i].to->received;
			find_lost(&directions[i], now_ns);
		}
		n += ends[0].received + ends[1].received - received;
	} while (now_ns < end_ns);
	return n;
}

static json_t *measure_rates(void)
{
	json_t *rates = json_array();

	run_until(clock_ns() + (uint64_t)(options.warm_up * 1e9));
	directions[0].lost = directions[1].lost = polls = empty_polls = busy_cycles = 0;
	for (unsigned i = 0; i < options.samples; i++) {
		uint64_t start = clock_ns();
		uint64_t n = run_until(start + (uint64_t)(options.seconds * 1e9));

		json_array_append_new(rates, json_real((double)n * 1e9 / (double)(clock_ns() - start)));
	}
	return rates;
}

/* Let what is on its way arrive. */
static void drain(void)
{
	uint64_t end = clock_ns() + 200 * NSEC_PER_MSEC;

	while (clock_ns() < end)
		for (unsigned i = 0; i < 2; i++)
			load_end_receive(&ends[i], TAKE);
}

/* One frame */

static double cycles_per_ns;

static void calibrate(void)
{
	uint64_t start_ns = clock_ns(), start = cycles_now();

	while (clock_ns() - start_ns < 20 * NSEC_PER_MSEC)
		;
	cycles_per_ns = (double)(cycles_now() - start) / (double)(clock_ns() - start_ns);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void wait_gap(void)
{
	uint64_t end = clock_ns() + options.gap_us * NSEC_PER_USEC;

	while (options.gap_us && clock_ns() < end)
		cpu_relax();
}

/* Cycles from showing a frame to seeing it arrive; 0: it did not. */
static uint64_t send_one(struct load_end *from, struct load_end *to)
{
	uint64_t start = cycles_now(), now;

	load_end_send(from, 1);
	do {
		bool came = load_end_receive(to, 1) > 0;

		now = cycles_now();
		if (came)
			return now - start;
	} while ((double)(now - start) < GIVE_UP_NS * cycles_per_ns);
	return 0;
}

static json_t *measure_latencies(void)
{
	uint32_t *taken = calloc(LATENCIES, sizeof(*taken));
	uint64_t end = clock_ns() + (uint64_t)((options.warm_up + options.samples * options.seconds) * 1e9), lost = 0;
	uint64_t sum = 0;
	unsigned n = 0;
	json_t *result;

	if (!taken)
		fail("out of memory");
	for (unsigned i = 0; n < LATENCIES && clock_ns() < end; i++) {
		uint64_t cycles;

		wait_gap();
		cycles = send_one(&ends[i & 1], &ends[!(i & 1)]);
		if (i < 64)
			continue;
		if (cycles == 0)
			lost++;
		else
			sum += taken[n++] = (uint32_t)MIN(cycles, UINT32_MAX);
	}
	if (n == 0)
		fail("nothing arrives");
	qsort(taken, n, sizeof(*taken), by_value);
	result = json_pack("{s:i, s:I, s:f, s:f, s:f, s:f}", "n", (int)n, "lost", (json_int_t)lost, "mean_ns",
			   (double)sum / n / cycles_per_ns, "median_ns", taken[n / 2] / cycles_per_ns, "p99_ns",
			   taken[n / 100 * 99] / cycles_per_ns, "min_ns", taken[0] / cycles_per_ns);
	free(taken);
	return result;
}

/* What arrived */

/* Did the bytes [off, off + len) of a frame arrive as they were sent? With offloads, the switch may have completed the checksum. */
static bool came_as_sent(const struct load_end *e, const uint8_t *buf, const uint8_t *sent, uint32_t off, uint32_t len)
{
	uint32_t skip = e->config.offload && off < HEADERS ? HEADERS - off : 0;

	return skip >= len || memcmp(buf + skip, sent + off + skip, len - skip) == 0;
}

/* Buffers that differ. Frames are all alike, and each buffer of the ring has been used by now or is left out. */
static unsigned count_differences(struct load_end *to, struct load_end *from)
{
	uint32_t rx_buf = to->rx.made[0].len, room = to->config.frame_len + HDR;
	const uint8_t *sent = load_end_frame(from, 0);
	uint64_t n = MIN(to->received, (uint64_t)to->config.ring_size / to->rx_chains);
	unsigned different = 0;

	if (to->config.piece || to->config.ring_size % to->rx_chains)
		return 0;
	for (uint64_t i = 0; i < n; i++)
		for (unsigned k = 0; k < to->rx_chains; k++) {
			const uint8_t *buf = load_end_buffer(to, (unsigned)i * to->rx_chains + k);
			uint32_t start = k * rx_buf, len = MIN(rx_buf, room - start);

			if (k == 0)
				different += !came_as_sent(to, buf + HDR, sent, 0, len - HDR);
			else
				different += !came_as_sent(to, buf, sent, start - HDR, len);
		}
	return different;
}

/* Options */

static const char usage[] =
    "usage: vhost-loop [OPTION...] SOCKET SOCKET\n"
    "  -l BYTES    length of a frame without FCS (60)      -n FRAMES   on their way in each direction (128)\n"
    "  -b FRAMES   sent at a time (32)                     -q ENTRIES  of each ring (256)\n"
    "  -r BYTES    of a receive buffer                     -P BYTES    frames in indirect tables of such pieces\n"
    "  -p packed rings     -M no mergeable buffers     -i use in order     -e event indices     -o offloads\n"
    "  -s make the sockets, let the switch connect\n"
    "  -t SECONDS  of a sample (1)   -k SAMPLES (5)   -w SECONDS warm-up (0.5)\n"
    "  -1 one frame at a time: how long it takes        -g US pause before each\n"
    "  -a NUMBER   the last two bytes of the first address, the second is the next one (1)\n"
    "  -I attach, let each other know, and do nothing, until ended\n";

static void parse_options(int argc, char **argv)
{
	struct load_config *e = &options.end;
	int c;

	while ((c = getopt(argc, argv, "l:n:b:q:r:P:pMieost:k:w:1g:a:Ih")) != -1) {
		switch (c) {
		case 'l':
			e->frame_len = (uint32_t)atoi(optarg);
			break;
		case 'n':
			options.in_flight = (unsigned)atoi(optarg);
			break;
		case 'b':
			options.burst = (unsigned)atoi(optarg);
			break;
		case 'q':
			e->ring_size = (uint16_t)atoi(optarg);
			break;
		case 'r':
			e->rx_buf = (uint32_t)atoi(optarg);
			break;
		case 'P':
			e->piece = (uint32_t)atoi(optarg);
			break;
		case 'p':
			e->packed = true;
			break;
		case 'M':
			e->mergeable = false;
			break;
		case 'i':
			e->in_order = true;
			break;
		case 'e':
			e->event_idx = true;
			break;
		case 'o':
			e->offload = true;
			break;
		case 's':
			e->server = true;
			break;
		case 't':
			options.seconds = atof(optarg);
			break;
		case 'k':
			options.samples = (unsigned)atoi(optarg);
			break;
		case 'w':
			options.warm_up = atof(optarg);
			break;
		case '1':
			options.latency = true;
			break;
		case 'g':
			options.gap_us = (unsigned)atoi(optarg);
			break;
		case 'a':
			options.address = (uint16_t)atoi(optarg);
			break;
		case 'I':
			options.idle = true;
			break;
		default:
			fputs(usage, c == 'h' ? stdout : stderr);
			exit(c == 'h' ? 0 : 2);
		}
	}
	if (argc - optind != 2 || options.burst == 0 || options.in_flight == 0 || options.samples == 0) {
		fputs(usage, stderr);
		exit(2);
	}
	options.burst = MIN(options.burst, options.in_flight);
}

static uint64_t address_of(unsigned end)
{
	uint16_t n = (uint16_t)(options.address + end);

	return 2 | (uint64_t)(n >> 8) << 32 | (uint64_t)(n & 0xff) << 40; /* fdb_key() form */
}

static void open_ends(char **sockets)
{
	char err[256] = "";

	for (unsigned i = 0; i < 2; i++) {
		options.end.socket = sockets[i];
		options.end.src = address_of(i);
		options.end.dst = address_of(!i);
		if (!load_end_open(&ends[i], &options.end, err, sizeof(err)))
			fail(err);
	}
}

/* A switch that learns has seen both ends before anything is measured, and one that takes its time to start has started. */
static void introduce(void)
{
	uint64_t give_up = clock_ns() + 5 * NSEC_PER_SEC;

	for (unsigned i = 0; i < 20 || (ends[0].received * ends[1].received == 0 && clock_ns() < give_up); i++)
		for (unsigned k = 0; k < 2; k++) {
			load_end_send(&ends[k], 1);
			usleep(5000);
			load_end_receive(&ends[!k], TAKE);
		}
}

int main(int argc, char **argv)
{
	json_t *result;

	parse_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	calibrate();
	open_ends(argv + optind);
	introduce();
	if (ends[0].received == 0 || ends[1].received == 0)
		fail("nothing arrives");
	while (options.idle)
		pause(); /* also returns after signals that others of this process use */
	result = options.latency ? json_pack("{s:o}", "latency", measure_latencies())
				 : json_pack("{s:o}", "frames_per_s", measure_rates());
	if (!options.latency) {
		uint64_t lost = directions[0].lost + directions[1].lost;

		drain();
		json_object_set_new(result, "lost", json_integer((json_int_t)lost));
		json_object_set_new(result, "empty_polls", json_real((double)empty_polls / (double)MAX(polls, 1ull)));
		json_object_set_new(result, "busy_cycles", json_integer((json_int_t)busy_cycles));
	}
	json_object_set_new(result, "frame_len", json_integer(options.end.frame_len));
	json_object_set_new(
	    result, "different",
	    json_integer(count_differences(&ends[0], &ends[1]) + count_differences(&ends[1], &ends[0])));
	json_object_set_new(result, "kicks", json_integer((json_int_t)(ends[0].tx.kicks + ends[1].tx.kicks)));
	json_dumpf(result, stdout, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(result);
	for (unsigned i = 0; i < 2; i++)
		load_end_close(&ends[i]);
	return 0;
}
