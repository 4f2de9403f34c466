/* SPDX-License-Identifier: Apache-2.0 */
/* test_port.c - How a guest may lay out headers and frames in its rings, and what a vhost-user port makes of it.
 *
 * The guest's side reaches past the front-end into the rings: it writes descriptors that no driver would. One thread, the
 * port's functions called as its worker would. */
#include <endian.h>
#include <fcntl.h>
#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "packet/frame.h"
#include "port/port_vhost.h"
#include "vhost/frontend.h"
#include "vhost_peer.h"

enum { FRAME = 60, SCRATCH = 8192, PIECES_MAX = 128 };

static struct bench {
	struct rig *rig;
	struct port *port;
	struct vhost_frontend *f;
	uint8_t *scratch; /* guest memory that nobody else uses in these tests: the end of it */
	uint64_t scratch_addr;
	unsigned hdr_len;
	struct batch *batch;
} t;

static const struct kind {
	uint64_t without;
} kinds[] = {
	{ BIT(VIRTIO_F_RING_PACKED) },
	{ 0 },
	{ BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_NET_F_MRG_RXBUF) },
	{ BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_F_VERSION_1) }, /* 10 bytes of header */
};

#define EACH_KIND(k) for (const struct kind *k = kinds; k < kinds + sizeof(kinds) / sizeof(kinds[0]); k++)

static void turn(void *arg)
{
	(void)arg;
	rig_run(t.rig);
}

static void set_up(struct rig *rig, const struct kind *kind)
{
	struct port_vhost_config pc = {
		.name = "a", .socket = rig->path, .queues = 1, .mtu = 9000, .socket_mode = 0600
	};
	struct vhost_frontend_config c = { .socket = rig->path, .queue_pairs = 1, .while_waiting = turn };
	char err[256] = "";
	size_t size;
	int error, fd;

	pc.socket_uid = (uid_t)-1;
	pc.socket_gid = (gid_t)-1;
	c.features = ~kind->without;
	c.protocol_features = ~0ull;
	t = (struct bench){ .rig = rig, .batch = batch_create() };
	if (port_vhost_create(rig->loop, &pc, &t.port, err, sizeof(err)) < 0)
		fail_msg("%s", err);
	port_vhost_start(t.port);
	t.f = vhost_frontend_create(&c, &error, err, sizeof(err));
	if (!t.f)
		fail_msg("%s", err);
	t.scratch = vhost_frontend_mem(t.f, &t.scratch_addr, &size, &fd) + size - SCRATCH;
	t.scratch_addr += size - SCRATCH;
	t.hdr_len = kind->without & BIT(VIRTIO_F_VERSION_1) ? 10 : 12; /* VIRTIO 1.2, 5.1.6.1 */
}

static void tear_down(void)
{
	vhost_frontend_destroy(t.f);
	rig_run(t.rig);
	t.port->ops->destroy(t.port);
	batch_destroy(t.batch);
}

/* Pieces of scratch memory one behind the other, of the lengths given, the last of which goes on for the others. */
static void send_pieces(const uint32_t *lengths, unsigned n_lengths, uint32_t total)
{
	struct virtq_driver *d = vhost_frontend_driver(t.f, 1);
	struct virtq_buf bufs[PIECES_MAX];
	uint32_t at = 0;
	unsigned n = 0;

	for (; at < total; n++) {
		uint32_t len = lengths[n < n_lengths ? n : n_lengths - 1];

		assert_true(n < PIECES_MAX);
		bufs[n] = (struct virtq_buf){ t.scratch_addr + at, len < total - at ? len : total - at, false };
		at += bufs[n].len;
	}
	assert_int_equal(virtq_driver_add(d, bufs, n, &t), 0);
	virtq_driver_publish(d);
}

/* The next frame that the port takes in, in t.batch; it is the only one. */
static struct frame *take_frame(void)
{
	assert_int_equal(t.port->ops->rx(t.port, 0, t.batch), 1);
	return &t.batch->frames[0];
}

static void give_back(void)
{
	uint32_t len;

	t.port->ops->rx_done(t.port, 0, t.batch);
	assert_ptr_equal(virtq_driver_get_used(vhost_frontend_driver(t.f, 1), &len), &t);
	assert_true(port_vhost_is_connected(t.port));
}

static void put_numbers(uint8_t *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)(i * 7 + 1);
}

/* A header says nothing but its own length, and that is too much: Linux refuses the frame (tun_get_user()). */
static void test_length_of_headers_alone(void **state)
{
	static const struct {
		uint16_t hdr_len;
		bool good;
	} rows[] = { { 0, true }, { 14, true }, { FRAME, true }, { FRAME + 1, false }, { 0xffff, false } };

	EACH_KIND(k)
	{
		set_up(*state, k);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			uint16_t hdr_len = htole16(rows[i].hdr_len);

			memset(t.scratch, 0, SCRATCH);
			memcpy(t.scratch + offsetof(struct virtio_net_hdr, hdr_len), &hdr_len, sizeof(hdr_len));
			send_pieces((uint32_t[]){ SCRATCH }, 1, t.hdr_len + FRAME);
			assert_int_equal(take_frame()->drop, rows[i].good ? DROP_NONE : DROP_BAD_OFFLOAD);
			give_back();
		}
		tear_down();
	}
}

/* DPDK took what the first descriptors hold for the whole header. Here it comes a byte at a time, or with the frame in the middle of
 * a descriptor, or there is less than a header. */
static void test_cve_2022_2132_header_in_pieces(void **state)
{
	static const uint32_t shapes[][3] = { { 1, 1, 1 },  { 2, 1, 3 },  { 5, 6, 1 },  { 11, 1, 1 },
					      { 11, 2, 9 }, { 1, 30, 1 }, { 9, 1, 50 }, { 13, 1, 1 } };

	EACH_KIND(k)
	{
		set_up(*state, k);
		for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
			struct frame *f;
			uint8_t got[FRAME];

			memset(t.scratch, 0, t.hdr_len);
			put_numbers(t.scratch + t.hdr_len, FRAME);
			send_pieces(shapes[i], 3, t.hdr_len + FRAME);
			f = take_frame();
			assert_int_equal(f->drop, DROP_NONE);
			assert_int_equal(f->len, FRAME);
			frame_copy_out(f, 0, got, FRAME);
			assert_memory_equal(got, t.scratch + t.hdr_len, FRAME);
			give_back();
		}
		for (uint32_t total = 1; total < t.hdr_len + 14u; total++) {
			send_pieces((uint32_t[]){ 1 }, 1, total);
			assert_int_equal(take_frame()->drop, DROP_TOO_SHORT);
			give_back();
		}
		tear_down();
	}
}

/* The first chain of the receive ring becomes `n` descriptors of one byte each, in scratch memory. */
static void offer_bytes(unsigned n)
{
	struct virtq_driver *d = vhost_frontend_driver(t.f, 0);

	for (unsigned i = 0; i < n; i++) {
		uint16_t next = i + 1 < n ? VRING_DESC_F_NEXT : 0;

		if (d->packed) {
			d->packed_desc[i].addr = htole64(t.scratch_addr + i);
			d->packed_desc[i].len = htole32(1);
			d->packed_desc[i].flags |= htole16(next);
		} else {
			d->desc[i] =
			    (struct vring_desc){ htole64(t.scratch_addr + i), htole32(1),
						 htole16(VRING_DESC_F_WRITE | next), htole16((uint16_t)(i + 1)) };
		}
	}
	if (!d->packed)
		d->avail->ring[0] = 0;
}

/* The same for the device's part: it writes the header over as many descriptors as it takes. */
static void test_cve_2022_2132_receive_buffer_in_bytes(void **state)
{
	uint8_t bytes[FRAME];
	struct frame f = { .head = bytes, .head_len = FRAME, .len = FRAME };
	struct frame *list = &f;

	put_numbers(bytes, FRAME);
	EACH_KIND(k)
	{
		set_up(*state, k);
		memset(t.scratch, 0xee, SCRATCH);
		offer_bytes(t.hdr_len + FRAME);
		assert_int_equal(t.port->ops->tx(t.port, 0, &list, 1), 1);
		assert_int_equal(t.port->queues[0].tx.frames, 1);
		assert_int_equal(t.scratch[0] | t.scratch[1] | t.scratch[8] | t.scratch[9], 0);
		if (t.hdr_len == 12)
			assert_int_equal(t.scratch[10], 1); /* num_buffers */
		assert_memory_equal(t.scratch + t.hdr_len, bytes, FRAME);
		assert_int_equal(t.scratch[t.hdr_len + FRAME], 0xee);
		assert_true(port_vhost_is_connected(t.port));
		tear_down();
	}
}

/* Full, so that a write waits as long as nobody reads. */
static void make_wait(int eventfd)
{
	const uint64_t most = UINT64_MAX - 1;
	uint64_t n;

	if (poll(&(struct pollfd){ .fd = eventfd, .events = POLLIN }, 1, 0) > 0)
		assert_int_equal(read(eventfd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(write(eventfd, &most, sizeof(most)), sizeof(most));
	assert_int_equal(fcntl(eventfd, F_SETFL, fcntl(eventfd, F_GETFL) & ~O_NONBLOCK), 0);
}

static void share_eventfd(uint32_t request, int fd)
{
	const uint64_t ring = 0;

	assert_int_equal(vhost_frontend_request(t.f, request, request == VHOST_USER_SET_LOG_FD ? NULL : &ring,
						request == VHOST_USER_SET_LOG_FD ? 0 : sizeof(ring), &fd, 1, NULL, 0),
			 0);
}

static void start_log(void)
{
	int fd = memfd_create("log", MFD_CLOEXEC);
	struct vhost_user_log log = { 1 << 20, 0 };
	uint64_t features = vhost_frontend_features(t.f) | BIT(30) | BIT(VHOST_F_LOG_ALL), answer;

	assert_int_equal(ftruncate(fd, (off_t)log.mmap_size), 0);
	assert_int_equal(vhost_frontend_request(t.f, VHOST_USER_SET_LOG_BASE, &log, sizeof(log), &fd, 1, &answer,
						sizeof(answer)),
			 0);
	assert_int_equal(
	    vhost_frontend_request(t.f, VHOST_USER_SET_FEATURES, &features, sizeof(features), NULL, 0, NULL, 0), 0);
	close(fd);
}

/* A front-end that takes O_NONBLOCK off again: the worker gets away, and again the next time. */
static void test_eventfd_that_makes_us_wait(void **state)
{
	uint8_t bytes[FRAME] = { 0 };
	struct frame f = { .head = bytes, .head_len = FRAME, .len = FRAME }, *list = &f;
	char text[512];

	for (unsigned i = 0; i < 4; i++) {
		uint32_t request = i % 2 ? VHOST_USER_SET_LOG_FD : VHOST_USER_SET_VRING_CALL;
		int fd = eventfd(0, EFD_CLOEXEC);

		set_up(*state, &kinds[i / 2]);
		start_log();
		share_eventfd(request, fd);
		make_wait(fd);
		assert_int_equal(t.port->ops->tx(t.port, 0, &list, 1), 1);
		rig_run(t.rig);
		assert_false(port_vhost_is_connected(t.port));
		t.port->ops->status(t.port, text, sizeof(text));
		assert_non_null(strstr(text, i % 2 ? "descriptor of the dirty log makes us wait"
						   : "ring 0 (guest rx): call descriptor makes us wait"));
		tear_down();
		close(fd);
	}
}

/* Full, but not waiting: whoever does not look at notifications only hurts itself. */
static void test_eventfd_that_is_full(void **state)
{
	uint8_t bytes[FRAME] = { 0 };
	struct frame f = { .head = bytes, .head_len = FRAME, .len = FRAME }, *list = &f;
	int fd = eventfd(0, EFD_CLOEXEC);

	set_up(*state, &kinds[0]);
	share_eventfd(VHOST_USER_SET_VRING_CALL, fd);
	make_wait(fd);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(t.port->ops->tx(t.port, 0, &list, 1), 1);
	rig_run(t.rig);
	assert_true(port_vhost_is_connected(t.port));
	tear_down();
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup_bare, rig_teardown)
		T(test_length_of_headers_alone),
		T(test_cve_2022_2132_header_in_pieces),
		T(test_cve_2022_2132_receive_buffer_in_bytes),
		T(test_eventfd_that_makes_us_wait),
		T(test_eventfd_that_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
