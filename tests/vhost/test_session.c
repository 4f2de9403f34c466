/* SPDX-License-Identifier: Apache-2.0 */
/* test_session.c - Whole sessions as the front-ends that there are hold them, ring states, memory changes, and the end.
 *
 * The orders of messages are QEMU 7.2's (hw/virtio/vhost-user.c, vhost.c) and those of DPDK 22.11's virtio-user. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vhost_peer.h"

static const uint64_t guest_features =
    BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_NET_F_MRG_RXBUF);

static bool is_readable(int eventfd)
{
	uint64_t n;

	return read(eventfd, &n, sizeof(n)) == sizeof(n);
}

/* The ring uses the peer's memory: what the guest writes there is seen through it. */
static void assert_ring_maps(struct rig *rig, struct peer *p, unsigned ring)
{
	struct vhost_ring *r = vhost_backend_ring(rig->b, ring);
	struct vring_avail *avail = (void *)(p->mem + ring * 0x2000 + 0x800);
	uint16_t before = avail->idx;

	assert_true(vhost_ring_is_usable(r));
	assert_int_equal(r->vq.size, PEER_RING_SIZE);
	avail->idx = (uint16_t)(before + 0x1234);
	assert_int_equal(r->vq.avail->idx, avail->idx);
	avail->idx = before;
}

static void test_session_of_qemu(void **state)
{
	struct rig *rig = *state;
	struct peer p;

	peer_init(&p);
	peer_connect(&p, rig);
	/* vhost_dev_init() of both pairs */
	for (uint32_t pair = 0; pair < 2; pair++) {
		assert_int_equal(peer_get_u64(rig, &p, VHOST_USER_GET_FEATURES),
				 rig->config.features | BIT(30) | BIT(26));
		/* MQ, LOG_SHMFD, RARP, REPLY_ACK, MTU, BACKEND_REQ, CONFIG, INFLIGHT_SHMFD, RESET_DEVICE, INBAND_NOTIFICATIONS,
		 * CONFIGURE_MEM_SLOTS, STATUS, DEVICE_STATE, GET_VRING_BASE_INFLIGHT, GPA_ADDRESSES, GET_VRING_BASE_SKIP_DRAIN */
		assert_int_equal(peer_get_u64(rig, &p, VHOST_USER_GET_PROTOCOL_FEATURES), 0xb9f23f);
		peer_set_u64(rig, &p, VHOST_USER_SET_PROTOCOL_FEATURES, 0x1a03f);
		if (pair == 0) {
			assert_int_equal(peer_get_u64(rig, &p, VHOST_USER_GET_QUEUE_NUM), 2);
			assert_int_equal(peer_get_u64(rig, &p, VHOST_USER_GET_MAX_MEM_SLOTS), 509);
			peer_request(rig, &p, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0);
		}
		for (uint32_t i = 2 * pair; i < 2 * pair + 2; i++)
			peer_set_fd(rig, &p, VHOST_USER_SET_VRING_CALL, i, p.call_fds[i]);
	}
	/* The guest resets its device. */
	peer_set_state(rig, &p, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	peer_set_state(rig, &p, VHOST_USER_SET_VRING_ENABLE, 1, 1);
	/* The guest's driver starts it. */
	p.need_reply = true;
	peer_set_u64(rig, &p, VHOST_USER_NET_SET_MTU, 1500);
	p.need_reply = false;
	for (uint32_t pair = 0; pair < 2; pair++) {
		peer_set_u64(rig, &p, VHOST_USER_SET_FEATURES, guest_features | BIT(30));
		if (pair == 0) {
			struct vhost_user_mem_reg reg = { 0, peer_table().regions[0] };

			assert_int_equal(peer_ask(rig, &p, VHOST_USER_ADD_MEM_REG, &reg, sizeof(reg), &p.mem_fd, 1), 0);
		}
		for (uint32_t i = 2 * pair; i < 2 * pair + 2; i++)
			peer_start_ring(rig, &p, i);
		if (pair == 1) {
			assert_int_equal(peer_get_u64(rig, &p, VHOST_USER_GET_STATUS), 0);
			peer_set_u64(rig, &p, VHOST_USER_SET_STATUS, 0x7);
			assert_int_equal(peer_get_u64(rig, &p, VHOST_USER_GET_STATUS), 0x7);
		}
	}
	assert_int_equal(vhost_backend_features(rig->b), guest_features);
	assert_int_equal(vhost_backend_mtu(rig->b), 1500);
	for (uint32_t i = 0; i < 4; i++) {
		assert_ring_maps(rig, &p, i);
		assert_int_equal(vhost_backend_ring(rig->b, i)->enabled, i < 2);
	}
	/* vhost_dev_stop(): the status first, then the rings, which still know where they stood. */
	vhost_backend_ring(rig->b, 1)->vq.last_avail = 77;
	((struct vring_used *)(void *)(p.mem + peer_ring_addr(1).used_user_addr - PEER_USER_ADDR))->idx = htole16(77);
	peer_set_u64(rig, &p, VHOST_USER_SET_STATUS, 0);
	assert_int_equal(peer_get_base(rig, &p, 0), 0);
	assert_int_equal(peer_get_base(rig, &p, 1), 77);
	assert_false(vhost_backend_ring(rig->b, 1)->started);
	/* And on: the driver was only rebound. */
	peer_set_fd(rig, &p, VHOST_USER_SET_VRING_CALL, 1, p.call_fds[1]);
	peer_set_u64(rig, &p, VHOST_USER_SET_FEATURES, guest_features | BIT(30));
	peer_set_state(rig, &p, VHOST_USER_SET_VRING_NUM, 1, PEER_RING_SIZE);
	peer_set_state(rig, &p, VHOST_USER_SET_VRING_BASE, 1, 77);
	peer_set_fd(rig, &p, VHOST_USER_SET_VRING_KICK, 1, p.kick_fds[1]);
	assert_int_equal(vhost_backend_ring(rig->b, 1)->vq.last_avail, 77);
	assert_ring_maps(rig, &p, 1);
	assert_string_equal(vhost_backend_error(rig->b), "");
	peer_deinit(&p);
	rig_run(rig);
}

static void virtio_user_start(struct rig *rig, struct peer *p, uint32_t n_rings)
{
	for (uint32_t i = 0; i < n_rings; i++)
		peer_set_fd(rig, p, VHOST_USER_SET_VRING_CALL, i, p->call_fds[i]);
	peer_set_u64(rig, p, VHOST_USER_SET_FEATURES, guest_features | BIT(30));
	p->need_reply = true;
	peer_set_u64(rig, p, VHOST_USER_SET_STATUS, 0xb);
	assert_int_equal(peer_get_u64(rig, p, VHOST_USER_GET_STATUS), 0xb);
	peer_set_memory(rig, p);
	p->need_reply = false;
	for (uint32_t i = 0; i < n_rings; i++) {
		struct vhost_vring_addr addr = peer_ring_addr(i);

		peer_set_state(rig, p, VHOST_USER_SET_VRING_NUM, i, PEER_RING_SIZE);
		peer_set_state(rig, p, VHOST_USER_SET_VRING_BASE, i, 0);
		peer_request(rig, p, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
		peer_set_fd(rig, p, VHOST_USER_SET_VRING_KICK, i, p->kick_fds[i]);
	}
	for (uint32_t i = 0; i < n_rings; i++)
		peer_set_state(rig, p, VHOST_USER_SET_VRING_ENABLE, i, 1);
}

static void virtio_user_stop(struct rig *rig, struct peer *p, uint32_t n_rings)
{
	for (uint32_t i = 0; i < n_rings; i++)
		peer_set_state(rig, p, VHOST_USER_SET_VRING_ENABLE, i, 0);
	for (uint32_t i = 0; i < n_rings; i++)
		peer_get_base(rig, p, i);
}

static void test_session_of_virtio_user(void **state)
{
	struct rig *rig = *state;
	struct peer p;

	peer_init(&p);
	peer_connect(&p, rig);
	peer_request(rig, &p, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0);
	peer_get_u64(rig, &p, VHOST_USER_GET_FEATURES);
	peer_get_u64(rig, &p, VHOST_USER_GET_PROTOCOL_FEATURES);
	peer_set_u64(rig, &p, VHOST_USER_SET_PROTOCOL_FEATURES, BIT(0) | BIT(3) | BIT(16));
	for (unsigned round = 0; round < 3; round++) {
		virtio_user_start(rig, &p, 4);
		for (unsigned i = 0; i < 4; i++) {
			assert_ring_maps(rig, &p, i);
			assert_true(vhost_backend_ring(rig->b, i)->enabled);
		}
		/* Its memory grows: virtio_user_mem_event_cb() */
		peer_set_state(rig, &p, VHOST_USER_SET_VRING_ENABLE, 0, 0);
		peer_set_memory(rig, &p);
		peer_set_state(rig, &p, VHOST_USER_SET_VRING_ENABLE, 0, 1);
		assert_ring_maps(rig, &p, 0);
		virtio_user_stop(rig, &p, 4);
	}
	peer_deinit(&p);
	rig_run(rig);
}

/* As a server, virtio-user stops the rings on the new connection before it has said anything else, and says no SET_OWNER. */
static void test_reconnect_of_virtio_user_as_server(void **state)
{
	struct rig *rig = *state;
	struct peer p;

	peer_init(&p);
	for (unsigned round = 0; round < 3; round++) {
		peer_connect(&p, rig);
		virtio_user_stop(rig, &p, 4);
		peer_get_u64(rig, &p, VHOST_USER_GET_FEATURES);
		peer_get_u64(rig, &p, VHOST_USER_GET_PROTOCOL_FEATURES);
		peer_set_u64(rig, &p, VHOST_USER_SET_PROTOCOL_FEATURES, BIT(0) | BIT(3) | BIT(16));
		virtio_user_start(rig, &p, 4);
		assert_ring_maps(rig, &p, 3);
	}
	peer_deinit(&p);
	rig_run(rig);
}

/* A front-end of before 2014: nothing negotiated, rings enabled by their kick descriptor. */
static void test_session_without_protocol_features(void **state)
{
	struct rig *rig = *state;
	struct peer p;

	peer_init(&p);
	peer_connect(&p, rig);
	peer_negotiate(rig, &p, 0, 0);
	peer_set_memory(rig, &p);
	assert_false(vhost_backend_ring(rig->b, 0)->enabled);
	peer_start_ring(rig, &p, 0);
	assert_true(vhost_backend_ring(rig->b, 0)->enabled);
	assert_ring_maps(rig, &p, 0);
	peer_deinit(&p);
	rig_run(rig);
}

static void test_ring_states(void **state)
{
	struct rig *rig = *state;
	struct vhost_ring *r = vhost_backend_ring(rig->b, 1);
	unsigned changed;
	struct peer p;

	peer_init(&p);
	peer_connect(&p, rig);
	peer_negotiate(rig, &p, guest_features | BIT(30), BIT(0));
	peer_set_memory(rig, &p);
	assert_false(vhost_ring_is_usable(r));

	changed = rig->ring_changed[1];
	peer_start_ring(rig, &p, 1);
	assert_true(rig->ring_changed[1] > changed);
	assert_true(vhost_ring_is_usable(r));
	assert_false(r->enabled);
	assert_true(r->kick_fd >= 0 && r->call_fd >= 0 && r->err_fd == -1);
	/* The back-end notifies once after a new call descriptor, in case one went to the old one too late. */
	assert_true(is_readable(p.call_fds[1]));

	changed = rig->ring_changed[1];
	peer_set_state(rig, &p, VHOST_USER_SET_VRING_ENABLE, 1, 1);
	assert_true(r->enabled);
	assert_int_equal(rig->ring_changed[1], changed + 1);
	peer_set_state(rig, &p, VHOST_USER_SET_VRING_ENABLE, 1, 1);
	assert_int_equal(rig->ring_changed[1], changed + 1);

	/* Polling on both sides. */
	peer_set_fd(rig, &p, VHOST_USER_SET_VRING_KICK, 1, -1);
	peer_set_fd(rig, &p, VHOST_USER_SET_VRING_CALL, 1, -1);
	assert_true(vhost_ring_is_usable(r) && r->kick_fd == -1 && r->call_fd == -1);

	peer_set_state(rig, &p, VHOST_USER_SET_VRING_ENABLE, 1, 0);
	assert_true(vhost_ring_is_usable(r) && !r->enabled);

	changed = rig->ring_changed[1];
	peer_get_base(rig, &p, 1);
	assert_false(vhost_ring_is_usable(r));
	assert_int_equal(rig->ring_changed[1], changed + 1);
	peer_deinit(&p);
	rig_run(rig);
}

/* Nothing says that SET_VRING_KICK comes last. Whoever polls the ring hears of the message that lets it run. */
static void test_kick_comes_first(void **state)
{
	struct rig *rig = *state;
	struct vhost_ring *r = vhost_backend_ring(rig->b, 1);
	struct vhost_vring_addr addr = peer_ring_addr(1);
	struct peer p;

	for (unsigned first = 0; first < 2; first++) {
		unsigned changed = 0;

		peer_init(&p);
		peer_connect(&p, rig);
		peer_negotiate(rig, &p, guest_features | BIT(30), BIT(0));
		peer_set_memory(rig, &p);
		peer_set_fd(rig, &p, VHOST_USER_SET_VRING_KICK, 1, p.kick_fds[1]);
		for (unsigned i = first; i < first + 2; i++) {
			assert_false(vhost_ring_is_usable(r));
			changed = rig->ring_changed[1];
			if (i == 1)
				peer_request(rig, &p, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
			else
				peer_set_state(rig, &p, VHOST_USER_SET_VRING_NUM, 1, PEER_RING_SIZE);
		}
		assert_true(vhost_ring_is_usable(r));
		assert_int_equal(rig->ring_changed[1], changed + 1);
		peer_deinit(&p);
		rig_run(rig);
	}
}

/* virtq.h, "Life cycle": what the worker left is where the ring goes on. */
static void test_position_survives_memory_changes(void **state)
{
	struct vhost_user_mem_reg reg = { 0, peer_table().regions[0] };
	struct rig *rig = *state;
	struct vhost_ring *r = vhost_backend_ring(rig->b, 0);
	struct peer p;

	peer_init(&p);
	peer_start(rig, &p);
	r->vq.last_avail = 1000;
	peer_set_memory(rig, &p);
	assert_int_equal(r->vq.last_avail, 1000);
	assert_ring_maps(rig, &p, 0);
	r->vq.last_avail = 1001;

	/* Without its memory the ring pauses; no error, because the memory may come back. */
	assert_int_equal(peer_ask(rig, &p, VHOST_USER_REM_MEM_REG, &reg, sizeof(reg), &p.mem_fd, 1), 0);
	assert_int_equal(count_peer_maps(), 1);
	assert_true(r->started && !vhost_ring_is_usable(r));
	assert_int_equal(peer_ask(rig, &p, VHOST_USER_ADD_MEM_REG, &reg, sizeof(reg), &p.mem_fd, 1), 0);
	assert_int_equal(r->vq.last_avail, 1001);
	assert_ring_maps(rig, &p, 0);
	assert_int_equal(peer_get_base(rig, &p, 0), 1001);
	peer_deinit(&p);
	rig_run(rig);
}

/* QEMU 7.2 with two queue pairs adds every region twice, and takes it away twice. */
static void test_region_may_be_added_again(void **state)
{
	struct vhost_user_mem_reg reg = { 0, peer_table().regions[0] };
	struct rig *rig = *state;
	struct vhost_ring *r = vhost_backend_ring(rig->b, 0);
	struct peer p;

	peer_init(&p);
	peer_start(rig, &p);
	assert_int_equal(peer_ask(rig, &p, VHOST_USER_ADD_MEM_REG, &reg, sizeof(reg), &p.mem_fd, 1), 0);
	assert_int_equal(count_peer_maps(), 2);
	assert_int_equal(peer_ask(rig, &p, VHOST_USER_REM_MEM_REG, &reg, sizeof(reg), &p.mem_fd, 1), 0);
	assert_ring_maps(rig, &p, 0);
	assert_int_equal(peer_ask(rig, &p, VHOST_USER_REM_MEM_REG, &reg, sizeof(reg), &p.mem_fd, 1), 0);
	assert_int_equal(count_peer_maps(), 1);
	assert_false(vhost_ring_is_usable(r));
	assert_int_not_equal(peer_ask(rig, &p, VHOST_USER_REM_MEM_REG, &reg, sizeof(reg), &p.mem_fd, 1), 0);
	peer_deinit(&p);
	rig_run(rig);
}

static void test_reset_device_keeps_memory(void **state)
{
	struct rig *rig = *state;
	unsigned features_changed;
	struct peer p;

	peer_init(&p);
	peer_start(rig, &p);
	features_changed = rig->features_changed;
	peer_request(rig, &p, VHOST_USER_RESET_DEVICE, NULL, 0, NULL, 0);
	assert_int_equal(vhost_backend_features(rig->b), 0);
	assert_true(rig->features_changed > features_changed);
	assert_false(vhost_backend_ring(rig->b, 0)->started || vhost_backend_ring(rig->b, 0)->enabled);
	assert_int_equal(count_peer_maps(), 2);
	peer_set_u64(rig, &p, VHOST_USER_SET_FEATURES, guest_features | BIT(30));
	peer_start_ring(rig, &p, 0);
	assert_ring_maps(rig, &p, 0);
	peer_deinit(&p);
	rig_run(rig);
}

static void test_reset_owner_stops_rings(void **state)
{
	struct rig *rig = *state;
	struct peer p;

	peer_init(&p);
	peer_start(rig, &p);
	peer_request(rig, &p, VHOST_USER_RESET_OWNER, NULL, 0, NULL, 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_false(vhost_backend_ring(rig->b, i)->started);
		assert_false(vhost_backend_ring(rig->b, i)->enabled);
	}
	peer_start_ring(rig, &p, 0);
	assert_ring_maps(rig, &p, 0);
	peer_deinit(&p);
	rig_run(rig);
}

static void test_announcement(void **state)
{
	static const uint8_t mac[8] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };
	struct rig *rig = *state;
	struct peer p;

	peer_init(&p);
	peer_start(rig, &p);
	peer_request(rig, &p, VHOST_USER_SEND_RARP, mac, 8, NULL, 0);
	assert_int_equal(rig->announced, 1);
	assert_memory_equal(rig->announced_mac, mac, 6);
	peer_deinit(&p);
	rig_run(rig);
}

/* What the specification lets a back-end answer with an error when it is asked for an answer. */
static void test_refusals(void **state)
{
	struct vhost_user_mem_table overlap = peer_table(), beyond = peer_table(), wraps = peer_table();
	struct vhost_user_mem_reg absent = { 0, peer_table().regions[0] };
	struct vhost_vring_addr outside = peer_ring_addr(2), crooked = peer_ring_addr(2),
				short_by_one = peer_ring_addr(2);
	struct rig *rig = *state;
	struct peer p;
	int fds[2];
	const struct {
		uint32_t request;
		const void *payload;
		uint32_t size;
		const int *fds;
		unsigned n_fds;
		const char *reason;
	} t[] = {
		{ VHOST_USER_SET_VRING_NUM, &(struct vhost_vring_state){ 2, 0 }, 8, NULL, 0, "entries" },
		{ VHOST_USER_SET_VRING_NUM, &(struct vhost_vring_state){ 2, 96 }, 8, NULL, 0, "entries" },
		{ VHOST_USER_SET_VRING_NUM, &(struct vhost_vring_state){ 2, 65536 }, 8, NULL, 0, "entries" },
		{ VHOST_USER_SET_VRING_BASE, &(struct vhost_vring_state){ 2, 65536 }, 8, NULL, 0, "0x10000" },
		{ VHOST_USER_SET_VRING_ENABLE, &(struct vhost_vring_state){ 2, 2 }, 8, NULL, 0, "neither" },
		{ VHOST_USER_SET_VRING_ENDIAN, &(struct vhost_vring_state){ 2, 1 }, 8, NULL, 0, "little-endian" },
		{ VHOST_USER_NET_SET_MTU, &(uint64_t){ 67 }, 8, NULL, 0, "MTU 67" },
		{ VHOST_USER_NET_SET_MTU, &(uint64_t){ 9001 }, 8, NULL, 0, "MTU 9001" },
		{ VHOST_USER_SET_STATUS, &(uint64_t){ 256 }, 8, NULL, 0, "status" },
		{ VHOST_USER_SET_VRING_ADDR, &outside, 40, NULL, 0, "used ring at 0x7f0000100000" },
		{ VHOST_USER_SET_VRING_ADDR, &crooked, 40, NULL, 0, "aligned" },
		{ VHOST_USER_SET_VRING_ADDR, &short_by_one, 40, NULL, 0, "used ring" },
		{ VHOST_USER_REM_MEM_REG, &absent, 40, NULL, 0, "no region" },
		{ VHOST_USER_SET_VRING_KICK, &(uint64_t){ 2 }, 8, fds, 1, "not an eventfd" },
		{ VHOST_USER_SET_VRING_CALL, &(uint64_t){ 2 }, 8, fds, 1, "not an eventfd" },
		{ VHOST_USER_ADD_MEM_REG, &absent, 40, fds, 1, "overlaps" },
		{ VHOST_USER_SET_MEM_TABLE, &overlap, 72, fds, 2, "overlaps" },
		{ VHOST_USER_SET_MEM_TABLE, &beyond, 40, fds, 1, "file is shorter" },
		{ VHOST_USER_SET_MEM_TABLE, &wraps, 40, fds, 1, "wraps" },
		{ VHOST_USER_SET_MEM_TABLE, &(struct vhost_user_mem_table){ 0 }, 8, NULL, 0, "share=on" },
	};

	peer_init(&p);
	peer_start(rig, &p);
	peer_set_state(rig, &p, VHOST_USER_SET_VRING_NUM, 2, PEER_RING_SIZE);
	fds[0] = fds[1] = p.mem_fd;
	overlap.n_regions = 2;
	overlap.regions[1] = overlap.regions[0];
	overlap.regions[1].guest_addr += PEER_MEM_SIZE - 1;
	beyond.regions[0].mmap_offset = 4096;
	wraps.regions[0].guest_addr = UINT64_MAX - 100;
	outside.used_user_addr = PEER_USER_ADDR + PEER_MEM_SIZE;
	crooked.desc_user_addr += 8;
	/* VIRTIO 1.2, 2.7: 6 + 8 * size bytes */
	short_by_one.used_user_addr = PEER_USER_ADDR + PEER_MEM_SIZE - (6 + 8 * PEER_RING_SIZE) + 4;
	absent.region.guest_addr += 4096;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_not_equal(peer_ask(rig, &p, t[i].request, t[i].payload, t[i].size, t[i].fds, t[i].n_fds), 0);
		if (!strstr(vhost_backend_error(rig->b), t[i].reason))
			fail_msg("%s: \"%s\" instead of \"..%s..\"", "reason", vhost_backend_error(rig->b),
				 t[i].reason);
		assert_true(vhost_backend_is_connected(rig->b));
	}
	/* A map that could not be made is no map. */
	assert_int_equal(count_peer_maps(), 1);
	assert_false(vhost_ring_is_usable(vhost_backend_ring(rig->b, 0)));
	peer_deinit(&p);
	rig_run(rig);
}

/* The exact end of memory is inside. */
static void test_used_ring_at_the_end_of_memory(void **state)
{
	struct vhost_vring_addr addr = peer_ring_addr(0);
	struct rig *rig = *state;
	struct peer p;

	peer_init(&p);
	peer_connect(&p, rig);
	peer_negotiate(rig, &p, 0, 0);
	peer_set_memory(rig, &p);
	addr.used_user_addr = PEER_USER_ADDR + PEER_MEM_SIZE - (4 + 4 + 8 * PEER_RING_SIZE);
	peer_set_state(rig, &p, VHOST_USER_SET_VRING_NUM, 0, PEER_RING_SIZE);
	peer_request(rig, &p, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
	peer_set_fd(rig, &p, VHOST_USER_SET_VRING_KICK, 0, p.kick_fds[0]);
	assert_true(vhost_ring_is_usable(vhost_backend_ring(rig->b, 0)));
	peer_deinit(&p);
	rig_run(rig);
}

/* VIRTIO 1.2, 2.8: any size, event areas of 4 bytes; vhost-user.rst, "Vring descriptor indices for packed virtqueues". */
static void test_packed_ring(void **state)
{
	struct vhost_vring_addr addr = peer_ring_addr(0);
	struct rig *rig = *state;
	struct vhost_ring *r;
	struct peer p;

	vhost_backend_destroy(rig->b);
	rig->config.features |= BIT(VIRTIO_F_RING_PACKED);
	rig_create(rig);
	r = vhost_backend_ring(rig->b, 0);
	peer_init(&p);
	peer_connect(&p, rig);
	peer_negotiate(rig, &p, guest_features | BIT(VIRTIO_F_RING_PACKED) | BIT(30), BIT(3));
	peer_set_memory(rig, &p);
	addr.avail_user_addr = PEER_USER_ADDR + PEER_MEM_SIZE - 8;
	addr.used_user_addr = PEER_USER_ADDR + PEER_MEM_SIZE - 4;
	peer_set_state(rig, &p, VHOST_USER_SET_VRING_NUM, 0, 100);
	peer_set_state(rig, &p, VHOST_USER_SET_VRING_BASE, 0, 0x80638063); /* 99, wrap counter 1, both */
	peer_request(rig, &p, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
	peer_set_fd(rig, &p, VHOST_USER_SET_VRING_KICK, 0, p.kick_fds[0]);
	assert_true(vhost_ring_is_usable(r));
	assert_int_equal(r->vq.size, 100);
	assert_int_equal(r->vq.last_avail, 0x8063);
	r->vq.last_avail = 5;
	assert_int_equal(peer_get_base(rig, &p, 0), 0x00050005);

	/* A place behind the ring's end. */
	peer_set_state(rig, &p, VHOST_USER_SET_VRING_BASE, 0, 100);
	assert_int_not_equal(peer_ask(rig, &p, VHOST_USER_SET_VRING_KICK, &(uint64_t){ 0 }, 8, &p.kick_fds[0], 1), 0);
	assert_false(vhost_ring_is_usable(r));
	peer_deinit(&p);
	rig_run(rig);
}

static void assert_at_rest(struct rig *rig)
{
	assert_false(vhost_backend_is_connected(rig->b));
	assert_int_equal(vhost_backend_features(rig->b), 0);
	assert_int_equal(vhost_backend_mtu(rig->b), 0);
	for (unsigned i = 0; i < 4; i++) {
		const struct vhost_ring *r = vhost_backend_ring(rig->b, i);

		assert_false(r->started || r->enabled || vhost_ring_is_usable(r));
		assert_true(r->kick_fd == -1 && r->call_fd == -1 && r->err_fd == -1);
	}
}

static void test_end_of_connection(void **state)
{
	struct rig *rig = *state;
	int fds_idle = count_fds();
	struct peer p;

	for (unsigned round = 0; round < 20; round++) {
		unsigned features_changed, state_changed, rings[4];

		peer_init(&p);
		peer_start(rig, &p);
		peer_set_fd(rig, &p, VHOST_USER_SET_VRING_ERR, 3, p.call_fds[3]);
		features_changed = rig->features_changed;
		state_changed = rig->state_changed;
		memcpy(rings, rig->ring_changed, sizeof(rings));
		peer_deinit(&p);
		rig_run(rig);
		assert_at_rest(rig);
		wait_for_fds(fds_idle);
		assert_int_equal(count_peer_maps(), 0);
		assert_true(rig->features_changed > features_changed);
		assert_true(rig->state_changed > state_changed);
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(rig->ring_changed[i] > rings[i], i < 2);
		assert_string_equal(vhost_backend_error(rig->b), "");
	}
}

/* A VM that is started again may come before its predecessor's end has been seen. */
static void test_second_front_end_waits(void **state)
{
	struct rig *rig = *state;
	struct peer first, second;
	struct vhost_user_msg msg;

	peer_init(&first);
	peer_init(&second);
	peer_start(rig, &first);
	peer_connect(&second, rig);
	assert_true(peer_send(&second, VHOST_USER_GET_FEATURES, 1, NULL, 0, NULL, 0));
	rig_run(rig);
	assert_int_equal(peer_receive(&second, &msg), 0);
	assert_ring_maps(rig, &first, 0);
	peer_deinit(&first);
	rig_run(rig);
	assert_int_equal(peer_receive(&second, &msg), 1);
	assert_true(vhost_backend_is_connected(rig->b));
	peer_deinit(&second);
	rig_run(rig);
}

static void test_broken_ring_ends_connection(void **state)
{
	struct rig *rig = *state;
	struct vhost_ring *r = vhost_backend_ring(rig->b, 1);
	struct vhost_user_msg msg;
	struct peer p;

	peer_init(&p);
	peer_start(rig, &p);
	peer_set_fd(rig, &p, VHOST_USER_SET_VRING_ERR, 1, p.call_fds[7]);
	vhost_backend_check_rings(rig->b);
	assert_true(vhost_backend_is_connected(rig->b));

	r->vq.error = "a chain that loops";
	r->vq.error_value = 5;
	r->broken = true;
	assert_false(vhost_ring_is_usable(r));
	vhost_backend_check_rings(rig->b);
	assert_at_rest(rig);
	assert_true(is_readable(p.call_fds[7]));
	assert_string_equal(vhost_backend_error(rig->b), "ring 1 (guest tx): a chain that loops (0x5)");
	assert_int_equal(peer_receive(&p, &msg), -1);

	/* The reason stays until a front-end has a ring running. */
	peer_connect(&p, rig);
	peer_negotiate(rig, &p, guest_features | BIT(30), BIT(0));
	assert_true(*vhost_backend_error(rig->b));
	peer_set_memory(rig, &p);
	peer_start_ring(rig, &p, 0);
	assert_string_equal(vhost_backend_error(rig->b), "");
	peer_deinit(&p);
	rig_run(rig);
}

static void test_destroy_while_connected(void **state)
{
	struct rig *rig = *state;
	struct peer p;

	peer_init(&p);
	peer_start(rig, &p);
	vhost_backend_destroy(rig->b);
	rig->b = NULL;
	assert_int_equal(count_peer_maps(), 1);
	peer_deinit(&p);
}

/* `n` bytes at `offset`; how many the answer has, its header aside. */
static uint32_t get_config(struct rig *rig, struct peer *p, uint32_t offset, uint32_t n, uint8_t *bytes)
{
	struct vhost_user_config config = { .offset = offset, .size = n };
	struct vhost_user_msg msg;

	assert_true(peer_send(p, VHOST_USER_GET_CONFIG, 1, &config, 12 + n, NULL, 0));
	rig_run(rig);
	assert_int_equal(peer_receive(p, &msg), 1);
	assert_int_equal(msg.header.request, 24);
	if (msg.header.size == 0)
		return 0;
	assert_int_equal(msg.header.size, 12 + n);
	assert_int_equal(msg.payload.config.offset, offset);
	assert_int_equal(msg.payload.config.size, n);
	memcpy(bytes, msg.payload.config.bytes, n);
	return n;
}

/* VIRTIO 1.2, 5.1.4: mac, status, max_virtqueue_pairs, mtu, speed, duplex; then RSS, which there is not */
static void test_configuration_space(void **state)
{
	static const uint8_t expected[24] = { 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0x28, 0x23, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct vhost_user_config config = { .offset = 8, .size = 4, .flags = 0, .bytes = { 2, 0, 0x28, 0x23 } };
	uint8_t bytes[256] = { 0 };
	struct rig *rig = *state;
	struct peer p;

	peer_init(&p);
	peer_connect(&p, rig);
	peer_negotiate(rig, &p, BIT(VIRTIO_F_VERSION_1) | BIT(30),
		       BIT(VHOST_USER_PROTOCOL_F_CONFIG) | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK));
	assert_int_equal(get_config(rig, &p, 0, 24, bytes), 24);
	assert_memory_equal(bytes, expected, 24);
	assert_int_equal(get_config(rig, &p, 10, 2, bytes), 2);
	assert_memory_equal(bytes, expected + 10, 2);
	assert_int_equal(get_config(rig, &p, 0, 256, bytes), 256);
	assert_int_equal(get_config(rig, &p, 256, 0, bytes), 0);
	assert_int_equal(get_config(rig, &p, 1, 256, bytes), 0);
	assert_int_equal(get_config(rig, &p, UINT32_MAX, 4, bytes), 0);
	assert_non_null(strstr(vhost_backend_error(rig->b), "GET_CONFIG: 4 bytes at 4294967295"));

	assert_int_not_equal(peer_ask(rig, &p, VHOST_USER_SET_CONFIG, &config, 16, NULL, 0), 0);
	assert_non_null(strstr(vhost_backend_error(rig->b), "nothing to write at 8"));
	config.flags = VHOST_USER_CONFIG_MIGRATION;
	assert_int_equal(peer_ask(rig, &p, VHOST_USER_SET_CONFIG, &config, 16, NULL, 0), 0);
	config.bytes[2]++;
	assert_int_not_equal(peer_ask(rig, &p, VHOST_USER_SET_CONFIG, &config, 16, NULL, 0), 0);
	assert_non_null(strstr(vhost_backend_error(rig->b), "differ from ours"));
	config.offset = 254;
	assert_int_not_equal(peer_ask(rig, &p, VHOST_USER_SET_CONFIG, &config, 16, NULL, 0), 0);

	config.size = 5;
	assert_true(peer_send(&p, VHOST_USER_GET_CONFIG, 1, &config, 16, NULL, 0));
	rig_run(rig);
	assert_false(vhost_backend_is_connected(rig->b));
	assert_string_equal(vhost_backend_error(rig->b), "GET_CONFIG: payload of 16 bytes for 5 bytes");
	peer_deinit(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
		T(test_session_of_qemu),
		T(test_session_of_virtio_user),
		T(test_reconnect_of_virtio_user_as_server),
		T(test_session_without_protocol_features),
		T(test_ring_states),
		T(test_kick_comes_first),
		T(test_position_survives_memory_changes),
		T(test_region_may_be_added_again),
		T(test_reset_device_keeps_memory),
		T(test_reset_owner_stops_rings),
		T(test_announcement),
		T(test_refusals),
		T(test_used_ring_at_the_end_of_memory),
		T(test_packed_ring),
		T(test_end_of_connection),
		T(test_second_front_end_waits),
		T(test_broken_ring_ends_connection),
		T(test_configuration_space),
		T(test_destroy_while_connected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
