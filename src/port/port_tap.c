/* SPDX-License-Identifier: Apache-2.0 */
/* port_tap.c - Life of a tap port, and how it ends when somebody deletes its device. */
#include "port/port_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "base/event_loop.h"
#include "port/port_tap_priv.h"

/* syscalls worker: write */
/* syscalls control: socket(AF_INET) eventfd2 fcntl ioctl(*,TUNGETIFF) ioctl(*,SIOCGIFFLAGS) close */

/* The device is gone */

void port_tap_gone(struct port_tap *p)
{
	static const uint64_t one = 1;

	if (__atomic_exchange_n(&p->gone, true, __ATOMIC_RELAXED))
		return;
	while (write(p->trouble_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void on_trouble(void *arg, int fd, uint32_t events)
{
	struct port_tap *p = arg;

	(void)fd, (void)events;
	watch_remove(p->trouble_watch);
	p->trouble_watch = NULL;
	write_once(&p->port.link_up, false);
	write_once(&p->port.n_tx_active, 0);
	for (unsigned q = 0; q < p->port.n_queues && p->port.lane_changed; q++)
		p->port.lane_changed(&p->port, q, -1);
	if (p->port.state_changed)
		p->port.state_changed(&p->port);
}

/* Status */

/* The flags of the interface; -errno. Its name may have been changed since it was opened. */
static int interface_flags(const struct port_tap *p, struct ifreq *ifr)
{
	if (ioctl(p->queues[0].fd, TUNGETIFF, ifr) < 0 || ioctl(p->sock, SIOCGIFFLAGS, ifr) < 0)
		return -errno;
	return (unsigned short)ifr->ifr_flags;
}

static void status(const struct port *port, char *buf, size_t size)
{
	const struct port_tap *p = container_of(port, const struct port_tap, port);
	char queues[48] = "";
	struct ifreq ifr = { 0 };
	int flags = interface_flags(p, &ifr);

	if (flags == -EBADFD) {
		snprintf(buf, size, "broken: interface %s was deleted", p->ifname);
		return;
	}
	if (flags < 0) {
		snprintf(buf, size, "interface %.15s: %s", ifr.ifr_name, strerror(-flags));
		return;
	}
	if (p->queues_wanted > port->n_queues)
		snprintf(queues, sizeof(queues), " (%u were asked for)", p->queues_wanted);
	snprintf(buf, size, "interface %.15s is %s, %u queue%s%s", ifr.ifr_name, flags & IFF_UP ? "up" : "down",
		 port->n_queues, port->n_queues > 1 ? "s" : "", queues);
}

/* Life */

static void destroy(struct port *port)
{
	struct port_tap *p = port_tap_of(port);

	watch_remove(p->trouble_watch);
	for (unsigned i = 0; i < port->n_queues; i++) {
		struct tap_queue *q = &p->queues[i];

		if (q->fd >= 0)
			close(q->fd);
		free(q->arena);
		free(q->iov);
		free(q->scratch);
	}
	if (p->trouble_fd >= 0)
		close(p->trouble_fd);
	if (p->sock >= 0)
		close(p->sock);
	port_deinit(port);
	free(p);
}

static uint32_t caps(const struct port *port)
{
	return container_of(port, const struct port_tap, port)->caps;
}

static const struct port_ops port_tap_ops = {
	.type = "tap",
	.rx = port_tap_rx,
	.rx_done = port_tap_rx_done,
	.rx_wanted = port_tap_rx_wanted,
	.rx_arm = port_tap_rx_arm,
	.rx_disarm = port_tap_rx_disarm,
	.tx = port_tap_tx,
	.destroy = destroy,
	.status = status,
	.caps = caps,
};

/* A port without descriptors. NULL: out of memory. */
static struct port_tap *allocate(const struct port_tap_config *config, unsigned n_queues)
{
	size_t size = sizeof(struct port_tap) + n_queues * sizeof(struct tap_queue);
	struct port_tap *p = aligned_alloc(CACHE_LINE, (size + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1));
	bool complete = true;

	if (!p)
		return NULL;
	memset(p, 0, size);
	if (port_init(&p->port, &port_tap_ops, config->name, n_queues)) {
		free(p);
		return NULL;
	}
	p->trouble_fd = p->sock = -1;
	for (unsigned i = 0; i < n_queues; i++) {
		struct tap_queue *q = &p->queues[i];

		q->fd = -1;
		gate_init(&q->rx_gate);
		gate_init(&q->tx_gate);
		q->arena = aligned_alloc(CACHE_LINE, TAP_ARENA_SIZE);
		q->iov = calloc(IOV_MAX, sizeof(*q->iov));
		q->scratch = malloc(TAP_SCRATCH_SIZE);
		complete = complete && q->arena && q->iov && q->scratch;
	}
	if (complete)
		return p;
	destroy(&p->port);
	return NULL;
}

static int open_own_descriptors(struct port_tap *p, struct event_loop *loop)
{
	p->sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	p->trouble_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (p->sock < 0 || p->trouble_fd < 0)
		return -errno;
	if (!loop)
		return 0;
	p->trouble_watch = watch_add(loop, p->trouble_fd, EPOLLIN, on_trouble, p);
	return p->trouble_watch ? 0 : -errno;
}

/* Whoever opened the device has set it up; what was done to it since is to stay. */
static int resume_device(const struct port_tap_state *s, struct tap_device *dev, char *err, size_t err_size)
{
	int error = s->n_queues >= 1 && s->n_queues <= PORT_QUEUES_MAX ? 0 : -EINVAL;

	*dev = (struct tap_device){ .caps = s->caps };
	memcpy(dev->ifname, s->ifname, sizeof(dev->ifname));
	dev->ifname[sizeof(dev->ifname) - 1] = '\0';
	while (!error && dev->n_queues < s->n_queues) {
		int fd = fcntl(s->fds[dev->n_queues], F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			error = -errno;
		else
			dev->fds[dev->n_queues++] = fd;
	}
	if (!error)
		return 0;
	tap_device_close(dev);
	snprintf(err, err_size, "tap device %s cannot be taken over: %s", dev->ifname, strerror(-error));
	return error;
}

/* The port takes the device's descriptors. */
static void take_device(struct port_tap *p, struct tap_device *dev, const struct port_tap_config *config)
{
	if (!config->resume)
		tap_device_configure(dev, p->sock, config->mtu);
	memcpy(p->ifname, dev->ifname, sizeof(p->ifname));
	p->caps = dev->caps;
	p->queues_wanted = config->queues;
	for (unsigned q = 0; q < dev->n_queues; q++)
		p->queues[q].fd = dev->fds[q];
	p->port.max_frame_len = config->max_frame_len;
	p->port.n_tx_active = p->port.n_queues;
	p->port.link_up = true;
}

int port_tap_create(const struct port_tap_config *config, struct port **out, char *err, size_t err_size)
{
	struct tap_device dev;
	struct port_tap *p;
	int error = config->resume ? resume_device(config->resume, &dev, err, err_size)
				   : tap_device_open(config, &dev, err, err_size);

	if (error)
		return error;
	error = -ENOMEM;
	p = allocate(config, dev.n_queues);
	if (!p)
		goto close_device;
	error = open_own_descriptors(p, config->loop);
	if (error)
		goto destroy_port;
	take_device(p, &dev, config);
	*out = &p->port;
	return 0;

destroy_port:
	destroy(&p->port);
close_device:
	tap_device_close(&dev);
	snprintf(err, err_size, "cannot set up tap port %s: %s", config->name, strerror(-error));
	return error;
}

void port_tap_start(struct port *port)
{
	struct port_tap *p = port_tap_of(port);

	for (unsigned q = 0; q < port->n_queues && port->lane_changed; q++)
		port->lane_changed(port, q, p->queues[q].fd);
}

void port_tap_save(const struct port *port, struct port_tap_state *s)
{
	const struct port_tap *p = container_of(port, const struct port_tap, port);

	*s = (struct port_tap_state){ .caps = p->caps, .n_queues = port->n_queues };
	memcpy(s->ifname, p->ifname, sizeof(s->ifname));
	for (unsigned q = 0; q < port->n_queues; q++)
		s->fds[q] = p->queues[q].fd;
}
