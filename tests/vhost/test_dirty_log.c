/* SPDX-License-Identifier: Apache-2.0 */
/* test_dirty_log.c - What a vhost-user port writes into a guest's memory, and what it says that it wrote.
 *
 * Before the port acts, the test takes a copy of all of the memory; afterwards every page that differs has to be marked. The other way
 * round, a page that is marked has to differ, but for pages of the rings: an entry may be written as it was. Receive buffers are filled
 * with a byte that no frame has, so that a page of theirs differs when one byte was written. */
#include <errno.h>
#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/lost_memory.h"
#include "port/port_vhost.h"
#include "vhost/frontend.h"
#include "vhost_peer.h"

enum { PAGE = 4096, FILL = 0xee, FRAME_MAX = 65549, LOG_OFFSET = 4096 };

static struct bench {
	struct rig *rig;
	struct port *port;
	struct vhost_frontend *f;
	uint8_t *mem, *before;
	uint64_t guest_addr;
	size_t mem_size, looked_at; /* the second: how much of it, from its start, is compared now */
	int log_fd;
	uint8_t *log;
	size_t log_size;
} t;

static void turn(void *arg)
{
	(void)arg;
	rig_run(t.rig);
}

static void set_up(struct rig *rig, struct vhost_frontend_config c)
{
	struct port_vhost_config pc = {
		.name = "a", .socket = rig->path, .queues = 1, .mtu = 9000, .socket_mode = 0600
	};
	char err[256] = "";
	int error, mem_fd;

	pc.socket_uid = (uid_t)-1;
	pc.socket_gid = (gid_t)-1;
	t = (struct bench){ .rig = rig };
	if (port_vhost_create(rig->loop, &pc, &t.port, err, sizeof(err)) < 0)
		fail_msg("%s", err);
	port_vhost_start(t.port);
	c.socket = rig->path;
	c.queue_pairs = 1;
	c.protocol_features = ~0ull;
	c.while_waiting = turn;
	t.f = vhost_frontend_create(&c, &error, err, sizeof(err));
	if (!t.f)
		fail_msg("%s", err);
	t.mem = vhost_frontend_mem(t.f, &t.guest_addr, &t.mem_size, &mem_fd);
	t.looked_at = t.mem_size;
	t.before = malloc(t.mem_size);
	t.log_size = (t.guest_addr + t.mem_size) / PAGE / 8 + 1;
	t.log_fd = memfd_create("log", MFD_CLOEXEC);
	assert_int_equal(ftruncate(t.log_fd, (off_t)(LOG_OFFSET + t.log_size)), 0);
	t.log = mmap(NULL, t.log_size, PROT_READ | PROT_WRITE, MAP_SHARED, t.log_fd, LOG_OFFSET);
	assert_ptr_not_equal(t.log, MAP_FAILED);
}

static void tear_down(void)
{
	vhost_frontend_destroy(t.f);
	rig_run(t.rig);
	t.port->ops->destroy(t.port);
	munmap(t.log, t.log_size);
	close(t.log_fd);
	free(t.before);
}

/* What a front-end says */

static int send_log_base(uint64_t size, uint64_t offset)
{
	struct vhost_user_log log = { size, offset };
	uint64_t answer = 1;
	int err = vhost_frontend_request(t.f, VHOST_USER_SET_LOG_BASE, &log, sizeof(log), &t.log_fd, 1, &answer,
					 sizeof(answer));

	if (err == 0)
		assert_int_equal(answer, 0);
	return err;
}

static void log_buffers(bool on)
{
	uint64_t features = vhost_frontend_features(t.f) | BIT(30) | (on ? BIT(VHOST_F_LOG_ALL) : 0);

	assert_int_equal(
	    vhost_frontend_request(t.f, VHOST_USER_SET_FEATURES, &features, sizeof(features), NULL, 0, NULL, 0), 0);
}

static uint64_t gpa_of(const void *p)
{
	return t.guest_addr + (uint64_t)((const uint8_t *)p - t.mem);
}

static int log_ring(unsigned ring, bool on, uint64_t log_addr)
{
	const struct virtq_driver *d = vhost_frontend_driver(t.f, ring);
	struct vhost_vring_addr addr = {
		.index = ring,
		.flags = on ? 1u << VHOST_VRING_F_LOG : 0,
		.desc_user_addr = (uintptr_t)d->desc,
		.avail_user_addr = (uintptr_t)d->avail,
		.used_user_addr = (uintptr_t)d->used,
		.log_guest_addr = log_addr,
	};

	return vhost_frontend_request(t.f, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0, NULL, 0);
}

static void log_rings(bool on)
{
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(log_ring(i, on, gpa_of(vhost_frontend_driver(t.f, i)->used)), 0);
}

static void log_all(void)
{
	assert_int_equal(send_log_base(t.log_size, LOG_OFFSET), 0);
	log_buffers(true);
	log_rings(true);
}

/* Pages */

static bool is_marked(size_t page)
{
	uint64_t number = t.guest_addr / PAGE + page;

	return t.log[number / 8] >> number % 8 & 1;
}

static bool overlaps(const uint8_t *page, const void *area, size_t size)
{
	return (const uint8_t *)area < page + PAGE && page < (const uint8_t *)area + size;
}

/* Does the device write its part of a ring here? */
static bool is_rings(const uint8_t *page)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct virtq_driver *d = vhost_frontend_driver(t.f, i);

		if (d->packed ? overlaps(page, d->desc, 16ul * d->size) || overlaps(page, d->used, 4)
			      : overlaps(page, d->used, 6 + 8ul * d->size))
			return true;
	}
	return false;
}

/* Transmit slots are at the end of memory, and most of it. The device only reads them: that none is marked is seen every time, that none
 * is written when all of memory is looked at. */
static void look_at_all(bool all)
{
	size_t slots = (size_t)vhost_frontend_driver(t.f, 1)->size * FRAME_MAX;

	t.looked_at = (all ? t.mem_size : t.mem_size - slots) / PAGE * PAGE;
}

static void remember(void)
{
	memcpy(t.before, t.mem, t.looked_at);
	memset(t.log, 0, t.log_size);
}

/* How many pages of buffers, and of rings, were marked since remember(). */
struct marked {
	unsigned buffers, rings;
};

static struct marked check(void)
{
	struct marked m = { 0, 0 };
	unsigned n_bits = 0;

	for (size_t i = 0; i < t.mem_size / PAGE; i++) {
		const uint8_t *page = t.mem + i * PAGE;
		bool changed = i * PAGE < t.looked_at && memcmp(page, t.before + i * PAGE, PAGE) != 0;

		if (changed && !is_marked(i))
			fail_msg("page %zu was written and not marked", i);
		if (is_marked(i) && !changed && !is_rings(page))
			fail_msg("page %zu was marked and not written", i);
		m.rings += is_marked(i) && is_rings(page);
		m.buffers += is_marked(i) && !is_rings(page);
	}
	for (size_t i = 0; i < t.log_size; i++)
		n_bits += (unsigned)__builtin_popcount(t.log[i]);
	assert_int_equal(n_bits, m.rings + m.buffers); /* none outside the guest's memory */
	return m;
}

/* What the port does, as its worker would */

static void fill_receive_buffers(void)
{
	/* Behind the areas of the two rings; what is in the transmit slots does not matter here. */
	size_t avail, used, areas = virtq_driver_size(vhost_frontend_driver(t.f, 0)->size, &avail, &used);
	size_t start = 2 * ((areas + PAGE - 1) / PAGE * PAGE);

	memset(t.mem + start, FILL, t.looked_at - start);
}

static void port_sends(const unsigned *lengths, unsigned n)
{
	static uint8_t bytes[FRAME_MAX];
	struct frame frames[4], *list[4];
	struct iovec iov[4];

	assert_true(n <= 4);
	memset(bytes, 0x11, sizeof(bytes));
	for (unsigned i = 0; i < n; i++) {
		uint16_t head = (uint16_t)(lengths[i] < 128 ? lengths[i] : 128);

		iov[i] = (struct iovec){ bytes + head, lengths[i] - head };
		frames[i] = (struct frame){ .head = bytes, .head_len = head, .len = lengths[i], .iov = &iov[i] };
		frames[i].n_iov = lengths[i] > head;
		list[i] = &frames[i];
	}
	assert_int_equal(t.port->ops->tx(t.port, 0, list, n), n);
}

static unsigned port_receives(void)
{
	static struct batch batch;
	unsigned n = t.port->ops->rx(t.port, 0, &batch);

	if (n > 0)
		t.port->ops->rx_done(t.port, 0, &batch);
	return n;
}

static unsigned guest_takes(void)
{
	unsigned n = 0;

	while (vhost_frontend_discard(t.f, 0) >= 0)
		n++;
	return n;
}

static void guest_sends(unsigned len)
{
	static const uint8_t frame[FRAME_MAX];

	assert_int_equal(vhost_frontend_send(t.f, 0, NULL, frame, len), 0);
	vhost_frontend_flush(t.f, 0);
}

/* Tests */

static void exchange(void)
{
	static const unsigned lengths[] = { 60, 1514, 9014, FRAME_MAX, 14, 4084, 4085, 20000 };
	enum { N = sizeof(lengths) / sizeof(lengths[0]) };

	for (unsigned round = 0; round < 100; round++) {
		unsigned n = round % 3 + 1;
		unsigned batch[3] = { lengths[round % N], lengths[round / 2 % N], 60 };
		struct marked m;

		look_at_all(round % 10 == 0);
		fill_receive_buffers();
		remember();
		port_sends(batch, n);
		m = check();
		assert_true(m.buffers >= (batch[0] + PAGE - 1) / PAGE && m.rings >= 1);
		assert_int_equal(guest_takes(), n);

		for (unsigned i = 0; i < n; i++)
			guest_sends(batch[i]);
		remember();
		assert_int_equal(port_receives(), n);
		m = check();
		assert_true(m.buffers == 0 && m.rings >= 1);

		remember();
		t.port->ops->rx_arm(t.port, 0);
		check();
		remember();
		t.port->ops->rx_disarm(t.port, 0);
		check();
	}
}

static void test_pages_written_are_marked(void **state)
{
	static const struct vhost_frontend_config layouts[] = {
		{ .features = ~0ull, .ring_size = 128, .n_regions = 3 },
		{ .features = ~0ull, .ring_size = 1024, .rx_buf_size = 1526, .tx_indirect = true, .tx_piece = 3000 },
		{ .features = ~0ull & ~BIT(VIRTIO_NET_F_MRG_RXBUF), .ring_size = 16, .n_regions = 7 },
		{ .features = ~0ull & ~BIT(VIRTIO_RING_F_EVENT_IDX),
		  .ring_size = 512,
		  .rx_buf_size = 300,
		  .tx_header_apart = true },
		{ .features = 0, .ring_size = 16, .n_regions = 5 },
	};

	for (unsigned i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		for (unsigned packed = 0; packed < 2; packed++) {
			struct vhost_frontend_config c = layouts[i];

			if (!packed)
				c.features &= ~BIT(VIRTIO_F_RING_PACKED);
			else if (c.features == 0)
				c.features = BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_VERSION_1);
			set_up(*state, c);
			log_all();
			exchange();
			tear_down();
		}
}

static void test_each_log_by_itself(void **state)
{
	static const unsigned lengths[] = { 1514, 60 };
	struct marked m;

	set_up(*state, (struct vhost_frontend_config){ .features = ~0ull & ~BIT(VIRTIO_F_RING_PACKED) });
	for (unsigned i = 0; i < 16; i++) {
		bool base = i & 4, buffers = i & 1, rings = i & 2;

		if (base)
			assert_int_equal(send_log_base(t.log_size, LOG_OFFSET), 0);
		log_buffers(buffers);
		log_rings(rings);
		base = i >= 4; /* it stays */
		fill_receive_buffers();
		remember();
		port_sends(lengths, 2);
		if (base && buffers && rings) {
			check();
		} else {
			m = (struct marked){ 0, 0 };
			for (size_t page = 0; page < t.mem_size / PAGE; page++) {
				m.rings += is_marked(page) && is_rings(t.mem + page * PAGE);
				m.buffers += is_marked(page) && !is_rings(t.mem + page * PAGE);
			}
			assert_int_equal(m.rings > 0, base && rings);
			assert_int_equal(m.buffers > 0, base && buffers);
		}
		assert_int_equal(guest_takes(), 2);
	}
	tear_down();
}

/* QEMU makes a larger log while it logs. */
static void test_log_is_replaced(void **state)
{
	static const unsigned lengths[] = { 9014 };
	uint8_t *old;
	int old_fd;

	set_up(*state, (struct vhost_frontend_config){ .features = ~0ull });
	log_all();
	old = t.log;
	old_fd = t.log_fd;
	t.log_fd = memfd_create("log", MFD_CLOEXEC);
	assert_int_equal(ftruncate(t.log_fd, (off_t)(LOG_OFFSET + t.log_size)), 0);
	t.log = mmap(NULL, t.log_size, PROT_READ | PROT_WRITE, MAP_SHARED, t.log_fd, LOG_OFFSET);
	assert_int_equal(send_log_base(t.log_size, LOG_OFFSET), 0);
	memset(old, 0, t.log_size);
	fill_receive_buffers();
	remember();
	port_sends(lengths, 1);
	assert_true(check().buffers >= 3);
	for (size_t i = 0; i < t.log_size; i++)
		assert_int_equal(old[i], 0);
	munmap(old, t.log_size);
	close(old_fd);
	tear_down();
}

static void test_log_descriptor_is_told(void **state)
{
	static const unsigned lengths[] = { 60 };
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint64_t n;

	set_up(*state, (struct vhost_frontend_config){ .features = ~0ull });
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(vhost_frontend_request(t.f, VHOST_USER_SET_LOG_FD, NULL, 0, &fd, 1, NULL, 0), 0);
	port_sends(lengths, 1);
	assert_int_equal(read(fd, &n, sizeof(n)), -1);
	log_all();
	port_sends(lengths, 1);
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(vhost_frontend_request(t.f, VHOST_USER_SET_LOG_FD, NULL, 0, &t.log_fd, 1, NULL, 0),
			 -EREMOTEIO); /* no eventfd */
	tear_down();
	close(fd);
}

/* After the answer to GET_VRING_BASE the memory is the front-end's again. */
static void test_nothing_is_written_after_the_stop(void **state)
{
	static const unsigned lengths[] = { 1514, 60 };

	for (unsigned packed = 0; packed < 2; packed++) {
		set_up(*state, (struct vhost_frontend_config){
				   .features = packed ? ~0ull : ~0ull & ~BIT(VIRTIO_F_RING_PACKED) });
		log_all();
		port_sends(lengths, 2);
		guest_sends(60);
		assert_int_equal(vhost_frontend_stop(t.f), 0);
		remember();
		port_sends(lengths, 2);
		assert_int_equal(port_receives(), 0);
		t.port->ops->rx_arm(t.port, 0);
		t.port->ops->rx_disarm(t.port, 0);
		rig_run(t.rig);
		assert_memory_equal(t.mem, t.before, t.mem_size);
		assert_int_equal(check().rings, 0);
		assert_int_equal(vhost_frontend_start(t.f), 0);
		assert_int_equal(port_receives(), 1);
		tear_down();
	}
}

static void assert_refused(const char *text)
{
	char status[512];

	rig_run(t.rig);
	assert_false(port_vhost_is_connected(t.port));
	assert_false(vhost_frontend_is_connected(t.f));
	t.port->ops->status(t.port, status, sizeof(status));
	if (!strstr(status, text))
		fail_msg("\"%s\" instead of \"..%s..\"", status, text);
}

static void test_log_that_is_not_there(void **state)
{
	static const struct {
		uint64_t size, offset;
		const char *text;
	} lies[] = {
		{ 0, 0, "SET_LOG_BASE: log of 0 bytes" },          { 1ull << 40, 0, "its file is shorter" },
		{ UINT64_MAX, 0, "its file is shorter" },          { UINT64_MAX, UINT64_MAX, "its file is shorter" },
		{ 2, UINT64_MAX, "its file is shorter" },          { 1, 1ull << 40, "its file is shorter" },
		{ 1ull << 63, 1ull << 63, "its file is shorter" },
	};

	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		set_up(*state, (struct vhost_frontend_config){ .features = ~0ull });
		assert_int_equal(send_log_base(lies[i].size, lies[i].offset), -ECONNRESET);
		assert_refused(lies[i].text);
		tear_down();
	}
}

/* The log is said to end before the pages that are written; what comes after it in its file is not ours. */
static void test_log_that_is_too_small(void **state)
{
	static const unsigned lengths[] = { FRAME_MAX };

	for (unsigned i = 0; i < 8; i++) {
		unsigned packed = i & 1, rings_only = i & 2;
		uint64_t size;

		set_up(*state, (struct vhost_frontend_config){
				   .features = packed ? ~0ull : ~0ull & ~BIT(VIRTIO_F_RING_PACKED) });
		size = i & 4 ? 1 : t.guest_addr / PAGE / 8;
		assert_int_equal(send_log_base(size, LOG_OFFSET), 0);
		if (rings_only)
			log_rings(true);
		else
			log_buffers(true);
		port_sends(lengths, 1);
		assert_refused("outside the dirty log");
		for (size_t k = size; k < t.log_size; k++)
			assert_int_equal(t.log[k], 0);
		tear_down();
	}
}

static void test_ring_address_outside_the_log(void **state)
{
	static const uint64_t addresses[] = { UINT64_MAX, UINT64_MAX - 4095, 1ull << 63, 1ull << 52, 1ull << 40 };

	for (unsigned i = 0; i < 10; i++) {
		unsigned ring = i & 1;

		set_up(*state, (struct vhost_frontend_config){ .features = ~0ull & ~BIT(VIRTIO_F_RING_PACKED) });
		assert_int_equal(send_log_base(t.log_size, LOG_OFFSET), 0);
		assert_int_equal(log_ring(ring, true, addresses[i / 2]), 0);
		remember();
		if (ring == 0) {
			port_sends(&(unsigned){ 60 }, 1);
		} else {
			guest_sends(60);
			port_receives();
			port_receives();
		}
		assert_refused("outside the dirty log");
		tear_down();
	}
}

static void test_log_that_is_cut_short(void **state)
{
	static const unsigned lengths[] = { 1514 };

	assert_int_equal(lost_memory_init(), 0); /* here: cmocka has a handler of its own around each test */
	set_up(*state, (struct vhost_frontend_config){ .features = ~0ull });
	log_all();
	assert_int_equal(ftruncate(t.log_fd, 0), 0);
	port_sends(lengths, 1);
	assert_refused("cut short");
	tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup_bare, rig_teardown)
		T(test_pages_written_are_marked),
		T(test_each_log_by_itself),
		T(test_log_is_replaced),
		T(test_log_descriptor_is_told),
		T(test_nothing_is_written_after_the_stop),
		T(test_log_that_is_not_there),
		T(test_log_that_is_too_small),
		T(test_ring_address_outside_the_log),
		T(test_log_that_is_cut_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
