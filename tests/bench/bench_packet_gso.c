/* SPDX-License-Identifier: Apache-2.0 */
/* bench_packet_gso.c - Cutting a 64 KB frame into segments of 1448 bytes, and putting segments together, against DPDK's libraries and
 * against copying the payload once.
 *
 * Segments are made into scatter lists, as a port hands them on. DPDK's are freed again, which belongs to their cost: ours
 * need not be. Neither side computes checksums over payload; ours does compute IPv4's. */
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "bench_packet.h"
#include "bench_packet_dpdk.h"
#include "packet/gro.h"
#include "packet/offload_fit.h"
#include "packets.h"

enum { MSS = 1448, SEGMENTS = 44, SEGMENT_ROOM = 2048, HEADERS = 66 };

struct large {
	uint8_t *bytes, *copy;
	uint32_t len;
	struct frame f;
	uint8_t head[FRAME_HEAD_MAX];
	struct iovec iov[17];
};

/* A TCP frame with timestamps, in pages, as a guest sends it. */
static void make_large(struct large *l)
{
	struct packet spec = { .partial = true, .gso_size = MSS, .tcp_opt_words = 3, .payload_len = MSS * SEGMENTS };
	uint32_t off = FRAME_HEAD_FIRST;
	struct offload o;

	l->bytes = bench_memory(PACKET_ROOM);
	l->copy = bench_memory(PACKET_ROOM);
	l->len = (uint32_t)packet_build(l->bytes, &spec, 1, &o).len;
	memcpy(l->head, l->bytes, FRAME_HEAD_FIRST);
	l->f =
	    (struct frame){ .head = l->head, .head_len = FRAME_HEAD_FIRST, .len = l->len, .iov = l->iov, .offload = o };
	while (off < l->len) {
		uint32_t n = MIN(4096 - off % 4096, l->len - off);

		l->iov[l->f.n_iov++] = (struct iovec){ l->bytes + off, n };
		off += n;
	}
}

static void run_segment(void *arg, unsigned n)
{
	struct large *l = arg;

	while (n--) {
		struct offload_fit fit;
		const struct frame *seg;

		offload_fit_begin(&fit, &l->f, 0);
		while ((seg = offload_fit_next(&fit))) {
			struct iovec iov[4];

			bench_keep(frame_to_iov(seg, iov, ARRAY_SIZE(iov)));
		}
	}
}

static void run_memcpy(void *arg, unsigned n)
{
	struct large *l = arg;

	while (n--)
		bench_keep(memcpy(l->copy, l->bytes, l->len));
}

struct burst {
	struct gro *gro;
	uint8_t flags;
	uint8_t *bytes;
	uint8_t first_head[FRAME_HEAD_MAX];
	uint8_t heads[SEGMENTS][FRAME_HEAD_MAX];
	struct frame frames[SEGMENTS];
	struct iovec iov[SEGMENTS];
};

static void make_burst(struct burst *b)
{
	b->gro = gro_create(true);
	b->bytes = bench_memory(SEGMENTS * SEGMENT_ROOM);
	for (uint32_t i = 0; i < SEGMENTS; i++) {
		struct packet spec = { .tcp_opt_words = 3, .payload_len = MSS, .seq = i * MSS, .id = (uint16_t)i };
		static uint8_t buf[PACKET_ROOM];
		struct offload o;

		packet_build(buf, &spec, i, &o);
		memcpy(b->bytes + i * SEGMENT_ROOM, buf, HEADERS + MSS);
	}
	memcpy(b->first_head, b->bytes, FRAME_HEAD_FIRST);
	for (uint32_t i = 0; i < SEGMENTS; i++)
		memcpy(b->heads[i], b->bytes + i * SEGMENT_ROOM, FRAME_HEAD_FIRST);
}

/* What rx does for each frame, but for the copy of the head: the descriptions are new in each round. */
static void receive(struct burst *b)
{
	for (unsigned i = 0; i < SEGMENTS; i++) {
		b->iov[i] =
		    (struct iovec){ b->bytes + i * SEGMENT_ROOM + FRAME_HEAD_FIRST, HEADERS + MSS - FRAME_HEAD_FIRST };
		b->frames[i] = (struct frame){ .head = b->heads[i],
					       .head_len = FRAME_HEAD_FIRST,
					       .len = HEADERS + MSS,
					       .iov = &b->iov[i],
					       .n_iov = 1,
					       .rx_id = (uint16_t)i };
		b->frames[i].offload.flags = b->flags;
	}
	memcpy(b->heads[0], b->first_head, HEADERS);
}

static void run_coalesce(void *arg, unsigned n)
{
	struct burst *b = arg;

	while (n--) {
		const struct gro_out *out;

		receive(b);
		gro_push(b->gro, b->frames, SEGMENTS, 0);
		gro_flush(b->gro, GRO_FLUSH_ALL);
		while ((out = gro_pop(b->gro)))
			bench_keep(out->frame->n_iov);
		gro_recycle(b->gro);
	}
}

#ifdef BENCH_DPDK
static void claim_dpdk(struct large *l, struct burst *b)
{
	static const struct bench_side segment = { "rte_gso_segment", bench_dpdk_segment };
	static const struct bench_side coalesce = { "rte_gro_reassemble_burst", bench_dpdk_coalesce };

	if (!bench_dpdk_init()) {
		bench_skip("segmentation, coalescing against DPDK", "its EAL does not start here");
		return;
	}
	bench_dpdk_make_large(l->bytes, l->len, HEADERS, MSS);
	bench_dpdk_make_burst(b->bytes, SEGMENT_ROOM, SEGMENTS, HEADERS, HEADERS + MSS);
	bench_claim("segment 64 KB at 1448", (struct bench_side){ "offload_fit", run_segment }, segment, l, l->len, 2);
	b->flags = OFFLOAD_DATA_VALID;
	bench_claim("coalesce 44 segments, checksums known", (struct bench_side){ "gro", run_coalesce }, coalesce, b,
		    l->len, 2);
	b->flags = 0;
	bench_claim("coalesce 44 segments, checksums verified", (struct bench_side){ "gro", run_coalesce }, coalesce, b,
		    l->len, 0);
}
#else
static void claim_dpdk(struct large *l, struct burst *b)
{
	(void)l;
	(void)b;
	bench_skip("segmentation, coalescing against DPDK", "built without it");
}
#endif

void bench_gso(void)
{
	static struct large large;
	static struct burst burst;

	make_large(&large);
	make_burst(&burst);
	bench_claim("segment 64 KB at 1448", (struct bench_side){ "offload_fit", run_segment },
		    (struct bench_side){ "memcpy of it", run_memcpy }, &large, large.len, 0);
	claim_dpdk(&large, &burst);
}
