/* SPDX-License-Identifier: Apache-2.0 */
/* echo_device.c - Sends frames back; see echo_device.h. */
#include "echo_device.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdbool.h>
#include <string.h>

#include "vhost/eventfd.h"
#include "virtio/virtq.h"
#include "virtio/vnet_hdr.h"

enum { PIECES_MAX = 1024, BUFFERS_MAX = 64 };

static size_t gather(const struct iovec *iov, unsigned n, uint8_t *to, size_t size)
{
	size_t len = 0;

	for (unsigned i = 0; i < n && len + iov[i].iov_len <= size; i++) {
		memcpy(to + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	return len;
}

static size_t scatter(const struct iovec *iov, unsigned n, const uint8_t *from, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		size_t piece = iov[i].iov_len < len - done ? iov[i].iov_len : len - done;

		memcpy(iov[i].iov_base, from + done, piece);
		done += piece;
	}
	return done;
}

/* VIRTIO 1.2, 5.1.6.1 */
static bool has_num_buffers(uint64_t features)
{
	return features & (1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF);
}

static int pop(struct vhost_ring *r, enum virtq_dir dir, struct iovec *iov, struct virtq_chain *chain)
{
	int err = virtq_pop(&r->vq, dir, iov, PIECES_MAX, chain);

	if (err == -EAGAIN)
		vhost_ring_ask(r, dir);
	return err;
}

/* A frame with its header into as many buffers as it takes. False: there are not enough; none is taken. */
static bool give(struct echo_device *e, struct vhost_ring *rx, uint8_t *bytes, size_t len)
{
	struct virtq *vq = &rx->vq;
	struct virtq_chain chains[BUFFERS_MAX];
	uint32_t written[BUFFERS_MAX];
	struct iovec iov[PIECES_MAX], first[PIECES_MAX];
	size_t done = 0;
	unsigned n = 0, n_first = 0;

	while (done < len && n < BUFFERS_MAX && virtq_available(vq, 1) > 0) {
		if (pop(rx, VIRTQ_WRITABLE, iov, &chains[n]) < 0)
			break;
		if (n == 0) {
			n_first = chains[n].n_iov;
			memcpy(first, iov, n_first * sizeof(*iov));
		}
		written[n] = (uint32_t)scatter(iov, chains[n].n_iov, bytes + done, len - done);
		done += written[n++];
	}
	if (done < len) {
		for (unsigned i = n; i > 0; i--)
			virtq_unpop(vq, chains[i - 1].n_desc);
		return false;
	}
	if (has_num_buffers(vhost_backend_features(e->b))) {
		((struct vnet_hdr *)(void *)bytes)->num_buffers = htole16((uint16_t)n);
		scatter(first, n_first, bytes, VNET_HDR_LEN);
	}
	for (unsigned i = 0; i < n; i++)
		virtq_push(vq, &chains[i], written[i]);
	return true;
}

static bool echo_one(struct echo_device *e, struct vhost_ring *tx, struct vhost_ring *rx)
{
	struct iovec iov[PIECES_MAX];
	struct virtq_chain chain;

	if (virtq_available(&tx->vq, 1) == 0 || pop(tx, VIRTQ_READABLE, iov, &chain) < 0)
		return false;
	if (!give(e, rx, e->buf, gather(iov, chain.n_iov, e->buf, sizeof(e->buf)))) {
		virtq_unpop(&tx->vq, chain.n_desc);
		return false;
	}
	virtq_push(&tx->vq, &chain, 0);
	e->n_frames++;
	return true;
}

static void publish(struct vhost_ring *r)
{
	virtq_publish(&r->vq);
	if (virtq_should_notify(&r->vq))
		(void)vhost_eventfd_signal(r->call_fd);
	if (virtq_error(&r->vq))
		r->broken = true;
}

static void echo_pair(struct echo_device *e, struct vhost_ring *rx, struct vhost_ring *tx)
{
	if (!vhost_ring_is_usable(rx) || !vhost_ring_is_usable(tx) || !rx->enabled)
		return;
	while (echo_one(e, tx, rx))
		;
	publish(rx);
	publish(tx);
}

void echo_device_run_rings(struct echo_device *e)
{
	for (unsigned q = 0; q < e->n_pairs; q++) {
		struct vhost_ring *rx = vhost_backend_ring(e->b, 2 * q), *tx = vhost_backend_ring(e->b, 2 * q + 1);

		if (gate_try_enter(&rx->gate)) {
			if (gate_try_enter(&tx->gate)) {
				echo_pair(e, rx, tx);
				gate_leave(&tx->gate);
			}
			gate_leave(&rx->gate);
		}
	}
}

void echo_device_run(struct echo_device *e)
{
	echo_device_run_rings(e);
	vhost_backend_check_rings(e->b);
}
