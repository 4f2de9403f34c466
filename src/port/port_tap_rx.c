/* SPDX-License-Identifier: Apache-2.0 */
/* port_tap_rx.c - From the host into the switch.
 *
 * One readv(2) per frame: the virtio_net_hdr to a local, the first bytes straight to the batch's private head, the rest to
 * the queue's arena. So a small frame is copied once, by the kernel, and touches nothing of the arena; large ones lie there
 * one after the other until rx_done. */
#include <errno.h>
#include <poll.h>
#include <sys/uio.h>

#include "port/port_tap_priv.h"

/* syscalls worker: readv poll ppoll */

enum { PAYLOAD_MAX = FRAME_LEN_MAX - FRAME_HEAD_FIRST };

/* Fill in frames[i] of `len` bytes; what is behind its head lies at `payload`. */
static void add_frame(struct batch *b, const struct vnet_hdr *hdr, uint32_t len, void *payload)
{
	struct frame *f = &b->frames[b->n];
	struct iovec *iov = &b->iov[b->n_iov];

	*f = (struct frame){
		.head = b->heads[b->n],
		.head_len = (uint16_t)MIN(len, (uint32_t)FRAME_HEAD_FIRST),
		.len = len,
		.iov = iov,
		.dst = FRAME_DST_NONE,
	};
	if (len > f->head_len) {
		*iov = (struct iovec){ payload, len - f->head_len };
		f->n_iov = 1;
		b->n_iov++;
	}
	b->n++;
	if (unlikely(len < FRAME_LEN_MIN)) {
		f->drop = DROP_TOO_SHORT;
		return;
	}
	vnet_hdr_to_offload(hdr, &f->offload);
	if (!offload_is_trivial(&f->offload))
		f->drop = (uint8_t)offload_check(f);
}

/* The next frame, its payload to be put at `payload`. Its length, or negative errno. */
static ssize_t read_frame(int fd, struct batch *b, struct vnet_hdr *hdr, uint8_t *payload)
{
	struct iovec iov[] = {
		{ hdr, sizeof(*hdr) },
		{ b->heads[b->n], FRAME_HEAD_FIRST },
		{ payload, PAYLOAD_MAX },
	};
	ssize_t n = readv(fd, iov, ARRAY_SIZE(iov));

	if (n < 0)
		return -errno;
	return MAX(n - (ssize_t)sizeof(*hdr), 0);
}

static void fill_batch(struct port_tap *p, struct tap_queue *q, struct batch *b)
{
	size_t used = 0;

	while (b->n < BATCH_FRAMES && TAP_ARENA_SIZE - used >= PAYLOAD_MAX) {
		struct vnet_hdr hdr = { 0 };
		ssize_t len = read_frame(q->fd, b, &hdr, q->arena + used);

		if (len < 0) {
			if (len == -EBADFD)
				port_tap_gone(p);
			return;
		}
		add_frame(b, &hdr, (uint32_t)len, q->arena + used);
		if (len > FRAME_HEAD_FIRST)
			used += ((size_t)len - FRAME_HEAD_FIRST + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
	}
}

unsigned port_tap_rx(struct port *port, unsigned queue, struct batch *batch)
{
	struct port_tap *p = port_tap_of(port);
	struct tap_queue *q = &p->queues[queue];

	if (unlikely(read_once(&p->gone)) || !gate_try_enter(&q->rx_gate))
		return 0;
	batch_reset(batch);
	fill_batch(p, q, batch);
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
