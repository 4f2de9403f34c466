/* SPDX-License-Identifier: Apache-2.0 */
/* test_tap.c - What the kernel's own TCP and UDP make of two tap ports with a wire between them. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "packet/csum.h"
#include "port/port_tap_priv.h"
#include "tap_fixture.h"

enum {
	TRANSFER = 8 << 20, /* bytes */
	TCP_PORT = 5001,
	UDP_PORT = 5002,
	ETHERTYPE_IP = 0x0800,
};

/* A byte that depends on its place, with no period that a lost segment could fall into. */
static uint8_t byte_at(uint64_t off)
{
	return (uint8_t)((off * 0x9e3779b97f4a7c15ull) >> 56);
}

static void fill(uint8_t *buf, size_t len, uint64_t off)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = byte_at(off + i);
}

static bool is_filled(const uint8_t *buf, size_t len, uint64_t off)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i] != byte_at(off + i))
			return false;
	return true;
}

static void *send_all(void *arg)
{
	static uint8_t buf[1 << 16];
	int fd = *(int *)arg;

	for (uint64_t off = 0; off < TRANSFER;) {
		ssize_t n;

		fill(buf, sizeof(buf), off);
		n = send(fd, buf, sizeof(buf), MSG_NOSIGNAL);
		if (n <= 0)
			break;
		off += (uint64_t)n;
	}
	shutdown(fd, SHUT_WR);
	return NULL;
}

static uint64_t receive_all(int fd)
{
	static uint8_t buf[1 << 16];
	uint64_t off = 0;
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		if (!is_filled(buf, (size_t)n, off))
			break;
		off += (uint64_t)n;
	}
	return off;
}

/* Send TRANSFER bytes from side `from` to the other; returns how many arrived as they were sent, in order. */
static uint64_t transfer_tcp(const struct tap_pair *p, int from, int family)
{
	int listener = side_socket(p, !from, family, SOCK_STREAM), client, server;
	struct sockaddr_storage addr;
	socklen_t len = side_address(!from, family, TCP_PORT, &addr);
	pthread_t sender;
	uint64_t n;

	assert_return_code(bind(listener, (struct sockaddr *)&addr, len), errno);
	assert_return_code(listen(listener, 1), errno);
	client = side_socket(p, from, family, SOCK_STREAM);
	assert_return_code(connect(client, (struct sockaddr *)&addr, len), errno);
	server = accept(listener, NULL, NULL);
	assert_return_code(server, errno);
	assert_int_equal(pthread_create(&sender, NULL, send_all, &client), 0);
	n = receive_all(server);
	pthread_join(sender, NULL);
	close(client);
	close(server);
	close(listener);
	return n;
}

static uint64_t n_drops(const struct port_counters *c)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < N_DROP_REASONS; i++)
		n += c->drops[i];
	return n;
}

/* What happened on the way from port `from` to the other. */
static void counters_of(const struct tap_pair *p, int from, struct port_counters *rx, struct port_counters *tx)
{
	struct port_counters unused;

	port_counters_sum(p->ports[from], rx, &unused);
	port_counters_sum(p->ports[!from], &unused, tx);
	assert_int_equal(n_drops(rx), 0);
	assert_int_equal(n_drops(tx), 0);
}

/* Nothing is done in software: each frame crosses as its sender left it. */
static void test_tcp_crosses_whole(void **state)
{
	static const struct {
		int from, family;
	} rows[] = { { 0, AF_INET }, { 1, AF_INET }, { 0, AF_INET6 }, { 1, AF_INET6 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct port_counters rx, tx;
		struct tap_pair p;

		tap_pair_setup(&p);
		tap_pair_run(&p);
		assert_int_equal(transfer_tcp(&p, rows[i].from, rows[i].family), TRANSFER);
		tap_pair_stop(&p);
		counters_of(&p, rows[i].from, &rx, &tx);
		assert_true(rx.bytes > TRANSFER);
		assert_true(rx.frames < TRANSFER / 1448); /* fewer than there would be segments */
		assert_int_equal(tx.frames, rx.frames);
		assert_int_equal(tx.bytes, rx.bytes);
		assert_true(rx.gso_frames > 0);
		assert_int_equal(tx.gso_frames, rx.gso_frames);
		assert_true(rx.csum_partial > 0);
		assert_int_equal(tx.csum_partial, rx.csum_partial);
		assert_int_equal(tx.sw_gso_frames, 0);
		assert_int_equal(tx.sw_csum, 0);
		tap_pair_teardown(&p);
	}
}

/* The same seen with the kernel's eyes: a packet socket at the far end gets frames above the MTU, to be checksummed and cut. */
static void test_receiver_sees_whole_frames(void **state)
{
	static uint8_t buf[10 + FRAME_LEN_MAX];
	unsigned n_whole = 0, n_partial = 0;
	struct tap_pair p;
	ssize_t n;
	int fd;

	(void)state;
	tap_pair_setup(&p);
	namespace_enter(p.ns[1]);
	fd = packet_socket("b", ETHERTYPE_IP);
	tap_pair_run(&p);
	assert_int_equal(transfer_tcp(&p, 0, AF_INET), TRANSFER);
	tap_pair_stop(&p);
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		struct vnet_hdr hdr = { 0 };

		memcpy(&hdr, buf, VNET_HDR_LEN_LEGACY);
		n_partial += hdr.flags == OFFLOAD_NEEDS_CSUM;
		n_whole += n > 10 + 1514 && hdr.gso_type == GSO_TCPV4 && le16toh(hdr.gso_size) == 1448;
	}
	assert_true(n_whole > 0);
	assert_true(n_partial >= n_whole);
	close(fd);
	tap_pair_teardown(&p);
}

/* A receiver that takes nothing undone: the kernel there verifies each checksum, and what is wrong never arrives. */
static void test_receiver_without_offloads(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct port_counters rx, tx;
		struct tap_pair p;

		tap_pair_setup(&p);
		port_tap_of(p.ports[1])->caps = 0;
		tap_pair_run(&p);
		assert_int_equal(transfer_tcp(&p, 0, families[i]), TRANSFER);
		tap_pair_stop(&p);
		counters_of(&p, 0, &rx, &tx);
		assert_int_equal(tx.frames, rx.frames);
		assert_true(rx.gso_frames > 0);
		assert_int_equal(tx.gso_frames, 0);
		assert_int_equal(tx.csum_partial, 0);
		assert_int_equal(tx.sw_gso_frames, rx.gso_frames);
		assert_true(tx.sw_segments > 2 * rx.gso_frames);
		assert_true(tx.sw_csum >= TRANSFER / 1500);
		tap_pair_teardown(&p);
	}
}

/* With checksums but without segmentation. */
static void test_receiver_without_segmentation(void **state)
{
	struct port_counters rx, tx;
	struct tap_pair p;

	(void)state;
	tap_pair_setup(&p);
	port_tap_of(p.ports[1])->caps = OFFLOAD_CAP_CSUM;
	tap_pair_run(&p);
	assert_int_equal(transfer_tcp(&p, 0, AF_INET), TRANSFER);
	tap_pair_stop(&p);
	counters_of(&p, 0, &rx, &tx);
	assert_int_equal(tx.sw_gso_frames, rx.gso_frames);
	assert_int_equal(tx.gso_frames, 0);
	assert_int_equal(tx.sw_csum, 0);
	tap_pair_teardown(&p);
}

/* Sends `len` bytes from side 0, cut by the stack into datagrams of `segment` bytes if that is not 0; returns the bytes that arrive. */
static size_t transfer_udp(const struct tap_pair *p, int family, size_t len, int segment)
{
	int receiver = side_socket(p, 1, family, SOCK_DGRAM), sender = side_socket(p, 0, family, SOCK_DGRAM);
	static uint8_t buf[1 << 16], got[1 << 16];
	struct sockaddr_storage addr;
	socklen_t addr_len = side_address(1, family, UDP_PORT, &addr);
	size_t off = 0;

	assert_return_code(bind(receiver, (struct sockaddr *)&addr, addr_len), errno);
	if (segment)
		assert_return_code(setsockopt(sender, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)), errno);
	fill(buf, len, 0);
	assert_int_equal(sendto(sender, buf, len, 0, (struct sockaddr *)&addr, addr_len), len);
	while (off < len) {
		ssize_t n = recv(receiver, got, sizeof(got), 0);

		if (n <= 0 || !is_filled(got, (size_t)n, off))
			break;
		off += (size_t)n;
	}
	close(sender);
	close(receiver);
	return off;
}

static void test_udp(void **state)
{
	static const struct {
		int family;
		size_t len;
		int segment;
		uint32_t caps; /* of the receiver, of those it has */
	} rows[] = {
		{ AF_INET, 1, 0, ~0u },        { AF_INET, 1472, 0, ~0u },
		{ AF_INET, 65000, 0, ~0u },    { AF_INET6, 65000, 0, ~0u },
		{ AF_INET, 40000, 1400, ~0u }, { AF_INET6, 40000, 1400, ~0u },
		{ AF_INET, 1, 0, 0 },          { AF_INET, 65000, 0, 0 },
		{ AF_INET, 40000, 1400, 0 },   { AF_INET6, 40000, 1400, 0 },
		{ AF_INET6, 1, 0, 0 },         { AF_INET6, 40000, 1400, OFFLOAD_CAP_CSUM },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct port_counters rx, tx;
		struct tap_pair p;

		tap_pair_setup(&p);
		port_tap_of(p.ports[1])->caps &= rows[i].caps;
		tap_pair_run(&p);
		assert_int_equal(transfer_udp(&p, rows[i].family, rows[i].len, rows[i].segment), rows[i].len);
		tap_pair_stop(&p);
		counters_of(&p, 0, &rx, &tx);
		if (rows[i].caps == ~0u) {
			assert_int_equal(tx.sw_gso_frames, 0);
			assert_int_equal(tx.sw_csum, 0);
			assert_int_equal(tx.gso_frames, rx.gso_frames);
		} else {
			assert_int_equal(tx.gso_frames, 0);
			assert_int_equal(tx.sw_gso_frames, rx.gso_frames);
		}
		if (rows[i].segment && port_tap_of(p.ports[0])->caps & OFFLOAD_CAP_USO4)
			assert_int_equal(rx.gso_frames, 1);
		tap_pair_teardown(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_crosses_whole),
		cmocka_unit_test(test_receiver_sees_whole_frames),
		cmocka_unit_test(test_receiver_without_offloads),
		cmocka_unit_test(test_receiver_without_segmentation),
		cmocka_unit_test(test_udp),
	};

	skip_unless_possible();
	csum_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
