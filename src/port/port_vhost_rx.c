/* SPDX-License-Identifier: Apache-2.0 */
/* port_vhost_rx.c - From a guest's transmit ring into the switch.
 *
 * Each chain becomes one frame that stays where the guest put it: the chain's pieces, translated and checked by virtq_pop(), minus
 * the virtio_net_hdr in front, minus the first bytes, which are copied into the batch's private head. The header and
 * the boundary between it and the frame may lie anywhere (VIRTIO 1.2, 2.7.4.1: "MUST NOT make assumptions about the
 * particular arrangement of descriptors"). */
#include <string.h>

#include "base/barrier.h"
#include "base/copy.h"
#include "base/prefetch.h"
#include "packet/rarp.h"
#include "port/port_vhost_priv.h"
#include "virtio/virtq_run.h"

/* A position in a scatter list. */
struct cursor {
	const struct iovec *iov;
	unsigned n;
	size_t off;
};

/* Copy the next `len` bytes out and go on behind them. The caller knows that there are that many. */
static void cursor_read(struct cursor *c, void *dst, size_t len)
{
	uint8_t *to = dst;

	while (len) {
		size_t here = MIN(len, c->iov->iov_len - c->off);

		memcpy(to, (const uint8_t *)c->iov->iov_base + c->off, here);
		to += here;
		len -= here;
		c->off += here;
		if (c->off == c->iov->iov_len && c->n > 1) {
			c->iov++;
			c->n--;
			c->off = 0;
		}
	}
}

/* First step: what the chain tells. The header and the first bytes are on their way into the cache meanwhile. */
static void frame_from_chain(struct frame *f, const struct iovec *iov, const struct virtq_chain *chain)
{
	*f = (struct frame){
		.iov = iov,
		.n_iov = chain->n_iov,
		.len = chain->len,
		.rx_id = chain->id,
		.rx_n_desc = chain->n_desc,
		.dst = FRAME_DST_NONE,
	};
	if (likely(chain->n_iov)) {
		prefetch_to_read(iov->iov_base);
		prefetch_to_read((const uint8_t *)iov->iov_base + CACHE_LINE);
	}
}

/* The header and the first bytes of the frame, when all of them are in the first piece. */
static always_inline bool read_short(struct frame *f, uint8_t *head, struct vnet_words *hdr, unsigned hdr_len,
				     unsigned head_len)
{
	const struct iovec *iov = f->iov;
	const uint8_t *from = iov->iov_base;

	if (unlikely(iov->iov_len < hdr_len + head_len))
		return false;
	f->iov_off = hdr_len + head_len;
	*hdr = vnet_words_read(from);
	copy_short(head, from + hdr_len, head_len);
	return true;
}

static struct vnet_words read_pieces(struct frame *f, uint8_t *head, unsigned hdr_len, unsigned head_len)
{
	struct cursor c = { .iov = f->iov, .n = f->n_iov };
	struct vnet_hdr hdr;

	cursor_read(&c, &hdr, hdr_len);
	cursor_read(&c, head, head_len);
	f->iov = c.iov;
	f->n_iov = (uint16_t)c.n;
	f->iov_off = (uint32_t)c.off;
	return vnet_words_read(&hdr);
}

/* Second step: take the header off, and look at it. */
static always_inline void frame_open(struct frame *f, uint8_t *head, unsigned hdr_len)
{
	uint32_t len = f->len - hdr_len, head_len = MIN(len, (uint32_t)FRAME_HEAD_FIRST);
	struct vnet_words hdr;

	f->head = head;
	if (unlikely(f->drop))
		return;
	if (unlikely(f->len < hdr_len + FRAME_LEN_MIN)) {
		f->drop = DROP_TOO_SHORT;
		return;
	}
	f->len = len;
	if (unlikely(len > FRAME_LEN_MAX)) {
		f->drop = DROP_TOO_LONG;
		return;
	}
	f->head_len = (uint16_t)head_len;
	if (unlikely(!read_short(f, head, &hdr, hdr_len, head_len)))
		hdr = read_pieces(f, head, hdr_len, head_len);
	if (!vnet_words_are_trivial(hdr)) {
		vnet_words_to_offload(hdr, &f->offload);
		f->drop = (uint8_t)offload_check(f);
	}
}

/* Started but disabled rings take frames and discard them (vhost-user.rst, "Ring states"). */
static void discard_all(struct batch *batch)
{
	for (unsigned i = 0; i < batch->n; i++)
		batch->frames[i].drop = DROP_NOT_READY;
}

/* Take the next chain, whatever it is made of. False: none is left, or none can be taken. */
static __attribute__((noinline)) bool pop_any(struct port_vhost *p, struct vhost_ring *r, struct frame *f,
					      struct iovec *iov)
{
	struct virtq_chain chain;
	int err;

	if (virtq_available(&r->vq, 1) == 0)
		return false;
	err = virtq_pop(&r->vq, VIRTQ_READABLE, iov, FRAME_IOV_MAX, &chain);
	if (unlikely(err) && err != -ENOBUFS) {
		if (err == -EPROTO)
			port_vhost_ring_broken(p, r);
		else if (r->vq.iotlb) /* else its memory is still to come */
			vhost_ring_ask(r, VIRTQ_READABLE);
		return false;
	}
	frame_from_chain(f, iov, &chain);
	if (unlikely(err))
		f->drop = DROP_BAD_CHAIN;
	return true;
}

/* Take plain chains, up to the end of the ring or the first other one. Returns how many. */
static always_inline unsigned pop_run(struct virtq *vq, const bool packed, struct frame *frames, struct iovec *iov,
				      unsigned max)
{
	struct virtq_pop_run pops;
	unsigned n = virtq_pop_begin(&pops, vq, packed, max), i;

	for (i = 0; i < n; i++) {
		if (!virtq_pop_next(&pops, VIRTQ_READABLE, 1))
			break;
		iov[i] = (struct iovec){ pops.base, pops.len };
		frame_from_chain(&frames[i], &iov[i],
				 &(struct virtq_chain){ .id = pops.id, .n_desc = 1, .n_iov = 1, .len = pops.len });
	}
	virtq_pop_end(&pops, vq, i);
	return i;
}

static void fill_batch(struct port_vhost *p, struct vhost_ring *r, struct batch *batch)
{
	/* A driver that goes on while we pop could have us take more than a short ring holds (virtq.h). */
	unsigned n = 0, n_iov = 0, max = MIN((unsigned)BATCH_FRAMES, r->vq.size);

	while (n < max && n_iov <= BATCH_IOV - FRAME_IOV_MAX) {
		struct frame *f = &batch->frames[n];
		struct iovec *iov = &batch->iov[n_iov];
		unsigned more =
		    r->vq.packed ? pop_run(&r->vq, true, f, iov, max - n) : pop_run(&r->vq, false, f, iov, max - n);

		if (more == 0 && !pop_any(p, r, f, iov))
			break;
		n_iov += more ? more : f->n_iov;
		n += MAX(more, 1u);
	}
	batch->n = n;
	batch->n_iov = n_iov;
	for (unsigned i = 0, hdr_len = p->hdr_len; i < n; i++)
		frame_open(&batch->frames[i], batch->heads[i], hdr_len);
}

/* A frame in the guest's name that takes no descriptor: rx_n_desc is 0. */
static unsigned announce(struct port_vhost *p, struct batch *batch)
{
	uint8_t *head = batch->heads[0];

	p->announcing = false;
	batch_reset(batch);
	rarp_announce(head, p->announced_mac);
	batch->frames[0] = (struct frame){ .head = head, .head_len = RARP_FRAME_LEN, .len = RARP_FRAME_LEN };
	batch->n = 1;
	return 1;
}

unsigned port_vhost_rx(struct port *port, unsigned queue, struct batch *batch)
{
	struct port_vhost *p = port_vhost_of(port);
	struct vhost_ring *r = port_vhost_rx_ring(p, queue);

	if (!gate_try_enter(&r->gate))
		return 0;
	if (unlikely(p->announcing) && queue == 0)
		return announce(p, batch);
	if (!vhost_ring_is_usable(r))
		goto nothing;
	/* Who is polled need not be told. It was, when the ring started on a lane that was polled before, or when arming found
	 * frames. */
	if (unlikely(r->vq.notify_enabled))
		virtq_disable_notify(&r->vq);
	batch_reset(batch);
	fill_batch(p, r, batch);
	if (batch->n == 0)
		goto nothing;
	if (unlikely(!r->enabled))
		discard_all(batch);
	return batch->n;

nothing:
	/* Counting, publishing and asking for kicks may have found it broken. */
	if (unlikely(r->vq.error) && vhost_ring_is_usable(r))
		port_vhost_ring_broken(p, r);
	gate_leave(&r->gate);
	return 0;
}

/* Push chains of one descriptor, up to the end of the ring or the first other one. Returns how many. */
static always_inline unsigned push_run(struct virtq *vq, const bool packed, const struct frame *frames, unsigned max)
{
	struct virtq_push_run pushes;
	unsigned n = virtq_push_begin(&pushes, vq, packed, VIRTQ_READABLE, max), i;

	for (i = 0; i < n && likely(frames[i].rx_n_desc == 1); i++)
		virtq_push_next(&pushes, frames[i].rx_id, 0);
	virtq_push_end(&pushes, vq, i);
	return i;
}

static void give_back(struct virtq *vq, const struct batch *batch)
{
	for (unsigned i = 0; i < batch->n;) {
		const struct frame *f = &batch->frames[i];
		unsigned more = vq->packed ? push_run(vq, true, f, batch->n - i) : push_run(vq, false, f, batch->n - i);

		if (more == 0 && f->rx_n_desc)
			virtq_push(vq, &(struct virtq_chain){ .id = f->rx_id, .n_desc = f->rx_n_desc }, 0);
		i += MAX(more, 1u);
	}
}

void port_vhost_rx_done(struct port *port, unsigned queue, struct batch *batch)
{
	struct port_vhost *p = port_vhost_of(port);
	struct vhost_ring *r = port_vhost_rx_ring(p, queue);

	if (likely(vhost_ring_is_usable(r))) {
		give_back(&r->vq, batch);
		port_vhost_publish(r, &port->queues[queue].rx);
	}
	gate_leave(&r->gate);
}
