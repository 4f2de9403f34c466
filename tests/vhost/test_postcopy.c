/* SPDX-License-Identifier: Apache-2.0 */
/* test_postcopy.c - A guest whose memory comes after it: the messages, and rings and chains that wait for their pages.
 *
 * The front-end is the test; it answers faults when it wants to. The worker is the test, too. */
#include "vhost_peer.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/lost_memory.h"
#include "base/pager.h"
#include "faults.h"
#include "virtio/arrival.h"

enum { PAGE = 4096, BUFFERS = 0x40000, TURNS_MAX = 2000 };

/* A peer in postcopy. */
struct late {
	struct peer p;
	int uffd;
	uint64_t base; /* where the back-end has the memory */
};

static const uint64_t PROTOCOL = BIT(VHOST_USER_PROTOCOL_F_MQ) | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
				 BIT(VHOST_USER_PROTOCOL_F_PAGEFAULT) | BIT(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS);

#define NEEDS_PAGERS                        \
	if (!pager_is_available()) {        \
		print_message("no pagers"); \
		skip();                     \
	}

/* Steps */

/* The descriptor that POSTCOPY_ADVISE is answered with. */
static int advise(struct rig *rig, struct peer *p)
{
	struct vhost_user_header h = { 0 };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { &h, sizeof(h) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_controllen = sizeof(control) };
	int fd = -1;

	mh.msg_control = &control;
	assert_true(peer_send(p, VHOST_USER_POSTCOPY_ADVISE, 0x1, NULL, 0, NULL, 0));
	rig_run(rig);
	if (recvmsg(p->fd, &mh, MSG_DONTWAIT) != sizeof(h))
		fail_msg("%s", vhost_backend_error(rig->b));
	assert_int_equal(h.request, VHOST_USER_POSTCOPY_ADVISE);
	assert_int_equal(h.flags, 0x5);
	assert_int_equal(h.size,
			 0); /* "reply payload: userfault fd": it has no bytes (QEMU: vhost_user_postcopy_advise()) */
	assert_int_equal(mh.msg_controllen, sizeof(control)); /* one descriptor */
	memcpy(&fd, CMSG_DATA(&control.align), sizeof(fd));
	return fd;
}

static void connect_late(struct rig *rig, struct late *l, uint64_t features)
{
	peer_init(&l->p);
	peer_connect(&l->p, rig);
	peer_negotiate(rig, &l->p, BIT(VIRTIO_F_VERSION_1) | BIT(30) | features, PROTOCOL);
}

static void listen_late(struct rig *rig, struct late *l)
{
	l->uffd = advise(rig, &l->p);
	assert_int_equal(peer_ask(rig, &l->p, VHOST_USER_POSTCOPY_LISTEN, NULL, 0, NULL, 0), 0);
	assert_true(vhost_backend_is_in_postcopy(rig->b));
}

/* Send a message about memory, and take the address out of the answer, which has its size. */
static uint64_t share(struct rig *rig, struct peer *p, uint32_t request, const void *payload, uint32_t size,
		      unsigned region_off)
{
	struct vhost_user_region sent, got;
	struct vhost_user_msg msg;

	assert_true(peer_send(p, request, 0x1, payload, size, &p->mem_fd, 1));
	rig_run(rig);
	assert_int_equal(peer_receive(p, &msg), 1);
	assert_int_equal(msg.header.request, request);
	assert_int_equal(msg.header.flags, 0x5);
	assert_int_equal(msg.header.size, size);
	memcpy(&sent, (const char *)payload + region_off, sizeof(sent));
	memcpy(&got, (const char *)&msg.payload + region_off, sizeof(got));
	assert_int_equal(got.guest_addr, sent.guest_addr);
	assert_int_equal(got.size, sent.size);
	assert_int_not_equal(got.user_addr, sent.user_addr);
	return got.user_addr;
}

static void share_table(struct rig *rig, struct late *l)
{
	struct vhost_user_mem_table t = peer_table();

	l->base = share(rig, &l->p, VHOST_USER_SET_MEM_TABLE, &t, peer_table_size(&t), 8);
}

static void acknowledge(struct rig *rig, struct late *l, uint32_t request)
{
	uint64_t ok = 0;
	struct vhost_user_msg msg;

	assert_true(peer_send(&l->p, request, 0x1, &ok, sizeof(ok), NULL, 0));
	rig_run(rig);
	assert_int_equal(peer_receive(&l->p, &msg), 0);
}

static void start_late(struct rig *rig, struct late *l, uint64_t features)
{
	connect_late(rig, l, features);
	listen_late(rig, l);
	share_table(rig, l);
	acknowledge(rig, l, VHOST_USER_SET_MEM_TABLE);
	l->p.need_reply = true;
}

static void end_late(struct rig *rig, struct late *l)
{
	if (l->uffd >= 0)
		close(l->uffd);
	peer_deinit(&l->p);
	rig_run(rig);
}

/* Have a fault, and answer it: the offset of the page. */
static uint64_t serve_one(struct rig *rig, struct late *l)
{
	uint64_t addr = 0;

	for (unsigned turns = 0; !faults_next(l->uffd, 5, &addr) && turns < TURNS_MAX; turns++)
		rig_run(rig);
	assert_in_range(addr, l->base, l->base + PEER_MEM_SIZE - 1);
	*(volatile uint8_t *)(l->p.mem + (addr - l->base)) |= 0; /* what was never written is a page of zeroes */
	assert_true(faults_wake(l->uffd, addr, PAGE));
	return addr - l->base;
}

static bool ring_runs(struct rig *rig, unsigned ring)
{
	return vhost_backend_ring(rig->b, ring)->vq.running;
}

static void serve_until_running(struct rig *rig, struct late *l, unsigned ring)
{
	uint64_t addr = 0;

	for (unsigned turns = 0; !ring_runs(rig, ring) && turns < TURNS_MAX; turns++) {
		if (faults_next(l->uffd, 5, &addr)) {
			*(volatile uint8_t *)(l->p.mem + (addr - l->base)) |= 0;
			assert_true(faults_wake(l->uffd, addr, PAGE));
		}
		rig_run(rig);
	}
	assert_true(ring_runs(rig, ring));
}

static void refused(struct rig *rig, struct peer *p, const char *reason)
{
	struct vhost_user_msg msg;

	rig_run(rig);
	assert_int_equal(peer_receive(p, &msg), -1);
	assert_false(vhost_backend_is_connected(rig->b));
	if (!strstr(vhost_backend_error(rig->b), reason))
		fail_msg("'%s' is not about '%s'", vhost_backend_error(rig->b), reason);
}

/* Messages */

static int rig_setup_packed(void **state)
{
	int err = rig_setup_bare(state);
	struct rig *rig = *state;

	if (err)
		return err;
	rig->config.features |= BIT(VIRTIO_F_RING_PACKED);
	rig_create(rig);
	return 0;
}

static void test_offered_when_there_are_pagers(void **state)
{
	struct rig *rig = *state;
	struct peer p;
	uint64_t offered;

	peer_init(&p);
	peer_connect(&p, rig);
	offered = peer_get_u64(rig, &p, VHOST_USER_GET_PROTOCOL_FEATURES);
	assert_int_equal(offered >> VHOST_USER_PROTOCOL_F_PAGEFAULT & 1, pager_is_available());
	peer_deinit(&p);
	rig_run(rig);
}

static void test_memory_by_table(void **state)
{
	struct rig *rig = *state;
	struct late l;
	uint64_t addr = 0;

	NEEDS_PAGERS
	connect_late(rig, &l, 0);
	listen_late(rig, &l);
	share_table(rig, &l);
	l.p.need_reply = true;
	peer_start_ring(rig, &l.p, 1);
	/* "only upon reception of this message may the guest start accessing the memory and generating faults" */
	assert_false(ring_runs(rig, 1));
	assert_false(faults_next(l.uffd, 50, &addr));
	acknowledge(rig, &l, VHOST_USER_SET_MEM_TABLE);
	assert_in_range(serve_one(rig, &l), 0x2000, 0x3fff); /* peer_ring_addr(): two pages for a ring */
	assert_in_range(serve_one(rig, &l), 0x2000, 0x3fff);
	serve_until_running(rig, &l, 1);
	assert_true(rig->ring_changed[1] > 0);
	assert_int_equal(peer_get_u64(rig, &l.p, VHOST_USER_POSTCOPY_END), 0);
	assert_false(vhost_backend_is_in_postcopy(rig->b));
	assert_true(ring_runs(rig, 1));
	end_late(rig, &l);
}

static void test_memory_by_region(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_mem_reg reg = { 0, peer_table().regions[0] };
	struct vhost_user_msg msg;
	struct late l;

	NEEDS_PAGERS
	connect_late(rig, &l, 0);
	listen_late(rig, &l);
	l.base = share(rig, &l.p, VHOST_USER_ADD_MEM_REG, &reg, sizeof(reg), 8);
	/* Another queue pair of QEMU's adds it again. */
	assert_int_equal(share(rig, &l.p, VHOST_USER_ADD_MEM_REG, &reg, sizeof(reg), 8), l.base);
	acknowledge(rig, &l, VHOST_USER_ADD_MEM_REG);
	acknowledge(rig, &l, VHOST_USER_NONE); /* a third one, which had nothing to add (QEMU 7.2) */
	l.p.need_reply = true;
	peer_start_ring(rig, &l.p, 0);
	serve_until_running(rig, &l, 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(peer_send(&l.p, VHOST_USER_REM_MEM_REG, 0x1, &reg, sizeof(reg), NULL, 0));
		acknowledge(rig, &l, VHOST_USER_REM_MEM_REG);
		assert_int_equal(ring_runs(rig, 0), i == 0);
	}
	l.base = share(rig, &l.p, VHOST_USER_ADD_MEM_REG, &reg, sizeof(reg), 8);
	acknowledge(rig, &l, VHOST_USER_ADD_MEM_REG);
	serve_until_running(rig, &l, 0);
	assert_int_equal(peer_receive(&l.p, &msg), 0);
	end_late(rig, &l);
}

/* QEMU's devices, one for each pair, each advise. Faults come through the last descriptor. */
static void test_two_pairs_advise(void **state)
{
	struct rig *rig = *state;
	struct late l;
	int first;

	NEEDS_PAGERS
	connect_late(rig, &l, 0);
	first = advise(rig, &l.p);
	listen_late(rig, &l);
	assert_int_equal(peer_ask(rig, &l.p, VHOST_USER_POSTCOPY_LISTEN, NULL, 0, NULL, 0), 0);
	share_table(rig, &l);
	acknowledge(rig, &l, VHOST_USER_SET_MEM_TABLE);
	l.p.need_reply = true;
	peer_start_ring(rig, &l.p, 0);
	serve_until_running(rig, &l, 0);
	assert_true(faults_wake(first, l.base, PAGE)); /* it is of no use, and does no harm */
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(peer_get_u64(rig, &l.p, VHOST_USER_POSTCOPY_END), 0);
	close(first);
	end_late(rig, &l);
}

/* Memory that is shared before LISTEN: the migration was over, and nothing is late. */
static void test_precopy_was_enough(void **state)
{
	struct rig *rig = *state;
	struct late l;

	NEEDS_PAGERS
	connect_late(rig, &l, 0);
	l.uffd = advise(rig, &l.p);
	peer_set_memory(rig, &l.p);
	peer_start_ring(rig, &l.p, 0);
	assert_true(ring_runs(rig, 0));
	assert_true(peer_send(&l.p, VHOST_USER_POSTCOPY_LISTEN, 0x1, NULL, 0, NULL, 0));
	refused(rig, &l.p, "POSTCOPY_LISTEN: came before POSTCOPY_ADVISE");
	end_late(rig, &l);
}

static void test_out_of_turn(void **state)
{
	struct rig *rig = *state;
	uint64_t not_ok = 1;
	struct late l = { .uffd = -1 };

	NEEDS_PAGERS
	connect_late(rig, &l, 0);
	assert_true(peer_send(&l.p, VHOST_USER_POSTCOPY_LISTEN, 0x1, NULL, 0, NULL, 0));
	refused(rig, &l.p, "came before POSTCOPY_ADVISE");
	end_late(rig, &l);

	connect_late(rig, &l, 0);
	for (unsigned i = 0; i < rig->config.queue_pairs; i++)
		close(advise(rig, &l.p));
	assert_true(peer_send(&l.p, VHOST_USER_POSTCOPY_ADVISE, 0x1, NULL, 0, NULL, 0));
	refused(rig, &l.p, "POSTCOPY_ADVISE: came too often");
	l.uffd = -1;
	end_late(rig, &l);

	connect_late(rig, &l, 0);
	listen_late(rig, &l);
	assert_true(peer_send(&l.p, VHOST_USER_POSTCOPY_ADVISE, 0x1, NULL, 0, NULL, 0));
	refused(rig, &l.p, "in postcopy");
	end_late(rig, &l);

	connect_late(rig, &l, 0);
	peer_set_memory(rig, &l.p);
	close(advise(rig, &l.p));
	assert_true(peer_send(&l.p, VHOST_USER_POSTCOPY_LISTEN, 0x1, NULL, 0, NULL, 0));
	refused(rig, &l.p, "memory was shared before");
	l.uffd = -1;
	end_late(rig, &l);

	connect_late(rig, &l, 0);
	listen_late(rig, &l);
	share_table(rig, &l);
	assert_true(peer_send(&l.p, VHOST_USER_SET_MEM_TABLE, 0x1, &not_ok, sizeof(not_ok), NULL, 0));
	refused(rig, &l.p, "does not acknowledge");
	end_late(rig, &l);

	/* An acknowledgement of nothing is what the message says: a table without regions. */
	connect_late(rig, &l, 0);
	listen_late(rig, &l);
	not_ok = 0;
	assert_true(peer_send(&l.p, VHOST_USER_SET_MEM_TABLE, 0x1, &not_ok, sizeof(not_ok), NULL, 0));
	refused(rig, &l.p, "no memory is shared");
	end_late(rig, &l);

	peer_init(&l.p);
	peer_connect(&l.p, rig);
	peer_negotiate(rig, &l.p, BIT(VIRTIO_F_VERSION_1) | BIT(30), BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK));
	assert_true(peer_send(&l.p, VHOST_USER_POSTCOPY_ADVISE, 0x1, NULL, 0, NULL, 0));
	refused(rig, &l.p, "needs protocol feature 8");
	l.uffd = -1;
	end_late(rig, &l);
}

/* Whatever is held back: control goes on, and nothing is left of it (the teardown counts). */
static void test_end_with_pages_missing(void **state)
{
	struct rig *rig = *state;
	uint64_t addr = 0;
	struct late l;

	NEEDS_PAGERS
	start_late(rig, &l, 0);
	peer_start_ring(rig, &l.p, 0);
	assert_true(faults_next(l.uffd, FAULTS_PATIENCE_MS, &addr));
	assert_false(ring_runs(rig, 0));
	assert_int_equal(peer_get_u64(rig, &l.p, VHOST_USER_POSTCOPY_END), 0);
	assert_true(ring_runs(rig, 0)); /* its pages are zeroes: no page is waited for any longer */
	end_late(rig, &l);
}

static void test_disconnect_with_pages_missing(void **state)
{
	struct rig *rig = *state;
	uint64_t addr = 0;
	struct late l;

	NEEDS_PAGERS
	for (unsigned i = 0; i < 5; i++) {
		start_late(rig, &l, 0);
		peer_start_ring(rig, &l.p, 0);
		assert_true(faults_next(l.uffd, FAULTS_PATIENCE_MS, &addr));
		assert_int_equal(peer_get_base(rig, &l.p, 0), 0); /* control answers */
		end_late(rig, &l);
		assert_false(vhost_backend_is_connected(rig->b));
		assert_false(vhost_backend_is_in_postcopy(rig->b));
	}
}

static void test_request_that_got_lost(void **state)
{
	struct rig *rig = *state;
	uint64_t addr = 0;
	struct late l;

	NEEDS_PAGERS
	start_late(rig, &l, 0);
	peer_start_ring(rig, &l.p, 0);
	assert_true(faults_next(l.uffd, FAULTS_PATIENCE_MS, &addr)); /* not answered */
	serve_until_running(rig, &l, 0);
	end_late(rig, &l);
}

static void test_dead_pager_ends_the_connection(void **state)
{
	struct rig *rig = *state;
	struct late l;
	uint64_t addr = 0;

	NEEDS_PAGERS
	start_late(rig, &l, 0);
	peer_start_ring(rig, &l.p, 0);
	assert_true(faults_next(l.uffd, FAULTS_PATIENCE_MS, &addr));
	assert_int_equal(ftruncate(l.p.mem_fd, 0), 0); /* it touches what is no longer there */
	assert_true(faults_wake(l.uffd, addr, PAGE));
	for (unsigned turns = 0; vhost_backend_is_connected(rig->b) && turns < TURNS_MAX; turns++) {
		usleep(1000);
		rig_run(rig);
	}
	refused(rig, &l.p, "process that waits for pages has ended");
	assert_int_equal(ftruncate(l.p.mem_fd, PEER_MEM_SIZE), 0);
	end_late(rig, &l);
}

/* Huge pages come whole. */
static void test_huge_pages(void **state)
{
	enum { HUGE = 2 << 20 };
	struct rig *rig = *state;
	struct vhost_user_mem_table t = peer_table();
	uint64_t addr = 0;
	struct late l;
	int small_fd, huge_fd = memfd_create("ringway-test-guest", MFD_CLOEXEC | MFD_HUGETLB);
	uint8_t *mem;

	if (huge_fd < 0 || ftruncate(huge_fd, 2 * HUGE) < 0)
		skip();
	mem = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, huge_fd, 0);
	if (!pager_is_available() || mem == MAP_FAILED) {
		close(huge_fd);
		skip();
	}
	connect_late(rig, &l, 0);
	listen_late(rig, &l);
	t.regions[0].mmap_offset = HUGE;
	small_fd = l.p.mem_fd;
	l.p.mem_fd = huge_fd;
	l.base = share(rig, &l.p, VHOST_USER_SET_MEM_TABLE, &t, peer_table_size(&t), 8);
	l.p.mem_fd = small_fd;
	assert_int_equal(l.base % HUGE, 0);
	acknowledge(rig, &l, VHOST_USER_SET_MEM_TABLE);
	l.p.need_reply = true;
	peer_start_ring(rig, &l.p, 1);
	assert_true(faults_next(l.uffd, FAULTS_PATIENCE_MS, &addr));
	assert_int_equal(addr & ~(uint64_t)(HUGE - 1), l.base);
	mem[HUGE] = 0;
	assert_true(faults_wake(l.uffd, l.base, HUGE));
	for (unsigned turns = 0; !ring_runs(rig, 1) && turns < TURNS_MAX; turns++) {
		usleep(1000);
		rig_run(rig);
	}
	assert_true(ring_runs(rig, 1));
	end_late(rig, &l);
	munmap(mem, 2 * HUGE);
	close(huge_fd);
}

/* Chains */

struct desc {
	unsigned page; /* behind BUFFERS */
	uint32_t len;
};

/* The chain 0 of ring 1: `n` buffers, in the ring or in a table on page `table` (0: in the ring). */
static void put_chain(struct late *l, bool packed, unsigned table, const struct desc *d, unsigned n)
{
	uint8_t *ring = l->p.mem + 0x2000, *to = ring;
	const uint16_t avail = packed ? 1 << VRING_PACKED_DESC_F_AVAIL : 0;

	if (table)
		to = l->p.mem + BUFFERS + table * PAGE;
	for (unsigned i = n; i-- > 0;) {
		struct vring_desc split = { .addr = PEER_GUEST_ADDR + BUFFERS + d[i].page * PAGE,
					    .len = d[i].len,
					    .flags = i + 1 < n ? VRING_DESC_F_NEXT : 0,
					    .next = (uint16_t)(i + 1) };
		struct vring_packed_desc pk = { .addr = split.addr, .len = split.len, .flags = split.flags | avail };

		if (table)
			pk.flags = 0;
		memcpy(to + i * 16, packed ? (void *)&pk : (void *)&split, 16);
	}
	if (table) {
		struct vring_desc split = { PEER_GUEST_ADDR + BUFFERS + table * PAGE, 16 * n, VRING_DESC_F_INDIRECT,
					    0 };
		struct vring_packed_desc pk = { split.addr, split.len, 0, VRING_DESC_F_INDIRECT | avail };

		memcpy(ring, packed ? (void *)&pk : (void *)&split, 16);
	}
	if (!packed) {
		struct vring_avail *a = (void *)(ring + 0x800);

		a->ring[0] = 0;
		a->idx = 1;
	}
}

static void check_chain(struct rig *rig, bool packed, unsigned table, const struct desc *d, unsigned n,
			const unsigned *missing, unsigned n_missing)
{
	uint64_t features = BIT(VIRTIO_RING_F_INDIRECT_DESC) | (packed ? BIT(VIRTIO_F_RING_PACKED) : 0);
	struct vhost_ring *r = vhost_backend_ring(rig->b, 1);
	uint8_t pages[4][PAGE];
	struct virtq_chain chain;
	struct iovec iov[8];
	struct late l;

	start_late(rig, &l, features);
	for (unsigned i = 0; i < 16; i++)
		l.p.mem[BUFFERS + i * PAGE] = (uint8_t)i;
	put_chain(&l, packed, table, d, n);
	for (unsigned i = 0; i < n_missing; i++)
		assert_true(faults_take_page(l.p.mem_fd, l.p.mem, BUFFERS + missing[i] * PAGE, pages[i]));
	peer_set_state(rig, &l.p, VHOST_USER_SET_VRING_BASE, 1, packed ? 0x8000 : 0);
	{
		struct vhost_vring_addr addr = peer_ring_addr(1);

		peer_set_state(rig, &l.p, VHOST_USER_SET_VRING_NUM, 1, PEER_RING_SIZE);
		peer_request(rig, &l.p, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
		peer_set_fd(rig, &l.p, VHOST_USER_SET_VRING_KICK, 1, l.p.kick_fds[1]);
	}
	serve_until_running(rig, &l, 1);
	assert_true(virtq_available(&r->vq, 1) > 0);
	/* Each look asks for what it finds missing: first a table, then what it names. */
	for (unsigned i = 0; i < n_missing; i++) {
		uint64_t addr = 0;

		for (unsigned turns = 0; addr == 0 && turns < TURNS_MAX; turns++) {
			assert_int_equal(virtq_pop(&r->vq, VIRTQ_READABLE, iov, 8, &chain), -EAGAIN);
			assert_true(virtq_waits_for_memory(&r->vq, VIRTQ_READABLE));
			faults_next(l.uffd, 5, &addr);
			rig_run(rig);
		}
		assert_int_equal(addr, l.base + BUFFERS + missing[i] * PAGE);
		r->starved = true;
		rig->ring_changed[1] = 0;
		memcpy(l.p.mem + BUFFERS + missing[i] * PAGE, pages[i], PAGE);
		assert_true(faults_wake(l.uffd, addr, PAGE));
		for (unsigned turns = 0; rig->ring_changed[1] == 0 && turns < TURNS_MAX; turns++) {
			usleep(1000);
			rig_run(rig);
		}
		assert_int_equal(rig->ring_changed[1], 1); /* who has slept is woken */
		assert_false(r->starved);
	}
	for (unsigned turns = 0; virtq_waits_for_memory(&r->vq, VIRTQ_READABLE) && turns < TURNS_MAX; turns++) {
		usleep(1000); /* pages that were there all the time */
		rig_run(rig);
	}
	assert_null(virtq_error(&r->vq));
	assert_int_equal(virtq_pop(&r->vq, VIRTQ_READABLE, iov, 8, &chain), 0);
	assert_int_equal(chain.n_iov, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(iov[i].iov_len, d[i].len);
		assert_int_equal(*(uint8_t *)iov[i].iov_base, d[i].page);
	}
	assert_int_equal(peer_get_u64(rig, &l.p, VHOST_USER_POSTCOPY_END), 0);
	end_late(rig, &l);
}

static void test_chains_wait_for_their_pages(void **state)
{
	const struct desc one[] = { { 1, 100 } }, two[] = { { 1, 10 }, { 2, 1500 } },
			  across[] = { { 1, 12 }, { 3, 3 * PAGE } };
	const unsigned first[] = { 1 }, second[] = { 2 }, table[] = { 8 }, table_and_second[] = { 8, 2 },
		       last_page[] = { 5 }, all[] = { 1, 2 };
	struct rig *rig = *state;

	NEEDS_PAGERS
	for (unsigned packed = 0; packed < 2; packed++) {
		check_chain(rig, packed, 0, one, 1, NULL, 0);
		check_chain(rig, packed, 0, one, 1, first, 1);
		check_chain(rig, packed, 0, two, 2, second, 1);
		check_chain(rig, packed, 0, two, 2, all, 2);
		check_chain(rig, packed, 0, across, 2, last_page, 1);
		check_chain(rig, packed, 8, two, 2, table, 1);
		check_chain(rig, packed, 8, two, 2, second, 1);
		check_chain(rig, packed, 8, two, 2, table_and_second, 2);
	}
}

/* A page that was here and is taken away: who touches it is not stopped, the connection ends. */
static void test_page_that_is_taken_back(void **state)
{
	struct rig *rig = *state;
	struct vhost_ring *r = vhost_backend_ring(rig->b, 1);
	uint8_t page[PAGE];
	struct late l;

	NEEDS_PAGERS
	assert_int_equal(lost_memory_init(), 0); /* after cmocka's */
	start_late(rig, &l, 0);
	peer_start_ring(rig, &l.p, 1);
	serve_until_running(rig, &l, 1);
	assert_true(faults_take_page(l.p.mem_fd, l.p.mem, 0x2000, page));
	assert_int_equal(virtq_available(&r->vq, 1), 0);
	vhost_backend_check_rings(rig->b);
	refused(rig, &l.p, "memory was cut short");
	end_late(rig, &l);
}

static int setup_without_spawner(void **state)
{
	pager_deinit();
	return rig_setup(state);
}

int main(void)
{
#define IN_RIG(name) cmocka_unit_test_setup_teardown(name, rig_setup_packed, rig_teardown)
	const struct CMUnitTest tests[] = {
		IN_RIG(test_offered_when_there_are_pagers),
		IN_RIG(test_memory_by_table),
		IN_RIG(test_memory_by_region),
		IN_RIG(test_two_pairs_advise),
		IN_RIG(test_precopy_was_enough),
		IN_RIG(test_out_of_turn),
		IN_RIG(test_end_with_pages_missing),
		IN_RIG(test_disconnect_with_pages_missing),
		IN_RIG(test_request_that_got_lost),
		IN_RIG(test_dead_pager_ends_the_connection),
		IN_RIG(test_huge_pages),
		IN_RIG(test_chains_wait_for_their_pages),
		IN_RIG(test_page_that_is_taken_back),
		cmocka_unit_test_setup_teardown(test_offered_when_there_are_pagers, setup_without_spawner,
						rig_teardown),
	};

	pager_init(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
