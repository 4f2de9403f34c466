/* SPDX-License-Identifier: Apache-2.0 */
/* test_tap_device.c - How a tap port gets hold of its device, what it says when it cannot, and how it takes the device's end. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/event_loop.h"
#include "base/log.h"
#include "port/port_tap_priv.h"
#include "tap_fixture.h"

enum {
	NOBODY = 65534,
	OTHER_USER = 65533,
	ETHERTYPE_TEST = 0x88b5, /* IEEE Std 802: local experimental */
};

static char text[512];

static int try_create(const char *ifname, unsigned queues, struct port **port)
{
	struct port_tap_config config = {
		.name = "p",
		.ifname = ifname,
		.queues = queues,
		.mtu = 1400,
		.max_frame_len = 1414,
	};

	text[0] = 0;
	return port_tap_create(&config, port, text, sizeof(text));
}

static const char *status_of(const struct port *port)
{
	port->ops->status(port, text, sizeof(text));
	return text;
}

/* As `ip tuntap add dev NAME mode tap user UID [multi_queue]`. */
static void make_persistent(const char *ifname, unsigned uid, short extra_flags)
{
	struct ifreq ifr = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | extra_flags) };
	int fd = open("/dev/net/tun", O_RDWR);

	assert_return_code(fd, errno);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	assert_return_code(ioctl(fd, TUNSETIFF, &ifr), errno);
	assert_return_code(ioctl(fd, TUNSETOWNER, (unsigned long)uid), errno);
	assert_return_code(ioctl(fd, TUNSETPERSIST, 1), errno);
	close(fd);
}

/* As `ip link del NAME`. */
static void delete_interface(const char *ifname)
{
	struct {
		struct nlmsghdr nh;
		struct ifinfomsg info;
	} request = {
		.nh = { .nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_DELLINK,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.info = { .ifi_index = (int)if_nametoindex(ifname) },
	};
	struct {
		struct nlmsghdr nh;
		struct nlmsgerr err;
		char rest[64];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	assert_return_code(fd, errno);
	assert_int_equal(send(fd, &request, sizeof(request), 0), sizeof(request));
	assert_true(recv(fd, &answer, sizeof(answer), 0) >= (ssize_t)sizeof(answer.nh));
	assert_int_equal(answer.nh.nlmsg_type, NLMSG_ERROR);
	assert_int_equal(answer.err.error, 0);
	close(fd);
}

static struct ifreq interface_request(unsigned long request, const char *ifname, short flags)
{
	struct ifreq ifr = { .ifr_flags = flags };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	assert_return_code(ioctl(fd, request, &ifr), errno);
	close(fd);
	return ifr;
}

/* Runs `child` as another user without capabilities; it returns true when all is well. */
static bool as_user(unsigned uid, bool (*child)(void))
{
	int status;
	pid_t pid = fork();

	assert_return_code(pid, errno);
	if (pid == 0)
		_exit(setuid(uid) == 0 && child() ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Getting hold of the device */

static void test_created_device(void **state)
{
	struct port *port = NULL;

	(void)state;
	assert_int_equal(try_create("t0", 1, &port), 0);
	assert_int_equal(port->n_queues, 1);
	assert_int_equal(port->n_tx_active, 1);
	assert_int_equal(port->max_frame_len, 1414);
	assert_string_equal(port->ops->type, "tap");
	assert_int_equal(interface_request(SIOCGIFMTU, "t0", 0).ifr_mtu, 1400);
	assert_true(interface_request(SIOCGIFFLAGS, "t0", 0).ifr_flags & IFF_UP);
	assert_string_equal(status_of(port), "interface t0 is up, 1 queue");
	/* Linux takes these of every tap device, USO since 6.2. */
	assert_int_equal(port->ops->caps(port) & ~(uint32_t)(OFFLOAD_CAP_USO4 | OFFLOAD_CAP_USO6),
			 OFFLOAD_CAP_CSUM | OFFLOAD_CAP_TSO4 | OFFLOAD_CAP_TSO6 | OFFLOAD_CAP_ECN | OFFLOAD_CAP_UFO);
	tap_destroy(port);
	assert_int_equal(if_nametoindex("t0"), 0);
}

static int lane_fds[PORT_QUEUES_MAX];
static unsigned n_lane_calls, n_state_calls;

static void note_lane(struct port *port, unsigned queue, int wake_fd)
{
	assert_in_range(queue, 0, port->n_queues - 1u);
	lane_fds[queue] = wake_fd;
	n_lane_calls++;
}

static void note_state(struct port *port)
{
	(void)port;
	n_state_calls++;
}

static void test_queues(void **state)
{
	static const unsigned rows[] = { 1, 2, PORT_QUEUES_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct port *port = NULL;

		assert_int_equal(try_create("t0", rows[i], &port), 0);
		assert_int_equal(port->n_queues, rows[i]);
		n_lane_calls = 0;
		port->lane_changed = note_lane;
		port_tap_start(port);
		assert_int_equal(n_lane_calls, rows[i]);
		for (unsigned q = 0; q < rows[i]; q++)
			assert_true(fcntl(lane_fds[q], F_GETFL) & O_NONBLOCK);
		tap_destroy(port);
	}
}

/* A device made beforehand decides whether there can be several queues; it stays when the port goes. */
static void test_persistent_device(void **state)
{
	static const struct {
		short flags;
		unsigned queues, expected;
		const char *status;
	} rows[] = {
		{ 0, 1, 1, "interface t1 is up, 1 queue" },
		{ 0, 3, 1, "interface t1 is up, 1 queue (3 were asked for)" },
		{ IFF_MULTI_QUEUE, 1, 1, "interface t1 is up, 1 queue" },
		{ IFF_MULTI_QUEUE, 3, 3, "interface t1 is up, 3 queues" },
		{ IFF_MULTI_QUEUE | IFF_VNET_HDR, 2, 2, "interface t1 is up, 2 queues" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct port *port = NULL;

		make_persistent("t1", NOBODY, rows[i].flags);
		assert_int_equal(try_create("t1", rows[i].queues, &port), 0);
		assert_int_equal(port->n_queues, rows[i].expected);
		assert_string_equal(status_of(port), rows[i].status);
		tap_destroy(port);
		assert_int_not_equal(if_nametoindex("t1"), 0);
		delete_interface("t1");
	}
}

/* The owner may use the device but not configure it. */
static bool open_own_device(void)
{
	struct port *port = NULL;

	if (try_create("t1", 1, &port) != 0)
		return false;
	status_of(port);
	tap_destroy(port);
	return strcmp(text, "interface t1 is down, 1 queue") == 0;
}

static void test_device_of_an_ordinary_user(void **state)
{
	(void)state;
	make_persistent("t1", NOBODY, 0);
	assert_true(as_user(NOBODY, open_own_device));
	assert_int_equal(interface_request(SIOCGIFMTU, "t1", 0).ifr_mtu, 1500);
	delete_interface("t1");
}

/* What it says when it cannot */

static bool fail_to_create(void)
{
	struct port *port = NULL;

	return try_create("t2", 1, &port) == -EPERM &&
	       strcmp(text, "no permission to create the tap device t2; as root: "
			    "ip tuntap add dev t2 mode tap user nobody vnet_hdr") == 0;
}

static bool fail_to_create_with_queues(void)
{
	struct port *port = NULL;

	return try_create("t2", 2, &port) == -EPERM && strstr(text, "mode tap user nobody multi_queue vnet_hdr");
}

static bool fail_to_open_another_users(void)
{
	struct port *port = NULL;

	return try_create("t1", 1, &port) == -EPERM &&
	       strcmp(text, "another user owns the tap device t1; as root: ip tuntap del dev t1 mode tap; "
			    "ip tuntap add dev t1 mode tap user nobody vnet_hdr") == 0;
}

static void test_no_permission(void **state)
{
	(void)state;
	assert_true(as_user(NOBODY, fail_to_create));
	assert_true(as_user(NOBODY, fail_to_create_with_queues));
	make_persistent("t1", OTHER_USER, 0);
	assert_true(as_user(NOBODY, fail_to_open_another_users));
	delete_interface("t1");
}

static void test_refused_devices(void **state)
{
	struct port *first = NULL, *second = NULL;

	(void)state;
	assert_int_equal(try_create("lo", 1, &second), -EINVAL);
	assert_non_null(strstr(text, "lo exists and is not a tap device"));
	assert_int_equal(try_create("a-name-that-is-too-long", 1, &second), -EINVAL);
	assert_non_null(strstr(text, "longer than 15 characters"));
	assert_int_equal(try_create("t0", 1, &first), 0);
	assert_int_equal(try_create("t0", 1, &second), -EBUSY);
	assert_string_equal(text, "tap device t0 is in use by another program");
	assert_null(second);
	tap_destroy(first);
}

/* Frames, one by one */

struct sample {
	uint8_t head[FRAME_HEAD_MAX];
	uint8_t payload[4000];
	struct iovec iov[2000];
	struct frame frame;
};

/* A frame with `n_pieces` pieces of `piece` bytes behind a head of 64. */
static struct frame *make_frame_of(struct sample *s, unsigned n_pieces, unsigned piece)
{
	memset(s, 0, sizeof(*s));
	memset(s->head, 0xff, 6);
	s->head[6] = 0x02;
	s->head[12] = ETHERTYPE_TEST >> 8;
	s->head[13] = ETHERTYPE_TEST & 0xff;
	for (unsigned i = 0; i < n_pieces; i++) {
		for (unsigned k = 0; k < piece; k++)
			s->payload[i * piece + k] = (uint8_t)(i * 7 + k);
		s->iov[i] = (struct iovec){ &s->payload[i * piece], piece };
	}
	s->frame = (struct frame){
		.head = s->head,
		.head_len = FRAME_HEAD_MIN,
		.iov = s->iov,
		.n_iov = (uint16_t)n_pieces,
		.len = FRAME_HEAD_MIN + n_pieces * piece,
	};
	return &s->frame;
}

static struct frame *make_frame(struct sample *s, unsigned n_pieces)
{
	return make_frame_of(s, n_pieces, 1);
}

static int send_one(struct port *port, struct frame *f)
{
	return port->ops->tx(port, 0, &f, 1);
}

/* writev(2) takes 1024 pieces, header included. Up to 1536 bytes are written in one piece. */
static void test_frame_in_many_pieces(void **state)
{
	static const struct {
		unsigned n_pieces, piece;
	} rows[] = { { 0, 0 },    { 1, 1 },    { 1022, 1 }, { 1023, 1 }, { 1400, 1 }, { 1471, 1 }, { 1472, 1 },
		     { 1473, 1 }, { 1, 1472 }, { 1, 1473 }, { 1022, 2 }, { 1023, 2 }, { 1400, 2 } };
	static uint8_t got[4096];
	static struct sample s;
	struct port *port = NULL;
	int fd;

	(void)state;
	assert_int_equal(try_create("t0", 1, &port), 0);
	fd = packet_socket("t0", ETHERTYPE_TEST);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct frame *f = make_frame_of(&s, rows[i].n_pieces, rows[i].piece);
		struct pollfd pfd = { .fd = fd, .events = POLLIN };

		assert_int_equal(send_one(port, f), 1);
		assert_int_equal(poll(&pfd, 1, 5000), 1);
		assert_int_equal(recv(fd, got, sizeof(got), 0), VNET_HDR_LEN_LEGACY + f->len);
		assert_memory_equal(got + VNET_HDR_LEN_LEGACY, s.head, FRAME_HEAD_MIN);
		assert_memory_equal(got + VNET_HDR_LEN_LEGACY + FRAME_HEAD_MIN, s.payload, f->len - FRAME_HEAD_MIN);
	}
	assert_int_equal(port->queues[0].tx.frames, ARRAY_SIZE(rows));
	assert_int_equal(port->queues[0].tx.multicast, ARRAY_SIZE(rows));
	close(fd);
	tap_destroy(port);
}

/* Only the first bytes have to be in the head; a checksum may lie anywhere. */
static void test_checksum_field_beyond_the_head(void **state)
{
	static const unsigned field_at[] = { 40, 62, 64, FRAME_HEAD_MAX - 2, FRAME_HEAD_MAX, 900 };
	enum { FIELDS = ARRAY_SIZE(field_at) };
	static uint8_t got[4096];
	static struct sample s;
	struct port *port = NULL;
	int fd;

	(void)state;
	assert_int_equal(try_create("t0", 1, &port), 0);
	port_tap_of(port)->caps = 0;
	fd = packet_socket("t0", ETHERTYPE_TEST);
	for (size_t n = 0; n < 2 * FIELDS; n++) {
		struct frame *f = make_frame_of(&s, n < FIELDS ? 1001 : 33, n < FIELDS ? 1 : 101);
		size_t i = n % FIELDS;
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		uint32_t sum = 0;

		f->offload = (struct offload){
			.flags = OFFLOAD_NEEDS_CSUM,
			.csum_start = 34,
			.csum_offset = (uint16_t)(field_at[i] - 34),
		};
		assert_int_equal(send_one(port, f), 1);
		assert_int_equal(poll(&pfd, 1, 5000), 1);
		assert_int_equal(recv(fd, got, sizeof(got), 0), VNET_HDR_LEN_LEGACY + f->len);
		assert_int_equal(got[0] & OFFLOAD_NEEDS_CSUM, 0);
		/* RFC 1071: with the checksum in place, 16-bit words add up to all ones. What was there before the checksum
		 * is part of the sum, so add what the field held once more (that is how pseudo headers come in). */
		got[VNET_HDR_LEN_LEGACY + f->len] = 0; /* the second half of the last word */
		for (unsigned at = 34; at < f->len; at += 2)
			sum += (unsigned)got[VNET_HDR_LEN_LEGACY + at] << 8 | got[VNET_HDR_LEN_LEGACY + at + 1];
		for (unsigned k = 0; k < 2; k++) {
			unsigned at = field_at[i] + k;
			uint8_t old = at < FRAME_HEAD_MIN ? s.head[at] : s.payload[at - FRAME_HEAD_MIN];

			sum += (at - 34) % 2 ? old : (unsigned)old << 8;
		}
		sum = (sum & 0xffff) + (sum >> 16);
		assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	}
	assert_int_equal(port->queues[0].tx.sw_csum, 2 * FIELDS);
	close(fd);
	tap_destroy(port);
}

static void test_frame_that_the_kernel_refuses(void **state)
{
	static struct sample s;
	struct port *port = NULL;
	struct frame *f = make_frame(&s, 0);

	(void)state;
	assert_int_equal(try_create("t0", 1, &port), 0);
	f->offload = (struct offload){ .flags = OFFLOAD_NEEDS_CSUM, .csum_start = 60, .csum_offset = 16 };
	assert_int_equal(send_one(port, f), 1);
	assert_int_equal(port->queues[0].tx.drops[DROP_REFUSED], 1);
	assert_int_equal(port->queues[0].tx.frames, 0);
	tap_destroy(port);
}

/* Frames from the host */

static bool is_test_frame(const struct frame *f)
{
	return f->head[12] == ETHERTYPE_TEST >> 8 && f->head[13] == (ETHERTYPE_TEST & 0xff);
}

/* Each frame of a batch has its bytes, and room for a head of its own, whatever lies next to it. */
static void test_frames_from_the_host(void **state)
{
	static const uint32_t lens[] = { 14, 60, 255, 256, 257, 1514, 61, 60, 1000, 320, 1513, 14 };
	static uint8_t sent[VNET_HDR_LEN_LEGACY + 1514], got[1514];
	struct port *port = tap_create("t0", 1, NULL);
	struct batch *b = batch_create();
	int fd = packet_socket("t0", ETHERTYPE_TEST);
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		memset(sent, 0, VNET_HDR_LEN_LEGACY);
		memset(sent + VNET_HDR_LEN_LEGACY, (int)i + 1, sizeof(sent) - VNET_HDR_LEN_LEGACY);
		sent[VNET_HDR_LEN_LEGACY + 12] = ETHERTYPE_TEST >> 8;
		sent[VNET_HDR_LEN_LEGACY + 13] = ETHERTYPE_TEST & 0xff;
		assert_int_equal(send(fd, sent, VNET_HDR_LEN_LEGACY + lens[i], 0), VNET_HDR_LEN_LEGACY + lens[i]);
	}
	while (n < ARRAY_SIZE(lens)) {
		assert_true(port->ops->rx(port, 0, b) > 0);
		for (unsigned i = 0; i < b->n; i++)
			memset(b->frames[i].head + b->frames[i].head_len, 0xee, FRAME_HEAD_MAX - b->frames[i].head_len);
		for (unsigned i = 0; i < b->n; i++) {
			struct frame *f = &b->frames[i];

			if (!is_test_frame(f)) /* what the host has to say itself */
				continue;
			assert_int_equal(f->drop, DROP_NONE);
			assert_int_equal(f->len, lens[n]);
			assert_true(frame_pull(f, FRAME_HEAD_MAX));
			frame_copy_out(f, 0, got, f->len);
			got[12] = got[13] = (uint8_t)(n + 1);
			for (uint32_t at = 0; at < f->len; at++)
				assert_int_equal(got[at], n + 1);
			n++;
		}
		port->ops->rx_done(port, 0, b);
	}
	close(fd);
	batch_destroy(b);
	tap_destroy(port);
}

static void look_until_empty(struct port *port, struct batch *b)
{
	while (port->ops->rx(port, 0, b))
		port->ops->rx_done(port, 0, b);
}

static unsigned look(struct port *port, struct batch *b)
{
	unsigned n = port->ops->rx(port, 0, b);

	if (n)
		port->ops->rx_done(port, 0, b);
	return n;
}

/* After a pause nobody asks whether there is a second frame before the first goes on; where frames are coalesced they come together. */
static void test_first_frame_after_a_pause(void **state)
{
	static uint8_t sent[VNET_HDR_LEN_LEGACY + 60];
	struct port *port = tap_create("t0", 1, NULL);
	struct batch *b = batch_create();
	int fd = packet_socket("t0", ETHERTYPE_TEST);

	(void)state;
	for (unsigned coalesce = 0; coalesce < 2; coalesce++) {
		port->coalesce = coalesce ? COALESCE_TCP : COALESCE_NONE;
		look_until_empty(port, b);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(send(fd, sent, sizeof(sent), 0), sizeof(sent));
		if (!coalesce)
			assert_int_equal(look(port, b), 1);
		assert_in_range(look(port, b), coalesce ? 3 : 2,
				BATCH_FRAMES); /* the host may have said something, too */
	}
	close(fd);
	batch_destroy(b);
	tap_destroy(port);
}

/* The end */

static void test_interface_down(void **state)
{
	static struct sample s;
	struct port *port = NULL;

	(void)state;
	assert_int_equal(try_create("t0", 1, &port), 0);
	interface_request(SIOCSIFFLAGS, "t0", 0);
	assert_string_equal(status_of(port), "interface t0 is down, 1 queue");
	assert_int_equal(send_one(port, make_frame(&s, 0)), 1);
	assert_int_equal(port->queues[0].tx.drops[DROP_NOT_READY], 1);
	interface_request(SIOCSIFFLAGS, "t0", IFF_UP);
	assert_int_equal(send_one(port, make_frame(&s, 0)), 1);
	assert_int_equal(port->queues[0].tx.frames, 1);
	tap_destroy(port);
}

/* Whichever side finds out first, the port becomes broken, says so once, and does not keep its worker awake. */
static void test_device_is_deleted(void **state)
{
	static struct sample s;

	(void)state;
	for (unsigned by_tx = 0; by_tx < 2; by_tx++) {
		struct event_loop *loop = event_loop_create();
		struct port *port = tap_create("t0", 2, loop);
		struct batch *b = batch_create();

		n_lane_calls = n_state_calls = 0;
		port->lane_changed = note_lane;
		port->state_changed = note_state;
		delete_interface("t0");
		if (by_tx) {
			assert_int_equal(send_one(port, make_frame(&s, 0)), 1);
			assert_int_equal(port->queues[0].tx.drops[DROP_NOT_READY], 1);
		} else {
			look_until_empty(port, b); /* what the host had to say before */
		}
		assert_true(port->ops->rx_arm(port, 0));
		assert_int_equal(port->ops->rx(port, 1, b), 0);
		assert_int_equal(send_one(port, make_frame(&s, 0)), 1);
		assert_int_equal(event_loop_turn(loop, 1000), 1);
		assert_int_equal(event_loop_turn(loop, 0), 0);
		assert_int_equal(n_state_calls, 1);
		assert_int_equal(n_lane_calls, 2);
		assert_int_equal(lane_fds[0], -1);
		assert_int_equal(port->n_tx_active, 0);
		assert_false(port->link_up);
		assert_string_equal(status_of(port), "broken: interface t0 was deleted");
		tap_destroy(port);
		batch_destroy(b);
		event_loop_destroy(loop);
	}
}

/* A worker that holds a batch gives it up when control wants the queue, and gets nothing meanwhile. */
static void test_rx_gate(void **state)
{
	struct port *port = tap_create("t0", 1, NULL);
	struct gate *gate = &port_tap_of(port)->queues[0].rx_gate;
	struct batch *b = batch_create();
	struct pollfd pfd = { .fd = port_tap_of(port)->queues[0].fd, .events = POLLIN };

	(void)state;
	/* An interface that comes up says something by itself: IPv6's multicast listener report, router solicitation. */
	assert_int_equal(poll(&pfd, 1, 10000), 1);
	assert_false(port->ops->rx_arm(port, 0));
	assert_true(port->ops->rx(port, 0, b) > 0);
	assert_false(port->ops->rx_wanted(port, 0));
	assert_false(gate_try_enter(gate));
	port->ops->rx_done(port, 0, b);
	gate_park(gate);
	assert_true(port->ops->rx_wanted(port, 0));
	assert_int_equal(port->ops->rx(port, 0, b), 0);
	gate_unpark(gate);
	batch_destroy(b);
	tap_destroy(port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_created_device),
		cmocka_unit_test(test_queues),
		cmocka_unit_test(test_persistent_device),
		cmocka_unit_test(test_device_of_an_ordinary_user),
		cmocka_unit_test(test_no_permission),
		cmocka_unit_test(test_refused_devices),
		cmocka_unit_test(test_frame_in_many_pieces),
		cmocka_unit_test(test_checksum_field_beyond_the_head),
		cmocka_unit_test(test_frame_that_the_kernel_refuses),
		cmocka_unit_test(test_frames_from_the_host),
		cmocka_unit_test(test_first_frame_after_a_pause),
		cmocka_unit_test(test_interface_down),
		cmocka_unit_test(test_device_is_deleted),
		cmocka_unit_test(test_rx_gate),
	};

	skip_unless_possible();
	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
