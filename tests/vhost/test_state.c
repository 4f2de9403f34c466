/* SPDX-License-Identifier: Apache-2.0 */
/* test_state.c - A back-end is written down, and another one goes on from that, under load, again and again.
 *
 *     front-end ---socket--- back-end with echo_device, which another one replaces
 *
 * What two processes do in a handover, in one. Each frame has a number; every one comes back, once and in order. In between a
 * replacement comes to nothing, at its last step, and the back-end that was there goes on. The front-end is told to use a connection
 * once: one that was lost would be lost for good. */
#include <errno.h>
#include <linux/vhost.h>
#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "echo_device.h"
#include "vhost/backend_internal.h"
#include "vhost/backend_state.h"
#include "vhost/frontend.h"
#include "vhost_peer.h"

enum { HANDOVERS = 150, FRAME_LEN = 64, PAIRS = 2 };

static struct echo_device echo;

static unsigned below(unsigned n)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state >> 33) % n;
}

/* Another back-end that goes on where that of the rig is; both are there. */
static struct vhost_backend *replacement(struct rig *rig)
{
	static struct vhost_backend_state state;
	static struct vhost_backend_places places;
	struct vhost_backend *old = rig->b;

	assert_int_equal(vhost_backend_save(old, &state), 0);
	rig->config.resume = &state;
	rig_create(rig);
	if (!rig->b)
		fail_msg("%s", rig->err);
	vhost_backend_state_deinit(&state);
	vhost_backend_save_places(old, &places);
	if (vhost_backend_go_on(rig->b, &places, rig->err, sizeof(rig->err)) < 0)
		fail_msg("%s", rig->err);
	return old;
}

static void hand_over(struct rig *rig)
{
	struct vhost_backend *old = replacement(rig);

	/* A process that ends leaves all that is shared as it is. */
	old->listener.borrowed = old->socket.shared = old->channel.socket.shared = true;
	vhost_backend_destroy(old);
	vhost_backend_own(rig->b);
	echo.b = rig->b;
}

/* Says nothing of rings to the rig. */
static void destroy(struct rig *rig)
{
	vhost_backend_destroy(rig->b);
	rig->b = NULL;
	for (unsigned i = 0; i < VHOST_RINGS_MAX; i++)
		rig->kick_fd_seen[i] = -1;
}

static void hand_over_in_vain(struct rig *rig)
{
	struct vhost_backend *old = replacement(rig);

	destroy(rig);
	assert_int_equal(access(rig->path, F_OK), 0);
	rig->b = old;
}

/* Traffic */

struct counts {
	uint64_t sent, received;
};

static void send_some(struct vhost_frontend *f, unsigned pair, struct counts *c)
{
	uint8_t frame[FRAME_LEN] = { 0 };

	for (unsigned n = below(16); n > 0; n--) {
		memcpy(frame, &c->sent, sizeof(c->sent));
		if (vhost_frontend_send(f, pair, NULL, frame, sizeof(frame)) < 0)
			break;
		c->sent++;
	}
	vhost_frontend_flush(f, pair);
}

/* The guest asks to be interrupted, and is: nothing that it waits for was left behind. */
static void insist_on_interrupts(struct rig *rig, struct vhost_frontend *f)
{
	for (unsigned pair = 0; pair < PAIRS; pair++) {
		uint8_t frame[FRAME_LEN] = { 0 };

		while (virtq_driver_enable_notify(vhost_frontend_driver(f, 2 * pair)))
			vhost_frontend_discard(f, pair);
		for (unsigned i = 0; i < 10; i++) {
			rig_run(rig);
			vhost_frontend_interrupts(f, 2 * pair);
		}
		assert_int_equal(vhost_frontend_send(f, pair, NULL, frame, sizeof(frame)), 0);
		vhost_frontend_flush(f, pair);
		echo_device_run(&echo);
		rig_run(rig);
		assert_true(vhost_frontend_interrupts(f, 2 * pair) > 0);
	}
}

static void receive_some(struct vhost_frontend *f, unsigned pair, struct counts *c)
{
	uint8_t frame[FRAME_LEN];
	struct vnet_hdr hdr;
	long len;

	while ((len = vhost_frontend_receive(f, pair, &hdr, frame, sizeof(frame))) != -EAGAIN) {
		assert_int_equal(len, FRAME_LEN);
		assert_memory_equal(frame, &c->received, sizeof(c->received));
		c->received++;
	}
	assert_false(vhost_frontend_driver(f, 2 * pair)->broken || vhost_frontend_driver(f, 2 * pair + 1)->broken);
}

static void exchange(struct vhost_frontend *f, struct counts c[PAIRS])
{
	for (unsigned turns = below(8); turns > 0; turns--)
		for (unsigned pair = 0; pair < PAIRS; pair++) {
			send_some(f, pair, &c[pair]);
			if (below(4) > 0)
				echo_device_run(&echo);
			if (below(4) > 0)
				receive_some(f, pair, &c[pair]);
		}
}

/* Until nothing is on its way. */
static void receive_all(struct rig *rig, struct vhost_frontend *f, unsigned pair, struct counts *c)
{
	for (unsigned i = 0; i < 1000 && c->received < c->sent; i++) {
		event_loop_turn(rig->loop, 10);
		echo_device_run(&echo);
		receive_some(f, pair, c);
	}
	assert_int_equal(c->received, c->sent);
}

static void turn_back_end(void *arg)
{
	rig_run(arg);
}

static struct vhost_frontend *attach(struct rig *rig, struct vhost_frontend_config config)
{
	struct vhost_frontend *f;

	rig->config.resume = NULL;
	rig_create(rig);
	config.socket = rig->path;
	config.queue_pairs = PAIRS;
	config.protocol_features = ~0ull;
	config.while_waiting = turn_back_end;
	config.arg = rig;
	f = vhost_frontend_create(&config, &rig->error, rig->err, sizeof(rig->err));
	if (!f)
		fail_msg("%s", rig->err);
	echo = (struct echo_device){ .b = rig->b, .n_pairs = PAIRS };
	return f;
}

static void hand_over_again_and_again(struct rig *rig, struct vhost_frontend_config config)
{
	struct vhost_frontend *f = attach(rig, config);
	struct counts c[PAIRS] = { 0 };

	for (unsigned i = 0; i < HANDOVERS; i++) {
		exchange(f, c);
		if (below(3) > 0)
			hand_over(rig);
		else
			hand_over_in_vain(rig);
	}
	for (unsigned pair = 0; pair < PAIRS; pair++) {
		echo_device_run(&echo);
		receive_some(f, pair, &c[pair]);
		assert_true(c[pair].sent > HANDOVERS);
		assert_int_equal(c[pair].received, c[pair].sent);
		assert_int_equal(vhost_frontend_in_flight(f, pair), 0);
	}
	insist_on_interrupts(rig, f);
	vhost_frontend_destroy(f);
	destroy(rig);
}

static void test_split(void **state)
{
	hand_over_again_and_again(*state, (struct vhost_frontend_config){ .features = ~0ull });
	hand_over_again_and_again(*state,
				  (struct vhost_frontend_config){
				      .features = ~0ull, .ring_size = 32, .tx_header_apart = true, .n_regions = 4 });
}

static void packed(struct rig *rig, uint64_t features)
{
	rig->config.features |= BIT(VIRTIO_F_RING_PACKED) | features;
	hand_over_again_and_again(rig, (struct vhost_frontend_config){ .features = ~0ull });
	snprintf(rig->config.journal, sizeof(rig->config.journal), "%s/rings", rig->dir);
	hand_over_again_and_again(
	    rig, (struct vhost_frontend_config){ .features = ~0ull, .ring_size = 35, .tx_header_apart = true });
	unlink(rig->config.journal);
}

static void test_packed(void **state)
{
	packed(*state, 0);
}

static void test_packed_in_order(void **state)
{
	packed(*state, BIT(VIRTIO_F_IN_ORDER));
}

/* The front-end keeps what is in flight. */
static void test_inflight(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < 2; i++) {
		hand_over_again_and_again(
		    rig, (struct vhost_frontend_config){ .features = ~0ull, .ring_size = 32, .inflight = true });
		rig->config.features |= BIT(VIRTIO_F_RING_PACKED);
	}
}

/* Kicks and calls are messages: those on their way, and those still to be sent, are the next one's. */
static void test_inband(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < 2; i++) {
		hand_over_again_and_again(
		    rig, (struct vhost_frontend_config){ .features = ~0ull, .ring_size = 32, .inband = true });
		rig->config.features |= BIT(VIRTIO_F_RING_PACKED);
	}
}

static int log_used_ring(struct vhost_frontend *f, unsigned ring)
{
	const struct virtq_driver *d = vhost_frontend_driver(f, ring);
	struct vhost_vring_addr addr = {
		.index = ring,
		.flags = 1u << VHOST_VRING_F_LOG,
		.desc_user_addr = (uintptr_t)d->desc,
		.avail_user_addr = (uintptr_t)d->avail,
		.used_user_addr = (uintptr_t)d->used,
		.log_guest_addr = 0,
	};

	return vhost_frontend_request(f, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0, NULL, 0);
}

/* In the middle of a migration: the next one marks the pages that it writes. */
static void test_dirty_log(void **state)
{
	struct vhost_user_log log = { .mmap_size = 4096 };
	struct rig *rig = *state;
	struct vhost_frontend *f = attach(rig, (struct vhost_frontend_config){ .features = ~0ull });
	uint64_t features = vhost_frontend_features(f) | BIT(VHOST_USER_F_PROTOCOL_FEATURES) | BIT(VHOST_F_LOG_ALL);
	int fd = memfd_create("log", MFD_CLOEXEC);
	struct counts c = { 0 };
	uint64_t answer;
	uint8_t *map;

	assert_int_equal(ftruncate(fd, (off_t)log.mmap_size), 0);
	map = mmap(NULL, log.mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(
	    vhost_frontend_request(f, VHOST_USER_SET_LOG_BASE, &log, sizeof(log), &fd, 1, &answer, sizeof(answer)), 0);
	assert_int_equal(
	    vhost_frontend_request(f, VHOST_USER_SET_FEATURES, &features, sizeof(features), NULL, 0, NULL, 0), 0);
	for (unsigned ring = 0; ring < 2; ring++)
		assert_int_equal(log_used_ring(f, ring), 0);
	hand_over(rig);
	map[0] = 0;
	while (c.sent == 0)
		send_some(f, 0, &c);
	echo_device_run(&echo);
	receive_some(f, 0, &c);
	assert_int_equal(c.received, c.sent);
	assert_int_equal(map[0], 1);
	munmap(map, log.mmap_size);
	close(fd);
	vhost_frontend_destroy(f);
	destroy(rig);
}

/* Translations are not handed over, the channel is: the new back-end asks for them, when it is alone. Each has an event loop of its own,
 * which is not turned any more when it has been replaced, as in a process that has ended. */
static void replace_and_ask(struct rig *rig, uint64_t features)
{
	enum { N = 12 };
	struct vhost_frontend_config config = { .socket = rig->path,
						.queue_pairs = PAIRS,
						.features = features,
						.protocol_features = ~0ull,
						.while_waiting = turn_back_end,
						.arg = rig,
						.n_regions = 3,
						.iommu = true };
	struct event_loop *loops[N];
	struct vhost_backend *olds[N];
	struct counts c[PAIRS] = { 0 };
	struct vhost_frontend *f;
	uint64_t misses;

	rig->config.resume = NULL;
	rig_create(rig);
	f = vhost_frontend_create(&config, &rig->error, rig->err, sizeof(rig->err));
	if (!f)
		fail_msg("%s", rig->err);
	echo = (struct echo_device){ .b = rig->b, .n_pairs = PAIRS };
	for (unsigned i = 0; i < N; i++) {
		exchange(f, c);
		/* Rings that run, rings that wait, and questions that are not answered. */
		if (i % 3 == 1)
			assert_int_equal(vhost_frontend_invalidate(f, 0, 0), 0);
		else
			assert_int_equal(vhost_frontend_serve(f), 0);
		misses = vhost_frontend_misses(f);
		loops[i] = rig->loop;
		rig->loop = event_loop_create();
		assert_non_null(rig->loop);
		olds[i] = replacement(rig);
		if (i % 3 != 1)
			assert_int_equal(vhost_frontend_serve(f), 0);
		assert_int_equal(vhost_frontend_misses(f), misses);
		vhost_backend_own(rig->b);
		echo.b = rig->b;
		for (unsigned pair = 0; pair < PAIRS; pair++)
			receive_all(rig, f, pair, &c[pair]);
	}
	vhost_frontend_destroy(f);
	destroy(rig);
	for (unsigned i = 0; i < N; i++) {
		vhost_backend_destroy(olds[i]);
		event_loop_destroy(i == 0 ? rig->loop : loops[i]);
	}
	rig->loop = loops[0];
}

static void test_iommu(void **state)
{
	struct rig *rig = *state;

	rig->config.features |= BIT(VIRTIO_F_ACCESS_PLATFORM) | BIT(VIRTIO_F_RING_PACKED);
	replace_and_ask(rig, ~BIT(VIRTIO_F_RING_PACKED));
	replace_and_ask(rig, ~0ull);
}

/* A message has come in part, with its descriptor. */
static void test_half_a_message(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_header header = { VHOST_USER_SET_VRING_CALL, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY,
					    sizeof(uint64_t) };
	uint64_t ring = 0;
	uint8_t bytes[sizeof(header) + sizeof(ring)];
	struct vhost_user_msg reply;
	int fd = eventfd(0, EFD_CLOEXEC);
	struct peer p;

	rig_create(rig);
	peer_init(&p);
	p.protocol_features = BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK);
	peer_start(rig, &p);
	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), &ring, sizeof(ring));
	for (unsigned n = 1; n < sizeof(bytes); n++) {
		assert_true(peer_send_bytes(&p, bytes, n, &fd, 1));
		rig_run(rig);
		hand_over(rig);
		assert_true(peer_send_bytes(&p, bytes + n, sizeof(bytes) - n, NULL, 0));
		rig_run(rig);
		assert_int_equal(peer_receive(&p, &reply), 1);
		assert_int_equal(reply.header.request, VHOST_USER_SET_VRING_CALL);
		assert_int_equal(reply.payload.u64, 0);
	}
	close(fd);
	peer_deinit(&p);
	rig_run(rig);
}

/* A front-end comes to the new one as it would have come to the old one, and finds what that said of the last connection. */
static void test_nobody_is_connected(void **state)
{
	struct rig *rig = *state;
	struct peer p;

	rig_create(rig);
	peer_init(&p);
	peer_connect(&p, rig);
	assert_true(peer_send(&p, 1000, 0, NULL, 0, NULL, 0));
	rig_run(rig);
	peer_deinit(&p);
	assert_string_not_equal(vhost_backend_error(rig->b), "");
	hand_over(rig);
	assert_string_not_equal(vhost_backend_error(rig->b), "");
	assert_false(vhost_backend_is_connected(rig->b));
	peer_init(&p);
	peer_start(rig, &p);
	assert_true(vhost_backend_is_connected(rig->b));
	peer_deinit(&p);
	rig_run(rig);
}

/* Another version of ours may have agreed to what this one does not know; a place may be one that the ring cannot have. */
static void test_what_cannot_be(void **state)
{
	static struct vhost_backend_state s;
	static struct vhost_backend_places places;
	struct rig *rig = *state;
	struct vhost_backend *old;
	struct peer p;

	rig_create(rig);
	peer_init(&p);
	peer_start(rig, &p);
	old = rig->b;
	assert_int_equal(vhost_backend_save(old, &s), 0);
	vhost_backend_save_places(old, &places);
	rig->config.resume = &s;
	s.features ^= BIT(40);
	rig_create(rig);
	assert_null(rig->b);
	assert_non_null(strstr(rig->err, "features 0x10000000000 were negotiated"));
	s.features ^= BIT(40);
	s.rings[0].num = 63;
	rig_create(rig);
	assert_int_equal(vhost_backend_go_on(rig->b, &places, rig->err, sizeof(rig->err)), -EINVAL);
	destroy(rig);
	vhost_backend_state_deinit(&s);
	rig->b = old;
	assert_true(peer_get_u64(rig, &p, VHOST_USER_GET_FEATURES) != 0); /* and goes on */
	peer_deinit(&p);
	rig_run(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup_bare, rig_teardown)
		T(test_split),
		T(test_packed),
		T(test_packed_in_order),
		T(test_inflight),
		T(test_inband),
		T(test_dirty_log),
		T(test_iommu),
		T(test_half_a_message),
		T(test_nobody_is_connected),
		T(test_what_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
