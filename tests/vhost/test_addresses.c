/* SPDX-License-Identifier: Apache-2.0 */
/* test_addresses.c - The socket itself: its file, who may be there already, and connecting to one that comes late. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost_peer.h"

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(addr.sun_path, path, strlen(path));
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void assert_serves(struct rig *rig)
{
	struct peer p;

	peer_init(&p);
	peer_connect(&p, rig);
	assert_int_equal(peer_get_u64(rig, &p, VHOST_USER_GET_FEATURES), rig->config.features | BIT(30) | BIT(26));
	peer_deinit(&p);
	rig_run(rig);
}

static void assert_refused(struct rig *rig, int error, const char *text)
{
	rig_create(rig);
	assert_null(rig->b);
	assert_int_equal(rig->error, error);
	assert_non_null(strstr(rig->err, text));
}

static void test_stale_file_is_replaced(void **state)
{
	struct rig *rig = *state;

	close(listen_at(rig->path));
	rig_create(rig);
	assert_non_null(rig->b);
	assert_serves(rig);
}

static void test_live_socket_is_refused(void **state)
{
	struct rig *rig = *state;
	int fd = listen_at(rig->path);
	struct stat st;

	assert_refused(rig, -EADDRINUSE, rig->path);
	/* Also when its queue is full. */
	for (unsigned i = 0; i < 4; i++)
		assert_refused(rig, -EADDRINUSE, "another process");
	assert_int_equal(stat(rig->path, &st), 0);
	close(fd);
	unlink(rig->path);
}

static void test_other_file_is_kept(void **state)
{
	struct rig *rig = *state;
	FILE *f = fopen(rig->path, "w");

	fclose(f);
	assert_refused(rig, -EEXIST, "is not a socket");
	assert_int_equal(unlink(rig->path), 0);
	assert_int_equal(symlink("/dev/null", rig->path), 0);
	assert_refused(rig, -EEXIST, "is not a socket");
	assert_int_equal(unlink(rig->path), 0);
}

static void test_paths_that_cannot_be(void **state)
{
	struct rig *rig = *state;

	snprintf(rig->config.socket, sizeof(rig->config.socket), "%s/no/s", rig->dir);
	assert_refused(rig, -ENOENT, "no/s");
	rig->config.socket[0] = '\0';
	assert_refused(rig, -ENAMETOOLONG, "");
	rig->config.client = true;
	assert_refused(rig, -ENAMETOOLONG, "");
}

static void test_mode_whatever_the_umask(void **state)
{
	static const mode_t modes[] = { 0600, 0660, 0666, 0777 };
	struct rig *rig = *state;
	struct stat st;

	for (unsigned i = 0; i < 8; i++) {
		mode_t old = umask(i % 2 ? 0 : 077);

		rig->config.socket_mode = modes[i / 2];
		rig->config.socket_uid = i % 2 ? getuid() : (uid_t)-1;
		rig->config.socket_gid = i % 2 ? getgid() : (gid_t)-1;
		rig_create(rig);
		umask(old);
		assert_non_null(rig->b);
		assert_int_equal(stat(rig->path, &st), 0);
		assert_int_equal(st.st_mode & 07777, modes[i / 2]);
		vhost_backend_destroy(rig->b);
		rig->b = NULL;
		assert_int_equal(stat(rig->path, &st), -1);
	}
}

/* Somebody else's socket has taken the path meanwhile: it is not ours to remove. */
static void test_removes_its_own_file_only(void **state)
{
	struct rig *rig = *state;
	int fd;

	rig_create(rig);
	assert_int_equal(unlink(rig->path), 0);
	fd = listen_at(rig->path);
	vhost_backend_destroy(rig->b);
	rig->b = NULL;
	assert_int_equal(unlink(rig->path), 0);
	close(fd);
}

/* As a client. The peer's side of the connection into p->fd. */
static void accept_peer(struct rig *rig, struct peer *p, int listener)
{
	for (unsigned i = 0; i < 1000 && !vhost_backend_is_connected(rig->b); i++)
		event_loop_turn(rig->loop, 10);
	assert_true(vhost_backend_is_connected(rig->b));
	p->fd = accept(listener, NULL, NULL);
	assert_true(p->fd >= 0);
}

static void test_client_waits_for_its_server(void **state)
{
	struct rig *rig = *state;
	struct peer p;
	int listener;

	rig->config.client = true;
	rig_create(rig);
	assert_non_null(rig->b);
	for (unsigned i = 0; i < 3; i++)
		event_loop_turn(rig->loop, 200);
	assert_false(vhost_backend_is_connected(rig->b));
	assert_non_null(strstr(vhost_backend_error(rig->b), "cannot connect: No such file or directory"));

	listener = listen_at(rig->path);
	for (unsigned round = 0; round < 3; round++) {
		peer_init(&p);
		accept_peer(rig, &p, listener);
		assert_string_equal(vhost_backend_error(rig->b), "");
		assert_int_equal(peer_get_u64(rig, &p, VHOST_USER_GET_FEATURES),
				 rig->config.features | BIT(30) | BIT(26));
		peer_deinit(&p);
		rig_run(rig);
		assert_false(vhost_backend_is_connected(rig->b));
	}
	close(listener);
	unlink(rig->path);
}

/* Destroyed while a try is pending. */
static void test_client_gives_up(void **state)
{
	struct rig *rig = *state;

	rig->config.client = true;
	rig_create(rig);
	rig_run(rig);
	vhost_backend_destroy(rig->b);
	rig->b = NULL;
	event_loop_turn(rig->loop, 150);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup_bare, rig_teardown)
		T(test_stale_file_is_replaced),
		T(test_live_socket_is_refused),
		T(test_other_file_is_kept),
		T(test_paths_that_cannot_be),
		T(test_mode_whatever_the_umask),
		T(test_removes_its_own_file_only),
		T(test_client_waits_for_its_server),
		T(test_client_gives_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
