/* SPDX-License-Identifier: Apache-2.0 */
/* bench_packet_dpdk.h - DPDK's side of the claims; there when BENCH_DPDK is defined. Run functions of struct bench_side. */
#ifndef RINGWAY_BENCH_PACKET_DPDK_H
#define RINGWAY_BENCH_PACKET_DPDK_H

/* rte_raw_cksum() over a struct bench_walk, compiled with -O3 and the flags of DPDK's pkg-config file, and for this very CPU. */
void bench_dpdk_cksum(void *walk, unsigned n);
void bench_dpdk_cksum_native(void *walk, unsigned n);

#endif
