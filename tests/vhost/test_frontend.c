/* SPDX-License-Identifier: Apache-2.0 */
/* test_frontend.c - The front-end against the back-end: frames of all sizes come back as they went, whatever was negotiated. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "echo_exchange.h"
#include "echo_rig.h"
#include "virtio/virtio_compat.h"

static void exchange(struct vhost_frontend *f, unsigned pair, const size_t *lengths, unsigned n)
{
	assert_int_equal(echo_exchange(f, pair, lengths, n), n);
}

/* Several times round the rings. */
static void exchange_many(struct vhost_frontend *f, unsigned pair)
{
	static const size_t lengths[] = { 14, 60, 1514, 4096, 65535, 65550, 2036, 2037, 128, 9014 };
	enum { N = sizeof(lengths) / sizeof(lengths[0]) };

	for (unsigned round = 0; round < 100; round++)
		exchange(f, pair, &lengths[round % N], 1);
	exchange(f, pair, lengths, 4);
}

static const struct combination {
	uint64_t features;
	uint64_t protocol_features;
	struct vhost_frontend_config layout;
} combinations[] = {
	{ 0, 0, { 0 } },
	{ 0, BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK), { .tx_header_apart = true } },
	{ BIT(VIRTIO_NET_F_MRG_RXBUF), BIT(VHOST_USER_PROTOCOL_F_MQ), { 0 } },
	{ BIT(VIRTIO_F_VERSION_1), ~0ull, { .n_regions = 5 } },
	{ BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MRG_RXBUF),
	  ~0ull & ~BIT(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS),
	  { .n_regions = 8, .tx_piece = 4096 } },
	{ ~0ull, ~0ull, { .n_regions = 100, .tx_indirect = true, .tx_header_apart = true, .tx_piece = 1500 } },
	{ ~0ull & ~BIT(VIRTIO_RING_F_EVENT_IDX), ~0ull, { .ring_size = 64, .rx_buf_size = 1526, .tx_piece = 2000 } },
	{ ~0ull, ~0ull, { .ring_size = 1024, .queue_pairs = 2, .rx_buf_size = 128 * 12 } },
	{ ~0ull, ~0ull, { .ring_size = 1024, .queue_pairs = 2, .tx_indirect = true, .n_regions = 509 } },
	{ ~0ull, ~0ull, { .gpa_addresses = true, .n_regions = 3 } },
	{ ~0ull & ~BIT(VIRTIO_RING_F_EVENT_IDX),
	  ~0ull & ~BIT(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS),
	  { .gpa_addresses = true } },
};

static void frames_come_back(struct rig *rig)
{
	echo_create(rig);
	for (unsigned i = 0; i < sizeof(combinations) / sizeof(combinations[0]); i++) {
		const struct combination *t = &combinations[i];
		struct vhost_frontend_config c = t->layout;
		struct vhost_frontend *f;

		c.features = t->features;
		c.protocol_features = t->protocol_features;
		c.queue_pairs = c.queue_pairs ? c.queue_pairs : 1;
		f = echo_attach(rig, c);
		assert_int_equal(vhost_frontend_features(f), t->features & rig->config.features);
		for (unsigned pair = 0; pair < c.queue_pairs; pair++)
			exchange_many(f, pair);
		vhost_frontend_destroy(f);
		rig_run(rig);
		assert_string_equal(vhost_backend_error(rig->b), "");
	}
}

static void test_frames_come_back(void **state)
{
	frames_come_back(*state);
}

static void test_frames_come_back_on_packed_rings(void **state)
{
	struct rig *rig = *state;

	rig->config.features |= BIT(VIRTIO_F_RING_PACKED);
	frames_come_back(rig);
}

static void test_frames_come_back_in_order(void **state)
{
	struct rig *rig = *state;

	rig->config.features |= BIT(VIRTIO_F_IN_ORDER) | BIT(VIRTIO_F_RING_PACKED);
	frames_come_back(rig);
}

static void test_ring_full(void **state)
{
	struct vhost_frontend_config c = { .queue_pairs = 1, .ring_size = 16, .tx_buf_size = 1600 };
	struct rig *rig = *state;
	uint8_t frame[1600] = { 0 };
	struct vhost_frontend *f;

	echo_create(rig);
	f = echo_attach(rig, c);
	assert_int_equal(vhost_frontend_send(f, 0, NULL, frame, 1600), -EMSGSIZE);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(vhost_frontend_send(f, 0, NULL, frame, 60), 0);
	assert_int_equal(vhost_frontend_send(f, 0, NULL, frame, 60), -EAGAIN);
	assert_int_equal(vhost_frontend_in_flight(f, 0), 16);
	vhost_frontend_flush(f, 0);
	echo_turn(rig);
	assert_int_equal(vhost_frontend_in_flight(f, 0), 0);
	assert_int_equal(vhost_frontend_send(f, 0, NULL, frame, 60), 0);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(vhost_frontend_discard(f, 0), 60);
	assert_int_equal(vhost_frontend_discard(f, 0), -EAGAIN);
	vhost_frontend_destroy(f);
	rig_run(rig);
}

/* A frame takes two descriptors: these run out before the slots do. */
static void test_descriptors_come_back(void **state)
{
	struct vhost_frontend_config c = { .queue_pairs = 1, .tx_header_apart = true };
	struct rig *rig = *state;
	uint8_t frame[60] = { 0 };
	struct vhost_frontend *f;

	echo_create(rig);
	f = echo_attach(rig, c);
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(vhost_frontend_send(f, 0, NULL, frame, 60), 0);
		vhost_frontend_flush(f, 0);
		echo_turn(rig);
		assert_int_equal(vhost_frontend_discard(f, 0), 60);
	}
	vhost_frontend_destroy(f);
	rig_run(rig);
}

/* Rings go on where they were after an orderly stop, and after the back-end is gone and back. */
static void stop_and_reconnect(struct rig *rig, bool inflight)
{
	static const size_t lengths[] = { 60, 1514 };
	struct vhost_frontend_config c = {
		.queue_pairs = 2, .ring_size = 32, .features = ~0ull, .protocol_features = ~0ull, .inflight = inflight
	};
	struct vhost_frontend *f;

	echo_create(rig);
	f = echo_attach(rig, c);
	for (unsigned round = 0; round < 50; round++) {
		exchange(f, round % 2, lengths, 2);
		if (round % 5 == 1) {
			assert_int_equal(vhost_frontend_stop(f), 0);
			assert_false(vhost_ring_is_usable(vhost_backend_ring(rig->b, 0)));
			assert_int_equal(vhost_frontend_start(f), 0);
		}
		if (round % 5 == 3) {
			vhost_backend_destroy(rig->b);
			rig->b = NULL;
			assert_false(vhost_frontend_is_connected(f));
			echo_create(rig);
			assert_int_equal(vhost_frontend_reconnect(f), 0);
			assert_true(vhost_frontend_is_connected(f));
		}
	}
	vhost_frontend_destroy(f);
	rig_run(rig);
}

static void test_stop_and_reconnect(void **state)
{
	stop_and_reconnect(*state, false);
}

/* With GET_VRING_BASE_SKIP_DRAIN in place of GET_VRING_BASE. */
static void test_stop_without_draining(void **state)
{
	struct rig *rig = *state;

	stop_and_reconnect(rig, true);
	vhost_backend_destroy(rig->b);
	rig->config.features |= BIT(VIRTIO_F_RING_PACKED);
	stop_and_reconnect(rig, true);
}

static void test_stop_and_reconnect_of_packed_rings(void **state)
{
	struct rig *rig = *state;

	rig->config.features |= BIT(VIRTIO_F_RING_PACKED);
	stop_and_reconnect(rig, false);
}

/* Front-ends that come back with a place from long ago: DPDK names 0 of a split ring, QEMU what it was told last of a packed one. */
static void stale_place(struct rig *rig, uint64_t features)
{
	static const size_t lengths[] = { 60, 9014, 1514 };
	struct vhost_frontend_config c = { .queue_pairs = 2,
					   .ring_size = 32,
					   .features = ~features,
					   .protocol_features = ~0ull,
					   .tx_header_apart = true,
					   .tx_piece = 3000,
					   .stale_base = true };
	struct vhost_frontend *f;

	echo_create(rig);
	f = echo_attach(rig, c);
	for (unsigned round = 0; round < 100; round++) {
		exchange(f, round % 2, lengths, 1 + round % 3);
		vhost_backend_destroy(rig->b);
		rig->b = NULL;
		echo_create(rig);
		assert_int_equal(vhost_frontend_reconnect(f), 0);
	}
	vhost_frontend_destroy(f);
	/* And another guest, with nothing in common but the socket. */
	f = echo_attach(rig, c);
	exchange(f, 0, lengths, 3);
	vhost_frontend_destroy(f);
	vhost_backend_destroy(rig->b);
	rig->b = NULL;
}

static void test_stale_place_of_split_rings(void **state)
{
	stale_place(*state, 0);
}

static void test_stale_place_of_packed_rings(void **state)
{
	struct rig *rig = *state;

	rig->config.features |= BIT(VIRTIO_F_RING_PACKED);
	snprintf(rig->config.journal, sizeof(rig->config.journal), "%s/rings", rig->dir);
	stale_place(rig, 0);
	stale_place(rig, BIT(VIRTIO_RING_F_EVENT_IDX));
	unlink(rig->config.journal);
}

/* One ring begins anew, smaller than it was and with frames in it, while the others go on. */
static void reset_rings(struct rig *rig, struct vhost_frontend_config c)
{
	static const size_t lengths[] = { 60, 9014, 1514 };
	static const uint16_t sizes[] = { 64, 8, 32 };
	uint8_t frame[60] = { 0 };
	struct vhost_frontend *f;

	c.queue_pairs = 2;
	c.ring_size = 64;
	c.protocol_features = ~0ull;
	echo_create(rig);
	f = echo_attach(rig, c);
	assert_int_equal(vhost_frontend_features(f), rig->config.features & c.features);
	for (unsigned round = 0; round < 60; round++) {
		unsigned ring = round % 4;

		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(vhost_frontend_send(f, ring / 2, NULL, frame, sizeof(frame)), 0);
		vhost_frontend_flush(f, ring / 2);
		assert_int_equal(vhost_frontend_reset_ring(f, ring, sizes[round % 3]), 0);
		assert_int_equal(vhost_frontend_driver(f, ring)->size, sizes[round % 3]);
		echo_turn(rig);
		while (vhost_frontend_discard(f, ring / 2) >= 0)
			;
		exchange(f, 0, lengths, 3);
		exchange(f, 1, lengths, 3);
	}
	assert_int_equal(vhost_frontend_reset_ring(f, 0, 65), -EINVAL);
	vhost_frontend_destroy(f);
	rig_run(rig);
	vhost_backend_destroy(rig->b);
	rig->b = NULL;
}

static void test_reset_of_single_rings(void **state)
{
	struct rig *rig = *state;

	rig->config.features |= BIT(VIRTIO_F_RING_RESET);
	reset_rings(rig, (struct vhost_frontend_config){ .features = ~0ull });
	reset_rings(rig, (struct vhost_frontend_config){ .features = ~0ull, .inflight = true });
	rig->config.features |= BIT(VIRTIO_F_RING_PACKED);
	reset_rings(rig, (struct vhost_frontend_config){ .features = ~0ull });
	reset_rings(rig, (struct vhost_frontend_config){ .features = ~0ull, .inflight = true });
	snprintf(rig->config.journal, sizeof(rig->config.journal), "%s/rings", rig->dir);
	reset_rings(rig, (struct vhost_frontend_config){ .features = ~0ull });
	unlink(rig->config.journal);
}

static void test_front_end_as_server(void **state)
{
	static const size_t lengths[] = { 60 };
	struct vhost_frontend_config c = { .queue_pairs = 1, .server = true, .protocol_features = ~0ull };
	struct rig *rig = *state;
	struct vhost_frontend *f;

	rig->config.client = true;
	echo_create(rig);
	f = echo_attach(rig, c);
	exchange(f, 0, lengths, 1);
	vhost_frontend_destroy(f);
	rig_run(rig);
}

static void test_nobody_there(void **state)
{
	struct rig *rig = *state;
	struct vhost_frontend_config c = { .socket = rig->path, .queue_pairs = 1, .timeout_ms = 1 };
	char err[256];
	int error;

	assert_null(vhost_frontend_create(&c, &error, err, sizeof(err)));
	assert_int_equal(error, -ENOENT);
	assert_non_null(strstr(err, rig->path));
	c.server = true;
	assert_null(vhost_frontend_create(&c, &error, err, sizeof(err)));
	assert_int_equal(error, -ETIMEDOUT);
	c.queue_pairs = 0;
	assert_null(vhost_frontend_create(&c, &error, err, sizeof(err)));
	assert_int_equal(error, -EINVAL);
}

/* What the back-end refuses comes back as an error, with and without an answer. */
static void test_refused_request(void **state)
{
	struct vhost_frontend_config c = { .queue_pairs = 1, .protocol_features = ~0ull };
	struct vhost_vring_state disabled = { 0, 2 };
	struct rig *rig = *state;
	struct vhost_frontend *f;

	echo_create(rig);
	f = echo_attach(rig, c);
	assert_int_equal(vhost_frontend_request(f, VHOST_USER_SET_VRING_ENABLE, &disabled, sizeof(disabled), NULL, 0,
						NULL, 0),
			 -EREMOTEIO);
	assert_true(vhost_frontend_is_connected(f));
	assert_int_equal(vhost_frontend_request(f, 99, NULL, 0, NULL, 0, NULL, 0), -ECONNRESET);
	assert_false(vhost_frontend_is_connected(f));
	vhost_frontend_destroy(f);

	c.queue_pairs = 3; /* the device has two */
	echo_configure(rig, &c);
	assert_null(vhost_frontend_create(&c, &rig->error, rig->err, sizeof(rig->err)));
	assert_int_equal(rig->error, -ERANGE);
	rig_run(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup_bare, rig_teardown)
		T(test_frames_come_back),
		T(test_frames_come_back_on_packed_rings),
		T(test_frames_come_back_in_order),
		T(test_ring_full),
		T(test_descriptors_come_back),
		T(test_stop_and_reconnect),
		T(test_stop_and_reconnect_of_packed_rings),
		T(test_stop_without_draining),
		T(test_stale_place_of_split_rings),
		T(test_stale_place_of_packed_rings),
		T(test_reset_of_single_rings),
		T(test_front_end_as_server),
		T(test_nobody_there),
		T(test_refused_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
