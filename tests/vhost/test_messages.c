/* SPDX-License-Identifier: Apache-2.0 */
/* test_messages.c - Every message in every state, as it should be and in every way wrong.
 *
 * What is right stands in a table of the test's own, taken from vhost-user.rst ("Front-end message types" and the payloads). A
 * message that breaks it must end the connection with a reason that names the message; whatever comes, the back-end lives,
 * and afterwards every descriptor and every mapping is gone. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vhost_peer.h"

enum ring { NONE, STATE, NUMBER };

static const struct rule {
	uint32_t request;
	const char *name;
	uint32_t size;
	unsigned min_fds, max_fds;
	enum ring ring;
} rules[] = {
	{ 1, "GET_FEATURES", 0, 0, 0, NONE },
	{ 2, "SET_FEATURES", 8, 0, 0, NONE },
	{ 3, "SET_OWNER", 0, 0, 0, NONE },
	{ 4, "RESET_OWNER", 0, 0, 0, NONE },
	{ 5, "SET_MEM_TABLE", 40, 1, 1, NONE }, /* with one region */
	{ 6, "SET_LOG_BASE", 16, 1, 1, NONE },
	{ 7, "SET_LOG_FD", 0, 1, 1, NONE },
	{ 8, "SET_VRING_NUM", 8, 0, 0, STATE },
	{ 9, "SET_VRING_ADDR", 40, 0, 0, STATE },
	{ 10, "SET_VRING_BASE", 8, 0, 0, STATE },
	{ 11, "GET_VRING_BASE", 8, 0, 0, STATE },
	{ 12, "SET_VRING_KICK", 8, 1, 1, NUMBER }, /* without the invalid fd flag */
	{ 13, "SET_VRING_CALL", 8, 1, 1, NUMBER },
	{ 14, "SET_VRING_ERR", 8, 1, 1, NUMBER },
	{ 15, "GET_PROTOCOL_FEATURES", 0, 0, 0, NONE },
	{ 16, "SET_PROTOCOL_FEATURES", 8, 0, 0, NONE },
	{ 17, "GET_QUEUE_NUM", 0, 0, 0, NONE },
	{ 18, "SET_VRING_ENABLE", 8, 0, 0, STATE },
	{ 19, "SEND_RARP", 8, 0, 0, NONE },
	{ 20, "NET_SET_MTU", 8, 0, 0, NONE },
	{ 21, "SET_BACKEND_REQ_FD", 0, 1, 1, NONE },
	{ 22, "IOTLB_MSG", 32, 0, 0, NONE },
	{ 23, "SET_VRING_ENDIAN", 8, 0, 0, STATE },
	{ 24, "GET_CONFIG", 12, 0, 0, NONE }, /* of no bytes */
	{ 25, "SET_CONFIG", 12, 0, 0, NONE },
	{ 31, "GET_INFLIGHT_FD", 24, 0, 0, NONE }, /* 20 in the specification */
	{ 32, "SET_INFLIGHT_FD", 24, 1, 1, NONE },
	{ 34, "RESET_DEVICE", 0, 0, 0, NONE },
	{ 35, "VRING_KICK", 8, 0, 0, STATE },
	{ 36, "GET_MAX_MEM_SLOTS", 0, 0, 0, NONE },
	{ 37, "ADD_MEM_REG", 40, 1, 1, NONE },
	{ 38, "REM_MEM_REG", 40, 0, 1, NONE },
	{ 39, "SET_STATUS", 8, 0, 0, NONE },
	{ 40, "GET_STATUS", 0, 0, 0, NONE },
	{ 42, "SET_DEVICE_STATE_FD", 8, 1, 1, NONE },
	{ 43, "CHECK_DEVICE_STATE", 0, 0, 0, NONE },
	{ 45, "GET_VRING_BASE_SKIP_DRAIN", 8, 0, 0, STATE },
};
enum { N_RULES = sizeof(rules) / sizeof(rules[0]) };

/* States that a connection can be in. */
enum state { FRESH, NEGOTIATED, WITH_MEMORY, RUNNING, DISABLED, STOPPED, N_STATES };

static void bring_to(struct rig *rig, struct peer *p, enum state state)
{
	if (state >= RUNNING) {
		peer_start(rig, p);
		if (state == DISABLED)
			peer_set_state(rig, p, VHOST_USER_SET_VRING_ENABLE, 1, 0);
		if (state == STOPPED)
			peer_get_base(rig, p, 1);
		return;
	}
	peer_connect(p, rig);
	if (state >= NEGOTIATED)
		peer_negotiate(rig, p, BIT(VIRTIO_F_VERSION_1) | BIT(30),
			       peer_get_u64(rig, p, VHOST_USER_GET_PROTOCOL_FEATURES));
	if (state >= WITH_MEMORY)
		peer_set_memory(rig, p);
	rig_run(rig);
}

/* A payload that could be right: ring 1, the peer's one region. */
static void fill(const struct rule *rule, union vhost_user_payload *payload)
{
	memset(payload, 0, sizeof(*payload));
	if (rule->request == VHOST_USER_SET_MEM_TABLE)
		payload->mem_table = peer_table();
	else if (rule->size == sizeof(payload->mem_reg) && rule->ring == NONE)
		payload->mem_reg.region = peer_table().regions[0];
	else if (rule->request == VHOST_USER_SET_VRING_ADDR)
		payload->addr = peer_ring_addr(1);
	else if (rule->request == VHOST_USER_SET_VRING_NUM)
		payload->state = (struct vhost_vring_state){ 1, PEER_RING_SIZE };
	else if (rule->ring == STATE)
		payload->state.index = 1;
	else if (rule->ring == NUMBER)
		payload->u64 = 1;
}

/* The connection is over, on both sides, for a reason with `text` in it, and nothing is left of it. */
static void assert_ended(struct rig *rig, struct peer *p, const char *what, const char *text)
{
	struct vhost_user_msg msg;
	int got;

	rig_run(rig);
	do
		got = peer_receive(p, &msg);
	while (got == 1);
	if (got != -1 || vhost_backend_is_connected(rig->b))
		fail_msg("%s: the connection goes on", what);
	if (!strstr(vhost_backend_error(rig->b), text))
		fail_msg("%s: \"%s\" instead of \"..%s..\"", what, vhost_backend_error(rig->b), text);
}

struct bad {
	uint32_t flags;
	uint32_t size;
	unsigned n_fds;
	uint64_t ring; /* 0: leave */
	const char *text;
};

/* Send a message that is wrong, in a state, and expect the end. */
static void try_bad(struct rig *rig, struct peer *p, enum state state, const struct rule *rule, const struct bad *bad)
{
	union vhost_user_payload payload;
	int fds[16];
	char what[128];

	snprintf(what, sizeof(what), "%s, state %d, flags %x, %u bytes, %u fds", rule->name, state, bad->flags,
		 bad->size, bad->n_fds);
	fill(rule, &payload);
	if (bad->ring && rule->ring == STATE)
		payload.state.index = (uint32_t)bad->ring;
	else if (bad->ring)
		payload.u64 = bad->ring;
	for (unsigned i = 0; i < 16; i++)
		fds[i] = rule->ring == NUMBER ? p->kick_fds[1] : p->mem_fd;
	bring_to(rig, p, state);
	peer_send(p, rule->request, bad->flags, &payload, bad->size, fds, bad->n_fds);
	assert_ended(rig, p, what, bad->text);
}

static void each_state(struct rig *rig, const struct rule *rule, const struct bad *bad)
{
	int fds_idle = count_fds();
	struct peer p;

	for (enum state s = 0; s < N_STATES; s++) {
		peer_init(&p);
		try_bad(rig, &p, s, rule, bad);
		peer_deinit(&p);
		rig_run(rig);
		wait_for_fds(fds_idle);
		assert_int_equal(count_peer_maps(), 0);
	}
}

static void test_wrong_size(void **state)
{
	for (unsigned i = 0; i < N_RULES; i++) {
		const struct rule *r = &rules[i];
		const uint32_t sizes[] = { 0,   1,   r->size - 1, r->size + 1, r->size + 4, r->size + 8,
					   272, 273, 4096,        0x7fffffff,  0x80000000,  UINT32_MAX };

		for (unsigned k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
			uint32_t size = sizes[k];
			struct bad bad = { 1, size, r->min_fds, 0, size > 272 ? "larger than any" : r->name };

			if (size != r->size)
				each_state(*state, r, &bad);
		}
	}
}

static void test_wrong_descriptors(void **state)
{
	static const unsigned numbers[] = { 0, 1, 2, 8, 9, 16 };

	for (unsigned i = 0; i < N_RULES; i++) {
		const struct rule *r = &rules[i];

		for (unsigned k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++) {
			unsigned n = numbers[k];
			struct bad bad = { 1, r->size, n, 0, n > 8 ? "more descriptors than" : r->name };

			if (n < r->min_fds || n > r->max_fds)
				each_state(*state, r, &bad);
		}
	}
}

/* Without a descriptor, and without the flag for that; or with both. */
static void test_descriptor_that_is_denied(void **state)
{
	for (unsigned i = 0; i < N_RULES; i++) {
		struct bad bad = { 1, 8, 1, 1 | 0x100, rules[i].name };

		if (rules[i].ring == NUMBER)
			each_state(*state, &rules[i], &bad);
	}
}

static void test_wrong_flags(void **state)
{
	static const uint32_t flags[] = { 0, 2, 3, 1 | 4, 1 | 0x10, 1 | 0x80000000, UINT32_MAX };

	for (unsigned i = 0; i < N_RULES; i++)
		for (unsigned k = 0; k < sizeof(flags) / sizeof(flags[0]); k++)
			each_state(*state, &rules[i],
				   &(struct bad){ flags[k], rules[i].size, rules[i].min_fds, 0, rules[i].name });
}

static void test_ring_out_of_range(void **state)
{
	static const uint64_t states[] = { 4, 5, 32, 255, 0x7fffffff, 0x80000001, UINT32_MAX };
	static const uint64_t numbers[] = { 4, 5, 32, 255, 0x201, 0x10000001, UINT64_MAX };

	for (unsigned i = 0; i < N_RULES; i++)
		for (unsigned k = 0; k < 7 && rules[i].ring != NONE; k++)
			each_state(*state, &rules[i],
				   &(struct bad){ 1, rules[i].size, rules[i].min_fds,
						  rules[i].ring == STATE ? states[k] : numbers[k], rules[i].name });
}

static void test_unknown_request(void **state)
{
	static const uint32_t requests[] = { 0, 26, 33, 41, 44, 46, 255, 0x80000001, UINT32_MAX };
	char text[32];

	for (unsigned k = 0; k < sizeof(requests) / sizeof(requests[0]); k++) {
		struct rule r = { requests[k], text, 8, 0, 0, NONE };

		snprintf(text, sizeof(text), "message %u is not known", requests[k]);
		each_state(*state, &r, &(struct bad){ 1, 8, 0, 0, text });
	}
}

/* "This request should be sent only when VHOST_USER_PROTOCOL_F_.. has been negotiated", and so on. */
static void test_not_negotiated(void **state)
{
	static const uint32_t requests[] = { 6,  17, 19, 20, 21, 22, 24, 25, 31, 32,
					     34, 35, 36, 37, 38, 39, 40, 42, 43, 45 };
	struct rig *rig = *state;
	struct peer p;

	for (unsigned k = 0; k < sizeof(requests) / sizeof(requests[0]); k++)
		for (unsigned i = 0; i < N_RULES; i++)
			if (rules[i].request == requests[k]) {
				peer_init(&p);
				try_bad(rig, &p, FRESH, &rules[i],
					&(struct bad){ 1, rules[i].size, rules[i].min_fds, 0, "not negotiated" });
				peer_deinit(&p);
				rig_run(rig);
			}
}

static void test_illegal_in_state(void **state)
{
	static const struct {
		enum state state;
		uint32_t request;
		uint64_t payload;
		const char *text;
	} t[] = {
		{ RUNNING, VHOST_USER_SET_VRING_NUM, 1 | 128ull << 32, "is running" },
		{ RUNNING, VHOST_USER_SET_VRING_BASE, 1, "is running" },
		{ DISABLED, VHOST_USER_SET_VRING_BASE, 1, "is running" },
		{ RUNNING, VHOST_USER_SET_VRING_ENDIAN, 1, "is running" },
		{ RUNNING, VHOST_USER_SET_FEATURES, 0, "while rings are running" },
		{ STOPPED, VHOST_USER_SET_FEATURES, 0, "while rings are running" }, /* ring 0 still does */
		{ FRESH, VHOST_USER_SET_FEATURES, BIT(63), "not offered" },
		{ FRESH, VHOST_USER_SET_FEATURES, BIT(24), "not offered" }, /* VIRTIO_F_NOTIFY_ON_EMPTY */
		{ FRESH, VHOST_USER_SET_PROTOCOL_FEATURES, BIT(6), "not offered" },
		{ FRESH, VHOST_USER_SET_PROTOCOL_FEATURES, BIT(23) | BIT(20), "23 without 0x1000" },
		{ FRESH, VHOST_USER_SET_PROTOCOL_FEATURES, BIT(23) | BIT(12), "23 without 0x100000" },
		{ FRESH, VHOST_USER_SET_PROTOCOL_FEATURES, BIT(14), "14 without 0x28" },
		{ FRESH, VHOST_USER_SET_PROTOCOL_FEATURES, BIT(14) | BIT(3), "14 without 0x20" },
		{ FRESH, VHOST_USER_SET_PROTOCOL_FEATURES, BIT(14) | BIT(5), "14 without 0x8" },
		{ RUNNING, VHOST_USER_SET_PROTOCOL_FEATURES, BIT(14) | BIT(5) | BIT(3), "14 changes while rings" },
		{ FRESH, VHOST_USER_SET_VRING_KICK, 1 | 0x100, "before SET_FEATURES" },
	};
	struct rig *rig = *state;
	struct peer p;

	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		peer_init(&p);
		bring_to(rig, &p, t[i].state);
		peer_send(&p, t[i].request, 1, &t[i].payload, 8, NULL, 0);
		assert_ended(rig, &p, "illegal", t[i].text);
		peer_deinit(&p);
	}
}

/* No answer was asked for: what would be refused ends the connection instead. */
static void test_refusal_without_answer(void **state)
{
	struct vhost_vring_addr addr = peer_ring_addr(2);
	struct rig *rig = *state;
	struct peer p;

	addr.desc_user_addr = 0;
	peer_init(&p);
	bring_to(rig, &p, RUNNING);
	peer_set_state(rig, &p, VHOST_USER_SET_VRING_NUM, 2, PEER_RING_SIZE);
	peer_send(&p, VHOST_USER_SET_VRING_ADDR, 1, &addr, sizeof(addr), NULL, 0);
	assert_ended(rig, &p, "address",
		     "SET_VRING_ADDR: descriptor table at 0 with 1024 bytes is not in the guest's memory");
	peer_deinit(&p);
}

static void test_ring_without_memory(void **state)
{
	struct rig *rig = *state;
	uint64_t ring = 0;
	struct vhost_vring_addr addr = peer_ring_addr(0);
	struct peer p;

	peer_init(&p);
	bring_to(rig, &p, NEGOTIATED);
	peer_set_state(rig, &p, VHOST_USER_SET_VRING_NUM, 0, PEER_RING_SIZE);
	peer_request(rig, &p, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
	peer_send(&p, VHOST_USER_SET_VRING_KICK, 1, &ring, sizeof(ring), &p.kick_fds[0], 1);
	assert_ended(rig, &p, "no memory", "SET_VRING_KICK: descriptor table");
	peer_deinit(&p);
}

/* A peer that stops in the middle of a message, or goes. */
static void test_cut_short(void **state)
{
	struct vhost_user_mem_table t = peer_table();
	struct rig *rig = *state;
	char bytes[12 + 40];
	int fds_idle = count_fds();
	struct peer p;

	memcpy(bytes, &(struct vhost_user_header){ VHOST_USER_SET_MEM_TABLE, 1, 40 }, 12);
	memcpy(bytes + 12, &t, 40);
	for (size_t len = 1; len < sizeof(bytes); len++) {
		peer_init(&p);
		bring_to(rig, &p, NEGOTIATED);
		assert_true(peer_send_bytes(&p, bytes, len, &p.mem_fd, 1));
		rig_run(rig);
		assert_true(vhost_backend_is_connected(rig->b));
		peer_deinit(&p);
		rig_run(rig);
		assert_false(vhost_backend_is_connected(rig->b));
		assert_non_null(strstr(vhost_backend_error(rig->b), "in the middle of a message"));
		wait_for_fds(fds_idle);
	}
}

/* One byte at a time, the descriptor with any of them. */
static void test_byte_by_byte(void **state)
{
	struct vhost_user_mem_table t = peer_table();
	struct rig *rig = *state;
	char bytes[12 + 40];
	struct peer p;

	memcpy(bytes, &(struct vhost_user_header){ VHOST_USER_SET_MEM_TABLE, 1 | 8, 40 }, 12);
	memcpy(bytes + 12, &t, 40);
	peer_init(&p);
	bring_to(rig, &p, RUNNING);
	for (size_t with_fd = 0; with_fd < sizeof(bytes); with_fd++) {
		struct vhost_user_msg msg;

		for (size_t i = 0; i < sizeof(bytes); i++) {
			assert_int_equal(peer_receive(&p, &msg), 0);
			assert_true(peer_send_bytes(&p, bytes + i, 1, &p.mem_fd, i == with_fd));
			rig_run(rig);
		}
		assert_int_equal(peer_receive(&p, &msg), 1);
		assert_int_equal(msg.payload.u64, 0);
		assert_true(vhost_ring_is_usable(vhost_backend_ring(rig->b, 1)));
	}
	peer_deinit(&p);
	rig_run(rig);
}

/* A descriptor with every byte makes too many. */
static void test_descriptors_with_many_bytes(void **state)
{
	struct rig *rig = *state;
	char bytes[12] = { VHOST_USER_SET_MEM_TABLE };
	int fds[4];
	struct peer p;

	peer_init(&p);
	for (unsigned i = 0; i < 4; i++)
		fds[i] = p.mem_fd;
	bring_to(rig, &p, NEGOTIATED);
	for (unsigned i = 0; i < 3; i++)
		peer_send_bytes(&p, bytes + i, 1, fds, 4);
	assert_ended(rig, &p, "twelve", "more descriptors than");
	peer_deinit(&p);
}

/* The front-end sends its own end of the socket as a descriptor, does not finish, and goes: as we hold its end, the socket
 * itself never says that it is gone. */
static void test_own_socket_in_unfinished_message(void **state)
{
	struct rig *rig = *state;
	struct peer p;

	peer_init(&p);
	bring_to(rig, &p, RUNNING);
	assert_true(peer_send_bytes(&p, "\x05", 1, &p.fd, 1));
	peer_deinit(&p);
	for (unsigned i = 0; i < 100 && vhost_backend_is_connected(rig->b); i++)
		event_loop_turn(rig->loop, 100);
	assert_false(vhost_backend_is_connected(rig->b));
	assert_non_null(strstr(vhost_backend_error(rig->b), "not finished"));
}

/* Several at once, as a front-end that does not wait sends them. */
static void test_many_in_one_go(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_msg msg;
	struct vhost_user_header get[40];
	struct peer p;

	for (unsigned i = 0; i < 40; i++)
		get[i] = (struct vhost_user_header){ VHOST_USER_GET_FEATURES, 1, 0 };
	peer_init(&p);
	peer_connect(&p, rig);
	assert_true(peer_send_bytes(&p, get, sizeof(get), NULL, 0));
	rig_run(rig);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(peer_receive(&p, &msg), 1);
	assert_int_equal(peer_receive(&p, &msg), 0);
	peer_deinit(&p);
	rig_run(rig);
}

/* The back-end neither waits for a peer that does not read, nor keeps what it does not read. */
static void test_replies_not_read(void **state)
{
	struct rig *rig = *state;
	unsigned n_sent = 0;
	struct peer p;

	peer_init(&p);
	peer_connect(&p, rig);
	while (peer_send(&p, VHOST_USER_GET_FEATURES, 1, NULL, 0, NULL, 0)) {
		assert_true(n_sent++ < 100000);
		rig_run(rig);
	}
	assert_false(vhost_backend_is_connected(rig->b));
	assert_non_null(strstr(vhost_backend_error(rig->b), "does not read"));
	peer_deinit(&p);
}

/* need_reply counts for nothing before REPLY_ACK is negotiated. */
static void test_no_answer_before_reply_ack(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_msg msg;
	struct peer p;

	peer_init(&p);
	peer_connect(&p, rig);
	assert_true(peer_send(&p, VHOST_USER_SET_OWNER, 1 | 8, NULL, 0, NULL, 0));
	rig_run(rig);
	assert_int_equal(peer_receive(&p, &msg), 0);
	peer_set_u64(rig, &p, VHOST_USER_SET_PROTOCOL_FEATURES, BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK));
	assert_int_equal(peer_ask(rig, &p, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0), 0);
	peer_deinit(&p);
	rig_run(rig);
}

/* Well-formed messages in random order with random contents: nothing is expected but that all is well afterwards. */
static uint32_t random_below(uint32_t n)
{
	return (uint32_t)random() % n;
}

static void randomize(const struct rule *rule, union vhost_user_payload *payload)
{
	char *bytes = (char *)payload;

	fill(rule, payload);
	for (uint32_t n = random_below(4); n > 0; n--)
		bytes[random_below(rule->size + 1)] = (char)random();
	if (rule->ring != NONE)
		bytes[0] = (char)random_below(4);
}

static void send_random(struct peer *p)
{
	const struct rule *rule = &rules[random_below(N_RULES)];
	const int fds[] = { p->mem_fd, p->kick_fds[0], p->call_fds[1], p->fd };
	unsigned n_fds = rule->min_fds + random_below(rule->max_fds - rule->min_fds + 1);
	union vhost_user_payload payload;
	const int *fd = rule->ring == NUMBER ? &fds[1] : &fds[0];

	if (random_below(20) == 0)
		fd = &fds[random_below(4)];
	randomize(rule, &payload);
	if (random_below(4) > 0)
		fill(rule, &payload);
	peer_send(p, rule->request, random_below(2) ? 1 : 9, &payload, rule->size, fd, n_fds);
}

static void test_random_messages(void **state)
{
	struct rig *rig = *state;
	int fds_idle = count_fds();
	struct vhost_user_msg msg;
	struct peer p;

	srandom(1);
	for (unsigned round = 0; round < 500; round++) {
		peer_init(&p);
		bring_to(rig, &p, random_below(N_STATES));
		for (unsigned i = 0; i < 50; i++) {
			send_random(&p);
			rig_run(rig);
			while (peer_receive(&p, &msg) == 1)
				;
		}
		peer_deinit(&p);
		rig_run(rig);
		wait_for_fds(fds_idle);
		assert_int_equal(count_peer_maps(), 0);
	}
}

static void test_random_bytes(void **state)
{
	struct rig *rig = *state;
	int fds_idle = count_fds();
	struct peer p;

	srandom(2);
	for (unsigned round = 0; round < 500; round++) {
		char bytes[300];

		peer_init(&p);
		bring_to(rig, &p, random_below(N_STATES));
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (char)random();
		bytes[0] = (char)random_below(42);
		memset(bytes + 1, 0, 3);
		peer_send_bytes(&p, bytes, 1 + random_below(sizeof(bytes)), p.kick_fds, random_below(8));
		peer_deinit(&p);
		rig_run(rig);
		wait_for_fds(fds_idle);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
		T(test_wrong_size),
		T(test_wrong_descriptors),
		T(test_descriptor_that_is_denied),
		T(test_wrong_flags),
		T(test_ring_out_of_range),
		T(test_unknown_request),
		T(test_not_negotiated),
		T(test_illegal_in_state),
		T(test_refusal_without_answer),
		T(test_ring_without_memory),
		T(test_cut_short),
		T(test_byte_by_byte),
		T(test_descriptors_with_many_bytes),
		T(test_own_socket_in_unfinished_message),
		T(test_many_in_one_go),
		T(test_replies_not_read),
		T(test_no_answer_before_reply_ack),
		T(test_random_messages),
		T(test_random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
