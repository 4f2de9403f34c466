/* SPDX-License-Identifier: Apache-2.0 */
/* backend_inflight.c - Handlers of messages about the area in which a front-end keeps what is in flight.
 *
 * The front-end asks for an area once, hands it back at once, and again on every connection after a lost one: a file that outlives us.
 * Between the two it is not ours. A ring looks into it when it starts (backend_journal.c), so it comes before any ring runs.
 * Cloud Hypervisor does this for network devices, QEMU for others alone. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/lost_memory.h"
#include "vhost/backend_internal.h"

/* syscalls control: memfd_create ftruncate fcntl close */

static bool is_packed(const struct vhost_backend *b)
{
	return b->features & (1ull << VIRTIO_F_RING_PACKED);
}

int vhost_sealed_file(const char *name, size_t size)
{
	int err, fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int check_numbers(struct vhost_backend *b, const struct vhost_user_inflight *area)
{
	if (area->n_rings == 0 || area->n_rings > b->n_rings)
		return vhost_backend_reason(b, -EINVAL, "%u rings of a port that has %u", area->n_rings, b->n_rings);
	if (area->ring_size == 0 || area->ring_size > VIRTQ_SIZE_MAX)
		return vhost_backend_reason(b, -EINVAL, "rings of %u entries", area->ring_size);
	return 0;
}

/* SET_FEATURES has come: front-ends of today say it first, and the size depends on it. */
VHOST_HANDLER(vhost_handle_get_inflight_fd)
{
	struct vhost_user_inflight *area = &p->inflight;
	int err = check_numbers(b, area);

	(void)r;
	if (err < 0)
		return err;
	area->mmap_size = area->n_rings * virtq_inflight_size(area->ring_size, is_packed(b));
	area->mmap_offset = 0;
	b->reply_fd = vhost_sealed_file("ringway-inflight", area->mmap_size);
	if (b->reply_fd < 0)
		return vhost_backend_reason(b, b->reply_fd, "%s", strerrordesc_np(-b->reply_fd));
	return 0;
}

VHOST_HANDLER(vhost_handle_set_inflight_fd)
{
	const struct vhost_user_inflight area = p->inflight;
	uint64_t size = area.n_rings * virtq_inflight_size(area.ring_size, is_packed(b));
	uint64_t most = VHOST_RINGS_MAX * virtq_inflight_size(VIRTQ_SIZE_MAX, true);
	struct guest_region map = { .size = area.mmap_size, .file_offset = area.mmap_offset };
	int err = check_numbers(b, &area);

	(void)r;
	if (err < 0)
		return err;
	if (vhost_backend_any_ring_runs(b))
		return vhost_backend_reason(b, -EBUSY, "rings are running");
	if (area.mmap_size < size || area.mmap_size > most || area.mmap_offset % sizeof(uint64_t) != 0)
		return vhost_backend_reason(b, -EINVAL,
					    "%" PRIu64 " bytes at %#" PRIx64 "; %u rings of %u entries need %" PRIu64,
					    area.mmap_size, area.mmap_offset, area.n_rings, area.ring_size, size);
	err = guest_region_map(&map, b->socket.fds[0], b->mem.lost_fd);
	if (err < 0)
		return vhost_backend_reason(b, err, "%" PRIu64 " bytes at %#" PRIx64 ": %s", area.mmap_size,
					    area.mmap_offset,
					    err == -ERANGE ? "the file is shorter" : strerrordesc_np(-err));
	vhost_inflight_forget(b);
	b->inflight = (struct vhost_inflight){ map, area.n_rings, area.ring_size };
	return 0;
}

void vhost_inflight_forget(struct vhost_backend *b)
{
	guest_region_unmap(&b->inflight.map);
	b->inflight = (struct vhost_inflight){ .n_rings = 0 };
}

bool vhost_inflight_is_lost(const struct vhost_backend *b)
{
	return b->inflight.n_rings > 0 && lost_memory_is_lost(b->inflight.map.lost_handle);
}

/* The kind of ring may have been negotiated after the area came. */
void *vhost_ring_inflight(const struct vhost_backend *b, const struct vhost_ring *r)
{
	size_t size = virtq_inflight_size(b->inflight.ring_size, is_packed(b));
	unsigned i = vhost_ring_index(b, r);

	if (i >= b->inflight.n_rings || (i + 1) * size > b->inflight.map.size)
		return NULL;
	return b->inflight.map.host + i * size;
}
