/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_vhost.c - What a front-end sends, through the socket, into the whole back-end.
 *
 * An input is a row of parcels, each sent at once: a byte that says which descriptors go with it, a byte for its length, and
 * that many bytes. Parcels and messages need not match. With bit 7 of the first byte it is no parcel: its bytes are written into the
 * guest's memory, of which the first two name the place; or sent on the channel for requests of the back-end's, when they are 0xffff. The device has two queue pairs and a guest memory of 1 MiB, in which
 * rings are laid out that vhost_seeds.py knows the place of. After each parcel the rings that are in use are served as a worker
 * would; after the input every descriptor has to be gone. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/event_loop.h"
#include "base/log.h"
#include "vhost/backend.h"
#include "vhost/eventfd.h"

enum { MEM_SIZE = 1 << 20, QUEUE_PAIRS = 2, N_RINGS = 2 * QUEUE_PAIRS, FDS_MAX = 12, PIECES_MAX = 8, TURN = 8 };
/* Rings in memory: one every RING_STRIDE bytes, its areas at these offsets; then the buffers. */
enum { RING_STRIDE = 0x2000, AVAIL_AT = 0x800, CHAINS = 4, BUFFERS_AT = 0x40000, BUFFER_LEN = 100 };
#define GUEST 0x100000000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct event_loop *loop;
static struct vhost_backend *backend;
static struct sockaddr_un addr = { .sun_family = AF_UNIX };
static int mem_fd, event_fd, other_fd, pair_fds[2];
static uint8_t *memory; /* of mem_fd */

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	check(d != NULL, "/proc/self/fd");
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void ring_changed(void *arg, unsigned ring)
{
	(void)arg;
	check(ring < N_RINGS, "ring");
}

static void ignore(void *arg)
{
	(void)arg;
}

static void ignore_mac(void *arg, const uint8_t mac[6])
{
	(void)arg, (void)mac;
}

static void shut_down(void)
{
	vhost_backend_destroy(backend);
	event_loop_destroy(loop);
}

/* The socket's file goes as soon as it is there, and is reached through a descriptor: nothing stays behind, whatever ends us. */
static void listen_without_name(struct vhost_backend_config *config, const struct vhost_backend_ops *ops)
{
	char dir[] = "/tmp/ringway-fuzz-XXXXXX", err[256] = "";
	int error, fd;

	check(mkdtemp(dir) != NULL, dir);
	snprintf(config->socket, sizeof(config->socket), "%s/s", dir);
	backend = vhost_backend_create(loop, config, ops, NULL, &error, err, sizeof(err));
	fd = open(config->socket, O_PATH | O_CLOEXEC);
	unlink(config->socket);
	rmdir(dir);
	check(backend && fd >= 0, err);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d", fd);
}

/* Descriptors that a split ring and a packed one both find available: where one has flags the other has a number. */
static void lay_out_rings(void)
{
	for (unsigned i = 0; i < N_RINGS; i++) {
		struct vring_desc *desc = (void *)(memory + i * RING_STRIDE);
		struct vring_avail *avail = (void *)(memory + i * RING_STRIDE + AVAIL_AT);
		uint16_t write = i % 2 ? 0 : VRING_DESC_F_WRITE;

		memset(desc, 0, RING_STRIDE);
		for (unsigned n = 0; n < CHAINS; n++) {
			uint64_t at = GUEST + BUFFERS_AT + n * 4096 - BUFFER_LEN / 2;

			desc[n] = (struct vring_desc){ at, BUFFER_LEN, write, 1 << VRING_PACKED_DESC_F_AVAIL | write };
			avail->ring[n] = (uint16_t)n;
		}
		avail->idx = CHAINS;
	}
}

static void start_up(void)
{
	static const struct vhost_backend_ops ops = { ring_changed, ignore, ignore, ignore_mac };
	struct vhost_backend_config config = {
		.queue_pairs = QUEUE_PAIRS,
		.features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_EVENT_IDX |
			    1ull << VIRTIO_RING_F_INDIRECT_DESC | 1ull << VIRTIO_NET_F_MRG_RXBUF |
			    1ull << VIRTIO_F_RING_PACKED | 1ull << VIRTIO_F_IN_ORDER | 1ull << VIRTIO_F_ACCESS_PLATFORM,
		.mtu = 9000,
		.lost_fd = -1,
		.socket_mode = 0600,
		.socket_uid = (uid_t)-1,
		.socket_gid = (gid_t)-1,
	};

	log_set_level(LOG_LEVEL_ERROR);
	loop = event_loop_create();
	listen_without_name(&config, &ops);
	mem_fd = memfd_create("fuzz", MFD_CLOEXEC);
	event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	check(mem_fd >= 0 && event_fd >= 0 && ftruncate(mem_fd, MEM_SIZE) == 0, "memory");
	memory = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mem_fd, 0);
	check(memory != MAP_FAILED, "memory");
	other_fd = dup(STDERR_FILENO);
	atexit(shut_down);
}

static void run(void)
{
	while (event_loop_turn(loop, 0) > 0)
		;
}

/* The back-end takes no connection as long as much is still to be closed (closer.h). */
static void wait_until_taken(void)
{
	while (!vhost_backend_is_connected(backend))
		event_loop_turn(loop, 1);
}

/* Low nibble: how many, then: bit 4 the first, bit 5 the others are eventfds, else memory; bit 6: something else instead; both bit 4
 * and bit 6: the first is one of a pair of sockets, the channel for requests of the back-end's. */
static unsigned choose_fds(uint8_t choice, int *fds)
{
	unsigned n = choice & 0xf;

	if (n > FDS_MAX)
		n = FDS_MAX;
	for (unsigned i = 0; i < n; i++)
		fds[i] = choice & 0x40 ? other_fd : choice & (i == 0 ? 0x10 : 0x20) ? event_fd : mem_fd;
	if (n > 0 && (choice & 0x50) == 0x50)
		fds[0] = pair_fds[1];
	return n;
}

static bool send_parcel(int fd, const uint8_t *bytes, size_t len, const int *fds, unsigned n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > 0) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, n_fds * sizeof(int));
	}
	return sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

static void write_elsewhere(const uint8_t *bytes, size_t len)
{
	size_t at;

	if (len < 2)
		return;
	if (bytes[0] == 0xff && bytes[1] == 0xff) {
		(void)send(pair_fds[0], bytes + 2, len - 2, MSG_DONTWAIT | MSG_NOSIGNAL);
		return;
	}
	at = (size_t)(bytes[0] << 8 | bytes[1]) * 4 % MEM_SIZE;
	len = len - 2 < MEM_SIZE - at ? len - 2 : MEM_SIZE - at;
	memcpy(memory + at, bytes + 2, len);
}

static void serve(struct vhost_ring *r, enum virtq_dir dir)
{
	struct virtq *vq = &r->vq;
	struct iovec iov[PIECES_MAX];
	struct virtq_chain chain;

	for (unsigned n = 0; n < TURN && virtq_available(vq, TURN) > 0; n++) {
		int err = virtq_pop(vq, dir, iov, PIECES_MAX, &chain);
		uint32_t len = 0;

		if (err == -EAGAIN) {
			vhost_ring_ask(r, dir);
			break;
		}
		if (err == -EPROTO)
			return;
		if (err == 0 && dir == VIRTQ_WRITABLE) {
			for (unsigned i = 0; i < chain.n_iov; i++)
				memset(iov[i].iov_base, 0x55, iov[i].iov_len);
			len = chain.len;
			if (vq->buffer_log)
				virtq_log_written(vq, iov, chain.n_iov, len);
		}
		virtq_push(vq, &chain, len);
	}
	virtq_publish(vq);
	if (virtq_should_notify(vq))
		(void)vhost_eventfd_signal(r->call_fd);
	if (!virtq_enable_notify(vq))
		virtq_disable_notify(vq);
}

static void use_rings(void)
{
	for (unsigned i = 0; i < N_RINGS; i++) {
		struct vhost_ring *r = vhost_backend_ring(backend, i);

		if (!gate_try_enter(&r->gate))
			abort();
		if (vhost_ring_is_usable(r)) {
			serve(r, i % 2 ? VIRTQ_READABLE : VIRTQ_WRITABLE);
			r->broken = virtq_error(&r->vq) != NULL;
		}
		gate_leave(&r->gate);
	}
	vhost_backend_check_rings(backend);
}

/* Some are closed by another thread, see closer.h. */
static bool is_back_at_fds(int n)
{
	for (unsigned tries = 0; tries < 50000; tries++) {
		if (count_fds() == n)
			return true;
		usleep(100);
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd, fds[FDS_MAX], n_fds_before;

	if (!backend)
		start_up();
	lay_out_rings();
	n_fds_before = count_fds(); /* a fuzzer opens its own between inputs */
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair_fds) == 0, "pair");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0, "connect");
	wait_until_taken();
	run();
	while (size > 2) {
		size_t len = data[1] < size - 2 ? data[1] : size - 2;

		if (data[0] & 0x80)
			write_elsewhere(data + 2, len);
		else if (len > 0 && !send_parcel(fd, data + 2, len, fds, choose_fds(data[0], fds)))
			break;
		data += 2 + len;
		size -= 2 + len;
		run();
		use_rings();
	}
	close(fd);
	run();
	close(pair_fds[0]);
	close(pair_fds[1]);
	check(!vhost_backend_is_connected(backend), "still connected");
	check(is_back_at_fds(n_fds_before), "descriptors are left");
	return 0;
}
