/* SPDX-License-Identifier: Apache-2.0 */
/* test_kill.c - A back-end that is killed under load, at any instruction, again and again.
 *
 *     front-end (this process) ---socket--- back-end with echo_device (child; kill -9, and the next one)
 *
 * Each frame has a number. Every one comes back, at least once; some twice, when a child dies between sending a frame back and
 * saying so. No descriptor is lost or used twice: the driver notices either, and all of them are back in the end. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "echo_device.h"
#include "vhost/frontend.h"
#include "vhost_peer.h"

enum { KILLS = 150, FRAME_LEN = 64, LIFE_MAX_US = 1500, BATCH_MAX_NS = 30000 };

/* The child; never returns. */
static void serve(struct rig *rig)
{
	static struct echo_device echo;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rig_create(rig);
	if (!rig->b)
		_exit(1);
	echo = (struct echo_device){ .b = rig->b, .n_pairs = 1 };
	for (;;) {
		event_loop_turn(rig->loop, 0);
		for (unsigned i = 0; i < 1000; i++)
			echo_device_run(&echo);
	}
}

static pid_t start_child(struct rig *rig)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		serve(rig);
	return pid;
}

static void kill_child(pid_t pid)
{
	pid_t ended;
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	do /* kicking back-ends has signals come (base/way_out.h) */
		ended = waitpid(pid, &status, 0);
	while (ended < 0 && errno == EINTR);
	assert_int_equal(ended, pid);
	assert_true(WIFSIGNALED(status)); /* had it ended before, something was wrong with it */
}

struct counts {
	uint64_t sent, received, repeated;
};

static void send_some(struct vhost_frontend *f, struct counts *c)
{
	uint8_t frame[FRAME_LEN] = { 0 };

	for (unsigned i = 0; i < 16; i++) {
		memcpy(frame, &c->sent, sizeof(c->sent));
		if (vhost_frontend_send(f, 0, NULL, frame, sizeof(frame)) < 0)
			break;
		c->sent++;
	}
	vhost_frontend_flush(f, 0);
}

static bool receive_some(struct vhost_frontend *f, struct counts *c)
{
	uint8_t frame[FRAME_LEN];
	struct vnet_hdr hdr;
	bool any = false;
	long len;

	while ((len = vhost_frontend_receive(f, 0, &hdr, frame, sizeof(frame))) != -EAGAIN) {
		uint64_t number;

		assert_int_equal(len, FRAME_LEN);
		memcpy(&number, frame, sizeof(number));
		assert_true(number <= c->received); /* none was left out */
		if (number == c->received)
			c->received++;
		else
			c->repeated++;
		any = true;
	}
	assert_false(vhost_frontend_driver(f, 0)->broken || vhost_frontend_driver(f, 1)->broken);
	return any;
}

static void exchange_for(struct vhost_frontend *f, struct counts *c, uint64_t us)
{
	uint64_t end_ns = clock_ns() + us * 1000;

	do {
		send_some(f, c);
		receive_some(f, c);
	} while (clock_ns() < end_ns);
}

static void busy_for(uint64_t ns)
{
	uint64_t end_ns = clock_ns() + ns;

	while (clock_ns() < end_ns)
		;
}

static void drain(struct vhost_frontend *f, struct counts *c)
{
	uint64_t end_ns = clock_ns() + 10 * NSEC_PER_SEC;

	while ((c->received < c->sent || vhost_frontend_in_flight(f, 0) > 0) && clock_ns() < end_ns)
		receive_some(f, c);
	assert_int_equal(c->received, c->sent);
	assert_int_equal(vhost_frontend_in_flight(f, 0), 0);
}

static struct vhost_frontend *attach(struct rig *rig, struct vhost_frontend_config *config)
{
	uint64_t end_ns = clock_ns() + 10 * NSEC_PER_SEC;
	struct vhost_frontend *f;
	char err[256] = "";
	int error;

	config->socket = rig->path;
	do
		f = vhost_frontend_create(config, &error, err, sizeof(err));
	while (!f && clock_ns() < end_ns);
	if (!f)
		fail_msg("%s", err);
	return f;
}

static void reattach(struct vhost_frontend *f)
{
	uint64_t end_ns = clock_ns() + 10 * NSEC_PER_SEC;
	int err;

	while ((err = vhost_frontend_reconnect(f)) < 0 && clock_ns() < end_ns)
		;
	assert_int_equal(err, 0);
}

static void kill_again_and_again(struct rig *rig, struct vhost_frontend_config config)
{
	pid_t pid = start_child(rig);
	struct vhost_frontend *f = attach(rig, &config);
	struct counts c = { 0 };

	for (unsigned i = 0; i < KILLS; i++) {
		exchange_for(f, &c, (uint64_t)rand() % LIFE_MAX_US);
		for (unsigned k = 0; k < 8; k++)
			send_some(f, &c);
		busy_for((uint64_t)rand() % BATCH_MAX_NS);
		kill_child(pid);
		receive_some(f, &c);
		pid = start_child(rig);
		reattach(f);
		if (i % 10 == 9)
			drain(f, &c);
	}
	drain(f, &c);
	assert_true(c.received > KILLS);
	printf("%u kills, %llu frames, %llu of them twice\n", KILLS, (unsigned long long)c.received,
	       (unsigned long long)c.repeated);
	vhost_frontend_destroy(f);
	kill_child(pid);
	unlink(rig->path);
	unlink(rig->config.journal);
}

static void test_split(void **state)
{
	struct vhost_frontend_config c = { .queue_pairs = 1, .features = ~0ull, .protocol_features = ~0ull };

	kill_again_and_again(*state, c);
	c.inband = true;
	kill_again_and_again(*state, c);
	c.inband = false;
	c.stale_base = true; /* DPDK */
	c.ring_size = 32;
	c.tx_header_apart = true;
	kill_again_and_again(*state, c);
}

static void packed(struct rig *rig, uint64_t features)
{
	struct vhost_frontend_config c = { .queue_pairs = 1, .features = ~0ull, .protocol_features = ~0ull };

	rig->config.features |= BIT(VIRTIO_F_RING_PACKED) | features;
	snprintf(rig->config.journal, sizeof(rig->config.journal), "%s/rings", rig->dir);
	c.stale_base =
	    true; /* QEMU; the true place of a ring with an unpublished batch is nowhere but in the journal */
	kill_again_and_again(rig, c);
	c.ring_size = 35;
	c.tx_header_apart = true;
	kill_again_and_again(rig, c);
}

static void test_packed(void **state)
{
	packed(*state, 0);
}

static void test_packed_in_order(void **state)
{
	packed(*state, BIT(VIRTIO_F_IN_ORDER));
}

/* Nothing of ours survives; what is in flight is the front-end's to keep. Places are those that Cloud Hypervisor names. */
static void inflight(struct rig *rig, uint64_t features)
{
	struct vhost_frontend_config c = {
		.queue_pairs = 1, .features = ~0ull, .protocol_features = ~0ull, .inflight = true, .stale_base = true
	};

	rig->config.features |= features;
	kill_again_and_again(rig, c);
	c.ring_size = features & BIT(VIRTIO_F_RING_PACKED) ? 35 : 32;
	c.tx_header_apart = true;
	kill_again_and_again(rig, c);
}

static void test_split_inflight(void **state)
{
	inflight(*state, 0);
}

static void test_packed_inflight(void **state)
{
	inflight(*state, BIT(VIRTIO_F_RING_PACKED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup_bare, rig_teardown)
		T(test_split),
		T(test_packed),
		T(test_packed_in_order),
		T(test_split_inflight),
		T(test_packed_inflight),
	};
	unsigned seed = (unsigned)time(NULL);

	printf("seed %u\n", seed);
	srand(seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
