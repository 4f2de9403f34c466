/* SPDX-License-Identifier: Apache-2.0 */
/* test_floods.c - Front-ends that do what they may, and far too much of it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vhost_peer.h"

/* Another back-end in the same thread. */
static void make_neighbour(struct rig *other, const struct rig *rig)
{
	*other = (struct rig){ .loop = rig->loop, .config = rig->config };
	snprintf(other->path, sizeof(other->path), "%s/t", rig->dir);
	memcpy(other->config.socket, other->path, sizeof(other->path));
	for (unsigned i = 0; i < VHOST_RINGS_MAX; i++)
		other->kick_fd_seen[i] = -1;
	rig_create(other);
	assert_non_null(other->b);
}

/* Whatever one sends, the other one is answered in the same turn. */
static void test_messages_without_a_pause(void **state)
{
	enum { FLOOD = 100 };
	struct rig *rig = *state, other;
	struct vhost_user_header get[FLOOD];
	struct vhost_user_msg msg;
	struct peer p, q;
	unsigned n = 0;

	for (unsigned i = 0; i < FLOOD; i++)
		get[i] = (struct vhost_user_header){ VHOST_USER_GET_FEATURES, 1, 0 };
	make_neighbour(&other, rig);
	peer_init(&p);
	peer_connect(&p, rig);
	peer_init(&q);
	peer_connect(&q, &other);
	assert_true(peer_send_bytes(&p, get, sizeof(get), NULL, 0));
	assert_true(peer_send(&q, VHOST_USER_GET_FEATURES, 1, NULL, 0, NULL, 0));
	event_loop_turn(rig->loop, 0);
	assert_int_equal(peer_receive(&q, &msg), 1);
	while (peer_receive(&p, &msg) == 1)
		n++;
	assert_in_range(n, 1, FLOOD / 4);
	rig_run(rig);
	while (peer_receive(&p, &msg) == 1)
		n++;
	assert_int_equal(n, FLOOD);
	peer_deinit(&p);
	peer_deinit(&q);
	rig_run(rig);
	vhost_backend_destroy(other.b);
}

/* Does it get in at once? */
static bool comes(struct rig *rig, struct peer *p)
{
	peer_init(p);
	peer_knock(p, rig);
	rig_run(rig);
	return vhost_backend_is_connected(rig->b);
}

/* Comes again and again, until it is let wait: how many times it was not. */
static unsigned come_and_go(struct rig *rig, bool with_fault)
{
	struct peer p;
	unsigned n;

	for (n = 0; comes(rig, &p); n++) {
		assert_true(n < 1000);
		if (with_fault)
			assert_true(peer_send(&p, VHOST_USER_REQUEST_MAX + 1, 1, NULL, 0, NULL, 0));
		rig_run(rig);
		peer_deinit(&p);
		rig_run(rig);
		assert_false(vhost_backend_is_connected(rig->b));
	}
	for (unsigned i = 0; i < 500 && !vhost_backend_is_connected(rig->b); i++)
		event_loop_turn(rig->loop, 10);
	assert_true(vhost_backend_is_connected(rig->b)); /* in the end */
	peer_deinit(&p);
	rig_run(rig);
	return n;
}

static void test_connections_without_a_pause(void **state)
{
	unsigned n[2];

	for (unsigned with_fault = 0; with_fault < 2; with_fault++) {
		struct rig *rig = *state;

		vhost_backend_destroy(rig->b);
		rig->config.paced = true;
		rig_create(rig);
		n[with_fault] = come_and_go(rig, with_fault);
	}
	assert_true(n[0] >= 50);
	assert_in_range(n[1], 10, n[0] / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
		T(test_messages_without_a_pause),
		T(test_connections_without_a_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
