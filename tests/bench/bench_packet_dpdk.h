/* SPDX-License-Identifier: Apache-2.0 */
/* bench_packet_dpdk.h - DPDK's side of the claims; there when BENCH_DPDK is defined. Run functions of struct bench_side. */
#ifndef RINGWAY_BENCH_PACKET_DPDK_H
#define RINGWAY_BENCH_PACKET_DPDK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* rte_raw_cksum() over a struct bench_walk, compiled with -O3 and the flags of DPDK's pkg-config file, and for this very CPU. */
void bench_dpdk_cksum(void *walk, unsigned n);
void bench_dpdk_cksum_native(void *walk, unsigned n);

/* Start EAL, without huge pages, devices or privileges, and make pools. False when it does not start. */
bool bench_dpdk_init(void);

/* rte_gso_segment() of the TCP/IPv4 frame at `bytes`, which is copied, headers of `headers` bytes, into segments with mss bytes. */
void bench_dpdk_make_large(const uint8_t *bytes, uint32_t len, uint16_t headers, uint16_t mss);
void bench_dpdk_segment(void *unused, unsigned n);

/* rte_gro_reassemble_burst() of n such segments of `len` bytes each, `stride` apart; they are copied. */
void bench_dpdk_make_burst(const uint8_t *bytes, size_t stride, unsigned n, uint16_t headers, uint16_t len);
void bench_dpdk_coalesce(void *unused, unsigned n);

#endif
