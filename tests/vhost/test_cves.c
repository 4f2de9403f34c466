/* SPDX-License-Identifier: Apache-2.0 */
/* test_cves.c - What front-ends once did to other back-ends, one test for each class of bug.
 *
 * SECURITY.md has the list, with the tests elsewhere that cover what a guest does in its rings. The teardown of every test
 * fails when a descriptor or a mapping is left. */
#include <linux/virtio_config.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vhost_peer.h"

enum { GET_INFLIGHT_FD = 31, SET_INFLIGHT_FD = 32, SET_LOG_BASE = 6, FDS = 8 };

struct inflight {
	uint64_t mmap_size, mmap_offset;
	uint16_t num_queues, queue_size;
};

static void negotiate_all(struct rig *rig, struct peer *p)
{
	peer_connect(p, rig);
	peer_negotiate(rig, p, BIT(VIRTIO_F_VERSION_1) | BIT(30),
		       peer_get_u64(rig, p, VHOST_USER_GET_PROTOCOL_FEATURES));
	peer_set_memory(rig, p);
}

/* DPDK believed that a range of guest memory is contiguous with us because it is for the guest. */
static void test_cve_2018_1059_areas_across_regions(void **state)
{
	struct rig *rig = *state;
	struct peer p;
	struct vhost_vring_addr addr = peer_ring_addr(0);
	struct vhost_user_mem_table t = {
		.n_regions = 2,
		.regions[0] = { PEER_GUEST_ADDR, 0x80000, PEER_USER_ADDR, 0 },
		.regions[1] = { PEER_GUEST_ADDR + 0x80000, 0x80000, PEER_USER_ADDR + 0x80000, 0 },
	};
	int fds[2];

	peer_init(&p);
	peer_connect(&p, rig);
	peer_negotiate(rig, &p, BIT(VIRTIO_F_VERSION_1) | BIT(30), 0);
	fds[0] = fds[1] = p.mem_fd;
	peer_request(rig, &p, VHOST_USER_SET_MEM_TABLE, &t, peer_table_size(&t), fds, 2);
	peer_set_state(rig, &p, VHOST_USER_SET_VRING_NUM, 0, PEER_RING_SIZE);
	addr.desc_user_addr = PEER_USER_ADDR + 0x80000 - 16;
	peer_send(&p, VHOST_USER_SET_VRING_ADDR, 1, &addr, sizeof(addr), NULL, 0);
	rig_run(rig);
	if (vhost_backend_is_connected(rig->b))
		peer_set_fd(rig, &p, VHOST_USER_SET_VRING_KICK, 0, p.kick_fds[0]);
	rig_run(rig);
	assert_false(vhost_ring_is_usable(vhost_backend_ring(rig->b, 0)));
	peer_deinit(&p);
}

/* DPDK allocated anew, and kept descriptors, with each of these. */
static void test_cve_2019_14818_repeated_set_vring_num(void **state)
{
	struct rig *rig = *state;
	struct peer p;
	int before;

	peer_init(&p);
	negotiate_all(rig, &p);
	before = count_fds();
	for (uint32_t i = 0; i < 1000; i++)
		peer_set_state(rig, &p, VHOST_USER_SET_VRING_NUM, i % 2, i % 3 ? 256 : 128);
	wait_for_fds(before);
	for (unsigned n = 1; n <= FDS; n += FDS - 1) {
		struct vhost_vring_state num = { 0, 256 };
		int fds[FDS];

		for (unsigned i = 0; i < FDS; i++)
			fds[i] = p.mem_fd;
		peer_send(&p, VHOST_USER_SET_VRING_NUM, 1, &num, sizeof(num), fds, n);
		assert_true(peer_has_ended(rig, &p));
		peer_deinit(&p);
		peer_init(&p);
		negotiate_all(rig, &p);
	}
	peer_deinit(&p);
}

/* DPDK added a size and an offset that wrap around, and mapped less than it used. */
static void test_cve_2020_10722_log_that_wraps(void **state)
{
	static const uint64_t logs[][2] = {
		{ UINT64_MAX, 1 }, { UINT64_MAX - 4095, 8192 }, { 4096, UINT64_MAX - 4095 }, { 0, 0 }, { 1ull << 62, 0 }
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
		struct peer p;

		peer_init(&p);
		negotiate_all(rig, &p);
		peer_send(&p, SET_LOG_BASE, 1, logs[i], sizeof(logs[i]), &p.mem_fd, 1);
		if (!peer_has_ended(rig, &p))
			fail_msg("size %#lx at %#lx", (unsigned long)logs[i][0], (unsigned long)logs[i][1]);
		peer_deinit(&p);
	}
}

/* DPDK cut a ring's number to 8 or 16 bits before it compared it. */
static void test_cve_2020_10723_ring_numbers_that_are_cut(void **state)
{
	static const uint32_t numbers[] = { 0x10000, 0x10001, 0x100, 0x80000000, 0xffffffff, 0xffff };
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct vhost_vring_state num = { numbers[i], 256 };
		struct peer p;

		peer_init(&p);
		negotiate_all(rig, &p);
		peer_send(&p, VHOST_USER_SET_VRING_NUM, 1, &num, sizeof(num), NULL, 0);
		if (!peer_has_ended(rig, &p))
			fail_msg("ring %#x", numbers[i]);
		peer_deinit(&p);
	}
}

/* DPDK made a new shared area for each and forgot the one before; and it left descriptors open that came along. */
static void test_cve_2020_10726_repeated_get_inflight_fd(void **state)
{
	const struct inflight wanted = { .num_queues = 2, .queue_size = 256 };
	struct rig *rig = *state;
	struct vhost_user_msg msg;
	struct peer p;

	peer_init(&p);
	negotiate_all(rig, &p);
	for (int i = 0; i < 200; i++) {
		peer_send(&p, GET_INFLIGHT_FD, 1, &wanted, 24, NULL, 0);
		rig_run(rig);
		while (peer_receive(&p, &msg) == 1)
			;
	}
	peer_deinit(&p);
}

static void test_cve_2022_0669_inflight_with_descriptors(void **state)
{
	const struct inflight wanted = { .num_queues = 2, .queue_size = 256 };
	static const uint32_t requests[] = { GET_INFLIGHT_FD, SET_INFLIGHT_FD };
	struct rig *rig = *state;

	for (int i = 0; i < 2; i++) {
		struct peer p;
		int fds[FDS];

		peer_init(&p);
		negotiate_all(rig, &p);
		for (int k = 0; k < FDS; k++)
			fds[k] = p.mem_fd;
		peer_send(&p, requests[i], 1, &wanted, 24, fds, FDS);
		assert_true(peer_has_ended(rig, &p));
		peer_deinit(&p);
	}
}

/* DPDK believed the number of queues, and read and wrote behind the area. */
static void test_cve_2021_3839_inflight_of_many_queues(void **state)
{
	static const struct inflight areas[] = { { 4096, 0, UINT16_MAX, 256 },
						 { 4096, 0, 2, UINT16_MAX },
						 { 4096, 0, UINT16_MAX, UINT16_MAX },
						 { UINT64_MAX, 4096, 2, 256 } };
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
		struct peer p;

		peer_init(&p);
		negotiate_all(rig, &p);
		peer_send(&p, SET_INFLIGHT_FD, 1, &areas[i], 24, &p.mem_fd, 1);
		if (!peer_has_ended(rig, &p))
			fail_msg("%u queues of %u", areas[i].num_queues, areas[i].queue_size);
		peer_deinit(&p);
	}
}

/* Linux took a descriptor for a socket of a kind that it was not. */
static void test_cve_2020_10942_descriptors_of_another_kind(void **state)
{
	static const uint32_t requests[] = { VHOST_USER_SET_VRING_KICK, VHOST_USER_SET_VRING_CALL,
					     VHOST_USER_SET_VRING_ERR };
	struct rig *rig = *state;

	for (size_t i = 0; i < 3; i++) {
		uint64_t ring = 0;
		struct peer p;

		peer_init(&p);
		negotiate_all(rig, &p);
		for (unsigned kind = 0; kind < 2 && vhost_backend_is_connected(rig->b); kind++)
			peer_send(&p, requests[i], 1, &ring, sizeof(ring), kind ? &p.fd : &p.mem_fd, 1);
		assert_true(peer_has_ended(rig, &p));
		peer_deinit(&p);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_cve_2018_1059_areas_across_regions),
		T(test_cve_2019_14818_repeated_set_vring_num),
		T(test_cve_2020_10722_log_that_wraps),
		T(test_cve_2020_10723_ring_numbers_that_are_cut),
		T(test_cve_2020_10726_repeated_get_inflight_fd),
		T(test_cve_2020_10942_descriptors_of_another_kind),
		T(test_cve_2021_3839_inflight_of_many_queues),
		T(test_cve_2022_0669_inflight_with_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
