/* SPDX-License-Identifier: Apache-2.0 */
/* test_descriptors.c - Descriptors that make whoever uses or closes them wait for somebody else.
 *
 * All runs in one thread: were anything of this waited for, no test here would end. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/virtio_config.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/closer.h"
#include "base/fd_kind.h"
#include "slow_file.h"
#include "vhost_peer.h"
#include "virtio/guest_mem.h"

enum { MANY = 200 }; /* what one call can send is 253 */

static void assert_ended(struct rig *rig, struct peer *p, const char *text)
{
	assert_true(peer_has_ended(rig, p));
	if (!strstr(vhost_backend_error(rig->b), text))
		fail_msg("\"%s\" instead of \"..%s..\"", vhost_backend_error(rig->b), text);
}

/* The next one gets in when all descriptors of the last one are closed. */
static void assert_comes_back(struct rig *rig)
{
	struct peer p;

	peer_init(&p);
	peer_connect(&p, rig);
	assert_true(vhost_backend_is_connected(rig->b));
	peer_deinit(&p);
	rig_run(rig);
}

static void assert_nobody_gets_in(struct rig *rig)
{
	struct peer p;

	peer_init(&p);
	peer_knock(&p, rig);
	for (unsigned i = 0; i < 5; i++)
		event_loop_turn(rig->loop, 20);
	assert_false(vhost_backend_is_connected(rig->b));
	peer_deinit(&p);
}

static void skip_without_fuse(struct slow_file *f)
{
	if (slow_file_open(f) < 0) {
		print_message("skipped: no FUSE for ordinary users here\n");
		skip();
	}
}

/* Kinds */

static void test_kinds(void **state)
{
	int memfd = memfd_create("m", MFD_CLOEXEC), event = eventfd(0, EFD_CLOEXEC), pipe_fds[2], pair[2];
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(fd_kind(memfd), FD_MEMORY);
	assert_int_equal(fd_kind(event), FD_EVENT);
	assert_int_equal(fd_kind(pair[0]), FD_UNIX_SOCKET);
	assert_int_equal(fd_kind(tcp), FD_OTHER);
	assert_int_equal(fd_kind(pipe_fds[0]), FD_OTHER);
	assert_int_equal(fd_kind(dir), FD_OTHER);
	for (const int *fd = (const int[]){ memfd, event, pipe_fds[0], pipe_fds[1], pair[0], pair[1], tcp, dir, -1 };
	     *fd >= 0; fd++)
		close(*fd);
}

/* What the kernel says of the device decides; which it is depends on where this runs. */
static void test_kind_of_a_file(void **state)
{
	char path[] = "/tmp/ringway-test-XXXXXX";
	int fd = mkstemp(path);
	struct statfs fs;
	struct stat st;

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(fstatfs(fd, &fs), 0);
	if (fs.f_type == TMPFS_MAGIC)
		assert_int_equal(fd_kind(fd), FD_MEMORY);
	else if (fs.f_type == BTRFS_SUPER_MAGIC || major(st.st_dev) != 0)
		assert_int_equal(fd_kind(fd), FD_FILE);
	else
		assert_int_equal(fd_kind(fd), FD_OTHER);
	close(fd);
}

/* FUSE */

static void test_slow_file_is_no_memory(void **state)
{
	struct guest_mem m;
	struct slow_file f;
	struct closer *c;

	(void)state;
	skip_without_fuse(&f);
	assert_int_equal(fd_kind(f.fd), FD_OTHER);
	assert_int_equal(guest_mem_init(&m), 0);
	assert_int_equal(guest_mem_add_fd(&m, 0, 0, 4096, f.fd, 0), -EMEDIUMTYPE);
	guest_mem_deinit(&m);
	c = closer_create();
	closer_close(c, f.fd);
	assert_true(closer_is_busy(c));
	slow_file_release(&f);
	while (closer_is_busy(c))
		usleep(1000);
	closer_destroy(c);
}

/* Whatever the message is, it ends the connection, and there is no other before the descriptors are closed. */
static void test_slow_file_in_a_message(void **state)
{
	static const struct {
		uint32_t request;
		unsigned n_fds;
		const char *text;
	} rows[] = {
		{ VHOST_USER_SET_MEM_TABLE, 1, "SET_MEM_TABLE: descriptor 0 could make us wait" },
		{ VHOST_USER_SET_MEM_TABLE, 8, "descriptor 0 could make us wait" },
		{ VHOST_USER_SET_MEM_TABLE, MANY, "more descriptors than" },
		{ VHOST_USER_REM_MEM_REG, 1, "descriptor 0 could make us wait" },
		{ VHOST_USER_SET_VRING_CALL, 1, "descriptor 0 could make us wait" },
		{ VHOST_USER_SET_LOG_FD, 1, "descriptor 0 could make us wait" },
		{ VHOST_USER_GET_FEATURES, 1, "carries 1 descriptors instead of 0" },
		{ VHOST_USER_REQUEST_MAX + 1, 1, "is not known" },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vhost_user_mem_table t = peer_table();
		uint32_t size = 0;
		int fds[MANY];
		struct slow_file f;
		struct peer p;

		skip_without_fuse(&f);
		for (unsigned k = 0; k < MANY; k++)
			fds[k] = f.fd;
		t.n_regions = rows[i].n_fds <= 8 ? rows[i].n_fds : 1;
		if (rows[i].request == VHOST_USER_SET_MEM_TABLE)
			size = peer_table_size(&t);
		else if (rows[i].request == VHOST_USER_REM_MEM_REG)
			size = sizeof(struct vhost_user_mem_reg);
		else if (rows[i].request == VHOST_USER_SET_VRING_CALL)
			size = 8;
		peer_init(&p);
		peer_start(rig, &p);
		peer_send(&p, rows[i].request, 9, size == 8 ? (const void *)&(uint64_t){ 1 } : &t, size, fds,
			  rows[i].n_fds);
		assert_ended(rig, &p, rows[i].text);
		assert_nobody_gets_in(rig);
		slow_file_release(&f);
		close(f.fd);
		peer_deinit(&p);
		assert_comes_back(rig);
	}
}

/* A message behind one that ends the connection, or of a connection that was never taken. */
static void test_slow_file_is_never_received(void **state)
{
	struct rig *rig = *state;
	struct slow_file f;
	struct peer p, q;

	skip_without_fuse(&f);
	peer_init(&p);
	peer_start(rig, &p);
	peer_send(&p, 0, 1, NULL, 0, NULL, 0);
	peer_send(&p, VHOST_USER_SET_LOG_FD, 1, NULL, 0, &f.fd, 1);
	peer_init(&q);
	peer_knock(&q, rig);
	peer_send(&q, VHOST_USER_SET_LOG_FD, 1, NULL, 0, &f.fd, 1);
	assert_ended(rig, &p, "is not known");
	vhost_backend_destroy(rig->b);
	rig->b = NULL;
	slow_file_release(&f);
	close(f.fd);
	peer_deinit(&p);
	peer_deinit(&q);
}

/* SO_LINGER */

/* A connection whose other end, *other, does not read; there is more to be sent than it takes, and close(2) would wait for that. */
static int lingering_socket(int *other)
{
	struct linger linger = { 1, 10000 };
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static const char bytes[65536];

	assert_int_equal(bind(server, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(server, 1), 0);
	assert_int_equal(getsockname(server, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	*other = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	close(server);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return fd;
}

/* Sent in a message that is received, in one that is not, or inside a socket that nobody reads. */
static void test_socket_that_lingers(void **state)
{
	struct rig *rig = *state;

	for (unsigned how = 0; how < 3; how++) {
		uint64_t ring = 1;
		int pair[2], other, fd;
		struct peer p;

		peer_init(&p);
		peer_start(rig, &p);
		fd = lingering_socket(&other);
		if (how == 1)
			peer_send(&p, 0, 1, NULL, 0, NULL, 0);
		if (how == 2) {
			struct peer inner = { 0 };

			assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
			inner.fd = pair[0];
			peer_send_bytes(&inner, "x", 1, &fd, 1);
			close(fd);
			fd = pair[1];
		}
		peer_send(&p, VHOST_USER_SET_VRING_CALL, 1, &ring, sizeof(ring), &fd, 1);
		close(fd); /* ours is not the last */
		assert_true(peer_has_ended(rig, &p));
		assert_nobody_gets_in(rig);
		assert_int_equal(
		    setsockopt(other, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger)), 0);
		close(other); /* a reset */
		if (how == 2)
			close(pair[0]);
		peer_deinit(&p);
		assert_comes_back(rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
		T(test_kinds),
		T(test_kind_of_a_file),
		T(test_slow_file_is_no_memory),
		T(test_slow_file_in_a_message),
		T(test_slow_file_is_never_received),
		T(test_socket_that_lingers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
