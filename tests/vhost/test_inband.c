/* SPDX-License-Identifier: Apache-2.0 */
/* test_inband.c - Kicks, interrupts and errors that are messages: frames go both ways, and a front-end that floods, does not read or does
 * not answer has its own interrupts late. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo_exchange.h"
#include "echo_rig.h"
#include "vhost/eventfd.h"

enum { PEER_RINGS = 4 };

/* Frames */

static struct vhost_frontend *attach(struct rig *rig, struct vhost_frontend_config c)
{
	struct vhost_frontend *f;

	c.inband = true;
	c.protocol_features = ~0ull;
	f = echo_attach(rig, c);
	assert_true(vhost_frontend_protocol_features(f) & BIT(VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS));
	return f;
}

#define NOT(bit) (~0ull & ~BIT(bit))

static void test_frames_come_back(void **state)
{
	static const size_t lengths[] = { 14, 60, 1514, 4096, 65535, 2036, 128, 9014 };
	static const struct vhost_frontend_config layouts[] = {
		{ .features = BIT(VIRTIO_F_VERSION_1) },
		{ .features = NOT(VIRTIO_F_RING_PACKED), .queue_pairs = 2 },
		{ .features = NOT(VIRTIO_F_RING_PACKED) & ~BIT(VIRTIO_RING_F_EVENT_IDX), .ring_size = 64 },
		{ .features = ~0ull, .queue_pairs = 2 },
		{ .features = NOT(VIRTIO_RING_F_EVENT_IDX), .ring_size = 64, .inflight = true },
		{ .features = ~0ull, .iommu = true, .n_regions = 3 },
		{ .features = NOT(VIRTIO_F_RING_PACKED), .iommu = true },
	};
	struct rig *rig = *state;

	for (unsigned i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		struct vhost_frontend *f = attach(rig, layouts[i]);
		unsigned pairs = layouts[i].queue_pairs ? layouts[i].queue_pairs : 1;

		for (unsigned k = 0; k < 2 * pairs; k++) /* neither is polled */
			assert_true(vhost_backend_ring(rig->b, k)->kick_fd >= 0 &&
				    vhost_backend_ring(rig->b, k)->call_fd >= 0);
		for (unsigned round = 0; round < 100; round++)
			assert_int_equal(echo_exchange(f, round % pairs, &lengths[round % 8], 1), 1);
		assert_int_equal(vhost_frontend_stop(f), 0);
		assert_int_equal(vhost_frontend_start(f), 0);
		assert_int_equal(echo_exchange(f, 0, lengths, 1), 1);
		vhost_frontend_destroy(f);
		rig_run(rig);
		assert_string_equal(vhost_backend_error(rig->b), "");
	}
}

static void send_one(struct rig *rig, struct vhost_frontend *f)
{
	uint8_t frame[100];

	echo_fill_frame(frame, sizeof(frame), 1);
	assert_int_equal(vhost_frontend_send(f, 0, NULL, frame, sizeof(frame)), 0);
	vhost_frontend_flush(f, 0);
	for (unsigned i = 0; i < 10; i++)
		echo_turn(rig);
}

/* A guest that does not want to be interrupted is not, and one that does is, once. */
static void test_suppression(void **state)
{
	static const uint64_t features[] = { NOT(VIRTIO_F_RING_PACKED),
					     NOT(VIRTIO_F_RING_PACKED) & ~BIT(VIRTIO_RING_F_EVENT_IDX), ~0ull,
					     NOT(VIRTIO_RING_F_EVENT_IDX) };
	struct rig *rig = *state;
	uint8_t frame[100];

	for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		struct vhost_frontend *f = attach(rig, (struct vhost_frontend_config){ .features = features[i] });
		struct virtq_driver *rx = vhost_frontend_driver(f, 0);

		virtq_driver_disable_notify(rx);
		send_one(rig, f);
		while (vhost_frontend_interrupts(f, 0) > 0) /* the ring's start; the first frame, with EVENT_IDX */
			rig_run(rig);
		send_one(rig, f);
		assert_int_equal(vhost_frontend_interrupts(f, 0), 0);
		for (unsigned n = 0; n < 2; n++)
			assert_int_equal(vhost_frontend_receive(f, 0, NULL, frame, sizeof(frame)), sizeof(frame));
		assert_false(virtq_driver_enable_notify(rx));
		send_one(rig, f);
		assert_int_equal(vhost_frontend_interrupts(f, 0), 1);
		vhost_frontend_destroy(f);
		rig_run(rig);
	}
}

/* The same with rings that are written over by a driver gone mad: it is told, then it is alone. */
static void test_broken_ring(void **state)
{
	struct rig *rig = *state;
	struct vhost_frontend *f = attach(rig, (struct vhost_frontend_config){ .features = NOT(VIRTIO_F_RING_PACKED) });
	struct vring_avail *avail = vhost_frontend_driver(f, 1)->avail;

	avail->idx = (uint16_t)(avail->idx + 30000);
	for (unsigned i = 0; i < 10; i++)
		echo_turn(rig);
	assert_false(vhost_backend_is_connected(rig->b));
	assert_non_null(strstr(vhost_backend_error(rig->b), "ring 1 (guest tx)"));
	vhost_frontend_serve(f);
	assert_int_equal(vhost_frontend_errors(f, 0), 0);
	assert_int_equal(vhost_frontend_errors(f, 1), 1);
	vhost_frontend_destroy(f);
	rig_run(rig);
}

/* A peer says what it likes. */

static void set_up_ring(struct rig *rig, struct peer *p, uint32_t index)
{
	struct vhost_vring_addr addr = peer_ring_addr(index);

	peer_set_state(rig, p, VHOST_USER_SET_VRING_NUM, index, PEER_RING_SIZE);
	peer_set_state(rig, p, VHOST_USER_SET_VRING_BASE, index, 0);
	peer_request(rig, p, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
}

static uint64_t kick(struct rig *rig, struct peer *p, uint32_t index, uint32_t num)
{
	const struct vhost_vring_state state = { index, num };

	return peer_ask(rig, p, VHOST_USER_VRING_KICK, &state, sizeof(state), NULL, 0);
}

/* Our end of a channel, and another descriptor of the back-end's. */
static int open_channel(struct rig *rig, struct peer *p, int *theirs)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	peer_request(rig, p, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &ends[1], 1);
	if (theirs)
		*theirs = ends[1];
	else
		close(ends[1]);
	return ends[0];
}

static void negotiate(struct rig *rig, struct peer *p, bool with_memory)
{
	peer_init(p);
	peer_connect(p, rig);
	peer_negotiate(rig, p, BIT(VIRTIO_F_VERSION_1) | BIT(30),
		       BIT(VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS) | BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ) |
			   BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK));
	if (with_memory)
		peer_set_memory(rig, p);
	p->need_reply = true;
	for (uint32_t i = 0; i < PEER_RINGS; i++)
		set_up_ring(rig, p, i);
}

/* Channel and rings. Returns our end of the channel. */
static int start(struct rig *rig, struct peer *p, int *theirs)
{
	int channel;

	negotiate(rig, p, true);
	channel = open_channel(rig, p, theirs);
	for (uint32_t i = 0; i < PEER_RINGS; i++)
		assert_int_equal(kick(rig, p, i, 0), 0);
	return channel;
}

static void part(struct rig *rig, struct peer *p, int fds)
{
	peer_deinit(p);
	rig_run(rig);
	assert_false(vhost_backend_is_connected(rig->b));
	wait_for_fds(fds);
	assert_int_equal(count_peer_maps(), 0);
}

/* The rings that calls have come for, a bit each; each once. */
static uint32_t take_calls(int channel)
{
	struct {
		struct vhost_user_header header;
		struct vhost_vring_state state;
	} msg;
	uint32_t calls = 0;

	static_assert(sizeof(msg) == 20, "as on the wire");
	while (recv(channel, &msg, sizeof(msg), 0) == sizeof(msg)) {
		assert_int_equal(msg.header.request, VHOST_USER_BACKEND_VRING_CALL);
		assert_int_equal(msg.header.flags, 1 | 8);
		assert_int_equal(msg.header.size, sizeof(msg.state));
		assert_int_equal(msg.state.num, 0);
		assert_true(msg.state.index < PEER_RINGS);
		assert_int_equal(calls & 1u << msg.state.index, 0);
		calls |= 1u << msg.state.index;
	}
	return calls;
}

static void answer_calls(struct rig *rig, int channel, unsigned n)
{
	struct peer as = { .fd = channel };
	uint64_t zero = 0;

	for (unsigned i = 0; i < n; i++)
		assert_true(peer_send(&as, VHOST_USER_BACKEND_VRING_CALL, 1 | 4, &zero, sizeof(zero), NULL, 0));
	rig_run(rig);
}

/* What a worker does. */
static void call(struct rig *rig, unsigned ring)
{
	assert_true(vhost_eventfd_signal(vhost_backend_ring(rig->b, ring)->call_fd));
}

static uint64_t kicks(struct rig *rig, unsigned ring)
{
	uint64_t n;

	return read(vhost_backend_ring(rig->b, ring)->kick_fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void test_kicks(void **state)
{
	struct rig *rig = *state;
	int fds = count_fds();
	struct vhost_ring *r = vhost_backend_ring(rig->b, 1);
	uint64_t number = 1 | 0x100;
	struct peer p;

	negotiate(rig, &p, true);
	assert_false(vhost_ring_is_usable(r));
	assert_int_not_equal(kick(rig, &p, 1, 1), 0);
	assert_non_null(strstr(vhost_backend_error(rig->b), "VRING_KICK: number 1, which is reserved"));
	assert_false(r->started);
	assert_int_equal(kick(rig, &p, 1, 0), 0); /* starts it */
	assert_true(vhost_ring_is_usable(r));
	assert_int_equal(rig->kick_fd_seen[1], r->kick_fd);
	assert_int_equal(kicks(rig, 1), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(kick(rig, &p, 1, 0), 0);
	assert_int_equal(kicks(rig, 1), 3);
	/* "preferred over the message" */
	peer_set_fd(rig, &p, VHOST_USER_SET_VRING_KICK, 1, p.kick_fds[1]);
	assert_int_equal(kick(rig, &p, 1, 0), 0);
	assert_int_equal(read(p.kick_fds[1], &number, sizeof(number)), sizeof(number));
	/* "or to enable polling" */
	peer_set_fd(rig, &p, VHOST_USER_SET_VRING_KICK, 1, -1);
	assert_int_equal(r->kick_fd, -1);
	assert_int_equal(kick(rig, &p, 1, 0), 0);
	/* After a stop it is a start again. */
	peer_get_base(rig, &p, 1);
	assert_false(vhost_ring_is_usable(r));
	assert_int_equal(kick(rig, &p, 1, 0), 0);
	assert_true(vhost_ring_is_usable(r) && r->kick_fd >= 0);
	part(rig, &p, fds);
}

/* Without memory a ring cannot start; the answer says so, and the next kick tries again. */
static void test_kick_of_a_ring_that_cannot_start(void **state)
{
	struct rig *rig = *state;
	int fds = count_fds();
	struct peer p;

	negotiate(rig, &p, false);
	assert_int_not_equal(kick(rig, &p, 0, 0), 0);
	assert_non_null(strstr(vhost_backend_error(rig->b), "VRING_KICK: descriptor table"));
	peer_set_memory(rig, &p);
	assert_int_equal(kick(rig, &p, 0, 0), 0);
	assert_true(vhost_ring_is_usable(vhost_backend_ring(rig->b, 0)));
	part(rig, &p, fds);
}

/* One call of a ring on its way; what comes meanwhile is one more. */
static void test_calls_wait_for_answers(void **state)
{
	struct rig *rig = *state;
	int fds = count_fds(), channel;
	struct peer p;

	channel = start(rig, &p, NULL);
	assert_int_equal(take_calls(channel), 0xf); /* of the start */
	for (unsigned i = 0; i < 100; i++) {
		call(rig, i % PEER_RINGS);
		rig_run(rig);
	}
	assert_int_equal(take_calls(channel), 0);
	answer_calls(rig, channel, 3);
	assert_int_equal(take_calls(channel), 0);
	answer_calls(rig, channel, 1);
	assert_int_equal(take_calls(channel), 0xf);
	answer_calls(rig, channel, 4);
	assert_int_equal(take_calls(channel), 0);
	call(rig, 2);
	rig_run(rig);
	call(rig, 1);
	rig_run(rig);
	assert_int_equal(take_calls(channel), 0x6);
	/* With an eventfd it is that again. */
	answer_calls(rig, channel, 2);
	peer_set_fd(rig, &p, VHOST_USER_SET_VRING_CALL, 2, p.call_fds[2]);
	call(rig, 2);
	rig_run(rig);
	assert_int_equal(take_calls(channel), 0);
	/* And without one, messages. */
	peer_set_fd(rig, &p, VHOST_USER_SET_VRING_CALL, 2, -1);
	assert_int_equal(take_calls(channel), 0x4);
	/* A ring that stops and starts gains nothing by it. */
	for (unsigned i = 0; i < 20; i++) {
		peer_get_base(rig, &p, 2);
		assert_int_equal(kick(rig, &p, 2, 0), 0);
	}
	assert_int_equal(take_calls(channel), 0);
	answer_calls(rig, channel, 1);
	assert_int_equal(take_calls(channel), 0x4);
	close(channel);
	part(rig, &p, fds);
}

/* Full of whatever; we hold the back-end's end, too. */
static void test_channel_that_is_full(void **state)
{
	struct rig *rig = *state;
	int fds = count_fds(), channel, theirs;
	char bytes[2000] = { 0 };
	struct peer p;

	channel = start(rig, &p, &theirs);
	take_calls(channel);
	answer_calls(rig, channel, 4);
	while (send(theirs, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	for (unsigned i = 0; i < PEER_RINGS; i++)
		call(rig, i);
	rig_run(rig); /* which comes to an end */
	assert_true(vhost_backend_is_connected(rig->b));
	assert_int_equal(kick(rig, &p, 0, 0), 0);
	while (recv(channel, bytes, sizeof(bytes), 0) > 0)
		;
	rig_run(rig);
	assert_int_equal(take_calls(channel), 0xf);
	close(channel);
	close(theirs);
	part(rig, &p, fds);
}

static void test_channel_that_is_closed(void **state)
{
	struct rig *rig = *state;
	int fds = count_fds(), channel;
	struct peer p;

	channel = start(rig, &p, NULL);
	take_calls(channel);
	close(channel);
	rig_run(rig);
	assert_true(vhost_backend_is_connected(rig->b));
	for (unsigned i = 0; i < 100; i++) {
		call(rig, i % PEER_RINGS);
		rig_run(rig);
		assert_int_equal(kick(rig, &p, i % PEER_RINGS, 0), 0);
	}
	/* Another one: what the last one may have swallowed comes again. */
	channel = open_channel(rig, &p, NULL);
	assert_int_equal(take_calls(channel), 0xf);
	answer_calls(rig, channel, 4);
	assert_int_equal(take_calls(channel), 0);
	/* And never any. */
	answer_calls(rig, channel, 1);
	assert_int_equal(recv(channel, &channel, 1, 0), 0);
	assert_true(vhost_backend_is_connected(rig->b));
	close(channel);
	part(rig, &p, fds);
}

/* Broken while nobody reads the channel, or while there is none; and one that has an eventfd for errors. */
static void test_errors(void **state)
{
	enum how { READS, HAS_NONE, HAS_EVENTFD, N_HOWS };
	struct rig *rig = *state;
	int fds = count_fds();

	for (enum how how = READS; how < N_HOWS; how++) {
		int channel, err_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		struct vhost_user_header h = { 0 };
		struct peer p;
		uint64_t n;

		channel = start(rig, &p, NULL);
		take_calls(channel);
		if (how == HAS_NONE)
			close(channel);
		if (how == HAS_EVENTFD)
			peer_set_fd(rig, &p, VHOST_USER_SET_VRING_ERR, 3, err_fd);
		vhost_backend_ring(rig->b, 3)->broken = true;
		vhost_backend_check_rings(rig->b);
		assert_false(vhost_backend_is_connected(rig->b));
		if (how != HAS_NONE) {
			assert_int_equal(recv(channel, &h, sizeof(h), 0), how == READS ? sizeof(h) : 0);
			close(channel);
		}
		assert_int_equal(h.request, how == READS ? VHOST_USER_BACKEND_VRING_ERR : 0);
		assert_int_equal(h.flags, how == READS ? 1 : 0);
		assert_int_equal(read(err_fd, &n, sizeof(n)), how == HAS_EVENTFD ? sizeof(n) : (size_t)-1);
		close(err_fd);
		part(rig, &p, fds);
	}
}

/* QEMU agrees, and does not know the messages: with eventfds it gets none, whenever the call descriptor comes, and when a ring breaks. */
static void test_front_end_that_only_agrees(void **state)
{
	struct rig *rig = *state;
	int fds = count_fds(), channel;
	struct peer p;
	char byte;

	negotiate(rig, &p, true);
	channel = open_channel(rig, &p, NULL);
	for (uint32_t i = 0; i < PEER_RINGS; i++) {
		peer_start_ring(rig, &p, i);
		peer_get_base(rig, &p, i);
		peer_set_fd(rig, &p, VHOST_USER_SET_VRING_KICK, i, p.kick_fds[i]);
		assert_int_equal(vhost_backend_ring(rig->b, i)->call_fd, -1);
		peer_set_fd(rig, &p, VHOST_USER_SET_VRING_CALL, i, p.call_fds[i]);
		call(rig, i);
	}
	rig_run(rig);
	vhost_backend_ring(rig->b, 0)->broken = true;
	vhost_backend_check_rings(rig->b);
	assert_int_equal(recv(channel, &byte, 1, 0), 0); /* the end, and nothing before it */
	close(channel);
	part(rig, &p, fds);
}

/* A thousand kicks at once are taken in bit by bit, and cost no frame of the others anything but that. */
static void test_flood_of_kicks(void **state)
{
	enum { FLOOD = 1000 };
	static struct {
		struct vhost_user_header header;
		struct vhost_vring_state state;
	} flood[FLOOD];
	struct rig *rig = *state;
	int fds = count_fds(), channel;
	struct vhost_user_msg msg;
	unsigned n = 0;
	struct peer p;

	channel = start(rig, &p, NULL);
	for (unsigned i = 0; i < FLOOD; i++) {
		flood[i].header = (struct vhost_user_header){ VHOST_USER_VRING_KICK, 1, 8 };
		flood[i].state.index = 1;
	}
	flood[FLOOD - 1].header.flags = 1 | 8;
	kicks(rig, 1);
	assert_true(peer_send_bytes(&p, flood, sizeof(flood), NULL, 0));
	while (peer_receive(&p, &msg) == 0) {
		assert_true(n++ < FLOOD);
		event_loop_turn(rig->loop, 0);
		assert_in_range(kicks(rig, 1), 1, FLOOD / 4); /* one look of the worker's for all of them */
	}
	assert_true(n > 4);
	close(channel);
	part(rig, &p, fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, echo_setup, rig_teardown)
		T(test_frames_come_back),
		T(test_suppression),
		T(test_broken_ring),
		T(test_kicks),
		T(test_kick_of_a_ring_that_cannot_start),
		T(test_calls_wait_for_answers),
		T(test_channel_that_is_full),
		T(test_channel_that_is_closed),
		T(test_errors),
		T(test_flood_of_kicks),
		T(test_front_end_that_only_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
