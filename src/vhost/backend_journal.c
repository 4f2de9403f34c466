/* SPDX-License-Identifier: Apache-2.0 */
/* backend_journal.c - Where the journals of packed rings are, and where a ring goes on when a front-end comes back.
 *
 * They are in a file, so that the next process of ours finds them; when none is configured or it cannot be used, in memory of ours,
 * which helps when only the connection was lost; or in memory that the front-end keeps for us (backend_inflight.c).
 *
 * What front-ends say when they come back after a kill (docs/protocol.md, "Restart"): QEMU reads the used index of a split ring
 * and names that; of a packed ring it names the place from the last time that it was told one. DPDK's virtio-user says 0 of
 * every ring, and sets up packed ones anew, but not split ones. As this device uses chains in the order in which they came, a
 * split ring goes on at its used index whatever is said. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vhost/backend_internal.h"

/* syscalls control: openat fstat newfstatat fallocate mmap(*,*,!PROT_EXEC) munmap close */

struct header {
	char magic[8];
	uint32_t version, record_size, n_records, padding;
};

struct vhost_journal_file {
	struct header header;
	uint8_t padding[VIRTQ_JOURNAL_SIZE - sizeof(struct header)];
	struct virtq_journal rings[VHOST_RINGS_MAX];
};

static const struct header HEADER = { "ringways", VIRTQ_JOURNAL_VERSION, VIRTQ_JOURNAL_SIZE, VHOST_RINGS_MAX, 0 };

/* A file of ours alone, and as long as it has to be: storing into one that has no room would be fatal. */
static int open_file(const char *path)
{
	struct stat st;
	int err, fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	err = fstat(fd, &st) < 0 ? errno : 0;
	if (!err && (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1))
		err = EPERM;
	while (!err && (err = posix_fallocate(fd, 0, sizeof(struct vhost_journal_file))) == EINTR)
		err = 0;
	if (!err)
		return fd;
	close(fd);
	return -err;
}

static void *map_file(const char *path)
{
	int fd = open_file(path);
	void *map;

	if (fd < 0) {
		errno = -fd;
		return MAP_FAILED;
	}
	map = mmap(NULL, sizeof(struct vhost_journal_file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return map;
}

int vhost_journal_open(struct vhost_backend *b)
{
	void *map = MAP_FAILED;

	if (b->config.journal[0]) {
		map = map_file(b->config.journal);
		if (map == MAP_FAILED)
			log_warning("%s: cannot be used: %s; packed rings of %s will not survive a restart",
				    b->config.journal, strerrordesc_np(errno), b->config.socket);
	}
	if (map == MAP_FAILED)
		map = mmap(NULL, sizeof(struct vhost_journal_file), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	b->journal = map;
	if (memcmp(&b->journal->header, &HEADER, sizeof(HEADER)) == 0)
		return 0;
	memset(b->journal->rings, 0, sizeof(b->journal->rings));
	b->journal->header = HEADER;
	return 0;
}

void vhost_journal_close(struct vhost_backend *b)
{
	if (b->journal)
		munmap(b->journal, sizeof(*b->journal));
	b->journal = NULL;
}

struct virtq_journal *vhost_ring_journal(struct vhost_backend *b, const struct vhost_ring *r)
{
	return &b->journal->rings[vhost_ring_index(b, r)];
}

int vhost_ring_find_place(struct vhost_backend *b, struct vhost_ring *r, struct virtq_config *c)
{
	bool packed = c->features & (1ull << VIRTIO_F_RING_PACKED);
	int err = 0;

	c->last_avail = r->base;
	c->inflight = vhost_ring_inflight(b, r);
	c->journal = packed && !c->inflight ? vhost_ring_journal(b, r) : NULL;
	if (c->inflight && r->num > b->inflight.ring_size)
		return -EBADMSG;
	if (r->placed && c->inflight)
		virtq_inflight_begin(c);
	if (r->placed)
		return 0;
	if (c->inflight)
		err = virtq_inflight_resume(c);
	else if (!packed)
		c->last_avail = le16toh(read_once(&((const struct vring_used *)c->used)->idx));
	else if (!virtq_journal_resume(c->journal, c, r->desc_user_addr, r->base, &c->last_avail))
		virtq_journal_begin(c->journal, c, r->desc_user_addr, r->base);
	if (err == 0 && c->last_avail != r->base)
		log_info("%s: ring %u goes on at %#x, not at %#x", b->config.socket, vhost_ring_index(b, r),
			 c->last_avail, r->base);
	return err;
}

void vhost_ring_end_journal(struct vhost_backend *b, const struct vhost_ring *r)
{
	void *inflight = vhost_ring_inflight(b, r);

	virtq_journal_end(vhost_ring_journal(b, r));
	if (inflight)
		virtq_inflight_end(inflight);
}
