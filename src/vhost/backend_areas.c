/* SPDX-License-Identifier: Apache-2.0 */
/* backend_areas.c - Where the areas of a ring are in our memory.
 *
 * The front-end names them by its own addresses; or, where an IOMMU translates, by addresses for that. The guest sees an area
 * behind an IOMMU in one piece, though it may lie in pieces: Linux puts large rings together from single pages. Workers use an area
 * as one array. So pieces are mapped once more, side by side: a window. That takes whole pages, which the pieces have to be, and memory
 * that can be mapped by the page, which huge pages cannot. */
#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/lost_memory.h"
#include "vhost/backend_internal.h"
#include "virtio/arrival.h"

/* syscalls control: mmap(*,*,!PROT_EXEC) mremap munmap */

struct area {
	const char *name;
	uint64_t addr, size;
	unsigned align;
	uint32_t perm;
	void **host; /* where our address of it goes */
	/* Behind an IOMMU. */
	unsigned n;
	struct virtq_piece pieces[VIRTQ_PIECES_MAX];
	uint8_t *hosts[VIRTQ_PIECES_MAX];
};

static void set(struct area *a, const char *name, uint64_t addr, uint64_t size, unsigned align, uint32_t perm,
		void **host)
{
	*a = (struct area){ .name = name, .addr = addr, .size = size, .align = align, .perm = perm, .host = host };
}

/* VIRTIO 1.2, 2.7: sizes and alignments of the areas of a split ring, with the event fields at their ends. */
static void set_split(const struct vhost_ring *r, struct virtq_config *c, struct area areas[VHOST_AREAS])
{
	set(&areas[0], "descriptor table", r->desc_user_addr, 16ull * r->num, 16, IOTLB_READ, &c->desc);
	set(&areas[1], "available ring", r->avail_user_addr, 6 + 2ull * r->num, 2, IOTLB_READ, &c->avail);
	set(&areas[2], "used ring", r->used_user_addr, 6 + 8ull * r->num, 4, IOTLB_WRITE, &c->used);
}

/* VIRTIO 1.2, 2.8 */
static void set_packed(const struct vhost_ring *r, struct virtq_config *c, struct area areas[VHOST_AREAS])
{
	set(&areas[0], "descriptor ring", r->desc_user_addr, 16ull * r->num, 16, IOTLB_READ | IOTLB_WRITE, &c->desc);
	set(&areas[1], "driver event suppression", r->avail_user_addr, 4, 4, IOTLB_READ, &c->avail);
	set(&areas[2], "device event suppression", r->used_user_addr, 4, 4, IOTLB_WRITE, &c->used);
}

static void describe(const struct vhost_backend *b, const struct vhost_ring *r, struct virtq_config *c,
		     struct area areas[VHOST_AREAS])
{
	if (b->features & (1ull << VIRTIO_F_RING_PACKED))
		set_packed(r, c, areas);
	else
		set_split(r, c, areas);
}

/* By the front-end's addresses */

static int find_by_user_addr(const struct vhost_backend *b, const struct area *a)
{
	*a->host = guest_mem_user_to_host(&b->mem, a->addr, a->size);
	return *a->host ? 0 : -EFAULT;
}

/* By addresses that are translated */

static bool goes_on(const struct area *a, const uint8_t *host, uint64_t guest_addr)
{
	const struct virtq_piece *last;

	if (a->n == 0)
		return false;
	last = &a->pieces[a->n - 1];
	return a->hosts[a->n - 1] + last->len == host && last->guest_addr + last->len == guest_addr;
}

static int add_piece(const struct vhost_backend *b, struct area *a, uint64_t off, uint64_t len, uint8_t *host)
{
	uint64_t guest_addr = 0;

	/* An entry lies in a region. */
	if (!guest_mem_host_to_guest(&b->mem, host, &guest_addr))
		return -EFAULT;
	if (goes_on(a, host, guest_addr)) {
		a->pieces[a->n - 1].len += len;
		return 0;
	}
	if (a->n == VIRTQ_PIECES_MAX)
		return -E2BIG;
	a->pieces[a->n] = (struct virtq_piece){ off, len, guest_addr };
	a->hosts[a->n++] = host;
	return 0;
}

/* -EAGAIN: not all of it is known; what is missing is asked for. */
static int find_pieces(struct vhost_backend *b, struct area *a)
{
	bool waits = false;
	uint64_t here;
	int err = 0;

	if (a->size - 1 > UINT64_MAX - a->addr)
		return -EFAULT;
	a->n = 0;
	for (uint64_t off = 0; off < a->size && err == 0; off += here) {
		uint64_t iova = a->addr + off;
		struct iotlb_entry e;
		uint32_t changes;

		if (iotlb_find(&b->iotlb.table, iova, a->perm, &e, &changes)) {
			here = MIN(a->size - off, e.size - (iova - e.iova));
			if (!waits)
				err = add_piece(b, a, off, here, e.host + (iova - e.iova));
		} else {
			here = MIN(a->size - off, IOTLB_PAGE - iova % IOTLB_PAGE);
			vhost_iotlb_ask(b, iova, a->perm);
			waits = true;
		}
	}
	return err == 0 && waits ? -EAGAIN : err;
}

/* Windows */

static uint64_t page_mask(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE) - 1;
}

/* Do pieces meet at the ends of pages? */
static bool pieces_are_pages(const struct area *a)
{
	for (unsigned i = 0; i + 1 < a->n; i++)
		if (((uintptr_t)a->hosts[i] + a->pieces[i].len) & page_mask() ||
		    (uintptr_t)a->hosts[i + 1] & page_mask())
			return false;
	return true;
}

/* The pages of a shared mapping once more, at `to`: what mremap(2) does when the old size is 0. */
static bool map_again(uint8_t *to, uint8_t *host, uint64_t len)
{
	uint64_t slack = (uintptr_t)host & page_mask();
	size_t size = (len + slack + page_mask()) & ~page_mask();

	return mremap(host - slack, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED;
}

static int open_window(const struct vhost_backend *b, const struct area *a, struct vhost_window *w)
{
	uint64_t slack = (uintptr_t)a->hosts[0] & page_mask();
	bool ok = true;

	if (!pieces_are_pages(a))
		return -ENOTSUP;
	w->size = (a->size + slack + page_mask()) & ~page_mask();
	w->base = mmap(NULL, w->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (w->base == MAP_FAILED) {
		w->base = NULL;
		return -errno;
	}
	for (unsigned i = 0; i < a->n && ok; i++)
		ok = map_again((uint8_t *)w->base + (i > 0 ? slack : 0) + a->pieces[i].off, a->hosts[i],
			       a->pieces[i].len);
	w->lost_handle = ok ? lost_memory_add(w->base, w->size, b->mem.lost_fd) : -1;
	if (w->lost_handle < 0) {
		munmap(w->base, w->size);
		w->base = NULL;
		return -ENOTSUP;
	}
	*a->host = (uint8_t *)w->base + slack;
	return 0;
}

static void close_window(struct vhost_window *w)
{
	if (!w->base)
		return;
	lost_memory_remove(w->lost_handle);
	munmap(w->base, w->size);
	w->base = NULL;
}

static int place(const struct vhost_backend *b, const struct area *a, struct vhost_window *w)
{
	if (a->n > 1)
		return open_window(b, a, w);
	*a->host = a->hosts[0];
	return 0;
}

/* The dirty log wants to know where the ring is in the guest's memory. */
static unsigned remember(struct virtq_piece *to, const struct area *a)
{
	memcpy(to, a->pieces, a->n * sizeof(*to));
	return a->n;
}

static int find_by_iova(struct vhost_backend *b, struct vhost_ring *r, struct area areas[VHOST_AREAS],
			const struct area **fault)
{
	bool waits = false;
	int err = 0;

	for (unsigned i = 0; i < VHOST_AREAS; i++) {
		*fault = &areas[i];
		err = find_pieces(b, &areas[i]);
		if (err && err != -EAGAIN)
			return err;
		waits = waits || err;
	}
	if (waits)
		return -EAGAIN;
	for (unsigned i = 0; i < VHOST_AREAS && err == 0; i++) {
		*fault = &areas[i];
		err = place(b, &areas[i], &r->iotlb->windows[i]);
	}
	if (err)
		return err;
	r->iotlb->vq.n_desc_pieces = remember(r->iotlb->vq.desc_pieces, &areas[0]);
	r->iotlb->vq.n_device_pieces = remember(r->iotlb->vq.device_pieces, &areas[2]);
	return 0;
}

/* Both */

static int find(struct vhost_backend *b, struct vhost_ring *r, struct area areas[VHOST_AREAS],
		const struct area **fault)
{
	int err = b->translates ? find_by_iova(b, r, areas, fault) : 0;

	for (unsigned i = 0; i < VHOST_AREAS && err == 0; i++) {
		*fault = &areas[i];
		if (!b->translates)
			err = find_by_user_addr(b, &areas[i]);
		if (err == 0 && (uintptr_t)*areas[i].host % areas[i].align != 0)
			err = -EINVAL;
	}
	/* All of it is asked for. Postcopy and an IOMMU do not go together. */
	for (unsigned i = 0; i < VHOST_AREAS && (err == 0 || err == -EAGAIN) && !b->translates; i++)
		if (!guest_mem_area_is_here(&b->mem, *areas[i].host, areas[i].size))
			err = -EAGAIN;
	return err;
}

int vhost_ring_find_areas(struct vhost_backend *b, struct vhost_ring *r, struct virtq_config *c)
{
	const struct area *fault;
	struct area areas[VHOST_AREAS];
	int err;

	describe(b, r, c, areas);
	err = find(b, r, areas, &fault);
	if (err)
		vhost_ring_leave_areas(r);
	return err;
}

int vhost_ring_check_areas(struct vhost_backend *b, struct vhost_ring *r)
{
	struct virtq_config c;
	struct area areas[VHOST_AREAS];
	const struct area *a;
	int err;

	describe(b, r, &c, areas);
	err = find(b, r, areas, &a);
	vhost_ring_leave_areas(r);
	switch (err) {
	case 0:
	case -EAGAIN:
		return 0;
	case -EINVAL:
		return vhost_backend_reason(b, err, "%s at %#" PRIx64 " is not aligned to %u bytes", a->name, a->addr,
					    a->align);
	case -EFAULT:
		return vhost_backend_reason(b, err,
					    "%s at %#" PRIx64 " with %" PRIu64 " bytes is not in the guest's memory",
					    a->name, a->addr, a->size);
	default:
		return vhost_backend_reason(b, err, "%s at %#" PRIx64 " is in pieces, and they cannot be joined: %s",
					    a->name, a->addr, strerrordesc_np(-err));
	}
}

bool vhost_ring_areas_are_known(struct vhost_backend *b, const struct vhost_ring *r)
{
	struct virtq_config c;
	struct area areas[VHOST_AREAS];
	bool known = true;

	describe(b, r, &c, areas);
	for (unsigned i = 0; i < VHOST_AREAS; i++)
		known = find_pieces(b, &areas[i]) != -EAGAIN && known;
	return known;
}

bool vhost_ring_areas_overlap(const struct vhost_backend *b, const struct vhost_ring *r, uint64_t first, uint64_t last)
{
	struct virtq_config c;
	struct area areas[VHOST_AREAS];

	describe(b, r, &c, areas);
	for (unsigned i = 0; i < VHOST_AREAS; i++)
		if (areas[i].addr <= last && areas[i].addr + (areas[i].size - 1) >= first)
			return true;
	return false;
}

void vhost_ring_leave_areas(struct vhost_ring *r)
{
	for (unsigned i = 0; r->iotlb && i < VHOST_AREAS; i++)
		close_window(&r->iotlb->windows[i]);
}

bool vhost_ring_areas_are_lost(const struct vhost_ring *r)
{
	for (unsigned i = 0; r->iotlb && i < VHOST_AREAS; i++)
		if (r->iotlb->windows[i].base && lost_memory_is_lost(r->iotlb->windows[i].lost_handle))
			return true;
	return false;
}
