/* SPDX-License-Identifier: Apache-2.0 */
/* port_tap_rx.c - From the host into the switch.
 *
 * One read(2) per frame, into one piece of the queue's arena: the virtio_net_hdr and the frame behind it, whose first bytes are
 * its head where they lie. The frames of a batch lie there one after the other until rx_done. A single buffer costs the kernel
 * less than a list of them does, for a small frame a seventh of the call. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "port/port_tap_priv.h"

/* syscalls worker: read poll ppoll */

enum {
	/* The frame begins two bytes before a cache line, which aligns its IP header, and what is behind the headers of TCP over IPv4
	 * with timestamps begins one. So it does in the kernel's pages, and copies between the two go faster. */
	FRAME_AT = CACHE_LINE - 2,
	HDR_AT = FRAME_AT - VNET_HDR_LEN,
	PLACE_MAX = FRAME_AT + FRAME_LEN_MAX, /* bytes of the arena for a frame */
};
static_assert(TAP_ARENA_SIZE % CACHE_LINE == 0, "the last place, rounded up to a line, ends in the arena");

/* Bytes of the arena for a frame of `len` bytes, with room for its head to grow. */
static size_t place_len(size_t len)
{
	return (FRAME_AT + MAX(len, (size_t)FRAME_HEAD_MAX) + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
}

/* Fill in the next frame of the batch, which `place` has `len` bytes of. */
static void add_frame(struct batch *b, uint8_t *place, uint32_t len)
{
	struct frame *f = &b->frames[b->n++];
	struct iovec *iov = &b->iov[b->n_iov];
	struct vnet_hdr hdr;

	*f = (struct frame){
		.head = place + FRAME_AT,
		.head_len = (uint16_t)MIN(len, (uint32_t)FRAME_HEAD_MAX),
		.len = len,
		.iov = iov,
		.dst = FRAME_DST_NONE,
	};
	if (len > f->head_len) {
		*iov = (struct iovec){ f->head + f->head_len, len - f->head_len };
		f->n_iov = 1;
		b->n_iov++;
	}
	if (unlikely(len < FRAME_LEN_MIN)) {
		f->drop = DROP_TOO_SHORT;
		return;
	}
	memcpy(&hdr, place + HDR_AT, sizeof(hdr));
	vnet_hdr_to_offload(&hdr, &f->offload);
	if (!offload_is_trivial(&f->offload))
		f->drop = (uint8_t)offload_check(f);
}

/* Read the next frame to `place`. Its length, or negative errno. */
static ssize_t read_frame(int fd, uint8_t *place)
{
	ssize_t n = read(fd, place + HDR_AT, VNET_HDR_LEN + FRAME_LEN_MAX);

	return n < 0 ? -errno : MAX(n - VNET_HDR_LEN, (ssize_t)0);
}

/* At most `max` frames. */
static void fill_batch(struct port_tap *p, struct tap_queue *q, struct batch *b, unsigned max)
{
	size_t used = 0;

	while (b->n < max && TAP_ARENA_SIZE - used >= PLACE_MAX) {
		ssize_t len = read_frame(q->fd, q->arena + used);

		if (len < 0) {
			if (len == -EBADFD)
				port_tap_gone(p);
			return;
		}
		add_frame(b, q->arena + used, (uint32_t)len);
		used += place_len((size_t)len);
	}
}

/* To look for one more frame in vain takes half as long as to read one. So the first after a pause goes on at once: mostly it is
 * alone, and what comes with it is found when it is on its way. What is to be coalesced stays together. */
unsigned port_tap_rx(struct port *port, unsigned queue, struct batch *batch)
{
	struct port_tap *p = port_tap_of(port);
	struct tap_queue *q = &p->queues[queue];

	if (unlikely(read_once(&p->gone)) || !gate_try_enter(&q->rx_gate))
		return 0;
	batch_reset(batch);
	fill_batch(p, q, batch, q->was_empty && port->coalesce == COALESCE_NONE ? 1 : BATCH_FRAMES);
	q->was_empty = batch->n == 0;
	if (batch->n == 0)
		gate_leave(&q->rx_gate);
	return batch->n;
}

void port_tap_rx_done(struct port *port, unsigned queue, struct batch *batch)
{
	(void)batch;
	gate_leave(&port_tap_of(port)->queues[queue].rx_gate);
}

bool port_tap_rx_wanted(struct port *port, unsigned queue)
{
	return gate_wanted(&port_tap_of(port)->queues[queue].rx_gate);
}

/* The descriptor is always armed: the kernel tells of each frame. What came before the worker last looked for events it may
 * have been told of already, hence the last look. */
bool port_tap_rx_arm(struct port *port, unsigned queue)
{
	struct port_tap *p = port_tap_of(port);
	struct pollfd pfd = { .fd = p->queues[queue].fd, .events = POLLIN };

	return read_once(&p->gone) || poll(&pfd, 1, 0) <= 0;
}

void port_tap_rx_disarm(struct port *port, unsigned queue)
{
	(void)port, (void)queue;
}
