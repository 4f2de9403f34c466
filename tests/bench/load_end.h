/* SPDX-License-Identifier: Apache-2.0 */
/* load_end.h - A guest that does nothing but send and receive, as cheaply as it can.
 *
 * Attaches through vhost/frontend.h, which also lays out its frames in guest memory, once. From then on a frame is sent by
 * giving its descriptor to the device again, and received by giving its buffer back: no payload is touched, nothing is copied, and
 * a batch is shown with one store. Frames have an Ethernet header and an IPv4 one; with offloads they are TCP, to be
 * checksummed, and cut if they are longer than a segment. */
#ifndef RINGWAY_BENCH_LOAD_END_H
#define RINGWAY_BENCH_LOAD_END_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load_ring.h"
#include "vhost/frontend.h"

struct load_config {
	const char *socket;
	bool server; /* make the socket; the switch connects to it */
	bool packed, mergeable, in_order, event_idx;
	bool offload;       /* frames with a checksum to complete and, when long, to be cut */
	uint16_t ring_size; /* a power of two */
	uint32_t frame_len; /* bytes, without FCS */
	uint32_t rx_buf;    /* bytes of a receive buffer with header; 0: one frame, or 2 KiB when mergeable */
	uint32_t piece;     /* frames lie in indirect tables, in pieces of so many bytes; 0: in one piece */
	uint64_t src, dst;  /* addresses, fdb_key() form */
	void (*while_waiting)(void *arg);
	void *arg;
};

struct load_end {
	struct load_config config;
	struct vhost_frontend *frontend;
	struct load_ring rx, tx;
	unsigned rx_chains; /* that a frame takes at this end */
	unsigned rx_rest;   /* chains of a frame that has not come whole */
	uint64_t sent, received;
};

enum {
	LOAD_FRAME_MAX = 65535 + 14,
	LOAD_MERGEABLE_BUF = 2048, /* bytes of a receive buffer unless told otherwise */
};

/* Attach. False with a text in err. */
bool load_end_open(struct load_end *e, const struct load_config *config, char *err, size_t err_size);
void load_end_close(struct load_end *e);

/* Another `n` frames at most on their way, as far as their memory is back: how many. */
unsigned load_end_send(struct load_end *e, unsigned n);
/* Frames that came, at most `max`; their buffers are given back. */
unsigned load_end_receive(struct load_end *e, unsigned max);
/* Frames that the switch still has of this end's. */
unsigned load_end_in_flight(struct load_end *e);

/* Frame `i` < ring size as it lies in memory, behind its virtio-net header. It is sent whenever the ring comes round to it. */
uint8_t *load_end_frame(struct load_end *e, unsigned i);
/* Receive buffer `i` < ring size: a frame, header first, or the next part of one. As long as the switch uses buffers in order, a
 * frame begins in every rx_chains-th. */
uint8_t *load_end_buffer(struct load_end *e, unsigned i);

#endif
