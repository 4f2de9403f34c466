/* SPDX-License-Identifier: Apache-2.0 */
/* bench_packet.h - What the groups of bench-packet share: how a claim is measured, and buffers to measure on.
 *
 * A claim compares two sides in the same run: they take turns, A B A B, some tenths of a millisecond each, and the median of the ratios of
 * neighbouring turns is printed. A group is a file bench_packet_GROUP.c with one function bench_GROUP() that makes its claims,
 * and a line in the table of bench_packet.c. */
#ifndef RINGWAY_BENCH_PACKET_H
#define RINGWAY_BENCH_PACKET_H

#include <stddef.h>
#include <stdint.h>

/* One way to do the work: `run` does it n times. */
struct bench_side {
	const char *name;
	void (*run)(void *arg, unsigned n);
};

/* Measure `ours` against `theirs`, both on `arg`, and print one line. `bytes` are what one time works on. `want` is the ratio of
 * speeds (ours / theirs) to reach, 0 when there is none. */
void bench_claim(const char *what, struct bench_side ours, struct bench_side theirs, void *arg, size_t bytes,
		 double want);
/* A line for a claim that cannot be measured here. */
void bench_skip(const char *what, const char *why);

/* Buffers of `chunk` bytes, taken one after the other from `span` bytes, round and round: span == chunk stays in the cache that
 * holds it. A run function works on its own copy (so that the position stays in a register) and writes `pos` back: both sides of a
 * claim share it, and neither finds what the other has just fetched. */
struct bench_walk {
	uint8_t *src, *dst; /* `span` bytes each, 64-byte aligned but for what a group adds */
	size_t chunk, span, pos;
};

static inline size_t bench_walk_next(struct bench_walk *w)
{
	size_t pos = w->pos;

	w->pos = pos + 2 * w->chunk <= w->span ? pos + w->chunk : 0;
	return pos;
}

/* The compiler must compute `value`, and does not know what memory holds afterwards. */
#define bench_keep(value) __asm__ volatile("" : : "r"(value) : "memory")

/* `size` bytes that are in memory already, in huge pages where the kernel gives them; for as long as the program runs. */
uint8_t *bench_memory(size_t size);

/* Groups */
void bench_csum(void);
void bench_gso(void);

#endif
