/* SPDX-License-Identifier: Apache-2.0 */
/* pair.c - vhost-pair [OPTION...] SOCKET_A SOCKET_B COUNT: two front-ends exchange frames through ringwayd, and leave.
 *
 * What a pair of guests does to the daemon, in milliseconds: attach, learn, move frames of many sizes both ways, go without a
 * word. Between the two may be more than the daemon, as long as frames come out of it as they went in. Each is numbered and
 * compared byte by byte. Exit status 1 when a frame was lost, came twice or came out different.
 *
 * -q: with so many queues; -p: on packed rings; -i: keep for the daemon what is in flight; -b: notifications in-band. SIGTERM: send no more, and come to an end.
 *
 * With -r it outlives the daemon: it connects again when the connection has gone, and goes on until SIGTERM or COUNT. What
 * was lost or came twice is then for the caller to judge, who reads the counts from stdout. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "vhost/frontend.h"
#include "vhost/wire.h"

enum {
	FRAME_MIN = 60,
	FRAME_MAX = 65535,
	ADDRESSES = 12, /* bytes that say whose a frame is */
	NUMBER_AT = 42, /* behind Ethernet, IPv4, UDP */
	FLOWS = 16,
	STALL_NS = 300 * 1000 * 1000,
	WAIT_NS = 5 * 1000 * 1000 * 1000ll,
	RECONNECT_PAUSE_US = 10000,
};

#define BIT(n) (1ull << (n))

static struct options {
	unsigned count, window, len_max, queues;
	bool outlives, packed, inflight, inband;
} options = { .window = 1, .len_max = 1514, .queues = 1 };

struct end {
	const char *socket;
	struct vhost_frontend *frontend;
	uint8_t number; /* last byte of its address */
};

struct direction {
	struct end *from, *to;
	uint8_t *seen; /* bit per frame */
	unsigned sent, received, repeated;
	unsigned under_way;   /* or lost */
	uint64_t progress_ns; /* when one was last received */
	uint64_t gap_ns;      /* the longest time in which none came */
};

static struct end ends[2];
static struct direction directions[2] = { { .from = &ends[0], .to = &ends[1] }, { .from = &ends[1], .to = &ends[0] } };
static volatile sig_atomic_t told_to_stop;

static bool attach(struct end *e)
{
	struct vhost_frontend_config config = {
		.socket = e->socket,
		.queue_pairs = options.queues,
		/* Without acknowledgements nobody knows when the back-end is ready. */
		.protocol_features = BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) | BIT(VHOST_USER_PROTOCOL_F_MQ) |
				     BIT(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD) |
				     BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ) |
				     BIT(VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS),
		.features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_RING_F_EVENT_IDX),
		.inflight = options.inflight,
		.inband = options.inband,
	};
	char err[256] = "";
	int error;

	if (options.packed)
		config.features |= BIT(VIRTIO_F_RING_PACKED);
	if (options.queues > 1)
		config.features |= BIT(VIRTIO_NET_F_MQ);
	e->frontend = vhost_frontend_create(&config, &error, err, sizeof(err));
	if (!e->frontend)
		fprintf(stderr, "vhost-pair: %s\n", err);
	return e->frontend;
}

/* Frames */

static void put_be16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static unsigned ip_checksum(const uint8_t *header)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < 20; i += 2)
		sum += (unsigned)(header[i] << 8 | header[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16)) & 0xffff;
}

static void put_addresses(uint8_t *frame, const struct direction *d)
{
	const uint8_t addresses[ADDRESSES] = { 2, 0, 0, 0, 0, d->to->number, 2, 0, 0, 0, 0, d->from->number };

	memcpy(frame, addresses, sizeof(addresses));
}

/* UDP without a checksum, in several flows: whoever spreads flows over queues uses all of them. */
static size_t make_frame(uint8_t *frame, const struct direction *d, uint32_t number)
{
	size_t len = FRAME_MIN + number * 37 % (options.len_max - FRAME_MIN + 1);

	memset(frame, 0, NUMBER_AT);
	put_addresses(frame, d);
	put_be16(frame + 12, ETH_P_IP);
	frame[14] = 0x45;
	put_be16(frame + 16, (unsigned)len - 14);
	frame[22] = 64;
	frame[23] = IPPROTO_UDP;
	frame[26] = frame[30] = 10;
	frame[29] = d->from->number;
	frame[33] = d->to->number;
	put_be16(frame + 24, ip_checksum(frame + 14));
	put_be16(frame + 34, 1024 + number % FLOWS);
	put_be16(frame + 36, 9);
	put_be16(frame + 38, (unsigned)len - 34);
	memcpy(frame + NUMBER_AT, &number, sizeof(number));
	for (size_t i = NUMBER_AT + sizeof(number); i < len; i++)
		frame[i] = (uint8_t)(i * 7 + number);
	return len;
}

static void note_progress(struct direction *d)
{
	uint64_t now_ns = clock_ns();

	d->gap_ns = MAX(d->gap_ns, now_ns - d->progress_ns);
	d->progress_ns = now_ns;
}

/* What else arrives (a flood, an announcement) is not ours. */
static int check_frame(struct direction *d, const uint8_t *got, size_t len)
{
	uint8_t expected[FRAME_MAX];
	uint32_t number;

	memcpy(&number, got + NUMBER_AT, sizeof(number));
	if (number >= d->sent) {
		fprintf(stderr, "vhost-pair: frame %u of %u\n", number, d->sent);
		return -EBADMSG;
	}
	if (len != make_frame(expected, d, number) || memcmp(got, expected, len) != 0) {
		fprintf(stderr, "vhost-pair: frame %u with %zu bytes is not what was sent\n", number, len);
		return -EBADMSG;
	}
	if (d->seen[number / 8] & 1u << number % 8)
		d->repeated++;
	else
		d->received++;
	d->seen[number / 8] |= (uint8_t)(1u << number % 8);
	d->under_way -= d->under_way > 0;
	note_progress(d);
	return 0;
}

static bool is_ours(const struct direction *d, const uint8_t *got, long len)
{
	uint8_t addresses[ADDRESSES];

	put_addresses(addresses, d);
	return len >= FRAME_MIN && memcmp(got, addresses, sizeof(addresses)) == 0;
}

/* Exchange */

static int send_some(struct direction *d)
{
	uint8_t frame[FRAME_MAX];
	int err = 0;

	while (!told_to_stop && d->sent < options.count && d->under_way < options.window) {
		err = vhost_frontend_send(d->from->frontend, d->sent % options.queues, NULL, frame,
					  make_frame(frame, d, d->sent));
		if (err < 0)
			break;
		d->sent++;
		d->under_way++;
	}
	for (unsigned q = 0; q < options.queues; q++)
		vhost_frontend_flush(d->from->frontend, q);
	return err == -EAGAIN ? 0 : err;
}

static int receive_from(struct direction *d, unsigned queue)
{
	static uint8_t got[FRAME_MAX];
	struct vnet_hdr hdr;
	long len;
	int err;

	for (;;) {
		len = vhost_frontend_receive(d->to->frontend, queue, &hdr, got, sizeof(got));
		if (len < 0)
			return len == -EAGAIN ? 0 : (int)len;
		if (!is_ours(d, got, len))
			continue;
		err = check_frame(d, got, (size_t)len);
		if (err < 0)
			return err;
	}
}

static int receive_some(struct direction *d)
{
	int err = 0;

	for (unsigned q = 0; q < options.queues && !err; q++)
		err = receive_from(d, q);
	return err;
}

/* A frame that has not come for long makes room for others: a daemon that is killed takes some along. */
static void write_off(struct direction *d)
{
	uint64_t now = clock_ns();

	if (now - d->progress_ns <= STALL_NS)
		return;
	d->under_way = 0;
	d->progress_ns = now;
}

/* One attempt may meet a daemon that dies in the middle of it. */
static int reconnect(struct end *e)
{
	uint64_t give_up = clock_ns() + 4 * WAIT_NS;
	int err = 0;

	if (vhost_frontend_is_connected(e->frontend))
		return 0;
	do {
		err = vhost_frontend_reconnect(e->frontend);
		if (err)
			usleep(RECONNECT_PAUSE_US);
	} while (err && clock_ns() < give_up);
	return err;
}

static int turn(struct direction *d)
{
	int err = options.outlives ? reconnect(d->from) : 0;

	if (!err)
		err = send_some(d);
	if (!err)
		err = receive_some(d);
	if (options.outlives)
		write_off(d);
	return err;
}

static bool is_over(const struct direction *d)
{
	bool all_sent = told_to_stop || d->sent == options.count;

	return all_sent && (d->received == d->sent || (options.outlives && d->under_way == 0));
}

static int exchange(void)
{
	uint64_t now = clock_ns();
	int err = 0;

	directions[0].progress_ns = directions[1].progress_ns = now;
	for (unsigned i = 0; !err && !(is_over(&directions[0]) && is_over(&directions[1])); i++) {
		unsigned came = directions[0].received + directions[1].received;
		struct direction *d = &directions[i % 2];

		err = turn(&directions[0]);
		if (!err)
			err = turn(&directions[1]);
		if (err || came != directions[0].received + directions[1].received)
			continue;
		if (!options.outlives && clock_ns() - MAX(d->progress_ns, now) > WAIT_NS && !is_over(d))
			return -ETIMEDOUT;
		err = vhost_frontend_wait(d->to->frontend, 0, 1);
		if (err == -EAGAIN || options.outlives)
			err = 0;
	}
	return err;
}

static void print_counts(void)
{
	unsigned sent = directions[0].sent + directions[1].sent;
	unsigned received = directions[0].received + directions[1].received;

	printf("{\"sent\": %u, \"lost\": %u, \"repeated\": %u, \"longest_gap_ms\": %.3f}\n", sent, sent - received,
	       directions[0].repeated + directions[1].repeated,
	       (double)MAX(directions[0].gap_ns, directions[1].gap_ns) / NSEC_PER_MSEC);
}

static void on_signal(int number)
{
	(void)number;
	told_to_stop = 1;
}

static bool parse_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "l:w:q:rpib")) != -1) {
		if (c == 'l')
			options.len_max = (unsigned)atoi(optarg);
		else if (c == 'w')
			options.window = (unsigned)atoi(optarg);
		else if (c == 'q')
			options.queues = (unsigned)atoi(optarg);
		else if (c == 'r')
			options.outlives = true;
		else if (c == 'p')
			options.packed = true;
		else if (c == 'i')
			options.inflight = true;
		else if (c == 'b')
			options.inband = true;
		else
			return false;
	}
	if (argc - optind != 3 || options.len_max < FRAME_MIN || options.len_max > FRAME_MAX || options.queues < 1 ||
	    options.queues > VHOST_FRONTEND_PAIRS_MAX)
		return false;
	options.count = (unsigned)strtoul(argv[optind + 2], NULL, 10);
	return true;
}

int main(int argc, char **argv)
{
	bool attached = true;
	int err = -ENOTCONN;

	if (!parse_options(argc, argv)) {
		fprintf(stderr, "usage: vhost-pair [-l LONGEST] [-w UNDER_WAY] [-q QUEUES] [-p] [-i] [-r] "
				"SOCKET_A SOCKET_B COUNT\n");
		return 2;
	}
	signal(SIGTERM, on_signal);
	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < 2; i++) {
		ends[i] = (struct end){ .socket = argv[optind + (int)i], .number = (uint8_t)(1 + i) };
		directions[i].seen = calloc(1, options.count / 8 + 1);
		attached = attached && directions[i].seen && attach(&ends[i]);
	}
	if (attached)
		err = exchange();
	print_counts();
	for (unsigned i = 0; i < 2; i++) {
		vhost_frontend_destroy(ends[i].frontend);
		free(directions[i].seen);
		if (directions[i].repeated && !options.outlives)
			err = -EEXIST;
	}
	if (err)
		fprintf(stderr, "vhost-pair: %s\n", strerror(-err));
	return err ? 1 : 0;
}
