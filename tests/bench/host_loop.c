/* SPDX-License-Identifier: Apache-2.0 */
/* host_loop.c - Load for a switch between two network namespaces: one thread that sends datagrams from one to the other.
 *
 *	host-loop [OPTION...] NETNS NETNS ADDRESS
 *
 * Sends from the first namespace (a name of ip-netns(8)) to ADDRESS in the second, and keeps a number of datagrams on their way: what
 * a switch cannot take yet is not sent, so no queue overflows and nothing but the switch decides how many arrive. Two programs on one
 * core, which take turns for milliseconds, fill the queues of both ends instead. Prints one JSON object: per sample the datagrams that
 * arrived in a second, then how many never did or came out of order, and how often there was nothing to do. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"

enum {
	BURST_MAX = 64,
	PAYLOAD_MAX = 1472,
	STALL_NS = 50 * 1000 * 1000, /* what has not arrived by then is lost */
	BUFFER = 8 << 20,
};

static struct {
	unsigned in_flight, burst, samples;
	size_t len; /* of a datagram's payload: its number in 8 bytes, then zeroes */
	double seconds, warm_up;
} options = { .in_flight = 256, .burst = 32, .samples = 5, .len = 18, .seconds = 1, .warm_up = 0.5 };

static int tx, rx;
static uint64_t sent, arrived, next, lost, out_of_order, polls, empty_polls, progress_ns;
static uint8_t payloads[2][BURST_MAX][PAYLOAD_MAX]; /* sent, received */
static struct mmsghdr messages[2][BURST_MAX];
static struct iovec iov[2][BURST_MAX];

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "host-loop: %s: %m\n", what);
	exit(1);
}

/* Sockets */

static int socket_in(const char *netns)
{
	const int size = BUFFER;
	char path[256];
	int ns, fd;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		fail(path);
	close(ns);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		fail("socket");
	return fd;
}

static void open_sockets(char **args)
{
	struct sockaddr_in addr = { .sin_family = AF_INET }; /* any port: nothing of an earlier run arrives */
	socklen_t len = sizeof(addr);

	if (inet_pton(AF_INET, args[2], &addr.sin_addr) != 1)
		fail(args[2]);
	rx = socket_in(args[1]);
	if (bind(rx, (struct sockaddr *)&addr, len) < 0 || getsockname(rx, (struct sockaddr *)&addr, &len) < 0)
		fail("bind");
	tx = socket_in(args[0]);
	if (connect(tx, (struct sockaddr *)&addr, len) < 0)
		fail("connect");
	for (unsigned d = 0; d < 2; d++)
		for (unsigned i = 0; i < BURST_MAX; i++) {
			iov[d][i] = (struct iovec){ payloads[d][i], d ? PAYLOAD_MAX : options.len };
			messages[d][i].msg_hdr = (struct msghdr){ .msg_iov = &iov[d][i], .msg_iovlen = 1 };
		}
}

/* Datagrams */

static unsigned send_some(unsigned n)
{
	int done;

	for (unsigned i = 0; i < n; i++) {
		uint64_t number = sent + i;

		memcpy(payloads[0][i], &number, sizeof(number));
	}
	done = sendmmsg(tx, messages[0], n, 0);
	sent += (unsigned)MAX(done, 0);
	return (unsigned)MAX(done, 0);
}

static unsigned receive_some(void)
{
	int n = recvmmsg(rx, messages[1], BURST_MAX, 0, NULL);

	for (int i = 0; i < n; i++) {
		uint64_t number;

		memcpy(&number, payloads[1][i], sizeof(number));
		out_of_order += number < next || messages[1][i].msg_len != options.len;
		next = MAX(next, number + 1);
	}
	arrived += (unsigned)MAX(n, 0);
	return (unsigned)MAX(n, 0);
}

static void turn(uint64_t now_ns)
{
	unsigned got = receive_some(), room;

	if (got)
		progress_ns = now_ns;
	if (now_ns - progress_ns > STALL_NS) {
		lost += sent - arrived - lost;
		progress_ns = now_ns;
	}
	polls++;
	room = options.in_flight - (unsigned)(sent - arrived - lost);
	if (room >= options.burst)
		send_some(options.burst);
	else
		empty_polls += got == 0;
}

static double run(double seconds)
{
	uint64_t start = clock_ns(), end = start + (uint64_t)(seconds * 1e9), before = arrived, now_ns = start;

	while (now_ns < end) {
		turn(now_ns);
		now_ns = clock_ns();
	}
	return (double)(arrived - before) * 1e9 / (double)(now_ns - start);
}

/* Addresses are found out and learned before anything is measured. */
static void introduce(void)
{
	for (unsigned i = 0; i < 500 && arrived < 10; i++) {
		send_some(1);
		usleep(10000);
		receive_some();
	}
	if (arrived < 10)
		fail("nothing arrives");
	lost = sent - arrived;
	progress_ns = clock_ns();
}

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "l:n:b:t:k:w:")) != -1) {
		switch (c) {
		case 'l':
			options.len = (size_t)atoi(optarg);
			break;
		case 'n':
			options.in_flight = (unsigned)atoi(optarg);
			break;
		case 'b':
			options.burst = (unsigned)atoi(optarg);
			break;
		case 't':
			options.seconds = atof(optarg);
			break;
		case 'k':
			options.samples = (unsigned)atoi(optarg);
			break;
		case 'w':
			options.warm_up = atof(optarg);
			break;
		default:
			optind = argc;
		}
	}
	if (argc - optind != 3 || options.len < 8 || options.len > PAYLOAD_MAX || options.burst == 0 ||
	    options.burst > BURST_MAX || options.in_flight < options.burst || options.samples == 0) {
		fputs("usage: host-loop [-l BYTES] [-n IN_FLIGHT] [-b BURST] [-t SECONDS] [-k SAMPLES] [-w WARM_UP] "
		      "NETNS NETNS ADDRESS\n",
		      stderr);
		return 2;
	}
	open_sockets(argv + optind);
	introduce();
	run(options.warm_up);
	polls = empty_polls = 0;
	printf("{\"frames_per_s\": [");
	for (unsigned i = 0; i < options.samples; i++)
		printf("%s%.0f", i ? ", " : "", run(options.seconds));
	printf("], \"lost\": %" PRIu64 ", \"out_of_order\": %" PRIu64 ", \"empty_polls\": %.3f}\n", lost, out_of_order,
	       (double)empty_polls / (double)MAX(polls, 1u));
	return 0;
}
