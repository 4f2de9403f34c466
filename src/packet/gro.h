/* SPDX-License-Identifier: Apache-2.0 */
/* gro.h - Coalesce the small frames of a port into few large ones.
 *
 * Consecutive segments of one TCP connection, and equal datagrams of one UDP flow, become one frame that asks to be cut again: its
 * payload is a scatter list of the pieces where they lie. What comes out, cut by offload_fit() for a receiver that takes nothing,
 * is what went in, bit for bit. The rules for what may merge are Linux's (net/ipv4/tcp_offload.c, udp_offload.c):
 *
 *   - Same Ethernet header and tags, addresses, ports, hop limit and flow label, extension headers: a flow. Per flow, one train of
 *     frames is open. Trains of different flows may overtake each other, frames of one flow may not.
 *   - A train ends with a segment that has PSH or FIN or is shorter than the first. It ends before a frame that differs in anything
 *     else than lengths, checksums, sequence number and IPv4 identification (+1 per frame; for UDP it may stay the same),
 *     or that does not follow in sequence, or would make the whole 65536 bytes long. UDP: 64 datagrams.
 *   - Never merged: SYN, RST, URG, CWR, pure ACKs, IPv4 options, fragments, Ethernet padding, UDP without checksum. They end
 *     their flow's train where Linux does so.
 *   - Checksums are verified, unless the port has set OFFLOAD_DATA_VALID. A frame with a wrong one passes as it is and, as in Linux,
 *     before the open train of its flow. Frames that were verified and stay single come out with OFFLOAD_DATA_VALID.
 *   - A checksum that is left undone (OFFLOAD_NEEDS_CSUM) is as good as a right one if it is TCP's or UDP's own and begins with the sum of
 *     the pseudo header. Otherwise the frame ends its flow's train and passes as it is.
 *   - TCP with an IPv4 identification that stays the same is not merged (Linux merges it and has to split it again for most receivers).
 *     A UDP train with such has OFFLOAD_FIXED_ID, so that it can be cut into what it was.
 *
 * A port's rx uses it like this:
 *
 *	n = receive(frames, gro_room(g));      // they stay where they are until they were recycled
 *	gro_push(g, frames, n, now_ns);
 *	gro_flush(g, GRO_FLUSH_ALL);           // or, to hold trains that began less than 50 us ago: now_ns - 50000
 *	while ((out = gro_pop(g)))
 *		batch->frames[batch->n++] = *out->frame;
 *	...
 *	done:  give back the buffers of every out->pieces[0..n_pieces);
 *	       gro_recycle(g);
 *
 * One owner thread. Memory is allocated once, about 900 KiB of which the few KiB are touched that are needed at the same time. */
#ifndef RINGWAY_PACKET_GRO_H
#define RINGWAY_PACKET_GRO_H

#include "packet/frame.h"

enum {
	GRO_FRAMES_MAX = 256,       /* frames that it can keep, those that were popped and not recycled included */
	GRO_TRAINS_MAX = 32,        /* flows with an open train; one more closes the oldest */
	GRO_TRAIN_FRAMES_MAX = 128, /* frames of one train */
	GRO_TRAIN_PIECES_MAX = 256, /* scatter list entries of one train */
};

#define GRO_FLUSH_ALL UINT64_MAX

struct gro;

/* A frame that is finished: one of those that were pushed, and changed if others were merged into it. */
struct gro_out {
	struct frame *frame;
	struct frame *const *pieces; /* what it was made of, itself first; but for that one they are as they were */
	unsigned n_pieces;
};

/* `udp`: merge datagrams as well, which changes what a receiver that counts them sees (Linux: rx-udp-gro-forwarding). NULL: out of
 * memory. */
struct gro *gro_create(bool udp);
/* NULL is fine. */
void gro_destroy(struct gro *g);

/* How many frames can be pushed. When that is 0, recycle; when it still is, flush, pop and recycle. */
unsigned gro_room(const struct gro *g);

/* Take frames[0..n), n <= gro_room(). The structures, which may be changed, the heads and the payload have to live until they came out
 * and were recycled. `now_ns` is the time that gro_flush() compares with. */
void gro_push(struct gro *g, struct frame *frames, unsigned n, uint64_t now_ns);

/* End all trains that began at or before `begun_ns`. */
void gro_flush(struct gro *g, uint64_t begun_ns);

/* The next frame that is finished, or NULL. Valid, with its scatter list, until gro_recycle(). */
const struct gro_out *gro_pop(struct gro *g);

/* All frames that were popped are done with. Does nothing while others wait to be popped. */
void gro_recycle(struct gro *g);

/* Frames pushed and not yet popped, so that a port knows whether it has to come back. */
unsigned gro_held(const struct gro *g);

#endif
