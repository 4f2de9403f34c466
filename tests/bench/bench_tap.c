/* SPDX-License-Identifier: Apache-2.0 */
/* bench_tap.c - What a frame costs at a tap port, the kernel's part included.
 *
 *	bench-tap [-r REPETITIONS]
 *
 * In a network namespace of its own, a packet socket sends frames out through one tap device, whose port takes them in, and another
 * port writes them to a second device, where the kernel finds nobody who wants them. One thread does it all and times only the
 * ports. A repetition takes less than a millisecond, and the cheapest of many counts: a machine that others use as well
 * disturbs the rest. */
#include <arpa/inet.h>
#include <getopt.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_packet.h>

#include "base/clock.h"
#include "packet/csum.h"
#include "port/port_tap.h"
#include "virtio/vnet_hdr.h"

enum { HEADERS = 14 + 20 + 32, LARGE = 65226 };

struct row {
	const char *name;
	uint32_t len;
	unsigned n; /* frames of a repetition */
	bool tso;
};

static const struct row rows[] = {
	{ "60 B", 60, 64, false },
	{ "60 B, one at a time", 60, 1, false },
	{ "1514 B", 1514, 64, false },
	{ "64 KB", LARGE, 4, true },
};

static struct port *ports[2];
static struct batch *batch;
static int sender;

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "bench-tap: %s: %m\n", what);
	exit(1);
}

static struct port *make_port(const char *name)
{
	struct port_tap_config config = {
		.name = name, .ifname = name, .queues = 1, .mtu = 1500, .max_frame_len = 1514
	};
	char err[256] = "";
	struct port *port;

	if (!port_tap_create(&config, &port, err, sizeof(err)))
		return port;
	fprintf(stderr, "bench-tap: %s\n", err);
	exit(1);
}

static int packet_sender(const char *ifname)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(ifname) };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	const int one = 1, size = 8 << 20;

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		fail("packet socket");
	return fd;
}

/* A header for the packet socket and a frame to nobody: local experimental, or TCP to be cut. */
static void make_frame(uint8_t *out, const struct row *row)
{
	struct vnet_hdr hdr = { 0 };
	uint8_t *frame = out + VNET_HDR_LEN_LEGACY;

	memset(frame, 0, row->len);
	memset(frame, 2, 2 * ETH_ALEN);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	if (row->tso) {
		const struct iphdr ip = { .ihl = 5,
					  .version = 4,
					  .tot_len = htons((uint16_t)(row->len - ETH_HLEN)),
					  .ttl = 64,
					  .protocol = IPPROTO_TCP,
					  .saddr = htonl(0x0a090901),
					  .daddr = htonl(0x0a090902) };
		const struct tcphdr tcp = { .doff = 8, .ack = 1 };

		frame[12] = 8;
		frame[13] = 0;
		memcpy(frame + 14, &ip, sizeof(ip));
		memcpy(frame + 34, &tcp, sizeof(tcp));
		hdr = (struct vnet_hdr){ .flags = OFFLOAD_NEEDS_CSUM,
					 .gso_type = GSO_TCPV4,
					 .hdr_len = htole16(HEADERS),
					 .gso_size = htole16(1448),
					 .csum_start = htole16(34),
					 .csum_offset = htole16(16) };
	}
	memcpy(out, &hdr, VNET_HDR_LEN_LEGACY);
}

struct times {
	double rx, tx, empty; /* ns */
};

static void send_some(const struct row *row, const uint8_t *frame, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (send(sender, frame, VNET_HDR_LEN_LEGACY + row->len, 0) < 0)
			fail("send");
}

/* False: some frames did not arrive. */
static bool repeat(const struct row *row, const uint8_t *frame, struct times *t)
{
	struct frame *frames[BATCH_FRAMES];
	uint64_t start, received, sent, looked;
	unsigned n;

	if (row->n > 1) { /* the first after a pause comes alone */
		send_some(row, frame, 1);
		if (ports[0]->ops->rx(ports[0], 0, batch))
			ports[0]->ops->rx_done(ports[0], 0, batch);
	}
	send_some(row, frame, row->n);
	start = clock_ns();
	n = ports[0]->ops->rx(ports[0], 0, batch);
	received = clock_ns();
	if (n == 0)
		return false;
	for (unsigned i = 0; i < n; i++)
		frames[i] = &batch->frames[i];
	ports[1]->ops->tx(ports[1], 0, frames, n);
	sent = clock_ns();
	ports[0]->ops->rx_done(ports[0], 0, batch);
	while (ports[0]->ops->rx(ports[0], 0, batch))
		ports[0]->ops->rx_done(ports[0], 0, batch);
	while (ports[1]->ops->rx(ports[1], 0, batch))
		ports[1]->ops->rx_done(ports[1], 0, batch);
	looked = clock_ns();
	ports[0]->ops->rx(ports[0], 0, batch);
	*t = (struct times){ (double)(received - start) / n, (double)(sent - received) / n,
			     (double)(clock_ns() - looked) };
	return n == row->n;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const struct row *row, unsigned repetitions)
{
	double *sums = calloc((size_t)repetitions, sizeof(*sums));
	uint8_t *frame = malloc(VNET_HDR_LEN_LEGACY + LARGE);
	struct times best = { 1e12, 1e12, 1e12 };
	unsigned n = 0;

	if (!sums || !frame)
		fail("memory");
	make_frame(frame, row);
	for (unsigned i = 0; i < repetitions; i++) {
		struct times t;

		if (!repeat(row, frame, &t))
			continue;
		sums[n++] = t.rx + t.tx;
		best.rx = MIN(best.rx, t.rx);
		best.tx = MIN(best.tx, t.tx);
		best.empty = MIN(best.empty, t.empty);
	}
	if (n == 0)
		fail("nothing arrives");
	qsort(sums, n, sizeof(*sums), by_value);
	printf("%-20s  rx %6.0f  tx %6.0f  both %6.0f (median %6.0f)  a look in vain %4.0f   ns\n", row->name, best.rx,
	       best.tx, sums[0], sums[n / 2], best.empty);
	free(sums);
	free(frame);
}

int main(int argc, char **argv)
{
	unsigned repetitions = 3000;

	if (argc == 3 && strcmp(argv[1], "-r") == 0)
		repetitions = (unsigned)strtoul(argv[2], NULL, 10);
	if (argc != 1 && (argc != 3 || repetitions == 0)) {
		fputs("usage: bench-tap [-r REPETITIONS]\n", stderr);
		return 2;
	}
	if (unshare(CLONE_NEWNET) < 0)
		fail("unshare");
	csum_init();
	batch = batch_create();
	if (!batch)
		fail("memory");
	ports[0] = make_port("a");
	ports[1] = make_port("b");
	sender = packet_sender("a");
	usleep(200000); /* what the stack says when a device comes up */
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		measure(&rows[i], repetitions);
	for (unsigned i = 0; i < 2; i++)
		ports[i]->ops->destroy(ports[i]);
	batch_destroy(batch);
	return 0;
}
