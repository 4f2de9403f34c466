/* SPDX-License-Identifier: Apache-2.0 */
/* test_threads.c - A worker, a control thread and a front-end that each do as they please: frames go on while rings stop, memory
 * changes and front-ends come and go. What it finds, ThreadSanitizer and the memory checkers find. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/barrier.h"
#include "echo_device.h"
#include "vhost/frontend.h"
#include "vhost_peer.h"

static struct echo_device echo;
static bool stop;
static unsigned n_ring_changed, n_features_changed, n_state_changed;

static void ring_changed(void *arg, unsigned ring)
{
	(void)arg, (void)ring;
	n_ring_changed++;
}

static void features_changed(void *arg)
{
	(void)arg;
	n_features_changed++;
}

static void state_changed(void *arg)
{
	(void)arg;
	n_state_changed++;
}

static void *run_control(void *arg)
{
	event_loop_run(arg);
	return NULL;
}

static void *run_worker(void *arg)
{
	(void)arg;
	while (!read_once(&stop))
		echo_device_run_rings(&echo);
	return NULL;
}

static struct vhost_frontend *attach(struct rig *rig, uint64_t features)
{
	struct vhost_frontend_config c = {
		.socket = rig->path,
		.queue_pairs = 2,
		.ring_size = 64,
		.features = features,
		.protocol_features = ~0ull,
		.n_regions = 3,
		.iommu = true, /* where it is offered */
	};
	char err[256];
	int error;
	struct vhost_frontend *f = vhost_frontend_create(&c, &error, err, sizeof(err));

	if (!f)
		fail_msg("%s", err);
	return f;
}

/* Send as much as goes and take what is there; frames may well be on their way when this returns. */
static void some_traffic(struct vhost_frontend *f, unsigned pair)
{
	uint8_t frame[1500] = { 0 }, got[1500];
	long len;

	for (unsigned i = 0; i < 40; i++) {
		if (vhost_frontend_send(f, pair, NULL, frame, 14 + i * 30) == 0)
			vhost_frontend_flush(f, pair);
		while ((len = vhost_frontend_receive(f, pair, NULL, got, sizeof(got))) >= 0)
			assert_int_equal((len - 14) % 30, 0);
		assert_int_equal(len, -EAGAIN);
	}
}

static void disturb(struct vhost_frontend *f, unsigned round)
{
	if (round % 3 == 0) {
		assert_int_equal(vhost_frontend_stop(f), 0);
		assert_int_equal(vhost_frontend_start(f), 0);
	} else if (round % 3 == 1) {
		for (uint32_t on = 0; on < 2; on++)
			assert_int_equal(vhost_frontend_request(f, VHOST_USER_SET_VRING_ENABLE,
								&(struct vhost_vring_state){ round % 4, on }, 8, NULL,
								0, NULL, 0),
					 0);
	} else {
		assert_int_equal(vhost_frontend_reconnect(f), 0);
	}
}

/* Translations are taken back while frames are on their way: of single pages, rings among them, and all. */
static void take_back(struct vhost_frontend *f, unsigned round)
{
	uint64_t guest_addr;
	size_t size;
	int fd;
	uint64_t iova = vhost_frontend_device_addr(f, vhost_frontend_mem(f, &guest_addr, &size, &fd));

	if (round % 8 == 0)
		assert_int_equal(vhost_frontend_invalidate(f, 0, 0), 0);
	else
		assert_int_equal(vhost_frontend_invalidate(f, iova + (uint64_t)random() % size, 1), 0);
}

static void start_threads(struct rig *rig, pthread_t *control, pthread_t *worker)
{
	static const struct vhost_backend_ops ops = { ring_changed, features_changed, state_changed, NULL };

	stop = false;
	rig->b = vhost_backend_create(rig->loop, &rig->config, &ops, NULL, &rig->error, rig->err, sizeof(rig->err));
	assert_non_null(rig->b);
	echo = (struct echo_device){ .b = rig->b, .n_pairs = 2 };
	assert_int_equal(pthread_create(control, NULL, run_control, rig->loop), 0);
	assert_int_equal(pthread_create(worker, NULL, run_worker, NULL), 0);
}

static void stop_threads(struct rig *rig, pthread_t control, pthread_t worker)
{
	write_once(&stop, true);
	pthread_join(worker, NULL);
	event_loop_stop(rig->loop);
	pthread_join(control, NULL);
	rig_run(rig);
	assert_true(echo.n_frames > 0);
	assert_string_equal(vhost_backend_error(rig->b), "");
}

static void test_everything_at_once(void **state)
{
	struct rig *rig = *state;
	pthread_t control, worker;

	rig->config.features |= BIT(VIRTIO_F_RING_PACKED);
	start_threads(rig, &control, &worker);
	for (unsigned i = 0; i < 10; i++) {
		struct vhost_frontend *f = attach(rig, i % 2 ? ~0ull & ~BIT(VIRTIO_F_RING_PACKED) : ~0ull);

		for (unsigned round = 0; round < 12; round++) {
			some_traffic(f, round % 2);
			/* After a crash of the back-end a packed ring tells nothing of what was used but not yet seen. */
			if (i % 2 || round % 3 != 2)
				disturb(f, round);
		}
		vhost_frontend_destroy(f);
	}
	stop_threads(rig, control, worker);
	assert_true(n_ring_changed > 0 && n_features_changed > 0 && n_state_changed > 0);
}

static void test_translations_come_and_go(void **state)
{
	struct rig *rig = *state;
	pthread_t control, worker;

	srandom(1);
	rig->config.features |= BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_ACCESS_PLATFORM);
	start_threads(rig, &control, &worker);
	for (unsigned i = 0; i < 4; i++) {
		struct vhost_frontend *f = attach(rig, i % 2 ? ~BIT(VIRTIO_F_RING_PACKED) : ~0ull);
		uint64_t misses;

		for (unsigned round = 0; round < 60; round++) {
			some_traffic(f, round % 2);
			take_back(f, round);
			if (round % 20 == 19)
				disturb(f, round);
		}
		misses = vhost_frontend_misses(f);
		assert_true(misses > 60);
		vhost_frontend_destroy(f);
	}
	stop_threads(rig, control, worker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_everything_at_once, rig_setup_bare, rig_teardown),
		cmocka_unit_test_setup_teardown(test_translations_come_and_go, rig_setup_bare, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
