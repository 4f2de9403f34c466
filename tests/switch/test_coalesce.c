/* SPDX-License-Identifier: Apache-2.0 */
/* test_coalesce.c - Small frames of a port that coalesces: large for who takes large ones, as they were for who does not.
 *
 * A sender without offloads, and two receivers that get all it sends because neither has said where it is. */
#include <linux/virtio_net.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "packets.h"
#include "switch_rig.h"
#include "virtio/virtio_compat.h"

enum {
	FLOWS = 3,
	SEGMENTS = 20, /* of each flow: with the two below, less than a batch */
	PAYLOAD = 1000,
	BURST = FLOWS * SEGMENTS + 2,
	HEADERS = 14 + 20 + 20,
	SEGMENT = HEADERS + PAYLOAD,
};

#define SENDING (BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6))
#define TAKING_LARGE                                                                                  \
	(BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) | \
	 BIT(VIRTIO_NET_F_GUEST_ECN) | BIT(VIRTIO_NET_F_GUEST_UFO) | BIT(VIRTIO_NET_F_GUEST_USO4) |   \
	 BIT(VIRTIO_NET_F_GUEST_USO6))

struct net {
	struct rig rig;
	struct vhost_frontend *sender, *large, *small;
};

static uint8_t sent[BURST][PACKET_ROOM];
static uint8_t got[PACKET_ROOM];

static struct vhost_frontend *attach(struct rig *rig, const char *port, uint64_t without)
{
	return rig_attach(rig, port,
			  (struct vhost_frontend_config){ .protocol_features = ~0ull,
							  .features = rig_all_features() & ~without });
}

static void net_start(struct net *n, enum port_coalesce how)
{
	rig_start(&n->rig, 1, POLL_ADAPTIVE, 50);
	rig_add_port_coalescing(&n->rig, "sender", how);
	rig_add_port(&n->rig, "large", 1);
	rig_add_port(&n->rig, "small", 1);
	n->sender = attach(&n->rig, "sender", SENDING);
	n->large = attach(&n->rig, "large", 0);
	n->small = attach(&n->rig, "small", TAKING_LARGE);
}

static void net_stop(struct net *n)
{
	vhost_frontend_destroy(n->sender);
	vhost_frontend_destroy(n->large);
	vhost_frontend_destroy(n->small);
	rig_stop(&n->rig);
}

static void send(struct net *n, unsigned i, struct packet p, bool spoil)
{
	struct packet_map m;
	struct offload o;

	p.payload_len = PAYLOAD;
	m = packet_build(sent[i], &p, i, &o);
	sent[i][m.len - 1] ^= spoil;
	assert_int_equal(vhost_frontend_send(n->sender, 0, NULL, sent[i], m.len), 0);
}

/* The segments of the flows in turn; between them one whose checksum is wrong, and one that asks for what cannot be. */
static void send_burst(struct net *n, bool udp)
{
	static const struct vnet_hdr nonsense = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 60000 };
	unsigned i = 0;

	for (unsigned k = 0; k < SEGMENTS; k++)
		for (uint16_t flow = 0; flow < FLOWS; flow++, i++)
			send(n, i, (struct packet){ .udp = udp, .port = flow, .id = (uint16_t)k, .seq = k * PAYLOAD },
			     false);
	send(n, i++, (struct packet){ .udp = udp, .port = FLOWS }, true);
	assert_int_equal(vhost_frontend_send(n->sender, 0, &nonsense, sent[0], SEGMENT), 0);
	vhost_frontend_flush(n->sender, 0);
}

static long receive(struct net *n, struct vhost_frontend *f, struct vnet_hdr *hdr)
{
	uint64_t deadline_ns = clock_ns() + RIG_PATIENCE_MS * NSEC_PER_MSEC;
	long len;

	while ((len = vhost_frontend_receive(f, 0, hdr, got, sizeof(got))) < 0 && clock_ns() < deadline_ns)
		rig_turn_at_once(&n->rig);
	return len;
}

/* Which flow a frame belongs to, by its source port; FLOWS: to none. */
static unsigned flow_of(const uint8_t *frame)
{
	unsigned flow = (unsigned)(frame[34] << 8 | frame[35]) - 1000;

	return MIN(flow, FLOWS);
}

static void check_large(struct net *n)
{
	bool seen[FLOWS + 1] = { false };
	struct vnet_hdr hdr;

	for (unsigned i = 0; i < FLOWS + 1; i++) {
		long len = receive(n, n->large, &hdr);
		unsigned flow = flow_of(got);

		assert_false(seen[flow]);
		seen[flow] = true;
		if (flow == FLOWS) {
			assert_int_equal(len, SEGMENT);
			assert_memory_equal(got, sent[FLOWS * SEGMENTS], SEGMENT);
			continue;
		}
		assert_int_equal(len, HEADERS + SEGMENTS * PAYLOAD);
		assert_int_equal(hdr.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
		assert_int_equal(hdr.gso_size, PAYLOAD);
		for (unsigned k = 0; k < SEGMENTS; k++)
			assert_memory_equal(got + HEADERS + k * PAYLOAD, sent[k * FLOWS + flow] + HEADERS, PAYLOAD);
	}
}

/* Flow by flow in the order of sending, every byte as it was. */
static void check_small(struct net *n, size_t len)
{
	unsigned next[FLOWS + 1] = { 0 };

	for (unsigned i = 0; i < FLOWS * SEGMENTS + 1; i++) {
		unsigned flow;

		assert_int_equal(receive(n, n->small, NULL), len);
		flow = flow_of(got);
		assert_memory_equal(got, sent[flow == FLOWS ? FLOWS * SEGMENTS : next[flow]++ * FLOWS + flow], len);
	}
	for (unsigned flow = 0; flow < FLOWS; flow++)
		assert_int_equal(next[flow], SEGMENTS);
}

static void check_nothing_is_kept(struct net *n)
{
	uint64_t deadline_ns = clock_ns() + RIG_PATIENCE_MS * NSEC_PER_MSEC;

	while (vhost_frontend_in_flight(n->sender, 0) && clock_ns() < deadline_ns)
		rig_turn_at_once(&n->rig);
	assert_int_equal(vhost_frontend_in_flight(n->sender, 0), 0);
}

/* Twice: the second batch uses what the first has left. */
static void test_segments_become_large_frames(void **state)
{
	struct port_counters rx;
	struct net n;

	(void)state;
	net_start(&n, COALESCE_TCP);
	for (unsigned round = 1; round <= 2; round++) {
		send_burst(&n, false);
		check_large(&n);
		check_small(&n, SEGMENT);
		check_nothing_is_kept(&n);
		rx = rig_rx(&n.rig, "sender");
		assert_int_equal(rx.frames, round * (FLOWS + 1));
		assert_int_equal(rx.coalesced, round * FLOWS * (SEGMENTS - 1));
		assert_int_equal(rx.drops[DROP_BAD_OFFLOAD], round);
	}
	net_stop(&n);
}

static void check_datagrams(enum port_coalesce how, uint64_t coalesced)
{
	struct net n;

	net_start(&n, how);
	send_burst(&n, true);
	check_small(&n, 14 + 20 + 8 + PAYLOAD);
	check_nothing_is_kept(&n);
	assert_int_equal(rig_rx(&n.rig, "sender").coalesced, coalesced);
	net_stop(&n);
}

static void test_datagrams_only_when_told(void **state)
{
	(void)state;
	check_datagrams(COALESCE_TCP, 0);
	check_datagrams(COALESCE_TCP_UDP, FLOWS * (SEGMENTS - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments_become_large_frames),
		cmocka_unit_test(test_datagrams_only_when_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
