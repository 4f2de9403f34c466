/* SPDX-License-Identifier: Apache-2.0 */
/* test_iotlb.c - A guest with an IOMMU: frames go on whatever its translations do, and hostile ones cost its own port alone.
 *
 * The memory of the front-end lies scattered in pages (src/vhost/frontend_iommu.c), so a translation that is out of date, or that was
 * taken for longer than it is, shows in the bytes of a frame. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo_exchange.h"
#include "echo_rig.h"
#include "virtio/iotlb.h"

enum { PAGE = 4096 };

static struct vhost_frontend *attach(struct rig *rig, struct vhost_frontend_config c)
{
	c.iommu = true;
	c.protocol_features = c.protocol_features ? c.protocol_features : ~0ull;
	return echo_attach(rig, c);
}

/* What does not fit into this ring at once is left out. */
static void some_exchange(struct vhost_frontend *f, unsigned pair, const size_t *lengths, unsigned n)
{
	assert_in_range(echo_exchange(f, pair, lengths, n), 1, n);
}

static const size_t lengths[] = { 14, 60, 1514, 4096, 65535, 65550, 2036, 2037, 128, 9014 };
enum { N_LENGTHS = sizeof(lengths) / sizeof(lengths[0]) };

#define NOT(bit) (~0ull & ~BIT(bit))

/* Every way in which a chain can lie in pages, and rings of one page and of many. */
static const struct vhost_frontend_config layouts[] = {
	{ .features = BIT(VIRTIO_F_ACCESS_PLATFORM) | BIT(VIRTIO_F_VERSION_1), .n_regions = 3 },
	{ .features = NOT(VIRTIO_F_IN_ORDER), .ring_size = 64, .tx_header_apart = true, .tx_piece = 1500 },
	{ .features = NOT(VIRTIO_RING_F_EVENT_IDX), .ring_size = 64, .rx_buf_size = 1526, .tx_piece = 2000 },
	{ .features = ~0ull, .ring_size = 1024, .rx_buf_size = 128 * 12, .queue_pairs = 2, .n_regions = 8 },
	{ .features = ~0ull, .ring_size = 1024, .tx_indirect = true, .tx_piece = 1100, .n_regions = 100 },
	{ .features = NOT(VIRTIO_NET_F_MRG_RXBUF), .ring_size = 16, .tx_indirect = true, .tx_piece = 3000 },
};
enum { N_LAYOUTS = sizeof(layouts) / sizeof(layouts[0]) };

static struct vhost_frontend_config layout(unsigned i, bool packed)
{
	struct vhost_frontend_config c = layouts[i];

	if (packed)
		c.features |= BIT(VIRTIO_F_RING_PACKED);
	else
		c.features &= ~BIT(VIRTIO_F_RING_PACKED);
	return c;
}

static void test_frames_come_back(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < 2 * N_LAYOUTS; i++) {
		struct vhost_frontend_config c = layout(i / 2, i % 2);
		struct vhost_frontend *f = attach(rig, c);

		for (unsigned round = 0; round < 60; round++)
			some_exchange(f, c.queue_pairs > 1 ? round % 2 : 0, &lengths[round % N_LENGTHS], 1);
		some_exchange(f, 0, lengths, 4);
		assert_true(vhost_frontend_misses(f) > 6);
		vhost_frontend_destroy(f);
		rig_run(rig);
		assert_string_equal(vhost_backend_error(rig->b), "");
	}
}

/* Single pages, the pages of rings, everything; and transmit slots are moved, with good bytes in the new place alone. */
static void take_back_some(struct vhost_frontend *f, unsigned round)
{
	uint64_t guest_addr;
	size_t size;
	int fd;
	uint8_t *mem = vhost_frontend_mem(f, &guest_addr, &size, &fd);
	uint64_t iova = vhost_frontend_device_addr(f, mem), page = (uint64_t)random() % (size / PAGE) * PAGE;

	switch (round % 6) {
	case 0:
		assert_int_equal(vhost_frontend_invalidate(f, iova + page, PAGE), 0);
		break;
	case 1:
		assert_int_equal(vhost_frontend_invalidate(f, iova + page, 1 + (uint64_t)random() % size), 0);
		break;
	case 2:
		assert_int_equal(vhost_frontend_invalidate(f, 0, UINT64_MAX), 0);
		break;
	case 3:
		assert_int_equal(vhost_frontend_invalidate(f, iova, PAGE), 0); /* the first ring's descriptors */
		break;
	case 4:
		assert_int_equal(vhost_frontend_invalidate(f, 0, 0), 0); /* 2^64 bytes */
		break;
	default:
		/* Behind the rings and the receive buffers; nothing is in flight. */
		if (page > size / 2)
			assert_int_equal(vhost_frontend_move(f, mem + page), 0);
	}
}

static void test_translations_are_taken_back(void **state)
{
	struct rig *rig = *state;

	srandom(1);
	for (unsigned i = 0; i < 2 * N_LAYOUTS; i++) {
		struct vhost_frontend_config c = layout(i / 2, i % 2);
		struct vhost_frontend *f = attach(rig, c);

		for (unsigned round = 0; round < 150; round++) {
			take_back_some(f, round);
			some_exchange(f, 0, &lengths[(unsigned)random() % (N_LENGTHS - 3)], 1 + round % 3);
		}
		vhost_frontend_destroy(f);
		rig_run(rig);
		assert_string_equal(vhost_backend_error(rig->b), "");
	}
}

/* A front-end that says nothing for a while: few questions, a status that tells, and all goes on afterwards. */
static void test_silence(void **state)
{
	enum { FRAMES = 8 };
	struct rig *rig = *state;

	for (unsigned packed = 0; packed < 2; packed++) {
		struct vhost_frontend_config c = layout(1, packed);
		struct vhost_frontend *f = attach(rig, c);
		uint8_t frame[2000];
		unsigned seconds;
		uint64_t iova;

		some_exchange(f, 0, lengths, 1);
		vhost_frontend_set_silent(f, true);
		assert_int_equal(vhost_frontend_invalidate(f, 0, 0), 0);
		for (unsigned i = 0; i < FRAMES; i++) {
			echo_fill_frame(frame, sizeof(frame), i);
			assert_int_equal(vhost_frontend_send(f, 0, NULL, frame, sizeof(frame)), 0);
		}
		vhost_frontend_flush(f, 0);
		while (!vhost_backend_is_waiting(rig->b, &iova, &seconds)) {
			event_loop_turn(rig->loop, 100);
			echo_device_run(&echo);
		}
		assert_true(seconds > 0);
		assert_int_equal(vhost_frontend_receive(f, 0, NULL, frame, sizeof(frame)), -EAGAIN);
		vhost_frontend_set_silent(f, false);
		for (unsigned i = 0; i < FRAMES; i++) {
			uint8_t want[sizeof(frame)];

			while (vhost_frontend_receive(f, 0, NULL, frame, sizeof(frame)) == -EAGAIN)
				assert_int_equal(vhost_frontend_wait(f, 0, 5000), 0);
			echo_fill_frame(want, sizeof(want), i);
			assert_memory_equal(frame, want, sizeof(want));
		}
		assert_true(vhost_frontend_misses(f) < 2048);
		vhost_frontend_destroy(f);
		rig_run(rig);
		assert_false(vhost_backend_is_waiting(rig->b, &iova, &seconds));
	}
}

/* A peer says what it likes. */

static void negotiate(struct rig *rig, struct peer *p, uint64_t features)
{
	peer_init(p);
	peer_connect(p, rig);
	peer_negotiate(rig, p, features | BIT(VIRTIO_F_VERSION_1) | BIT(30),
		       peer_get_u64(rig, p, VHOST_USER_GET_PROTOCOL_FEATURES) &
			   ~BIT(VHOST_USER_PROTOCOL_F_GPA_ADDRESSES));
	peer_set_memory(rig, p);
	p->need_reply = true;
}

static void part(struct rig *rig, struct peer *p, int fds)
{
	peer_deinit(p);
	/* Other threads may still have to close what came in vain, and that may be the front-end's end. */
	for (unsigned i = 0; i < 500 && vhost_backend_is_connected(rig->b); i++)
		event_loop_turn(rig->loop, 10);
	assert_false(vhost_backend_is_connected(rig->b));
	wait_for_fds(fds);
	assert_int_equal(count_peer_maps(), 0);
}

static uint64_t tell(struct rig *rig, struct peer *p, struct vhost_iotlb_msg m)
{
	return peer_ask(rig, p, VHOST_USER_IOTLB_MSG, &m, sizeof(m), NULL, 0);
}

static void test_updates_that_are_refused(void **state)
{
	static const struct {
		struct vhost_iotlb_msg m;
		const char *text;
	} t[] = {
#define AT(iova, size, uaddr, perm) { iova, size, uaddr, perm, VHOST_IOTLB_UPDATE }
		{ AT(0, PAGE, PEER_USER_ADDR - PAGE, 3), "is not in one region of the guest's memory" },
		{ AT(0, 2 * PAGE, PEER_USER_ADDR + PEER_MEM_SIZE - PAGE, 3), "is not in one region" },
		{ AT(0, PEER_MEM_SIZE + PAGE, PEER_USER_ADDR, 3), "is not in one region" },
		{ AT(0, PAGE, UINT64_MAX, 3), "is not in one region" },
		{ AT(0, BIT(63), PEER_USER_ADDR, 3), "is not in one region" },
		{ AT(0, 0, PEER_USER_ADDR, 3), "0 bytes at 0 are no range of whole pages" },
		{ AT(0, 1, PEER_USER_ADDR, 3), "no range of whole pages" },
		{ AT(1, PAGE, PEER_USER_ADDR, 3), "no range of whole pages" },
		{ AT(-(uint64_t)PAGE, 2 * PAGE, PEER_USER_ADDR, 3), "no range of whole pages" },
		{ AT(0, PAGE, PEER_USER_ADDR, 0), "permission 0" },
		{ AT(0, PAGE, PEER_USER_ADDR, 4), "permission 4" },
		{ { 0, PAGE, PEER_USER_ADDR, 3, VHOST_IOTLB_MISS }, "type 1" },
		{ { 0, PAGE, PEER_USER_ADDR, 3, VHOST_IOTLB_ACCESS_FAIL }, "type 4" },
		{ { 0, PAGE, PEER_USER_ADDR, 3, 255 }, "type 255" },
	};
	struct rig *rig = *state;
	int fds = count_fds();
	struct peer p;

	negotiate(rig, &p, BIT(VIRTIO_F_ACCESS_PLATFORM));
	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_not_equal(tell(rig, &p, t[i].m), 0);
		if (!strstr(vhost_backend_error(rig->b), t[i].text))
			fail_msg("\"%s\" instead of \"..%s..\"", vhost_backend_error(rig->b), t[i].text);
	}
	assert_int_equal(tell(rig, &p, (struct vhost_iotlb_msg)AT(0, PEER_MEM_SIZE, PEER_USER_ADDR, 3)), 0);
	assert_int_equal(tell(rig, &p, (struct vhost_iotlb_msg)AT(-(uint64_t)PAGE, PAGE, PEER_USER_ADDR, 3)), 0);
	part(rig, &p, fds);

	negotiate(rig, &p, 0);
	assert_int_not_equal(tell(rig, &p, (struct vhost_iotlb_msg)AT(0, PAGE, PEER_USER_ADDR, 3)), 0);
	assert_non_null(strstr(vhost_backend_error(rig->b), "ACCESS_PLATFORM was not negotiated"));
	part(rig, &p, fds);
}

/* More translations than the table holds, of rings that wait for another one. */
static void test_flood_of_updates(void **state)
{
	struct rig *rig = *state;
	int fds = count_fds();
	struct peer p;

	negotiate(rig, &p, BIT(VIRTIO_F_ACCESS_PLATFORM));
	peer_start_ring(rig, &p, 0);
	for (uint64_t i = 0; i < 2 * IOTLB_ENTRIES_MAX; i++)
		assert_int_equal(tell(rig, &p, (struct vhost_iotlb_msg)AT(i * PAGE, PAGE, PEER_USER_ADDR, 3)), 0);
	assert_false(vhost_ring_is_usable(vhost_backend_ring(rig->b, 0)));
	assert_int_equal(tell(rig, &p, (struct vhost_iotlb_msg)AT(PEER_USER_ADDR, PEER_MEM_SIZE, PEER_USER_ADDR, 3)),
			 0);
	assert_true(vhost_ring_is_usable(vhost_backend_ring(rig->b, 0)));
	/* Areas that must not be written to. */
	assert_int_equal(tell(rig, &p, (struct vhost_iotlb_msg)AT(PEER_USER_ADDR, PEER_MEM_SIZE, PEER_USER_ADDR, 1)),
			 0);
	assert_false(vhost_ring_is_usable(vhost_backend_ring(rig->b, 0)));
	part(rig, &p, fds);
}

/* Give the back-end a channel. Returns our end. */
static int open_channel(struct rig *rig, struct peer *p)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	assert_int_equal(peer_ask(rig, p, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &ends[1], 1), 0);
	close(ends[1]);
	return ends[0];
}

static unsigned count_questions(int fd)
{
	struct {
		struct vhost_user_header header;
		struct vhost_iotlb_msg m;
	} msg;
	unsigned n = 0;

	static_assert(sizeof(msg) >= 12 + 32, "a message fits");
	while (recv(fd, &msg, 12 + 32, 0) == 12 + 32) {
		assert_int_equal(msg.header.request, VHOST_USER_BACKEND_IOTLB_MSG);
		assert_int_equal(msg.header.size, 32);
		n++;
	}
	return n;
}

/* Nobody reads the channel; rings ask again and again. */
static void test_channel_that_is_not_read(void **state)
{
	struct rig *rig = *state;
	int fds = count_fds(), channel;
	struct peer p;

	negotiate(rig, &p, BIT(VIRTIO_F_ACCESS_PLATFORM));
	channel = open_channel(rig, &p);
	for (uint32_t i = 0; i < 4; i++)
		peer_start_ring(rig, &p, i);
	for (unsigned i = 0; i < 2000; i++) {
		peer_set_state(rig, &p, VHOST_USER_SET_VRING_ENABLE, i % 4, i % 2);
		assert_int_equal(tell(rig, &p, (struct vhost_iotlb_msg){ .type = VHOST_IOTLB_INVALIDATE }), 0);
	}
	/* Three areas each, of a page. */
	assert_in_range(count_questions(channel), 1, 12);
	close(channel);
	part(rig, &p, fds);
}

/* What is not an answer ends the channel, and nothing else. */
static void test_channel_that_talks(void **state)
{
	static const struct {
		const char *what;
		struct vhost_user_header header;
		uint32_t size;
		bool with_fd;
	} t[] = {
		{ "to nothing that was asked", { VHOST_USER_BACKEND_IOTLB_MSG, 5, 8 }, 20, false },
		{ "no answer", { VHOST_USER_BACKEND_IOTLB_MSG, 1, 8 }, 20, false },
		{ "without a payload", { VHOST_USER_BACKEND_IOTLB_MSG, 5, 0 }, 12, false },
		{ "too large", { VHOST_USER_BACKEND_IOTLB_MSG, 5, UINT32_MAX }, 20, false },
		{ "to something else", { 77, 5, 8 }, 20, false },
		{ "not whole, with a descriptor", { VHOST_USER_BACKEND_IOTLB_MSG, 5, 8 }, 1, true },
		{ "closed", { 0, 0, 0 }, 0, false },
	};
	struct rig *rig = *state;
	int fds = count_fds();
	struct peer p;

	negotiate(rig, &p, BIT(VIRTIO_F_ACCESS_PLATFORM));
	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		int channel = open_channel(rig, &p), before = count_fds();
		struct peer as = { .fd = channel };
		uint8_t bytes[20] = { 0 };

		memcpy(bytes, &t[i].header, sizeof(t[i].header));
		if (t[i].size > 0)
			peer_send_bytes(&as, bytes, t[i].size, &channel, t[i].with_fd);
		else
			shutdown(channel, SHUT_WR);
		rig_run(rig);
		if (recv(channel, bytes, 1, 0) != 0 && errno != ECONNRESET)
			fail_msg("%s: the channel goes on", t[i].what);
		assert_true(vhost_backend_is_connected(rig->b));
		wait_for_fds(before - 1);
		close(channel);
	}
	part(rig, &p, fds);
}

/* We would never learn that the front-end has gone. */
static void test_channel_that_is_the_connection(void **state)
{
	struct rig *rig = *state;
	int fds = count_fds(), other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct peer p;

	negotiate(rig, &p, BIT(VIRTIO_F_ACCESS_PLATFORM));
	assert_int_not_equal(peer_ask(rig, &p, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &p.fd, 1), 0);
	assert_non_null(strstr(vhost_backend_error(rig->b), "not one of a pair of stream sockets"));
	assert_int_not_equal(peer_ask(rig, &p, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &other, 1), 0);
	assert_int_not_equal(peer_ask(rig, &p, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &p.mem_fd, 1), 0);
	close(other);
	part(rig, &p, fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, echo_setup, rig_teardown)
		T(test_frames_come_back),
		T(test_translations_are_taken_back),
		T(test_silence),
		T(test_updates_that_are_refused),
		T(test_flood_of_updates),
		T(test_channel_that_is_not_read),
		T(test_channel_that_talks),
		T(test_channel_that_is_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
