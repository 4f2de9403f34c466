/* SPDX-License-Identifier: Apache-2.0 */
/* bench_packet_csum.c - The checksum against a plain read and against DPDK's; copy and sum, and frame_copy(), against memcpy(). */
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "bench_packet.h"
#include "bench_packet_dpdk.h"
#include "packet/csum.h"

enum { MIB = 1 << 20, MEMORY = 256 * MIB };

static const struct place {
	const char *name;
	size_t chunk, span;
	double want_read, want_dpdk, want_copy;
} places[] = {
	{ "64 B, in L1", 64, 64, 0, 1, 0 },
	{ "1.5 KB, in L1", 1500, 1500, 0, 2, 0 },
	{ "16 KB, in L1", 16384, 16384, 0, 2, 0 },
	{ "64 KB, hot", 65536, 65536, 0, 2, 0.85 },
	{ "64 KB, in L3 (8 MB)", 65536, 8 * MIB, 0.9, 1, 0.85 },
	{ "1.5 KB, in memory (256 MB)", 1536, MEMORY, 0.9, 1, 0.85 },
	{ "64 KB, in memory (256 MB)", 65536, MEMORY, 0.9, 1, 0.85 },
};

static void run_csum(void *arg, unsigned n)
{
	struct bench_walk w = *(struct bench_walk *)arg;

	while (n--)
		bench_keep(csum_fold(csum_partial(w.src + bench_walk_next(&w), w.chunk, 0)));
	((struct bench_walk *)arg)->pos = w.pos;
}

/* A plain read: every byte comes into a vector register and is or-ed to an accumulator, so that it has to. `constraint` is the asm
 * constraint of such a register. */
#define READ_ALL(name, attribute, bytes, constraint)                                             \
	attribute static void name(const uint8_t *p, size_t len)                                 \
	{                                                                                        \
		typedef uint64_t vec __attribute__((vector_size(bytes), aligned(1), may_alias)); \
		const vec *v = (const void *)p;                                                  \
		vec a = { 0 }, b = { 0 };                                                        \
                                                                                                 \
		for (size_t n = len / (4 * sizeof(vec)); n > 0; n--, v += 4) {                   \
			a |= v[0];                                                               \
			b |= v[1];                                                               \
			a |= v[2];                                                               \
			b |= v[3];                                                               \
		}                                                                                \
		for (size_t n = len / sizeof(vec) % 4; n > 0; n--)                               \
			a |= *v++;                                                               \
		if (len % sizeof(vec)) /* the last ones, some of them again */                   \
			b |= *(const vec *)(const void *)(p + len - sizeof(vec));                \
		a |= b;                                                                          \
		__asm__ volatile("" : : constraint(a));                                          \
	}

#if defined(__x86_64__)
READ_ALL(read_avx512, __attribute__((target("avx512f"))), 64, "v")
READ_ALL(read_avx2, __attribute__((target("avx2"))), 32, "x")
READ_ALL(read_plain, , 16, "x")
#elif defined(__aarch64__)
READ_ALL(read_plain, , 16, "w")
#else
READ_ALL(read_plain, , 8, "r")
#endif

static void (*read_all)(const uint8_t *p, size_t len) = read_plain;

static void choose_read(void)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		read_all = read_avx2;
	if (__builtin_cpu_supports("avx512f"))
		read_all = read_avx512;
#endif
}

static void run_read(void *arg, unsigned n)
{
	struct bench_walk w = *(struct bench_walk *)arg;

	while (n--)
		read_all(w.src + bench_walk_next(&w), w.chunk);
	((struct bench_walk *)arg)->pos = w.pos;
}

static void run_copy(void *arg, unsigned n)
{
	struct bench_walk w = *(struct bench_walk *)arg;

	while (n--) {
		size_t off = bench_walk_next(&w);

		bench_keep(csum_copy(w.dst + off, w.src + off, w.chunk, 0));
	}
	((struct bench_walk *)arg)->pos = w.pos;
}

static void run_memcpy(void *arg, unsigned n)
{
	struct bench_walk w = *(struct bench_walk *)arg;

	while (n--) {
		size_t off = bench_walk_next(&w);

		bench_keep(memcpy(w.dst + off, w.src + off, w.chunk));
	}
	((struct bench_walk *)arg)->pos = w.pos;
}

static void claim(const char *verb, const struct place *p, struct bench_side ours, struct bench_side theirs,
		  struct bench_walk *w, double want)
{
	char what[80];

	snprintf(what, sizeof(what), "%s %s", verb, p->name);
	w->chunk = p->chunk;
	w->span = p->span;
	w->pos = 0;
	bench_claim(what, ours, theirs, w, p->chunk, want);
}

static void claim_sums(struct bench_walk *w)
{
	struct bench_side ours = { "csum", run_csum };

	for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
		claim("checksum", &places[i], ours, (struct bench_side){ "plain read", run_read }, w,
		      places[i].want_read);
#ifdef BENCH_DPDK
	static const struct bench_side dpdk[] = {
		{ "rte_raw_cksum", bench_dpdk_cksum },
		{ "rte_raw_cksum -march=native", bench_dpdk_cksum_native },
	};

	for (unsigned k = 0; k < ARRAY_SIZE(dpdk); k++) {
		for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
			claim("checksum", &places[i], ours, dpdk[k], w, places[i].want_dpdk);
	}
#else
	bench_skip("checksum against rte_raw_cksum", "built without DPDK");
#endif
}

static void claim_copies(const char *verb, const struct bench_walk *w)
{
	struct bench_side ours = { "csum_copy", run_copy };
	struct bench_walk copy = *w;

	for (unsigned i = 1; i < ARRAY_SIZE(places); i++)
		claim(verb, &places[i], ours, (struct bench_side){ "memcpy", run_memcpy }, &copy, places[i].want_copy);
}

/* frame_copy() of a frame against memcpy() of its pieces. */
struct pieces {
	struct frame f;
	struct iovec iov[17]; /* the head first */
	unsigned n;
	struct iovec dst;
};

static void run_frame_copy(void *arg, unsigned n)
{
	const struct pieces *p = arg;

	while (n--) {
		frame_copy(&p->f, &p->dst, 1);
		bench_keep(p);
	}
}

static void run_memcpy_pieces(void *arg, unsigned n)
{
	const struct pieces *p = arg;

	while (n--) {
		uint8_t *dst = p->dst.iov_base;

		for (unsigned i = 0; i < p->n; i++) {
			memcpy(dst, p->iov[i].iov_base, p->iov[i].iov_len);
			dst += p->iov[i].iov_len;
		}
		bench_keep(p);
	}
}

static void claim_frames(const struct bench_walk *w)
{
	static uint8_t head[FRAME_HEAD_MAX];
	static const struct {
		const char *name;
		uint32_t len, piece;
	} rows[] = { { "frame of 64 B", 64, 65536 },
		     { "frame of 1514 B, one piece", 1514, 65536 },
		     { "frame of 64 KB, pages", 65536, 4096 } };

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t head_len = MIN(rows[i].len, (uint32_t)FRAME_HEAD_FIRST);
		struct pieces p = { .iov[0] = { head, head_len }, .n = 1, .dst = { w->dst, 65536 } };

		for (uint32_t off = head_len; off < rows[i].len; off += rows[i].piece)
			p.iov[p.n++] = (struct iovec){ w->src + off, MIN(rows[i].piece, rows[i].len - off) };
		p.f = (struct frame){ .head = head, .head_len = (uint16_t)head_len, .len = rows[i].len };
		p.f.iov = p.iov + 1;
		p.f.n_iov = (uint16_t)(p.n - 1);
		bench_claim(rows[i].name, (struct bench_side){ "frame_copy", run_frame_copy },
			    (struct bench_side){ "memcpy of each piece", run_memcpy_pieces }, &p, rows[i].len, 0);
	}
}

void bench_csum(void)
{
	struct bench_walk w = { .src = bench_memory(MEMORY + 4096), .dst = bench_memory(MEMORY + 4096) };

	choose_read();
	claim_sums(&w);
	claim_copies("copy and sum", &w);
	w.src += 2; /* a payload behind an Ethernet header, to a buffer behind a virtio header and that */
	w.dst += 26;
	claim_copies("copy and sum, odd places,", &w);
	claim_frames(&w);
}
