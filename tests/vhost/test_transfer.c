/* SPDX-License-Identifier: Apache-2.0 */
/* test_transfer.c - The state of the device for migration, as QEMU's front-ends ask for it: with a pipe, then until the end of the channel, then
 * the question whether it went well. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <unistd.h>

#include "vhost_peer.h"

enum { SAVE, LOAD };

static void start(struct rig *rig, struct peer *p)
{
	peer_init(p);
	peer_connect(p, rig);
	peer_negotiate(rig, p, BIT(VIRTIO_F_VERSION_1) | BIT(30),
		       BIT(VHOST_USER_PROTOCOL_F_DEVICE_STATE) | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK));
	peer_set_memory(rig, p);
}

/* What is answered to SET_DEVICE_STATE_FD with `sent`, and the channel, -1: none. */
static uint64_t ask_for_channel(struct rig *rig, struct peer *p, uint32_t direction, uint32_t phase, int sent, int *fd)
{
	uint32_t parameters[] = { direction, phase };
	struct vhost_user_msg msg;

	assert_true(peer_send(p, 42, 1, parameters, sizeof(parameters), &sent, 1));
	rig_run(rig);
	assert_int_equal(peer_receive_fd(p, &msg, fd), 1);
	assert_int_equal(msg.header.request, 42);
	assert_int_equal(msg.header.flags, 5);
	assert_int_equal(msg.header.size, 8);
	return msg.payload.u64;
}

static void test_save_and_load(void **state)
{
	struct rig *rig = *state;
	int fds[2], channel;
	struct peer p;
	char c = 'x';

	start(rig, &p);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(ask_for_channel(rig, &p, SAVE, 0, fds[1], &channel), 0);
	assert_int_equal(read(channel, &c, 1), 0);
	close(channel);
	assert_int_equal(peer_get_u64(rig, &p, VHOST_USER_CHECK_DEVICE_STATE), 0);

	assert_int_equal(ask_for_channel(rig, &p, LOAD, 0, fds[0], &channel), 0);
	assert_int_equal(write(channel, &c, 1), -1); /* the state of something else */
	assert_int_equal(errno, EPERM);
	close(channel);
	assert_int_equal(peer_get_u64(rig, &p, VHOST_USER_CHECK_DEVICE_STATE), 0);
	close(fds[0]);
	close(fds[1]);
	peer_deinit(&p);
	rig_run(rig);
}

static void test_refusals(void **state)
{
	struct rig *rig = *state;
	int channel;
	struct peer p;

	start(rig, &p);
	assert_int_equal(ask_for_channel(rig, &p, 2, 0, p.mem_fd, &channel), 0x101);
	assert_int_equal(channel, -1);
	assert_non_null(strstr(vhost_backend_error(rig->b), "SET_DEVICE_STATE_FD: direction 2 in phase 0"));
	assert_int_equal(ask_for_channel(rig, &p, SAVE, 1, p.mem_fd, &channel), 0x101);
	assert_int_equal(channel, -1);
	peer_start_ring(rig, &p, 0);
	assert_int_equal(ask_for_channel(rig, &p, SAVE, 0, p.mem_fd, &channel), 0x101);
	assert_int_equal(channel, -1);
	assert_non_null(strstr(vhost_backend_error(rig->b), "rings are running"));
	peer_get_base(rig, &p, 0);
	assert_int_equal(ask_for_channel(rig, &p, SAVE, 0, p.mem_fd, &channel), 0);
	close(channel);
	peer_deinit(&p);
	rig_run(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_save_and_load, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_refusals, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
