/* SPDX-License-Identifier: Apache-2.0 */
/* frontend.c - Life cycle of the front-end: its memory, its rings, its connection.
 *
 * The memory begins with the areas of all rings; the receive buffers and transmit slots of each ring follow. Nothing of it is touched
 * before it is used, so that large buffers cost nothing. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/compiler.h"
#include "vhost/eventfd.h"
#include "vhost/frontend_internal.h"

enum {
	DEFAULT_RING_SIZE = 256,
	DEFAULT_TIMEOUT_MS = 5000,
	MERGEABLE_BUF_SIZE = 2048,
	LARGEST_FRAME = 65550 + VNET_HDR_LEN, /* VIRTIO 1.2, 5.1.6.3.1: 65550 bytes and the header */
	SLOT_ALIGN = 64,
};

static size_t align_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

static bool mergeable(const struct vhost_frontend *f)
{
	return frontend_has(f, VIRTIO_NET_F_MRG_RXBUF);
}

/* What depends on the features that were negotiated. */
static void set_sizes(struct vhost_frontend *f)
{
	struct vhost_frontend_config *c = &f->config;

	f->hdr_len = frontend_has(f, VIRTIO_F_VERSION_1) || mergeable(f) ? VNET_HDR_LEN : VNET_HDR_LEN_LEGACY;
	if (!c->rx_buf_size)
		c->rx_buf_size = mergeable(f) ? MERGEABLE_BUF_SIZE : LARGEST_FRAME;
	if (!c->tx_buf_size)
		c->tx_buf_size = LARGEST_FRAME;
	c->tx_buf_size = (uint32_t)align_up(c->tx_buf_size, SLOT_ALIGN); /* the indirect table comes after it */
	for (unsigned i = 0; i < f->n_rings; i++)
		f->rings[i].slot_size = i % 2
					    ? c->tx_buf_size + VHOST_FRONTEND_TX_PIECES_MAX * sizeof(struct vring_desc)
					    : align_up(c->rx_buf_size, SLOT_ALIGN);
}

static int make_memory(struct vhost_frontend *f)
{
	size_t avail_off, used_off, page = (size_t)sysconf(_SC_PAGESIZE);
	size_t areas = align_up(virtq_driver_size(f->config.ring_size, &avail_off, &used_off), page);
	size_t size = f->areas_size = f->n_rings * areas;
	uint8_t *next;

	for (unsigned i = 0; i < f->n_rings; i++)
		size += f->rings[i].slot_size * f->config.ring_size;
	f->mem_size = align_up(size + f->config.n_regions * page, page);
	if (frontend_wants_iommu(f))
		f->mem_size += FRONTEND_SPARE_PAGES * IOTLB_PAGE;
	f->mem_fd = memfd_create("ringway-frontend", MFD_CLOEXEC);
	if (f->mem_fd < 0 || ftruncate(f->mem_fd, (off_t)f->mem_size) < 0)
		return -errno;
	next = mmap(NULL, f->mem_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, f->mem_fd, 0);
	if (next == MAP_FAILED)
		return -errno;
	f->mem = next;
	for (unsigned i = 0; i < f->n_rings; i++, next += areas)
		f->rings[i].areas = next;
	for (unsigned i = 0; i < f->n_rings; i++) {
		f->rings[i].slots = next;
		next += f->rings[i].slot_size * f->config.ring_size;
	}
	return frontend_wants_iommu(f) ? frontend_iommu_map(f) : 0;
}

/* Its driver, over areas of zeroes. */
static int make_driver(struct vhost_frontend *f, unsigned ring, uint16_t size)
{
	struct frontend_ring *r = &f->rings[ring];
	int err = virtq_driver_init(&r->driver, size, f->features, r->areas);

	if (err < 0)
		return err;
	/* VIRTIO 1.2, 2.8.1: the wrap counters begin with 1 */
	r->base = frontend_has(f, VIRTIO_F_RING_PACKED) ? 0x8000 : 0;
	frontend_fill(f, ring);
	return 0;
}

static int make_ring(struct vhost_frontend *f, unsigned ring)
{
	struct frontend_ring *r = &f->rings[ring];

	r->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	r->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (r->kick_fd < 0 || r->call_fd < 0)
		return -errno;
	r->free_slots = calloc(f->config.ring_size, sizeof(*r->free_slots));
	return r->free_slots ? make_driver(f, ring, f->config.ring_size) : -ENOMEM;
}

static int make_rings(struct vhost_frontend *f)
{
	int err = 0;

	for (unsigned i = 0; i < f->n_rings && err == 0; i++)
		err = make_ring(f, i);
	return err;
}

static void set_defaults(struct vhost_frontend_config *c)
{
	if (!c->ring_size)
		c->ring_size = DEFAULT_RING_SIZE;
	if (!c->timeout_ms)
		c->timeout_ms = DEFAULT_TIMEOUT_MS;
	if (!c->n_regions)
		c->n_regions = 1;
}

static int attach(struct vhost_frontend *f)
{
	int err = frontend_connect(f);

	if (err == 0)
		err = frontend_negotiate(f);
	if (err < 0)
		return err;
	set_sizes(f);
	err = make_memory(f);
	if (err == 0)
		err = make_rings(f);
	if (err == 0)
		err = frontend_share_memory(f);
	if (err == 0)
		err = frontend_share_inflight(f);
	return err < 0 ? err : vhost_frontend_start(f);
}

struct vhost_frontend *vhost_frontend_create(const struct vhost_frontend_config *config, int *error, char *err,
					     size_t err_size)
{
	struct vhost_frontend *f = calloc(1, sizeof(*f));

	*error = -ENOMEM;
	if (!f) {
		snprintf(err, err_size, "out of memory");
		return NULL;
	}
	f->config = *config;
	f->socket.fd = f->listener.fd = f->mem_fd = f->inflight_fd = f->channel.fd = -1;
	for (unsigned i = 0; i < FRONTEND_RINGS_MAX; i++)
		f->rings[i].kick_fd = f->rings[i].call_fd = -1;
	set_defaults(&f->config);
	*error = -EINVAL;
	if (config->queue_pairs == 0 || config->queue_pairs > VHOST_FRONTEND_PAIRS_MAX)
		goto fail;
	f->n_rings = 2 * config->queue_pairs;
	*error = 0;
	if (config->server)
		*error = vhost_listener_open(&f->listener, config->socket, 0600, (uid_t)-1, (gid_t)-1, err, err_size);
	if (*error == 0)
		*error = attach(f);
	if (*error == 0)
		return f;
fail:
	snprintf(err, err_size, "%s: %s (request %u)", config->socket, strerrordesc_np(-*error), f->last_request);
	vhost_frontend_destroy(f);
	return NULL;
}

static void free_ring(struct frontend_ring *r)
{
	virtq_driver_deinit(&r->driver);
	free(r->free_slots);
	if (r->kick_fd >= 0)
		close(r->kick_fd);
	if (r->call_fd >= 0)
		close(r->call_fd);
}

void vhost_frontend_destroy(struct vhost_frontend *f)
{
	if (!f)
		return;
	vhost_socket_deinit(&f->socket);
	vhost_socket_deinit(&f->channel);
	frontend_iommu_deinit(f);
	vhost_listener_close(&f->listener);
	for (unsigned i = 0; i < f->n_rings; i++)
		free_ring(&f->rings[i]);
	if (f->mem)
		munmap(f->mem, f->mem_size);
	if (f->mem_fd >= 0)
		close(f->mem_fd);
	if (f->inflight_fd >= 0)
		close(f->inflight_fd);
	free(f);
}

int vhost_frontend_start(struct vhost_frontend *f)
{
	int err = 0;

	for (unsigned i = 0; i < f->n_rings && err == 0; i++)
		err = frontend_start_ring(f, i);
	return err;
}

int vhost_frontend_stop(struct vhost_frontend *f)
{
	int err = 0;

	for (unsigned i = 0; i < f->n_rings && err == 0; i++)
		err = frontend_stop_ring(f, i);
	return err;
}

/* What was in the ring is forgotten: it is the driver's again (VIRTIO 1.2, 2.6.1). */
int vhost_frontend_reset_ring(struct vhost_frontend *f, unsigned ring, uint16_t size)
{
	struct frontend_ring *r = &f->rings[ring];
	int err = size > f->config.ring_size ? -EINVAL : frontend_stop_ring(f, ring);

	if (err < 0)
		return err;
	virtq_driver_deinit(&r->driver);
	memset(r->areas, 0, f->areas_size / f->n_rings);
	r->n_unpublished = 0;
	err = make_driver(f, ring, size);
	return err < 0 ? err : frontend_start_ring(f, ring);
}

/* Where a back-end goes on that knows nothing: behind the last chain that was used. */
static uint16_t base_from_ring(const struct vhost_frontend *f, const struct frontend_ring *r)
{
	if (frontend_has(f, VIRTIO_F_RING_PACKED))
		return r->driver.last_used;
	return le16toh(read_once(&r->driver.used->idx));
}

int vhost_frontend_reconnect(struct vhost_frontend *f)
{
	uint64_t features = f->features;
	int err = frontend_connect(f);

	if (err == 0)
		err = frontend_negotiate(f);
	if (err == 0 && f->features != features)
		return -EPROTO;
	if (err == 0)
		err = frontend_share_memory(f);
	if (err == 0)
		err = frontend_share_inflight(f);
	if (err < 0)
		return err;
	for (unsigned i = 0; i < f->n_rings && !f->config.stale_base; i++)
		f->rings[i].base = base_from_ring(f, &f->rings[i]);
	return vhost_frontend_start(f);
}

uint64_t vhost_frontend_features(const struct vhost_frontend *f)
{
	return f->features & ~(1ull << VHOST_USER_F_PROTOCOL_FEATURES);
}

uint64_t vhost_frontend_protocol_features(const struct vhost_frontend *f)
{
	return f->protocol_features;
}

uint8_t *vhost_frontend_mem(struct vhost_frontend *f, uint64_t *guest_addr, size_t *size, int *fd)
{
	*guest_addr = FRONTEND_GUEST_ADDR;
	*size = f->mem_size;
	*fd = f->mem_fd;
	return f->mem;
}

struct virtq_driver *vhost_frontend_driver(struct vhost_frontend *f, unsigned ring)
{
	return &f->rings[ring].driver;
}

void vhost_frontend_kick(struct vhost_frontend *f, unsigned ring)
{
	const struct vhost_vring_state state = { ring, 0 };
	const struct frontend_ring *r = &f->rings[ring];

	if (!frontend_is_inband(f))
		(void)vhost_eventfd_signal(r->kick_fd);
	else if (r->started) /* else its start is the kick */
		vhost_frontend_request(f, VHOST_USER_VRING_KICK, &state, sizeof(state), NULL, 0, NULL, 0);
}
