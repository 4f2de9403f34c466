/* SPDX-License-Identifier: Apache-2.0 */
/* port_tap_tx.c - From the switch to the host: one call per frame, writev(2) straight from the sender's memory, or write(2) of a copy.
 *
 * The kernel copies once, too. It refuses a virtio_net_hdr that does not fit its frame (tun_get_user(), virtio_net_hdr_to_skb()): with
 * NEEDS_CSUM, csum_start + csum_offset + 2 must lie within hdr_len; hdr_len must not be 1..13 nor more than the frame. It also
 * makes the first hdr_len bytes of a large frame contiguous, so hdr_len ends with the L4 header. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/tcp.h>
#include <linux/udp.h>

#include "base/account.h"
#include "packet/csum.h"
#include "packet/offload_fit.h"
#include "port/port_tap_priv.h"

/* syscalls worker: write writev */

/* Up to here a copy of ours costs less than what the kernel does more for a list of pieces than for one. */
enum { COPY_MAX = 1536 };

/* Bytes from csum_start to the end of the L4 header, as the place of the checksum tells it. */
static uint32_t l4_len(const struct frame *f)
{
	const struct offload *o = &f->offload;
	uint32_t doff_at = o->csum_start + 12u; /* RFC 9293, 3.1: the upper half of byte 12 counts 32-bit words */

	switch (o->csum_offset) {
	case offsetof(struct tcphdr, check):
		return doff_at < f->head_len ? (f->head[doff_at] >> 4) * 4u : (uint32_t)sizeof(struct tcphdr);
	case offsetof(struct udphdr, check):
		return sizeof(struct udphdr);
	default:
		return 0;
	}
}

static void make_hdr(struct vnet_hdr *hdr, const struct frame *f)
{
	struct offload o = f->offload;

	o.flags &= OFFLOAD_NEEDS_CSUM;
	o.hdr_len = 0;
	if (o.flags & OFFLOAD_NEEDS_CSUM) {
		uint32_t len = o.csum_start + MAX(l4_len(f), o.csum_offset + 2u);

		o.hdr_len = (uint16_t)MIN(MAX(len, (uint32_t)FRAME_LEN_MIN), MIN(f->len, (uint32_t)UINT16_MAX));
	}
	vnet_hdr_from_offload(hdr, &o, 0);
}

/* What a failed write means for its frame; DROP_RING_FULL: try again later. */
static enum drop_reason reason_of(struct port_tap *p, int error)
{
	switch (error) {
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
	case EINTR:
		return DROP_RING_FULL;
	case EIO: /* the interface is down */
		return DROP_NOT_READY;
	case EBADFD:
		port_tap_gone(p);
		return DROP_NOT_READY;
	default:
		return DROP_REFUSED;
	}
}

/* As one piece, its checksum completed on the way if f->finish_csum says so. */
static ssize_t write_copy(struct tap_queue *q, const struct frame *f)
{
	const struct iovec frame = { q->scratch + VNET_HDR_LEN, f->len };
	struct vnet_hdr hdr;

	make_hdr(&hdr, f);
	memcpy(q->scratch, &hdr, sizeof(hdr));
	frame_copy(f, &frame, 1);
	return write(q->fd, q->scratch, sizeof(hdr) + f->len);
}

/* From where its pieces lie. */
static ssize_t write_pieces(struct tap_queue *q, const struct frame *f)
{
	struct frame finished = *f;
	struct vnet_hdr hdr;
	unsigned n;

	if (f->finish_csum && !frame_finish_csum(&finished))
		return write_copy(q, f);
	n = frame_to_iov(&finished, q->iov + 1, IOV_MAX - 1);
	if (unlikely(n == 0)) /* too many */
		return write_copy(q, &finished);
	make_hdr(&hdr, &finished);
	q->iov[0] = (struct iovec){ &hdr, sizeof(hdr) };
	return writev(q->fd, q->iov, (int)n + 1);
}

/* One frame that the kernel takes as it is (but for finish_csum). DROP_NONE: sent. DROP_RING_FULL: not now. */
static enum drop_reason write_frame(struct port_tap *p, struct tap_queue *q, const struct frame *f)
{
	ssize_t n = f->len <= COPY_MAX ? write_copy(q, f) : write_pieces(q, f);

	return n < 0 ? reason_of(p, errno) : DROP_NONE;
}

/* A frame that the kernel does not take as it is. f->segs_sent says where to go on. */
static enum drop_reason write_fitted(struct port_tap *p, struct tap_queue *q, struct port_counters *c, struct frame *f)
{
	struct offload_fit fit;
	const struct frame *out;
	int n = offload_fit_begin(&fit, f, p->caps);

	if (n < 0)
		return (enum drop_reason) - n;
	while ((out = offload_fit_next(&fit))) {
		bool finish_csum = out->finish_csum;
		enum drop_reason reason = write_frame(p, q, out);

		if (reason != DROP_NONE)
			return reason;
		f->segs_sent++;
		if (finish_csum)
			counter_add(&c->sw_csum, 1);
	}
	if (f->segs_sent > 1) {
		counter_add(&c->sw_gso_frames, 1);
		counter_add(&c->sw_segments, f->segs_sent);
	}
	return DROP_NONE;
}

static enum drop_reason write_one(struct port_tap *p, struct tap_queue *q, struct port_counters *c, struct frame *f)
{
	enum drop_reason reason;

	if (likely(offload_passes(f, p->caps)))
		return write_frame(p, q, f);
	account_lap(ACCOUNT_COPY, 0);
	reason = write_fitted(p, q, c, f);
	account_lap(ACCOUNT_FIT, 1);
	return reason;
}

int port_tap_tx(struct port *port, unsigned queue, struct frame *const *frames, unsigned n)
{
	struct port_tap *p = port_tap_of(port);
	struct tap_queue *q = &p->queues[queue];
	struct port_counters *c = &port->queues[queue].tx;
	unsigned i;

	if (unlikely(read_once(&p->gone))) {
		port_count_drop(c, DROP_NOT_READY, n);
		return (int)n;
	}
	if (!gate_enter(&q->tx_gate))
		return -EAGAIN;
	for (i = 0; i < n; i++) {
		struct frame *f = frames[i];
		enum drop_reason reason = write_one(p, q, c, f);

		if (reason == DROP_RING_FULL)
			break;
		if (likely(reason == DROP_NONE))
			port_count_frame(c, f);
		else
			port_count_drop(c, reason, 1);
	}
	account_lap(ACCOUNT_COPY, i);
	gate_leave(&q->tx_gate);
	return (int)i;
}
