/* SPDX-License-Identifier: Apache-2.0 */
#include "load_end.h"

#include <endian.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "vhost/wire.h"

#define BIT(n) (1ull << (n))

enum {
	ETH = 14,
	IP = 20,
	TCP = 20,
	SEGMENT = 1448,
	HDR = VNET_HDR_LEN,
};

static void put16(uint8_t *to, unsigned v)
{
	to[0] = (uint8_t)(v >> 8);
	to[1] = (uint8_t)v;
}

static unsigned fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned)sum;
}

static unsigned sum_be(const uint8_t *p, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (unsigned)p[i] << 8 | p[i + 1];
	return fold(sum);
}

/* TCP, from 10.0.0.1 to 10.0.0.2; or UDP, when nothing is asked of the switch, without a checksum. */
static struct vnet_hdr make_frame(const struct load_config *c, uint8_t *frame)
{
	unsigned l3_len = c->frame_len - ETH;
	uint8_t *ip = frame + ETH, *l4 = ip + IP;
	struct vnet_hdr hdr = { 0 };

	memcpy(frame, &c->dst, 6);
	memcpy(frame + 6, &c->src, 6);
	put16(frame + 12, 0x0800);
	memcpy(ip, (uint8_t[IP]){ 0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2 }, IP);
	put16(ip + 2, l3_len);
	ip[9] = c->offload ? 6 : 17;
	put16(ip + 10, ~sum_be(ip, IP));
	put16(l4, 1000);
	put16(l4 + 2, 1001);
	if (!c->offload) {
		put16(l4 + 4, l3_len - IP);
		return hdr;
	}
	l4[12] = 0x50;
	l4[13] = 0x10;
	/* The sum of the pseudo header, for whoever completes the checksum (VIRTIO 1.2, 5.1.6.2). */
	put16(l4 + 16, fold(sum_be(ip + 12, 8) + 6u + l3_len - IP));
	hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	hdr.csum_start = htole16(ETH + IP);
	hdr.csum_offset = htole16(16);
	hdr.hdr_len = htole16(ETH + IP + TCP);
	if (l3_len > IP + TCP + SEGMENT) {
		hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		hdr.gso_size = htole16(SEGMENT);
	}
	return hdr;
}

static uint64_t features(const struct load_config *c)
{
	uint64_t f = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC);

	f |= c->packed ? BIT(VIRTIO_F_RING_PACKED) : 0;
	f |= c->mergeable ? BIT(VIRTIO_NET_F_MRG_RXBUF) : 0;
	f |= c->in_order ? BIT(VIRTIO_F_IN_ORDER) : 0;
	f |= c->event_idx ? BIT(VIRTIO_RING_F_EVENT_IDX) : 0;
	if (c->offload)
		f |= BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) |
		     BIT(VIRTIO_NET_F_GUEST_TSO4);
	return f;
}

/* Let the front-end put a frame into every slot of the transmit ring, without showing any to the device. */
static int make_frames(struct load_end *e)
{
	static uint8_t frame[LOAD_FRAME_MAX];
	struct vnet_hdr hdr;
	int err = 0;

	memset(frame, 0x5a, sizeof(frame));
	hdr = make_frame(&e->config, frame);
	for (unsigned i = 0; i < e->config.ring_size && err == 0; i++)
		err = vhost_frontend_send(e->frontend, 0, &hdr, frame, e->config.frame_len);
	return err;
}

static const char *check_config(const struct load_config *c)
{
	if (c->frame_len < 60 || c->frame_len > LOAD_FRAME_MAX)
		return "frames have 60 to 65549 bytes";
	if (c->ring_size < 2 || (c->ring_size & (c->ring_size - 1)))
		return "a ring's size is a power of two";
	if (c->rx_buf && !c->mergeable && c->rx_buf < c->frame_len + HDR)
		return "without mergeable buffers a frame has to fit into one";
	return NULL;
}

/* What was wanted and not offered is the caller's to know: a measurement of something else is worth nothing. */
static const char *missing_feature(const struct load_end *e)
{
	uint64_t missing = features(&e->config) & ~vhost_frontend_features(e->frontend);

	if (missing & BIT(VIRTIO_F_RING_PACKED))
		return "packed rings";
	if (missing & BIT(VIRTIO_NET_F_MRG_RXBUF))
		return "mergeable buffers";
	if (missing & BIT(VIRTIO_F_IN_ORDER))
		return "use in order";
	if (missing & BIT(VIRTIO_RING_F_EVENT_IDX))
		return "event indices";
	if (missing & (BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO4)))
		return "offloads";
	return missing & BIT(VIRTIO_F_VERSION_1) ? "VIRTIO 1" : NULL;
}

bool load_end_open(struct load_end *e, const struct load_config *config, char *err, size_t err_size)
{
	uint32_t room = config->frame_len + HDR;
	uint32_t rx_buf = config->rx_buf ? config->rx_buf : config->mergeable ? LOAD_MERGEABLE_BUF : MAX(room, 1536u);
	const char *fault = check_config(config);
	int error;

	*e = (struct load_end){ .config = *config, .rx_chains = (room + rx_buf - 1) / rx_buf };
	if (fault) {
		snprintf(err, err_size, "%s", fault);
		return false;
	}
	e->frontend = vhost_frontend_create(
	    &(struct vhost_frontend_config){
		.socket = config->socket,
		.server = config->server,
		.queue_pairs = 1,
		.ring_size = config->ring_size,
		.features = features(config),
		.protocol_features = BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) | BIT(VHOST_USER_PROTOCOL_F_MQ),
		.rx_buf_size = rx_buf,
		.tx_buf_size = room,
		.tx_piece = config->piece,
		.tx_indirect = config->piece != 0,
		.timeout_ms = 20000,
		.while_waiting = config->while_waiting,
		.arg = config->arg,
	    },
	    &error, err, err_size);
	if (!e->frontend)
		return false;
	fault = missing_feature(e);
	if (fault) {
		snprintf(err, err_size, "%s: does not offer %s", config->socket, fault);
		load_end_close(e);
		return false;
	}
	virtq_driver_disable_notify(vhost_frontend_driver(e->frontend, 0));
	virtq_driver_disable_notify(vhost_frontend_driver(e->frontend, 1));
	if (make_frames(e) < 0 || load_ring_init(&e->rx, vhost_frontend_driver(e->frontend, 0), true) < 0 ||
	    load_ring_init(&e->tx, vhost_frontend_driver(e->frontend, 1), false) < 0) {
		snprintf(err, err_size, "frames do not fit");
		load_end_close(e);
		return false;
	}
	return true;
}

void load_end_close(struct load_end *e)
{
	load_ring_deinit(&e->rx);
	load_ring_deinit(&e->tx);
	vhost_frontend_destroy(e->frontend);
	e->frontend = NULL;
}

unsigned load_end_send(struct load_end *e, unsigned n)
{
	if (load_ring_free(&e->tx) < n)
		load_ring_take(&e->tx, e->config.ring_size);
	n = MIN(n, load_ring_free(&e->tx));
	if (load_ring_post(&e->tx, n))
		vhost_frontend_kick(e->frontend, 1);
	e->sent += n;
	return n;
}

unsigned load_end_receive(struct load_end *e, unsigned max)
{
	unsigned chains = load_ring_take(&e->rx, max * e->rx_chains), n;

	if (chains == 0)
		return 0;
	if (load_ring_post(&e->rx, chains))
		vhost_frontend_kick(e->frontend, 0);
	if (e->rx_chains == 1) {
		e->received += chains;
		return chains;
	}
	n = (chains + e->rx_rest) / e->rx_chains;
	e->rx_rest = (chains + e->rx_rest) % e->rx_chains;
	e->received += n;
	return n;
}

unsigned load_end_in_flight(struct load_end *e)
{
	load_ring_take(&e->tx, e->config.ring_size);
	return e->config.ring_size - load_ring_free(&e->tx);
}

static uint8_t *at(struct load_end *e, uint64_t addr)
{
	uint64_t base;
	size_t size;
	int fd;
	uint8_t *mem = vhost_frontend_mem(e->frontend, &base, &size, &fd);

	return mem + (addr - base);
}

uint8_t *load_end_frame(struct load_end *e, unsigned i)
{
	const struct vring_desc *desc = &e->tx.made[i];
	uint64_t addr = desc->addr;

	if (desc->flags & htole16(VRING_DESC_F_INDIRECT)) /* both kinds of table begin with an address */
		memcpy(&addr, at(e, le64toh(addr)), sizeof(addr));
	return at(e, le64toh(addr)) + HDR;
}

uint8_t *load_end_buffer(struct load_end *e, unsigned i)
{
	return at(e, le64toh(e->rx.made[i].addr));
}
