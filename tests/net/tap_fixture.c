/* SPDX-License-Identifier: Apache-2.0 */
/* tap_fixture.c - See tap_fixture.h. */
#include "tap_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ipv6.h>

#include <cmocka.h>

#include "port/port_tap_priv.h"

enum { WIRE_NAP_MS = 10, TX_TRIES = 1000, ADDRESS_PATIENCE_MS = 5000 };

/* Namespaces */

int namespace_create(void)
{
	int fd;

	assert_return_code(unshare(CLONE_NEWNET), errno);
	fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_return_code(fd, errno);
	return fd;
}

void namespace_enter(int ns)
{
	assert_return_code(setns(ns, CLONE_NEWNET), errno);
}

static void exit_skipped(const char *why)
{
	fprintf(stderr, "skipped: %s: %s\n", why, strerror(errno));
	exit(EXIT_SKIP);
}

void skip_unless_possible(void)
{
	int fd = open("/dev/net/tun", O_RDWR);

	if (fd < 0)
		exit_skipped("cannot open /dev/net/tun");
	close(fd);
	if (unshare(CLONE_NEWNET) < 0)
		exit_skipped("cannot make a network namespace (root is needed)");
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	assert_return_code(fd, errno);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Addresses */

socklen_t side_address(int side, int family, uint16_t port, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		in->sin_addr.s_addr = htonl(0x0a4d0001u + (unsigned)side);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	in6->sin6_addr.s6_addr[0] = 0xfd;
	in6->sin6_addr.s6_addr[1] = 0x77;
	in6->sin6_addr.s6_addr[15] = (uint8_t)(1 + side);
	return sizeof(*in6);
}

/* The kernel makes an IPv6 address usable a moment later, even without duplicate address detection. */
static void wait_for_address(int side)
{
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_storage addr;
	socklen_t len = side_address(side, AF_INET6, 0, &addr);

	for (unsigned ms = 0; bind(fd, (struct sockaddr *)&addr, len) < 0; ms++) {
		assert_int_equal(errno, EADDRNOTAVAIL);
		assert_true(ms < ADDRESS_PATIENCE_MS);
		poll(NULL, 0, 1);
	}
	close(fd);
}

static void set_addresses(int side, const char *ifname)
{
	int s4 = socket(AF_INET, SOCK_DGRAM, 0), s6 = socket(AF_INET6, SOCK_DGRAM, 0);
	struct in6_ifreq ifr6 = { .ifr6_prefixlen = 64 };
	struct sockaddr_storage addr;
	struct ifreq ifr = { 0 };
	char path[64];

	assert_return_code(s4, errno);
	assert_return_code(s6, errno);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	side_address(side, AF_INET, 0, &addr);
	memcpy(&ifr.ifr_addr, &addr, sizeof(ifr.ifr_addr));
	assert_return_code(ioctl(s4, SIOCSIFADDR, &ifr), errno);
	((struct sockaddr_in *)&ifr.ifr_netmask)->sin_addr.s_addr = htonl(0xffffff00);
	assert_return_code(ioctl(s4, SIOCSIFNETMASK, &ifr), errno);

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_dad", ifname);
	write_file(path, "0");
	side_address(side, AF_INET6, 0, &addr);
	ifr6.ifr6_addr = ((struct sockaddr_in6 *)&addr)->sin6_addr;
	ifr6.ifr6_ifindex = (int)if_nametoindex(ifname);
	assert_return_code(ioctl(s6, SIOCSIFADDR, &ifr6), errno);
	wait_for_address(side);
	close(s4);
	close(s6);
}

int side_socket(const struct tap_pair *p, int side, int family, int type)
{
	const struct timeval patience = { .tv_sec = 20 };
	const int one = 1;
	int fd;

	namespace_enter(p->ns[side]);
	fd = socket(family, type, 0);
	assert_return_code(fd, errno);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return fd;
}

int packet_socket(const char *ifname, uint16_t ethertype)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ethertype),
		.sll_ifindex = (int)if_nametoindex(ifname),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
	const int one = 1, size = 4 << 20;

	assert_return_code(fd, errno);
	assert_return_code(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), errno);
	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)), errno);
	assert_return_code(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), errno);
	return fd;
}

/* Ports */

struct port *tap_create(const char *ifname, unsigned queues, struct event_loop *loop)
{
	struct port_tap_config config = {
		.name = ifname,
		.ifname = ifname,
		.queues = queues,
		.mtu = 1500,
		.max_frame_len = 1514,
		.loop = loop,
	};
	struct port *port = NULL;
	char err[256] = "";

	if (port_tap_create(&config, &port, err, sizeof(err)))
		fail_msg("%s", err);
	return port;
}

void tap_destroy(struct port *port)
{
	port->ops->destroy(port);
}

void tap_pair_setup(struct tap_pair *p)
{
	static const char *const ifnames[2] = { "a", "b" };

	memset(p, 0, sizeof(*p));
	for (int i = 0; i < 2; i++) {
		p->ns[i] = namespace_create();
		p->ports[i] = tap_create(ifnames[i], 1, NULL);
		set_addresses(i, ifnames[i]);
	}
}

static void pass_on(struct port *from, struct port *to, struct batch *b)
{
	struct frame *frames[BATCH_FRAMES];
	unsigned n = 0, taken = 0;

	for (unsigned i = 0; i < b->n; i++) {
		if (b->frames[i].drop) {
			port_count_drop(&from->queues[0].rx, b->frames[i].drop, 1);
			continue;
		}
		port_count_frame(&from->queues[0].rx, &b->frames[i]);
		frames[n++] = &b->frames[i];
	}
	for (unsigned tries = 0; taken < n && tries < TX_TRIES; tries++) {
		int now = to->ops->tx(to, 0, frames + taken, n - taken);

		taken += (unsigned)MAX(now, 0);
	}
	if (taken < n)
		port_count_drop(&to->queues[0].tx, DROP_RING_FULL, n - taken);
}

static void *run_wire(void *arg)
{
	struct tap_pair *p = arg;
	struct batch *b = batch_create();
	struct pollfd fds[2];

	for (int i = 0; i < 2; i++)
		fds[i] = (struct pollfd){ .fd = port_tap_of(p->ports[i])->queues[0].fd, .events = POLLIN };
	while (b && !read_once(&p->stop)) {
		unsigned n = 0;

		for (int i = 0; i < 2; i++) {
			if (p->ports[i]->ops->rx(p->ports[i], 0, b) == 0)
				continue;
			n += b->n;
			pass_on(p->ports[i], p->ports[!i], b);
			p->ports[i]->ops->rx_done(p->ports[i], 0, b);
		}
		if (n == 0)
			poll(fds, 2, WIRE_NAP_MS);
	}
	batch_destroy(b);
	return NULL;
}

void tap_pair_run(struct tap_pair *p)
{
	write_once(&p->stop, false);
	assert_int_equal(pthread_create(&p->wire, NULL, run_wire, p), 0);
}

void tap_pair_stop(struct tap_pair *p)
{
	write_once(&p->stop, true);
	pthread_join(p->wire, NULL);
}

void tap_pair_teardown(struct tap_pair *p)
{
	for (int i = 0; i < 2; i++) {
		tap_destroy(p->ports[i]);
		close(p->ns[i]);
	}
}
