/* SPDX-License-Identifier: Apache-2.0 */
/* test_inflight.c - The area for what is in flight, as front-ends ask for it and hand it back. What stands in it is
 * tests/ring/test_inflight.c's. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/lost_memory.h"
#include "vhost_peer.h"

static const uint64_t features = BIT(VIRTIO_F_VERSION_1) | BIT(30);

static void connect_and_negotiate(struct rig *rig, struct peer *p, uint64_t more)
{
	peer_connect(p, rig);
	peer_negotiate(rig, p, features | more,
		       BIT(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD) | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK));
	peer_set_memory(rig, p);
}

/* The reply of `size` bytes, and the descriptor that came with it. */
static int get_inflight(struct rig *rig, struct peer *p, struct vhost_user_inflight *area, uint32_t size)
{
	struct vhost_user_msg msg;
	int fd;

	assert_true(peer_send(p, VHOST_USER_GET_INFLIGHT_FD, 1, area, size, NULL, 0));
	rig_run(rig);
	assert_int_equal(peer_receive_fd(p, &msg, &fd), 1);
	assert_int_equal(msg.header.request, 31);
	assert_int_equal(msg.header.flags, 5);
	assert_int_equal(msg.header.size, size);
	assert_true(fd >= 0);
	memcpy(area, &msg.payload, size);
	return fd;
}

static void test_area_is_made(void **state)
{
	static const struct {
		uint16_t n_rings, ring_size;
		bool packed;
		uint64_t size;
	} t[] = { { 2, 256, false, 2 * 4160 },
		  { 4, 64, false, 4 * 1088 },
		  { 1, 32768, true, 1048640 },
		  { 4, 3, true, 512 } };
	struct rig *rig = *state;
	struct peer p;

	rig->config.features |= BIT(VIRTIO_F_RING_PACKED);
	rig_create(rig);
	peer_init(&p);
	for (unsigned i = 0; i < 8; i++) {
		struct vhost_user_inflight area = { .n_rings = t[i / 2].n_rings, .ring_size = t[i / 2].ring_size };
		uint8_t first;
		int fd;

		connect_and_negotiate(rig, &p, t[i / 2].packed ? BIT(VIRTIO_F_RING_PACKED) : 0);
		fd = get_inflight(rig, &p, &area, i % 2 ? 20 : 24);
		assert_int_equal(area.mmap_size, t[i / 2].size);
		assert_int_equal(area.mmap_offset, 0);
		assert_int_equal(area.n_rings, t[i / 2].n_rings);
		assert_int_equal(area.ring_size, t[i / 2].ring_size);
		assert_int_equal(lseek(fd, 0, SEEK_END), t[i / 2].size);
		assert_int_equal(pread(fd, &first, 1, 0), 1);
		assert_int_equal(first, 0);
		assert_int_equal(ftruncate(fd, 0), -1); /* sealed */
		assert_int_equal(peer_ask(rig, &p, VHOST_USER_SET_INFLIGHT_FD, &area, i % 2 ? 20 : 24, &fd, 1), 0);
		close(fd);
	}
	peer_deinit(&p);
	rig_run(rig);
}

/* With rings of 64 entries, the first two of which are kept track of. */
static int make_file(size_t size)
{
	int fd = memfd_create("area", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static void test_refusals(void **state)
{
	static const struct {
		struct vhost_user_inflight area;
		const char *reason;
	} t[] = {
		{ { 4096, 0, 0, 64, 0 }, "0 rings" },
		{ { 65536, 0, 5, 64, 0 }, "5 rings of a port that has 4" },
		{ { 65536, 0, UINT16_MAX, UINT16_MAX, 0 }, "65535 rings" },
		{ { 4096, 0, 2, 0, 0 }, "rings of 0 entries" },
		{ { 4096, 0, 2, 32769, 0 }, "rings of 32769 entries" },
		{ { 2175, 0, 2, 64, 0 }, "2 rings of 64 entries need 2176" },
		{ { 2176, 4, 2, 64, 0 }, "2176 bytes at 0x4" },
		{ { 2176, 4096 - 2176 + 8, 2, 64, 0 }, "the file is shorter" },
		{ { 2176, UINT64_MAX - 7, 2, 64, 0 }, "2176 bytes at" },
		{ { 4097, 0, 2, 64, 0 }, "the file is shorter" },
		{ { UINT64_MAX, 4096, 2, 64, 0 }, "18446744073709551615 bytes at 0x1000" },
	};
	struct rig *rig = *state;
	int fd = make_file(4096);
	struct peer p;

	rig_create(rig);
	peer_init(&p);
	connect_and_negotiate(rig, &p, 0);
	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_not_equal(peer_ask(rig, &p, VHOST_USER_SET_INFLIGHT_FD, &t[i].area, 24, &fd, 1), 0);
		if (!strstr(vhost_backend_error(rig->b), t[i].reason))
			fail_msg("%u: %s", i, vhost_backend_error(rig->b));
	}
	peer_start_ring(rig, &p, 0);
	assert_int_not_equal(peer_ask(rig, &p, VHOST_USER_SET_INFLIGHT_FD,
				      &(struct vhost_user_inflight){ 2176, 0, 2, 64, 0 }, 24, &fd, 1),
			     0);
	assert_non_null(strstr(vhost_backend_error(rig->b), "rings are running"));
	assert_true(vhost_ring_is_usable(vhost_backend_ring(rig->b, 0)));
	peer_deinit(&p);
	rig_run(rig);
	close(fd);
}

/* Rings beyond the area are as without it; one that is longer than the area says does not start. */
static void test_which_rings(void **state)
{
	struct vhost_user_inflight area = { 2 * 1088, 1024, 2, 64, 0 };
	struct rig *rig = *state;
	uint64_t kick = 1;
	int fd = make_file(4096);
	struct peer p;

	rig_create(rig);
	peer_init(&p);
	connect_and_negotiate(rig, &p, 0);
	assert_int_equal(peer_ask(rig, &p, VHOST_USER_SET_INFLIGHT_FD, &area, 24, &fd, 1), 0);
	peer_start_ring(rig, &p, 0);
	peer_start_ring(rig, &p, 2);
	assert_non_null(vhost_backend_ring(rig->b, 0)->vq.inflight);
	assert_null(vhost_backend_ring(rig->b, 2)->vq.inflight);

	peer_start_ring(rig, &p, 1);
	peer_get_base(rig, &p, 1);
	peer_set_state(rig, &p, VHOST_USER_SET_VRING_NUM, 1, 128);
	assert_int_not_equal(peer_ask(rig, &p, VHOST_USER_SET_VRING_KICK, &kick, 8, &p.kick_fds[1], 1), 0);
	assert_non_null(
	    strstr(vhost_backend_error(rig->b), "ring of 128 entries: the inflight area is about another one"));
	peer_deinit(&p);
	rig_run(rig);
	close(fd);
}

/* Version 1 while the ring runs, 0 once the front-end knows where it stands, and 1 after a connection that was lost. */
static void test_version(void **state)
{
	struct vhost_user_inflight area = { 2 * 1088, 0, 2, 64, 0 };
	struct rig *rig = *state;
	int fd = make_file(4096);
	uint16_t *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), *version = map + 4, *desc_num = map + 5;
	struct peer p;

	rig_create(rig);
	peer_init(&p);
	connect_and_negotiate(rig, &p, 0);
	assert_int_equal(peer_ask(rig, &p, VHOST_USER_SET_INFLIGHT_FD, &area, 24, &fd, 1), 0);
	assert_int_equal(*version, 0);
	peer_start_ring(rig, &p, 0);
	assert_int_equal(*version, 1);
	assert_int_equal(*desc_num, 64);
	peer_get_base(rig, &p, 0);
	assert_int_equal(*version, 0);
	peer_start_ring(rig, &p, 0);
	assert_int_equal(*version, 1);
	/* Memory comes and goes. */
	peer_set_memory(rig, &p);
	assert_int_equal(*version, 1);
	assert_true(vhost_ring_is_usable(vhost_backend_ring(rig->b, 0)));
	peer_request(rig, &p, VHOST_USER_RESET_OWNER, NULL, 0, NULL, 0);
	assert_int_equal(*version, 0);
	peer_start_ring(rig, &p, 0);
	peer_deinit(&p);
	rig_run(rig);
	assert_int_equal(*version, 1);
	munmap(map, 4096);
	close(fd);
}

static void test_file_is_cut_short(void **state)
{
	struct vhost_user_inflight area = { 2 * 1088, 0, 2, 64, 0 };
	struct rig *rig = *state;
	struct vhost_ring *r;
	int fd = make_file(4096);
	struct peer p;

	assert_int_equal(lost_memory_init(), 0); /* here: cmocka has a handler of its own around each test */
	rig_create(rig);
	peer_init(&p);
	connect_and_negotiate(rig, &p, 0);
	assert_int_equal(peer_ask(rig, &p, VHOST_USER_SET_INFLIGHT_FD, &area, 24, &fd, 1), 0);
	peer_start_ring(rig, &p, 0);
	r = vhost_backend_ring(rig->b, 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	r->vq.used_idx++; /* as if a chain had been used */
	virtq_publish(&r->vq);
	vhost_backend_check_rings(rig->b);
	assert_false(vhost_backend_is_connected(rig->b));
	assert_string_equal(vhost_backend_error(rig->b), "memory was cut short: the file of the inflight area");
	peer_deinit(&p);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup_bare, rig_teardown)
		T(test_area_is_made),
		T(test_refusals),
		T(test_which_rings),
		T(test_version),
		T(test_file_is_cut_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
