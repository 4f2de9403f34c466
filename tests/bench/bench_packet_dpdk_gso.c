/* SPDX-License-Identifier: Apache-2.0 */
/* bench_packet_dpdk_gso.c - DPDK's side of segmentation and coalescing: a frame in one large mbuf. */
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_gro.h>
#include <rte_gso.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_packet_dpdk.h"

enum { POOL = 8191, OUT_MAX = 256 };

static struct rte_mempool *direct, *indirect, *packets, *larges;
static struct rte_mbuf *large;
static struct rte_gso_ctx ctx;

static struct rte_mbuf *burst[RTE_GRO_MAX_BURST_ITEM_NUM];
static unsigned n_burst;
static uint16_t burst_len, headers_len;
static uint8_t first_headers[256];

static struct rte_mempool *make_pool(const char *name, unsigned n, uint16_t room)
{
	return rte_pktmbuf_pool_create(name, n, n > 512 ? 256 : 0, 0, room, SOCKET_ID_ANY);
}

bool bench_dpdk_init(void)
{
	char *argv[] = { (char *)"bench-packet", (char *)"--no-huge", (char *)"--no-pci", (char *)"--no-telemetry",
			 (char *)"--no-shconf",  (char *)"-m",        (char *)"128",      (char *)"--log-level=*:error",
			 (char *)"-l",           (char *)"0" };

	if (rte_eal_init(sizeof(argv) / sizeof(argv[0]), argv) < 0)
		return false;
	larges = make_pool("larges", 7, UINT16_MAX);
	direct = make_pool("direct", POOL, RTE_PKTMBUF_HEADROOM + 256);
	indirect = make_pool("indirect", POOL, 0);
	packets = make_pool("packets", POOL, RTE_MBUF_DEFAULT_BUF_SIZE);
	return larges && direct && indirect && packets;
}

static struct rte_mbuf *must_alloc(struct rte_mempool *pool)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	if (!m) {
		fputs("rte_pktmbuf_alloc\n", stderr);
		exit(2);
	}
	return m;
}

static void describe(struct rte_mbuf *m, uint16_t headers)
{
	m->l2_len = RTE_ETHER_HDR_LEN;
	m->l3_len = 20;
	m->l4_len = headers - RTE_ETHER_HDR_LEN - 20;
	m->packet_type = RTE_PTYPE_L2_ETHER | RTE_PTYPE_L3_IPV4 | RTE_PTYPE_L4_TCP;
}

void bench_dpdk_make_large(const uint8_t *bytes, uint32_t len, uint16_t headers, uint16_t mss)
{
	large = must_alloc(larges);
	memcpy(rte_pktmbuf_mtod(large, uint8_t *), bytes, len);
	large->data_len = (uint16_t)len;
	large->pkt_len = len;
	describe(large, headers);
	large->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	ctx = (struct rte_gso_ctx){ .direct_pool = direct,
				    .indirect_pool = indirect,
				    .gso_types = RTE_ETH_TX_OFFLOAD_TCP_TSO,
				    .gso_size = (uint16_t)(headers + mss) };
}

void bench_dpdk_segment(void *arg, unsigned n)
{
	struct rte_mbuf *out[OUT_MAX];

	(void)arg;
	while (n--) {
		int segs;

		rte_mbuf_refcnt_update(large, 1); /* it outlives its segments */
		large->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
		segs = rte_gso_segment(large, &ctx, out, OUT_MAX);
		if (segs < 2) {
			fprintf(stderr, "rte_gso_segment: %d\n", segs);
			exit(2);
		}
		rte_pktmbuf_free_bulk(out, (unsigned)segs);
		if (rte_mbuf_refcnt_read(large) > 1)
			rte_mbuf_refcnt_set(large, 1);
	}
}

void bench_dpdk_make_burst(const uint8_t *bytes, size_t stride, unsigned n, uint16_t headers, uint16_t len)
{
	n_burst = n;
	burst_len = len;
	headers_len = headers;
	memcpy(first_headers, bytes, headers);
	for (unsigned i = 0; i < n; i++) {
		burst[i] = must_alloc(packets);
		memcpy(rte_pktmbuf_mtod(burst[i], uint8_t *), bytes + i * stride, len);
	}
}

/* What a driver writes for each packet that it received; merging spoils it. */
static void receive(struct rte_mbuf **pkts)
{
	for (unsigned i = 0; i < n_burst; i++) {
		struct rte_mbuf *m = pkts[i] = burst[i];

		m->data_off = RTE_PKTMBUF_HEADROOM;
		m->nb_segs = 1;
		m->next = NULL;
		m->data_len = burst_len;
		m->pkt_len = burst_len;
		describe(m, headers_len);
	}
	memcpy(rte_pktmbuf_mtod(burst[0], uint8_t *), first_headers, headers_len);
}

void bench_dpdk_coalesce(void *arg, unsigned n)
{
	struct rte_gro_param param = { .gro_types = RTE_GRO_TCP_IPV4, .max_flow_num = 4, .max_item_per_flow = 64 };

	(void)arg;
	while (n--) {
		struct rte_mbuf *pkts[RTE_GRO_MAX_BURST_ITEM_NUM];
		unsigned left;

		receive(pkts);
		left = rte_gro_reassemble_burst(pkts, (uint16_t)n_burst, &param);
		if (left != 1) {
			fprintf(stderr, "rte_gro_reassemble_burst: %u\n", left);
			exit(2);
		}
	}
}
