/* SPDX-License-Identifier: Apache-2.0 */
/* frontend_session.c - What the front-end says to the back-end. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "vhost/frontend_internal.h"

/* Waiting */

uint64_t frontend_deadline_ns(const struct vhost_frontend *f)
{
	return clock_ns() + f->config.timeout_ms * NSEC_PER_MSEC;
}

int frontend_wait_readable(struct vhost_frontend *f, int fd, uint64_t deadline_ns)
{
	uint64_t now_ns = clock_ns();
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = f->channel.fd, .events = POLLIN } };

	if (now_ns >= deadline_ns)
		return -ETIMEDOUT;
	if (f->config.while_waiting) {
		f->config.while_waiting(f->config.arg);
		return 0;
	}
	return poll(p, f->silent ? 1 : 2, (int)((deadline_ns - now_ns) / NSEC_PER_MSEC + 1)) < 0 && errno != EINTR
		   ? -errno
		   : 0;
}

/* Connection */

static int connect_to_server(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd, err;

	if (len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, len);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int wait_for_client(struct vhost_frontend *f)
{
	uint64_t deadline_ns = frontend_deadline_ns(f);
	int fd, err = 0;

	while ((fd = vhost_listener_accept(&f->listener)) == -EAGAIN && err == 0)
		err = frontend_wait_readable(f, f->listener.fd, deadline_ns);
	return fd == -EAGAIN ? err : fd;
}

int frontend_connect(struct vhost_frontend *f)
{
	int fd = f->config.server ? wait_for_client(f) : connect_to_server(f->config.socket);

	if (fd < 0)
		return fd;
	vhost_socket_deinit(&f->socket);
	vhost_socket_init(&f->socket, fd, NULL);
	for (unsigned i = 0; i < f->n_rings; i++)
		f->rings[i].started = false;
	return 0;
}

bool vhost_frontend_is_connected(struct vhost_frontend *f)
{
	char c;

	return recv(f->socket.fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) != 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

/* Requests */

static int receive_reply(struct vhost_frontend *f, uint32_t request, void *reply, uint32_t reply_size)
{
	const struct vhost_user_header *h = &f->socket.msg.header;
	uint64_t deadline_ns = frontend_deadline_ns(f);
	int err;

	while ((err = vhost_socket_receive(&f->socket)) == -EAGAIN) {
		err = frontend_wait_readable(f, f->socket.fd, deadline_ns);
		if (err < 0)
			return err;
	}
	if (err < 0)
		return err == -ENOTCONN ? -ECONNRESET : err;
	if (h->request != request || h->flags != (VHOST_USER_VERSION | VHOST_USER_REPLY) || h->size != reply_size)
		return -EPROTO;
	memcpy(reply, &f->socket.msg.payload, reply_size);
	return 0;
}

int vhost_frontend_request(struct vhost_frontend *f, uint32_t request, const void *payload, uint32_t size,
			   const int *fds, unsigned n_fds, void *reply, uint32_t reply_size)
{
	bool ack = !reply && f->protocol_features >> VHOST_USER_PROTOCOL_F_REPLY_ACK & 1;
	struct vhost_user_msg msg = { .header = { request, VHOST_USER_VERSION | (ack ? VHOST_USER_NEED_REPLY : 0),
						  size } };
	uint64_t result;
	int err;

	f->last_request = request;
	if (size > sizeof(msg.payload))
		return -EMSGSIZE;
	if (size > 0)
		memcpy(&msg.payload, payload, size);
	err = vhost_socket_send(&f->socket, &msg, fds, n_fds);
	if (err == 0 && reply)
		return receive_reply(f, request, reply, reply_size);
	if (err < 0 || !ack)
		return err;
	err = receive_reply(f, request, &result, sizeof(result));
	return err == 0 && result != 0 ? -EREMOTEIO : err;
}

static int get_u64(struct vhost_frontend *f, uint32_t request, uint64_t *value)
{
	return vhost_frontend_request(f, request, NULL, 0, NULL, 0, value, sizeof(*value));
}

static int set_u64(struct vhost_frontend *f, uint32_t request, uint64_t value)
{
	return vhost_frontend_request(f, request, &value, sizeof(value), NULL, 0, NULL, 0);
}

static int set_state(struct vhost_frontend *f, uint32_t request, unsigned ring, uint32_t num)
{
	struct vhost_vring_state state = { ring, num };

	return vhost_frontend_request(f, request, &state, sizeof(state), NULL, 0, NULL, 0);
}

static int set_fd(struct vhost_frontend *f, uint32_t request, unsigned ring, int fd)
{
	uint64_t value = ring;

	return vhost_frontend_request(f, request, &value, sizeof(value), &fd, 1, NULL, 0);
}

/* Negotiation */

/* What this front-end has a use for, of what the back-end offers. */
static uint64_t wanted_protocol_features(const struct vhost_frontend *f)
{
	const uint64_t inflight = 1ull << VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD |
				  1ull << VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT |
				  1ull << VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN;
	uint64_t wanted = f->config.protocol_features;

	if (!f->config.inflight)
		wanted &= ~inflight;
	if (!f->config.gpa_addresses)
		wanted &= ~(1ull << VHOST_USER_PROTOCOL_F_GPA_ADDRESSES);
	if (!f->config.inband)
		wanted &= ~(1ull << VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS);
	return wanted;
}

static int negotiate_protocol_features(struct vhost_frontend *f)
{
	uint64_t offered, n_pairs;
	int err = get_u64(f, VHOST_USER_GET_PROTOCOL_FEATURES, &offered);

	if (err < 0)
		return err;
	offered &= wanted_protocol_features(f);
	err = set_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, offered);
	if (err < 0)
		return err;
	f->protocol_features = offered;
	if (!(offered >> VHOST_USER_PROTOCOL_F_MQ & 1))
		return 0;
	err = get_u64(f, VHOST_USER_GET_QUEUE_NUM, &n_pairs);
	return err == 0 && n_pairs < f->config.queue_pairs ? -ERANGE : err;
}

int frontend_negotiate(struct vhost_frontend *f)
{
	const uint64_t protocol_bit = 1ull << VHOST_USER_F_PROTOCOL_FEATURES, log_bit = 1ull << VHOST_F_LOG_ALL;
	uint64_t offered;
	int err = get_u64(f, VHOST_USER_GET_FEATURES, &offered);

	f->protocol_features = 0;
	f->features = offered & f->config.features & ~(protocol_bit | log_bit); /* they are no device's features */
	if (!f->config.iommu)
		f->features &= ~(1ull << VIRTIO_F_ACCESS_PLATFORM);
	if (err == 0 && f->config.protocol_features && (offered & protocol_bit)) {
		f->features |= protocol_bit;
		err = negotiate_protocol_features(f);
	}
	if (err == 0)
		err = vhost_frontend_request(f, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0, NULL, 0);
	if (err == 0)
		err = set_u64(f, VHOST_USER_SET_FEATURES, f->features);
	return err == 0 && (frontend_wants_iommu(f) || frontend_is_inband(f)) ? frontend_open_channel(f) : err;
}

/* Memory */

/* Region `i` of config.n_regions: all are of the same size but the first, which holds the rings' areas whole. */
static struct vhost_user_region region(const struct vhost_frontend *f, unsigned i)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t first = MAX(f->areas_size, f->mem_size / f->config.n_regions / page * page);
	size_t part = (f->mem_size - first) / MAX(f->config.n_regions - 1, 1u) / page * page;
	size_t start = i == 0 ? 0 : first + (i - 1) * part;
	size_t end = i == f->config.n_regions - 1 ? f->mem_size : first + i * part;

	return (struct vhost_user_region){
		.guest_addr = FRONTEND_GUEST_ADDR + start,
		.size = end - start,
		.user_addr = frontend_user_base(f) + start,
		.mmap_offset = start,
	};
}

static int add_regions(struct vhost_frontend *f)
{
	int err = 0;

	for (unsigned i = 0; i < f->config.n_regions && err == 0; i++) {
		struct vhost_user_mem_reg reg = { 0, region(f, i) };

		err = vhost_frontend_request(f, VHOST_USER_ADD_MEM_REG, &reg, sizeof(reg), &f->mem_fd, 1, NULL, 0);
	}
	return err;
}

int frontend_share_memory(struct vhost_frontend *f)
{
	struct vhost_user_mem_table t = { .n_regions = f->config.n_regions };
	int fds[VHOST_USER_TABLE_REGIONS_MAX];

	if (f->protocol_features >> VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS & 1)
		return add_regions(f);
	if (t.n_regions > VHOST_USER_TABLE_REGIONS_MAX)
		return -E2BIG;
	for (unsigned i = 0; i < t.n_regions; i++) {
		t.regions[i] = region(f, i);
		fds[i] = f->mem_fd;
	}
	return vhost_frontend_request(
	    f, VHOST_USER_SET_MEM_TABLE, &t,
	    (uint32_t)(offsetof(struct vhost_user_mem_table, regions) + t.n_regions * sizeof(t.regions[0])), fds,
	    t.n_regions, NULL, 0);
}

/* What is in flight */

static int get_inflight(struct vhost_frontend *f)
{
	struct vhost_user_inflight wanted = { .n_rings = (uint16_t)f->n_rings, .ring_size = f->config.ring_size };
	int err = vhost_frontend_request(f, VHOST_USER_GET_INFLIGHT_FD, &wanted, sizeof(wanted), NULL, 0, &f->inflight,
					 sizeof(f->inflight));

	if (err == 0 && f->socket.n_fds != 1)
		err = -EPROTO;
	if (err == 0)
		f->inflight_fd = vhost_socket_take_fd(&f->socket, 0);
	return err;
}

int frontend_share_inflight(struct vhost_frontend *f)
{
	int err = 0;

	if (!(f->protocol_features >> VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD & 1))
		return 0;
	if (f->inflight_fd < 0)
		err = get_inflight(f);
	return err < 0 ? err
		       : vhost_frontend_request(f, VHOST_USER_SET_INFLIGHT_FD, &f->inflight, sizeof(f->inflight),
						&f->inflight_fd, 1, NULL, 0);
}

/* Rings */

static uint64_t ring_addr(const struct vhost_frontend *f, const void *area)
{
	if (f->iommu.page_at)
		return frontend_guest_addr(f, area);
	return frontend_user_base(f) + (uint64_t)((const uint8_t *)area - f->mem);
}

static int set_ring_addr(struct vhost_frontend *f, unsigned ring)
{
	const struct virtq_driver *d = &f->rings[ring].driver;
	struct vhost_vring_addr addr = {
		.index = ring,
		.desc_user_addr = ring_addr(f, d->desc),
		.avail_user_addr = ring_addr(f, d->avail),
		.used_user_addr = ring_addr(f, d->used),
	};

	return vhost_frontend_request(f, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0, NULL, 0);
}

static int set_fds(struct vhost_frontend *f, unsigned ring)
{
	const struct frontend_ring *r = &f->rings[ring];
	int err = set_fd(f, VHOST_USER_SET_VRING_CALL, ring, r->call_fd);

	return err == 0 ? set_fd(f, VHOST_USER_SET_VRING_KICK, ring, r->kick_fd) : err;
}

int frontend_start_ring(struct vhost_frontend *f, unsigned ring)
{
	struct frontend_ring *r = &f->rings[ring];
	int err = set_state(f, VHOST_USER_SET_VRING_NUM, ring, r->driver.size);

	if (err == 0)
		err = set_state(f, VHOST_USER_SET_VRING_BASE, ring, r->base);
	if (err == 0)
		err = set_ring_addr(f, ring);
	if (err == 0)
		err = frontend_is_inband(f) ? set_state(f, VHOST_USER_VRING_KICK, ring, 0) : set_fds(f, ring);
	r->started = err == 0;
	if (err == 0 && frontend_has(f, VHOST_USER_F_PROTOCOL_FEATURES))
		err = set_state(f, VHOST_USER_SET_VRING_ENABLE, ring, 1);
	return err;
}

int frontend_stop_ring(struct vhost_frontend *f, unsigned ring)
{
	struct vhost_vring_state state = { ring, 0 }, reply = { 0 };
	bool skip_drain = f->protocol_features >> VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN & 1;
	uint32_t request = skip_drain ? VHOST_USER_GET_VRING_BASE_SKIP_DRAIN : VHOST_USER_GET_VRING_BASE;
	int err = vhost_frontend_request(f, request, &state, sizeof(state), NULL, 0, &reply, sizeof(reply));

	if (err < 0)
		return err;
	f->rings[ring].base = (uint16_t)reply.num;
	f->rings[ring].started = false;
	return 0;
}
