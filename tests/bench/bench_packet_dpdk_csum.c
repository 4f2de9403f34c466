/* SPDX-License-Identifier: Apache-2.0 */
/* bench_packet_dpdk_csum.c - rte_raw_cksum(), which its users inline. Compiled twice: BENCH_NAME is the function's name. */
#include <rte_ip.h>

#include "bench_packet.h"
#include "bench_packet_dpdk.h"

void BENCH_NAME(void *walk, unsigned n)
{
	struct bench_walk w = *(struct bench_walk *)walk;

	while (n--)
		bench_keep(rte_raw_cksum(w.src + bench_walk_next(&w), w.chunk));
	((struct bench_walk *)walk)->pos = w.pos;
}
