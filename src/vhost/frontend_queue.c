/* SPDX-License-Identifier: Apache-2.0 */
/* frontend_queue.c - Frames into and out of the front-end's rings. */
#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "vhost/frontend_internal.h"

/* Receive buffers are given back this many at a time. */
enum { REFILL_BATCH = 16 };

static struct frontend_ring *rx_ring(struct vhost_frontend *f, unsigned pair)
{
	return &f->rings[2 * pair];
}

static struct frontend_ring *tx_ring(struct vhost_frontend *f, unsigned pair)
{
	return &f->rings[2 * pair + 1];
}

/* Slots are named to the driver by their number plus one. */
static void *token_of(unsigned slot)
{
	return (void *)(uintptr_t)(slot + 1);
}

static unsigned slot_of(const void *token)
{
	return (unsigned)((uintptr_t)token - 1);
}

static uint8_t *slot_mem(const struct frontend_ring *r, unsigned slot)
{
	return r->slots + slot * r->slot_size;
}

static void publish(struct vhost_frontend *f, struct frontend_ring *r)
{
	virtq_driver_publish(&r->driver);
	if (virtq_driver_should_kick(&r->driver))
		vhost_frontend_kick(f, (unsigned)(r - f->rings));
}

/* Transmit */

static void reap(struct frontend_ring *r)
{
	uint32_t len;
	void *token;

	while ((token = virtq_driver_get_used(&r->driver, &len)))
		r->free_slots[r->n_free++] = (uint16_t)slot_of(token);
}

/* Cut [addr, addr + len) into pieces as the configuration wants it. Their number, 0: too many. */
static unsigned cut(const struct vhost_frontend *f, uint64_t addr, uint32_t len, struct virtq_buf *bufs)
{
	uint32_t piece = f->config.tx_piece ? f->config.tx_piece : len, done = 0;
	unsigned n = 0;

	if (f->config.tx_header_apart) {
		bufs[n++] = (struct virtq_buf){ addr, (uint32_t)f->hdr_len, false };
		done = (uint32_t)f->hdr_len;
	}
	for (; done < len && n < VHOST_FRONTEND_TX_PIECES_MAX; n++) {
		bufs[n] = (struct virtq_buf){ addr + done, MIN(piece, len - done), false };
		done += bufs[n].len;
	}
	return done == len ? n : 0;
}

static int add_slot(struct vhost_frontend *f, struct frontend_ring *r, unsigned slot, uint32_t len)
{
	struct virtq_buf bufs[VHOST_FRONTEND_TX_PIECES_MAX];
	uint8_t *mem = slot_mem(r, slot), *table = mem + f->config.tx_buf_size;
	unsigned n = cut(f, frontend_guest_addr(f, mem), len, bufs);

	if (n == 0)
		return -EMSGSIZE;
	if (f->config.tx_indirect && frontend_has(f, VIRTIO_RING_F_INDIRECT_DESC))
		return virtq_driver_add_indirect(&r->driver, bufs, n, table, frontend_guest_addr(f, table),
						 token_of(slot));
	return virtq_driver_add(&r->driver, bufs, n, token_of(slot));
}

int vhost_frontend_send(struct vhost_frontend *f, unsigned pair, const struct vnet_hdr *hdr, const void *frame,
			size_t len)
{
	static const struct vnet_hdr no_offload;
	struct frontend_ring *r = tx_ring(f, pair);
	unsigned slot;
	uint8_t *mem;
	int err;

	if (len + f->hdr_len > f->config.tx_buf_size)
		return -EMSGSIZE;
	/* Slots and descriptors are found to be free when either runs out. */
	if (r->n_free == 0 || r->driver.n_free < VHOST_FRONTEND_TX_PIECES_MAX)
		reap(r);
	if (r->n_free == 0)
		return -EAGAIN;
	slot = r->free_slots[r->n_free - 1];
	mem = slot_mem(r, slot);
	memcpy(mem, hdr ? hdr : &no_offload, f->hdr_len);
	memcpy(mem + f->hdr_len, frame, len);
	err = add_slot(f, r, slot, (uint32_t)(f->hdr_len + len));
	if (err == -ENOSPC)
		return -EAGAIN;
	if (err == 0)
		r->n_free--;
	return err;
}

void vhost_frontend_flush(struct vhost_frontend *f, unsigned pair)
{
	publish(f, tx_ring(f, pair));
}

unsigned vhost_frontend_in_flight(struct vhost_frontend *f, unsigned pair)
{
	struct frontend_ring *r = tx_ring(f, pair);

	vhost_frontend_serve(f);
	reap(r);
	return r->driver.size - r->n_free;
}

/* Receive */

static void give_buffer(struct vhost_frontend *f, struct frontend_ring *r, unsigned slot)
{
	struct virtq_buf buf = { frontend_guest_addr(f, slot_mem(r, slot)), f->config.rx_buf_size, true };

	/* There is a descriptor for each buffer: it does not fail. */
	if (virtq_driver_add(&r->driver, &buf, 1, token_of(slot)) == 0)
		r->n_unpublished++;
}

static void refill(struct vhost_frontend *f, struct frontend_ring *r, unsigned at_least)
{
	if (r->n_unpublished < at_least)
		return;
	r->n_unpublished = 0;
	publish(f, r);
}

static void fill_rx(struct vhost_frontend *f, struct frontend_ring *rx)
{
	for (unsigned i = 0; i < rx->driver.size; i++)
		give_buffer(f, rx, i);
	refill(f, rx, 1);
}

static void fill_tx(struct frontend_ring *tx)
{
	tx->n_free = 0;
	for (unsigned i = 0; i < tx->driver.size; i++)
		tx->free_slots[tx->n_free++] = (uint16_t)(tx->driver.size - 1 - i);
	virtq_driver_disable_notify(&tx->driver);
}

void frontend_fill(struct vhost_frontend *f, unsigned ring)
{
	if (ring % 2 == 0)
		fill_rx(f, &f->rings[ring]);
	else
		fill_tx(&f->rings[ring]);
}

/* A frame that is being collected from its buffers. */
struct incoming {
	uint8_t *frame;
	size_t size, len;
};

static void collect(struct incoming *in, const uint8_t *bytes, size_t len)
{
	if (in->len < in->size)
		memcpy(in->frame + in->len, bytes, MIN(len, in->size - in->len));
	in->len += len;
}

/* The next buffer; with `hdr`, it begins with the header. It is given back. -EAGAIN, -EPROTO. */
static int take_buffer(struct vhost_frontend *f, struct frontend_ring *r, struct vnet_hdr *hdr, struct incoming *in)
{
	uint32_t len, skip = hdr ? (uint32_t)f->hdr_len : 0;
	void *token = virtq_driver_get_used(&r->driver, &len);
	const uint8_t *mem;

	if (!token)
		return r->driver.broken ? -EPROTO : -EAGAIN;
	mem = slot_mem(r, slot_of(token));
	if (len > f->config.rx_buf_size || len < skip)
		return -EPROTO;
	if (hdr)
		memcpy(hdr, mem, skip);
	collect(in, mem + skip, len - skip);
	give_buffer(f, r, slot_of(token));
	return 0;
}

long vhost_frontend_receive(struct vhost_frontend *f, unsigned pair, struct vnet_hdr *hdr, void *frame, size_t size)
{
	struct frontend_ring *r = rx_ring(f, pair);
	struct incoming in = { frame, size, 0 };
	struct vnet_hdr local = { 0 };
	int err = take_buffer(f, r, &local, &in);
	unsigned n;

	if (err == -EAGAIN) {
		refill(f, r, 1);
		vhost_frontend_serve(f);
	}
	if (err < 0)
		return err;
	/* VIRTIO 1.2, 5.1.6.4.1: the buffers of a frame become used together. Without mergeable buffers there is one, whatever
	 * the header says (DPDK's vhost library leaves the field alone then). */
	n = frontend_has(f, VIRTIO_NET_F_MRG_RXBUF) ? le16toh(local.num_buffers) : 1;
	for (unsigned i = 1; i < n; i++)
		if (take_buffer(f, r, NULL, &in) < 0)
			return -EPROTO;
	refill(f, r, REFILL_BATCH);
	if (hdr)
		*hdr = local;
	return n == 0 ? -EPROTO : (long)in.len;
}

long vhost_frontend_discard(struct vhost_frontend *f, unsigned pair)
{
	return vhost_frontend_receive(f, pair, NULL, NULL, 0);
}

/* Notifications */

uint64_t vhost_frontend_interrupts(struct vhost_frontend *f, unsigned ring)
{
	struct frontend_ring *r = &f->rings[ring];
	uint64_t n;

	vhost_frontend_serve(f);
	if (read(r->call_fd, &n, sizeof(n)) == sizeof(n))
		r->interrupts += n;
	n = r->interrupts;
	r->interrupts = 0;
	return n;
}

int vhost_frontend_wait(struct vhost_frontend *f, unsigned pair, int timeout_ms)
{
	struct frontend_ring *r = rx_ring(f, pair);
	uint64_t deadline_ns = clock_ns() + (uint64_t)timeout_ms * NSEC_PER_MSEC;
	int err = 0;

	refill(f, r, 1);
	while (!virtq_driver_enable_notify(&r->driver) && err == 0) {
		err = frontend_wait_readable(f, r->call_fd, deadline_ns);
		r->interrupts = vhost_frontend_interrupts(f, 2 * pair);
	}
	virtq_driver_disable_notify(&r->driver);
	return err == -ETIMEDOUT ? -EAGAIN : err;
}
