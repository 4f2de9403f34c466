/* SPDX-License-Identifier: Apache-2.0 */
/* vhost_peer.c - The front-end of the vhost tests, and the back-end with its observer. */
#include "vhost_peer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

#define MEM_NAME "ringway-test-guest"

int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

void wait_for_fds(int n)
{
	for (unsigned i = 0; i < 5000 && count_fds() > n; i++)
		usleep(1000);
	assert_int_equal(count_fds(), n);
}

int count_peer_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	int n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, MEM_NAME) != NULL;
	fclose(f);
	return n;
}

/* Observer */

static bool is_parked(struct rig *rig, unsigned ring)
{
	struct gate *g = &vhost_backend_ring(rig->b, ring)->gate;

	if (!gate_try_enter(g))
		return true;
	gate_leave(g);
	return false;
}

static void ring_changed(void *arg, unsigned ring)
{
	struct rig *rig = arg;

	assert_true(ring < 2 * rig->config.queue_pairs);
	assert_false(is_parked(rig, ring));
	/* The descriptor that the ring had is still open, so that it can be taken out of an epoll set. */
	if (rig->kick_fd_seen[ring] >= 0)
		assert_int_not_equal(fcntl(rig->kick_fd_seen[ring], F_GETFD), -1);
	rig->kick_fd_seen[ring] = vhost_backend_ring(rig->b, ring)->kick_fd;
	rig->ring_changed[ring]++;
}

static void features_changed(void *arg)
{
	struct rig *rig = arg;

	for (unsigned i = 0; i < 2 * rig->config.queue_pairs; i++)
		assert_true(is_parked(rig, i));
	rig->features_changed++;
}

static void state_changed(void *arg)
{
	((struct rig *)arg)->state_changed++;
}

static void announce(void *arg, const uint8_t mac[6])
{
	struct rig *rig = arg;

	rig->announced++;
	memcpy(rig->announced_mac, mac, 6);
}

static const struct vhost_backend_ops ops = { ring_changed, features_changed, state_changed, announce };

/* Rig */

int rig_setup_bare(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	log_set_level(LOG_LEVEL_ERROR);
	rig->fds_before = count_fds();
	rig->loop = event_loop_create();
	snprintf(rig->dir, sizeof(rig->dir), "/tmp/ringway-test-XXXXXX");
	if (!rig->loop || !mkdtemp(rig->dir))
		return -1;
	snprintf(rig->path, sizeof(rig->path), "%s/s", rig->dir);
	rig->config = (struct vhost_backend_config){
		.queue_pairs = 2,
		.features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |
			    BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_NET_F_MTU),
		.mtu = 9000,
		.lost_fd = -1,
		.socket_mode = 0600,
		.socket_uid = (uid_t)-1,
		.socket_gid = (gid_t)-1,
	};
	memcpy(rig->config.socket, rig->path, sizeof(rig->path));
	for (unsigned i = 0; i < VHOST_RINGS_MAX; i++)
		rig->kick_fd_seen[i] = -1;
	*state = rig;
	return 0;
}

void rig_create(struct rig *rig)
{
	rig->b = vhost_backend_create(rig->loop, &rig->config, &ops, rig, &rig->error, rig->err, sizeof(rig->err));
}

int rig_setup(void **state)
{
	int err = rig_setup_bare(state);

	if (err == 0)
		rig_create(*state);
	return err;
}

int rig_teardown(void **state)
{
	struct rig *rig = *state;

	vhost_backend_destroy(rig->b);
	event_loop_destroy(rig->loop);
	wait_for_fds(rig->fds_before);
	assert_int_equal(count_peer_maps(), 0);
	assert_int_equal(rmdir(rig->dir), 0); /* the socket is gone */
	free(rig);
	return 0;
}

void rig_run(struct rig *rig)
{
	while (event_loop_turn(rig->loop, 0) > 0)
		;
}

/* Peer */

void peer_init(struct peer *p)
{
	*p = (struct peer){ .fd = -1 };
	p->mem_fd = memfd_create(MEM_NAME, MFD_CLOEXEC);
	assert_int_equal(ftruncate(p->mem_fd, PEER_MEM_SIZE), 0);
	p->mem = mmap(NULL, PEER_MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, p->mem_fd, 0);
	assert_ptr_not_equal(p->mem, MAP_FAILED);
	for (unsigned i = 0; i < PEER_RINGS_MAX; i++) {
		p->kick_fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		p->call_fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	}
}

void peer_deinit(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	for (unsigned i = 0; i < PEER_RINGS_MAX; i++) {
		close(p->kick_fds[i]);
		close(p->call_fds[i]);
	}
	munmap(p->mem, PEER_MEM_SIZE);
	close(p->mem_fd);
}

void peer_knock(struct peer *p, const struct rig *rig)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	memcpy(addr.sun_path, rig->path, sizeof(addr.sun_path));
	if (p->fd >= 0)
		close(p->fd);
	p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(p->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

void peer_connect(struct peer *p, const struct rig *rig)
{
	peer_knock(p, rig);
	for (unsigned i = 0; i < 500 && !vhost_backend_is_connected(rig->b); i++)
		event_loop_turn(rig->loop, 10);
}

bool peer_send_bytes(struct peer *p, const void *bytes, size_t len, const int *fds, unsigned n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(253 * sizeof(int))];
	} control;
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	memset(&control, 0, sizeof(control));
	if (n_fds > 0) {
		struct cmsghdr *cmsg = &control.align;

		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
	}
	return sendmsg(p->fd, &mh, MSG_NOSIGNAL) == (ssize_t)len;
}

bool peer_send(struct peer *p, uint32_t request, uint32_t flags, const void *payload, uint32_t size, const int *fds,
	       unsigned n_fds)
{
	struct vhost_user_header h = { request, flags, size };
	char bytes[sizeof(h) + 512] = { 0 };
	size_t n = size < 512 ? size : 512;

	memcpy(bytes, &h, sizeof(h));
	if (payload)
		memcpy(bytes + sizeof(h), payload,
		       n < sizeof(union vhost_user_payload) ? n : sizeof(union vhost_user_payload));
	return peer_send_bytes(p, bytes, sizeof(h) + n, fds, n_fds);
}

int peer_receive_fd(struct peer *p, struct vhost_user_msg *msg, int *fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { &msg->header, sizeof(msg->header) };
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	ssize_t n = recvmsg(p->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*fd = -1;
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n <= 0)
		return -1;
	assert_int_equal(n, sizeof(msg->header));
	assert_int_equal(mh.msg_flags & MSG_CTRUNC, 0);
	if (mh.msg_controllen > 0)
		memcpy(fd, CMSG_DATA(&control.align), sizeof(*fd));
	assert_true(msg->header.size <= sizeof(msg->payload));
	if (msg->header.size > 0)
		assert_int_equal(recv(p->fd, &msg->payload, msg->header.size, MSG_DONTWAIT), msg->header.size);
	return 1;
}

int peer_receive(struct peer *p, struct vhost_user_msg *msg)
{
	int fd, got = peer_receive_fd(p, msg, &fd);

	if (fd >= 0)
		close(fd);
	return got;
}

bool peer_has_ended(struct rig *rig, struct peer *p)
{
	struct vhost_user_msg msg;
	int got;

	rig_run(rig);
	do
		got = peer_receive(p, &msg);
	while (got == 1);
	return got == -1 && !vhost_backend_is_connected(rig->b);
}

/* Requests */

static void receive_reply(struct peer *p, uint32_t request, struct vhost_user_msg *msg)
{
	assert_int_equal(peer_receive(p, msg), 1);
	assert_int_equal(msg->header.request, request);
	assert_int_equal(msg->header.flags, 0x5); /* vhost-user.rst, Header: version 1, reply */
}

uint64_t peer_ask(struct rig *rig, struct peer *p, uint32_t request, const void *payload, uint32_t size, const int *fds,
		  unsigned n_fds)
{
	struct vhost_user_msg msg;

	assert_true(peer_send(p, request, 0x1 | 0x8, payload, size, fds, n_fds));
	rig_run(rig);
	receive_reply(p, request, &msg);
	assert_int_equal(msg.header.size, 8);
	return msg.payload.u64;
}

void peer_request(struct rig *rig, struct peer *p, uint32_t request, const void *payload, uint32_t size, const int *fds,
		  unsigned n_fds)
{
	struct vhost_user_msg msg;

	if (p->need_reply) {
		assert_int_equal(peer_ask(rig, p, request, payload, size, fds, n_fds), 0);
		return;
	}
	assert_true(peer_send(p, request, 0x1, payload, size, fds, n_fds));
	rig_run(rig);
	assert_int_equal(peer_receive(p, &msg), 0);
}

uint64_t peer_get_u64(struct rig *rig, struct peer *p, uint32_t request)
{
	struct vhost_user_msg msg;

	assert_true(peer_send(p, request, 0x1, NULL, 0, NULL, 0));
	rig_run(rig);
	receive_reply(p, request, &msg);
	assert_int_equal(msg.header.size, 8);
	return msg.payload.u64;
}

void peer_set_u64(struct rig *rig, struct peer *p, uint32_t request, uint64_t value)
{
	peer_request(rig, p, request, &value, sizeof(value), NULL, 0);
}

void peer_set_state(struct rig *rig, struct peer *p, uint32_t request, uint32_t index, uint32_t num)
{
	struct vhost_vring_state state = { index, num };

	peer_request(rig, p, request, &state, sizeof(state), NULL, 0);
}

uint32_t peer_get_base(struct rig *rig, struct peer *p, uint32_t index)
{
	struct vhost_vring_state state = { index, 0 };
	struct vhost_user_msg msg;

	assert_true(peer_send(p, VHOST_USER_GET_VRING_BASE, 0x1, &state, sizeof(state), NULL, 0));
	rig_run(rig);
	receive_reply(p, VHOST_USER_GET_VRING_BASE, &msg);
	assert_int_equal(msg.header.size, 8);
	assert_int_equal(msg.payload.state.index, index);
	return msg.payload.state.num;
}

void peer_set_fd(struct rig *rig, struct peer *p, uint32_t request, uint32_t index, int fd)
{
	uint64_t value = index | (fd < 0 ? 0x100 : 0);

	peer_request(rig, p, request, &value, sizeof(value), &fd, fd >= 0);
}

/* Steps */

struct vhost_user_mem_table peer_table(void)
{
	return (struct vhost_user_mem_table){
		.n_regions = 1,
		.regions[0] = { PEER_GUEST_ADDR, PEER_MEM_SIZE, PEER_USER_ADDR, 0 },
	};
}

uint32_t peer_table_size(const struct vhost_user_mem_table *t)
{
	return 8 + 32 * t->n_regions;
}

struct vhost_vring_addr peer_ring_addr(uint32_t index)
{
	uint64_t start = PEER_USER_ADDR + index * 0x2000ull;

	return (struct vhost_vring_addr){
		.index = index,
		.desc_user_addr = start,
		.avail_user_addr = start + 0x800,
		.used_user_addr = start + 0x1000,
	};
}

void peer_set_memory(struct rig *rig, struct peer *p)
{
	struct vhost_user_mem_table t = peer_table();

	peer_request(rig, p, VHOST_USER_SET_MEM_TABLE, &t, peer_table_size(&t), &p->mem_fd, 1);
}

void peer_negotiate(struct rig *rig, struct peer *p, uint64_t features, uint64_t protocol_features)
{
	uint64_t offered = peer_get_u64(rig, p, VHOST_USER_GET_FEATURES);

	assert_int_equal(features & ~offered, 0);
	if (protocol_features) {
		assert_true(offered & BIT(30));
		offered = peer_get_u64(rig, p, VHOST_USER_GET_PROTOCOL_FEATURES);
		assert_int_equal(protocol_features & ~offered, 0);
		peer_set_u64(rig, p, VHOST_USER_SET_PROTOCOL_FEATURES, protocol_features);
	}
	peer_request(rig, p, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0);
	peer_set_u64(rig, p, VHOST_USER_SET_FEATURES, features);
	p->features = features;
	p->protocol_features = protocol_features;
}

void peer_start_ring(struct rig *rig, struct peer *p, uint32_t index)
{
	struct vhost_vring_addr addr = peer_ring_addr(index);

	peer_set_state(rig, p, VHOST_USER_SET_VRING_NUM, index, PEER_RING_SIZE);
	peer_set_state(rig, p, VHOST_USER_SET_VRING_BASE, index, 0);
	peer_request(rig, p, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
	peer_set_fd(rig, p, VHOST_USER_SET_VRING_KICK, index, p->kick_fds[index]);
	peer_set_fd(rig, p, VHOST_USER_SET_VRING_CALL, index, p->call_fds[index]);
}

void peer_start(struct rig *rig, struct peer *p)
{
	peer_connect(p, rig);
	peer_negotiate(rig, p, BIT(VIRTIO_F_VERSION_1) | BIT(30),
		       BIT(VHOST_USER_PROTOCOL_F_MQ) | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
			   BIT(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS) | BIT(VHOST_USER_PROTOCOL_F_MTU) |
			   BIT(VHOST_USER_PROTOCOL_F_STATUS) | BIT(VHOST_USER_PROTOCOL_F_RESET_DEVICE) |
			   BIT(VHOST_USER_PROTOCOL_F_RARP));
	peer_set_memory(rig, p);
	for (uint32_t i = 0; i < 2; i++) {
		peer_start_ring(rig, p, i);
		peer_set_state(rig, p, VHOST_USER_SET_VRING_ENABLE, i, 1);
	}
}
