/* SPDX-License-Identifier: Apache-2.0 */
/* bench_packet.c - What src/packet costs, one line per claim, each a ratio of two things measured in the same run.
 *
 *	bench-packet [GROUP...]
 *
 * Exit status 1 when a claim that has a number to reach did not reach it, 2 for a group that does not exist. */
#include "bench_packet.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "packet/csum.h"

enum { TURNS = 201, TURN_NS = 200000 };

static unsigned n_missed;

static const struct {
	const char *name;
	void (*run)(void);
} groups[] = {
	{ "csum", bench_csum },
	{ "gso", bench_gso },
};

static double time_ns(struct bench_side side, void *arg, unsigned n)
{
	uint64_t start = clock_ns();

	side.run(arg, n);
	return (double)(clock_ns() - start);
}

/* How often to do it in one turn. */
static unsigned calibrate(struct bench_side side, void *arg)
{
	unsigned n = 1;

	while (time_ns(side, arg, n) < TURN_NS && n < 1u << 30)
		n *= 2;
	return n;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, TURNS, sizeof(*values), compare);
	return values[TURNS / 2];
}

void bench_claim(const char *what, struct bench_side ours, struct bench_side theirs, void *arg, size_t bytes,
		 double want)
{
	double a[TURNS], b[TURNS], ratio[TURNS];
	unsigned n_a = calibrate(ours, arg), n_b = calibrate(theirs, arg);
	double got;

	for (unsigned i = 0; i < TURNS; i++) {
		a[i] = time_ns(ours, arg, n_a) / n_a;
		b[i] = time_ns(theirs, arg, n_b) / n_b;
		ratio[i] = b[i] / a[i];
	}
	got = median(ratio);
	printf("%-54s %5.2f x %-28s (%.1f ns, %.1f bytes/ns; theirs %.1f ns)", what, got, theirs.name, median(a),
	       (double)bytes / median(a), median(b));
	if (want > 0)
		printf("  to reach %.2f: %s", want, got >= want ? "yes" : "NO");
	printf("\n");
	fflush(stdout);
	n_missed += got < want;
}

void bench_skip(const char *what, const char *why)
{
	printf("%-54s not measured: %s\n", what, why);
}

uint8_t *bench_memory(size_t size)
{
	size_t huge = 2 << 20;
	uint8_t *p = mmap(NULL, size + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	p += -(uintptr_t)p & (huge - 1);
	madvise(p, size, MADV_HUGEPAGE);
	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)(i * 131 + (i >> 8));
	return p;
}

static bool run_group(const char *name)
{
	bool found = false;

	for (unsigned i = 0; i < ARRAY_SIZE(groups); i++) {
		if (name && strcmp(name, groups[i].name) != 0)
			continue;
		groups[i].run();
		found = true;
	}
	return found;
}

int main(int argc, char **argv)
{
	csum_init();
	printf("checksum implementation: %s\n", csum_impl_name());
	if (argc == 1)
		run_group(NULL);
	for (int i = 1; i < argc; i++) {
		if (!run_group(argv[i])) {
			fprintf(stderr, "bench-packet: no group %s\n", argv[i]);
			return 2;
		}
	}
	return n_missed ? 1 : 0;
}
