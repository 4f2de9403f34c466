/* SPDX-License-Identifier: Apache-2.0 */
/* xfer.c - Moves pseudo-random bytes between two hosts and says what it saw. Runs in guests and on the host.
 *
 *	xfer recv PORT				takes one TCP connection to its end
 *	xfer send HOST PORT BYTES SEED		the other end
 *	xfer echo PORT				returns every UDP datagram; until the probe is over
 *	xfer probe HOST PORT COUNT SIZE SEED	sends COUNT datagrams of SIZE bytes, a few in flight, compares what returns
 *
 * Each prints one line of JSON. HOST is an IPv4 or IPv6 address. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sha256.h"

enum { CHUNK = 256 << 10, DATAGRAM_MAX = 65507, LARGE_DATAGRAM = 16 << 10, QUIET_MS = 2000, END = 'E' };

static uint8_t buf[CHUNK], back[CHUNK];

/* The stream */

static void fill(uint8_t *p, size_t len, uint64_t *state)
{
	uint64_t x = *state ? *state : 1;

	for (size_t i = 0; i + 8 <= len; i += 8) { /* xorshift64 */
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(p + i, &x, 8);
	}
	if (len % 8)
		memcpy(p + len - len % 8, &x, len % 8);
	*state = x;
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "xfer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int bound_socket(int type, const char *port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET6, type, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)))
		die("bind");
	return fd;
}

static socklen_t parse_address(const char *host, const char *port, struct sockaddr_storage *a)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)a;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)a;

	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)atoi(port));
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1)
		die(host);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)atoi(port));
	return sizeof(*v6);
}

/* Tries for a while: the other side may not be listening yet. */
static int connected_socket(int type, const char *host, const char *port)
{
	struct sockaddr_storage a;
	socklen_t len = parse_address(host, port, &a);

	for (int tries = 0; tries < 100; tries++) {
		int fd = socket(a.ss_family, type, 0);

		if (fd >= 0 && !connect(fd, (struct sockaddr *)&a, len))
			return fd;
		close(fd);
		usleep(100000);
	}
	die("connect");
	return -1;
}

/* A datagram's connect() succeeds always: ask until something comes back. */
static void wait_for_echo(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (int tries = 0; tries < 100; tries++) {
		if (send(fd, "", 1, 0) == 1 && poll(&p, 1, 100) == 1 && recv(fd, back, sizeof(back), 0) == 1)
			return;
		usleep(50000);
	}
	die("no echo");
}

static int report(struct sha256 *s, double seconds)
{
	uint64_t bytes = s->len;
	char hex[65];

	sha256_end(s, hex);
	printf("{\"bytes\": %llu, \"seconds\": %.3f, \"sha256\": \"%s\"}\n", (unsigned long long)bytes, seconds, hex);
	return 0;
}

static int do_recv(char **argv)
{
	int listener = bound_socket(SOCK_STREAM, argv[0]);
	struct sha256 s;
	ssize_t n;

	listen(listener, 1);
	int fd = accept(listener, NULL, NULL);
	double start = now_s();

	if (fd < 0)
		die("accept");
	sha256_init(&s);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		sha256_add(&s, buf, (size_t)n);
	if (n < 0)
		die("read");
	return report(&s, now_s() - start);
}

static int do_send(char **argv)
{
	int fd = connected_socket(SOCK_STREAM, argv[0], argv[1]);
	uint64_t left = strtoull(argv[2], NULL, 0), state = strtoull(argv[3], NULL, 0);
	double start = now_s();
	struct sha256 s;
	char end;

	sha256_init(&s);
	while (left) {
		size_t len = left < CHUNK ? left : CHUNK, sent = 0;

		fill(buf, len, &state);
		sha256_add(&s, buf, len);
		while (sent < len) {
			ssize_t n = write(fd, buf + sent, len - sent);

			if (n < 0)
				die("write");
			sent += (size_t)n;
		}
		left -= len;
	}
	shutdown(fd, SHUT_WR);
	if (read(fd, &end, 1)) /* the receiver has it all when it closes */
		die("end");
	return report(&s, now_s() - start);
}

static int do_echo(char **argv)
{
	int fd = bound_socket(SOCK_DGRAM, argv[0]);

	for (;;) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

		if (n < 0 || sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len) < 0)
			die("echo");
		if (n == 1 && buf[0] == END)
			return 0;
	}
}

/* Datagram `seq` starts with its number and goes on with a stream of its own. */
static void make_datagram(uint8_t *p, size_t size, uint32_t seq, uint64_t seed)
{
	uint64_t state = seed * 1000003 + seq + 1;

	fill(p, size, &state);
	memcpy(p, &seq, size < 4 ? size : 4);
}

static int do_probe(char **argv)
{
	int fd = connected_socket(SOCK_DGRAM, argv[0], argv[1]);
	uint32_t count = (uint32_t)strtoul(argv[2], NULL, 0), sent = 0, returned = 0, wrong = 0;
	size_t size = strtoul(argv[3], NULL, 0);
	uint64_t seed = strtoull(argv[4], NULL, 0);
	uint32_t in_flight = size > LARGE_DATAGRAM ? 1 : 4; /* a socket buffer holds few large ones */
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (size < 4 || size > DATAGRAM_MAX)
		return 2;
	wait_for_echo(fd);
	while (returned < count) {
		while (sent < count && sent - returned < in_flight) {
			make_datagram(buf, size, sent, seed);
			if (send(fd, buf, size, 0) < 0)
				die("send");
			sent++;
		}
		if (poll(&p, 1, QUIET_MS) <= 0)
			break;
		ssize_t n = recv(fd, back, sizeof(back), 0);
		uint32_t seq;

		if (n < 0)
			die("recv");
		if (n == 1)
			continue; /* a late answer to wait_for_echo() */
		memcpy(&seq, back, 4);
		make_datagram(buf, size, seq, seed);
		if ((size_t)n != size || seq >= sent || memcmp(buf, back, size))
			wrong++;
		returned++;
	}
	buf[0] = END;
	send(fd, buf, 1, 0);
	printf("{\"sent\": %u, \"returned\": %u, \"wrong\": %u}\n", sent, returned, wrong);
	return returned == count && !wrong ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int n_args;
		int (*run)(char **argv);
	} verbs[] = {
		{ "recv", 1, do_recv }, { "send", 4, do_send }, { "echo", 1, do_echo }, { "probe", 5, do_probe }
	};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (argc == verbs[i].n_args + 2 && !strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argv + 2);
	fprintf(stderr,
		"usage: xfer recv PORT | send HOST PORT BYTES SEED | echo PORT | probe HOST PORT COUNT SIZE SEED\n");
	return 2;
}
