/* SPDX-License-Identifier: Apache-2.0 */
#include "echo_exchange.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_net.h>

#include "vhost/frontend.h"
#include "vhost_peer.h"
#include "virtio/vnet_hdr.h"

void echo_fill_frame(uint8_t *frame, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		frame[i] = (uint8_t)(seed + i * 7 + (i >> 8));
}

unsigned echo_exchange(struct vhost_frontend *f, unsigned pair, const size_t *lengths, unsigned n)
{
	static uint8_t sent[65550], got[65550];
	struct vnet_hdr out = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				.csum_start = htole16(34),
				.csum_offset = htole16(16) };
	struct vnet_hdr in;
	unsigned n_sent;

	for (n_sent = 0; n_sent < n; n_sent++) {
		echo_fill_frame(sent, lengths[n_sent], n_sent);
		if (vhost_frontend_send(f, pair, &out, sent, lengths[n_sent]) < 0)
			break;
	}
	vhost_frontend_flush(f, pair);
	for (unsigned i = 0; i < n_sent; i++) {
		long len;

		while ((len = vhost_frontend_receive(f, pair, &in, got, sizeof(got))) == -EAGAIN)
			assert_int_equal(vhost_frontend_wait(f, pair, 5000), 0);
		assert_int_equal(len, lengths[i]);
		echo_fill_frame(sent, lengths[i], i);
		assert_memory_equal(got, sent, lengths[i]);
		assert_memory_equal(&in, &out, VNET_HDR_LEN_LEGACY);
	}
	assert_int_equal(vhost_frontend_in_flight(f, pair), 0);
	assert_int_equal(vhost_frontend_receive(f, pair, &in, got, sizeof(got)), -EAGAIN);
	return n_sent;
}
