/* SPDX-License-Identifier: Apache-2.0 */
/* pair.c - vhost-pair SOCKET_A SOCKET_B COUNT: two front-ends exchange frames through ringwayd, and leave.
 *
 * What a pair of guests does to the daemon, in milliseconds: attach, learn, move frames of many sizes both ways, go without a
 * word. Exit status 1 when a frame was lost or came out different. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vhost/frontend.h"
#include "vhost/wire.h"

enum { FRAME_MIN = 60, FRAME_MAX = 1514, HEADERS = 14, WAIT_MS = 5000 };

#define BIT(n) (1ull << (n))

static struct vhost_frontend *attach(const char *socket)
{
	struct vhost_frontend_config config = {
		.socket = socket,
		.queue_pairs = 1,
		/* Without acknowledgements nobody knows when the back-end is ready. */
		.protocol_features = BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK),
		.features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_RING_F_EVENT_IDX),
	};
	char err[256] = "";
	int error;
	struct vhost_frontend *f = vhost_frontend_create(&config, &error, err, sizeof(err));

	if (!f)
		fprintf(stderr, "%s: %s: %s\n", socket, err, strerror(-error));
	return f;
}

static size_t make_frame(uint8_t *frame, unsigned from, unsigned to, unsigned seq)
{
	size_t len = FRAME_MIN + seq * 37 % (FRAME_MAX - FRAME_MIN + 1);
	const uint8_t header[HEADERS] = { 2, 0, 0, 0, 0, (uint8_t)to, 2, 0, 0, 0, 0, (uint8_t)from, 0x88, 0xb5 };

	memcpy(frame, header, sizeof(header));
	for (size_t i = HEADERS; i < len; i++)
		frame[i] = (uint8_t)(i * 7 + seq);
	return len;
}

/* One frame, waited for. What else arrives (a flood, an announcement) is not ours. */
static int exchange(struct vhost_frontend *from, unsigned from_idx, struct vhost_frontend *to, unsigned to_idx,
		    unsigned seq)
{
	uint8_t frame[FRAME_MAX], got[FRAME_MAX];
	size_t len = make_frame(frame, from_idx, to_idx, seq);
	struct vnet_hdr hdr;
	int err = vhost_frontend_send(from, 0, NULL, frame, len);

	if (err)
		return err;
	vhost_frontend_flush(from, 0);
	for (;;) {
		long n = vhost_frontend_receive(to, 0, &hdr, got, sizeof(got));

		if (n == -EAGAIN) {
			err = vhost_frontend_wait(to, 0, WAIT_MS);
			if (err)
				return err;
		} else if (n < 0) {
			return (int)n;
		} else if ((size_t)n == len && !memcmp(frame, got, len)) {
			return 0;
		} else if (n >= HEADERS && got[HEADERS - 2] == 0x88 && got[HEADERS - 1] == 0xb5) {
			return -EBADMSG;
		}
	}
}

int main(int argc, char **argv)
{
	struct vhost_frontend *a, *b;
	int err = -ENOTCONN;

	if (argc != 4) {
		fprintf(stderr, "usage: vhost-pair SOCKET_A SOCKET_B COUNT\n");
		return 2;
	}
	a = attach(argv[1]);
	b = a ? attach(argv[2]) : NULL;
	if (b)
		err = 0;
	for (unsigned seq = 0; !err && seq < (unsigned)atoi(argv[3]); seq++) {
		err = exchange(a, 1, b, 2, seq);
		if (!err)
			err = exchange(b, 2, a, 1, seq);
	}
	vhost_frontend_destroy(b);
	vhost_frontend_destroy(a);
	if (err)
		fprintf(stderr, "vhost-pair: %s\n", strerror(-err));
	return err ? 1 : 0;
}
