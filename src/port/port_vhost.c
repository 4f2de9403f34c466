/* SPDX-License-Identifier: Apache-2.0 */
/* port_vhost.c - Follows what the front-end of a vhost-user port negotiates, and how its rings come and go.
 *
 * Everything here runs on the control thread, except the few functions under "Sleeping" and the two helpers of rx and tx. */
#include "port/port_vhost.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/account.h"
#include "base/barrier.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "port/port_vhost_priv.h"
#include "vhost/backend_state.h"
#include "vhost/eventfd.h"
#include "virtio/dirty_log.h"
#include "virtio/virtio_compat.h"

#define BIT(n) (1ull << (n))

/* CTRL_VQ and what hangs on it are served by the front-end; the bits are offered because it asks us for them. With NOTIFICATION_DATA a
 * kick carries where the driver stands, as far as the front-end passes that on: kick descriptors are never read. */
static const uint64_t OFFERED =
    BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ACCESS_PLATFORM) | BIT(VIRTIO_F_ANY_LAYOUT) |
    BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_F_RING_PACKED) |
    BIT(VIRTIO_F_IN_ORDER) | BIT(VIRTIO_F_NOTIFICATION_DATA) | BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_CSUM) |
    BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) |
    BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_HOST_UFO) | BIT(VIRTIO_NET_F_HOST_USO) |
    BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN) |
    BIT(VIRTIO_NET_F_GUEST_UFO) | BIT(VIRTIO_NET_F_GUEST_USO4) | BIT(VIRTIO_NET_F_GUEST_USO6) | BIT(VIRTIO_NET_F_GSO) |
    BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_MTU) | BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_NET_F_CTRL_VQ) |
    BIT(VIRTIO_NET_F_CTRL_RX) | BIT(VIRTIO_NET_F_CTRL_VLAN) | BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) |
    BIT(VIRTIO_NET_F_GUEST_ANNOUNCE);

uint64_t port_vhost_offered(void)
{
	return OFFERED;
}

/* What a driver with these features takes undone (VIRTIO 1.2, 5.1.3.1 has the dependencies). */
static uint32_t caps_of_features(uint64_t features)
{
	static const struct {
		unsigned bit;
		uint32_t cap;
	} map[] = {
		{ VIRTIO_NET_F_GUEST_TSO4, OFFLOAD_CAP_TSO4 }, { VIRTIO_NET_F_GUEST_TSO6, OFFLOAD_CAP_TSO6 },
		{ VIRTIO_NET_F_GUEST_ECN, OFFLOAD_CAP_ECN },   { VIRTIO_NET_F_GUEST_UFO, OFFLOAD_CAP_UFO },
		{ VIRTIO_NET_F_GUEST_USO4, OFFLOAD_CAP_USO4 }, { VIRTIO_NET_F_GUEST_USO6, OFFLOAD_CAP_USO6 },
	};
	uint32_t caps = OFFLOAD_CAP_CSUM;

	if (!(features & BIT(VIRTIO_NET_F_GUEST_CSUM)))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		if (features & BIT(map[i].bit))
			caps |= map[i].cap;
	return caps;
}

/* Without VERSION_1 and without mergeable buffers the header has no num_buffers (VIRTIO 1.2, 5.1.6.1). */
static uint16_t hdr_len_of_features(uint64_t features)
{
	return features & (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MRG_RXBUF)) ? VNET_HDR_LEN : VNET_HDR_LEN_LEGACY;
}

static void update_features(struct port_vhost *p)
{
	uint64_t features = p->backend ? vhost_backend_features(p->backend) : 0;

	p->caps = caps_of_features(features);
	p->hdr_len = hdr_len_of_features(features);
	p->mergeable = features & BIT(VIRTIO_NET_F_MRG_RXBUF);
}

/* Back-end events */

static void on_features_changed(void *arg)
{
	update_features(arg);
}

static void on_ring_changed(void *arg, unsigned ring)
{
	struct port_vhost *p = arg;
	unsigned active = 0;

	while (active < p->port.n_queues) {
		const struct vhost_ring *r = port_vhost_tx_ring(p, active);

		if (!(vhost_ring_is_usable(r) || r->waits) || !r->enabled)
			break;
		active++;
	}
	write_once(&p->port.n_tx_active, (uint16_t)active);
	write_once(&p->port.link_up, active > 0);
	if (ring % 2 == 1 && p->port.lane_changed)
		p->port.lane_changed(&p->port, ring / 2, port_vhost_rx_ring(p, ring / 2)->kick_fd);
}

static void on_state_changed(void *arg)
{
	struct port_vhost *p = arg;

	if (p->port.state_changed)
		p->port.state_changed(&p->port);
}

static void on_announce(void *arg, const uint8_t mac[6])
{
	struct port_vhost *p = arg;
	struct vhost_ring *r = port_vhost_rx_ring(p, 0);

	gate_park(&r->gate);
	memcpy(p->announced_mac, mac, sizeof(p->announced_mac));
	p->announcing = true;
	gate_unpark(&r->gate);
	if (p->port.lane_changed)
		p->port.lane_changed(&p->port, 0, r->kick_fd);
}

static const struct vhost_backend_ops backend_ops = {
	.ring_changed = on_ring_changed,
	.features_changed = on_features_changed,
	.state_changed = on_state_changed,
	.announce = on_announce,
};

static void on_trouble(void *arg, int fd, uint32_t events)
{
	struct port_vhost *p = arg;
	uint64_t n;

	(void)events;
	if (read(fd, &n, sizeof(n)) == sizeof(n))
		vhost_backend_check_rings(p->backend);
}

/* Helpers of rx and tx; workers, inside the gate */

/* The front-end may wait for new bits in the dirty log. */
static noinline_cold void kick_log(struct virtq *vq)
{
	const struct dirty_log *log = vq->buffer_log ? vq->buffer_log : vq->ring_log;

	if (!vhost_eventfd_signal(log->kick_fd))
		virtq_break(vq, "descriptor of the dirty log makes us wait", (uint32_t)log->kick_fd);
}

void port_vhost_publish(struct vhost_ring *r, struct port_counters *counters)
{
	bool notify;

	virtq_publish(&r->vq);
	if (unlikely(r->vq.buffer_log || r->vq.ring_log))
		kick_log(&r->vq);
	notify = r->call_fd >= 0 && virtq_should_notify(&r->vq);
	account_notification(notify);
	if (!notify)
		return;
	if (unlikely(!vhost_eventfd_signal(r->call_fd)))
		virtq_break(&r->vq, "call descriptor makes us wait", (uint32_t)r->call_fd);
	counter_add(&counters->notifications, 1);
}

void port_vhost_ring_broken(struct port_vhost *p, struct vhost_ring *r)
{
	static const uint64_t one = 1;

	r->broken = true;
	if (write(p->trouble_fd, &one, sizeof(one)) < 0)
		log_debug("%s: trouble is known already", p->port.name);
}

/* Sleeping; the lane's worker */

static bool rx_wanted(struct port *port, unsigned queue)
{
	return gate_wanted(&port_vhost_rx_ring(port_vhost_of(port), queue)->gate);
}

/* Frames are there, but not the memory of the next one. Control wakes the lane when more has arrived. */
static bool waits_for_memory(struct vhost_ring *r)
{
	if (!r->vq.mem->arrivals)
		return false;
	write_once(&r->starved, true);
	/* The mark before the look; control has the pages here before it looks for the mark. */
	full_barrier();
	return virtq_waits_for_memory(&r->vq, VIRTQ_READABLE);
}

static bool rx_arm(struct port *port, unsigned queue)
{
	struct vhost_ring *r = port_vhost_rx_ring(port_vhost_of(port), queue);
	bool armed = true;

	if (!gate_try_enter(&r->gate))
		return false;
	if (vhost_ring_is_usable(r)) /* else its start will be told through lane_changed */
		armed = r->kick_fd >= 0 && (!virtq_enable_notify(&r->vq) || waits_for_memory(r));
	gate_leave(&r->gate);
	return armed;
}

static void rx_disarm(struct port *port, unsigned queue)
{
	struct vhost_ring *r = port_vhost_rx_ring(port_vhost_of(port), queue);

	if (!gate_try_enter(&r->gate))
		return;
	if (vhost_ring_is_usable(r))
		virtq_disable_notify(&r->vq);
	gate_leave(&r->gate);
}

/* Life */

static void destroy(struct port *port)
{
	struct port_vhost *p = port_vhost_of(port);

	p->port.lane_changed = NULL;
	p->port.state_changed = NULL;
	watch_remove(p->trouble_watch);
	vhost_backend_destroy(p->backend);
	if (p->trouble_fd >= 0)
		close(p->trouble_fd);
	port_deinit(port);
	free(p);
}

/* A ring waits for the front-end's IOMMU. */
static void add_waiting(const struct port_vhost *p, char *buf, size_t size)
{
	unsigned seconds;
	uint64_t iova;
	size_t len = strlen(buf);

	if (vhost_backend_is_waiting(p->backend, &iova, &seconds))
		snprintf(buf + len, size - len, "; for %u s the front-end has not translated address %#" PRIx64,
			 seconds, iova);
}

static void status(const struct port *port, char *buf, size_t size)
{
	const struct port_vhost *p = container_of(port, const struct port_vhost, port);
	const char *error = vhost_backend_error(p->backend);

	if (port->link_up)
		snprintf(buf, size, "up, %u of %u queues%s", port->n_tx_active, port->n_queues,
			 vhost_backend_is_in_postcopy(p->backend) ? ", memory arrives (postcopy)" : "");
	else if (vhost_backend_is_in_postcopy(p->backend))
		snprintf(buf, size, "connected, rings wait for their memory (postcopy)");
	else if (vhost_backend_is_connected(p->backend))
		snprintf(buf, size, "connected, driver not started%s%s", *error ? "; " : "", error);
	else if (*error)
		snprintf(buf, size, "waiting for a front-end on %s; last one: %s", p->socket, error);
	else
		snprintf(buf, size, "waiting for a front-end on %s", p->socket);
	add_waiting(p, buf, size);
}

static uint32_t caps(const struct port *port)
{
	return container_of(port, const struct port_vhost, port)->caps;
}

/* The ring itself is what was touched for certain. */
static unsigned sample_memory(struct port *port, unsigned queue, void **at, unsigned max)
{
	const struct vhost_ring *r = port_vhost_rx_ring(port_vhost_of(port), queue);

	if (!vhost_ring_is_usable(r) || max == 0)
		return 0;
	at[0] = r->vq.desc;
	return 1 + guest_mem_sample(r->vq.mem, at + 1, max - 1);
}

static const struct port_ops port_vhost_ops = {
	.type = "vhost-user",
	.rx = port_vhost_rx,
	.rx_done = port_vhost_rx_done,
	.rx_wanted = rx_wanted,
	.rx_arm = rx_arm,
	.rx_disarm = rx_disarm,
	.tx = port_vhost_tx,
	.destroy = destroy,
	.status = status,
	.caps = caps,
	.sample_memory = sample_memory,
};

static int start_backend(struct port_vhost *p, struct event_loop *loop, const struct port_vhost_config *config,
			 char *err, size_t err_size)
{
	struct vhost_backend_config bc = {
		.client = config->client,
		.queue_pairs = config->queues,
		.features = OFFERED | (config->ring_reset ? BIT(VIRTIO_F_RING_RESET) : 0),
		.mtu = (uint16_t)config->mtu,
		.paced = config->paced,
		.lost_fd = p->trouble_fd,
		.socket_mode = config->socket_mode,
		.socket_uid = config->socket_uid,
		.socket_gid = config->socket_gid,
		.resume = config->resume,
	};
	int error = 0;

	if ((size_t)snprintf(bc.socket, sizeof(bc.socket), "%s", config->socket) >= sizeof(bc.socket)) {
		snprintf(err, err_size, "socket path '%s' is longer than %zu bytes", config->socket,
			 sizeof(bc.socket) - 1);
		return -ENAMETOOLONG;
	}
	snprintf(bc.journal, sizeof(bc.journal), "%s", config->journal ? config->journal : "");
	snprintf(p->socket, sizeof(p->socket), "%s", bc.socket);
	p->backend = vhost_backend_create(loop, &bc, &backend_ops, p, &error, err, err_size);
	return p->backend ? 0 : error;
}

int port_vhost_create(struct event_loop *loop, const struct port_vhost_config *config, struct port **out, char *err,
		      size_t err_size)
{
	struct port_vhost *p = calloc(1, sizeof(*p));
	int error;

	if (!p)
		return -ENOMEM;
	error = port_init(&p->port, &port_vhost_ops, config->name, config->queues);
	if (error)
		goto free_port;
	error = -EMFILE;
	p->trouble_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (p->trouble_fd < 0)
		goto deinit_port;
	p->trouble_watch = watch_add(loop, p->trouble_fd, EPOLLIN, on_trouble, p);
	if (!p->trouble_watch)
		goto close_trouble;
	error = start_backend(p, loop, config, err, err_size);
	if (error)
		goto remove_watch;
	update_features(p);
	*out = &p->port;
	return 0;

remove_watch:
	watch_remove(p->trouble_watch);
close_trouble:
	close(p->trouble_fd);
deinit_port:
	port_deinit(&p->port);
free_port:
	free(p);
	return error;
}

void port_vhost_start(struct port *port)
{
	for (unsigned q = 0; q < port->n_queues; q++)
		on_ring_changed(port_vhost_of(port), 2 * q + 1);
}

uint64_t port_vhost_features(const struct port *port)
{
	return vhost_backend_features(container_of(port, const struct port_vhost, port)->backend);
}

bool port_vhost_is_connected(const struct port *port)
{
	return vhost_backend_is_connected(container_of(port, const struct port_vhost, port)->backend);
}

unsigned port_vhost_guest_mtu(const struct port *port)
{
	return vhost_backend_mtu(container_of(port, const struct port_vhost, port)->backend);
}

/* Handover */

int port_vhost_save(const struct port *port, struct vhost_backend_state *s)
{
	return vhost_backend_save(container_of(port, const struct port_vhost, port)->backend, s);
}

void port_vhost_save_places(struct port *port, struct port_vhost_places *places)
{
	const struct port_vhost *p = port_vhost_of(port);

	vhost_backend_save_places(p->backend, places->backend);
	places->announcing = p->announcing;
	memcpy(places->announced_mac, p->announced_mac, sizeof(places->announced_mac));
}

int port_vhost_go_on(struct port *port, const struct port_vhost_places *places, char *err, size_t err_size)
{
	struct port_vhost *p = port_vhost_of(port);

	p->announcing = places->announcing;
	memcpy(p->announced_mac, places->announced_mac, sizeof(p->announced_mac));
	return vhost_backend_go_on(p->backend, places->backend, err, err_size);
}

void port_vhost_own(struct port *port)
{
	vhost_backend_own(port_vhost_of(port)->backend);
}
