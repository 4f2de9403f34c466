/* SPDX-License-Identifier: Apache-2.0 */
/* frontend_iommu.c - The front-end's IOMMU: translates what the device asks for, page by page.
 *
 * Memory that is in one piece for the driver, and at consecutive addresses for the device, lies in pages that follow no order: our
 * mapping of the file has them scattered, and the back-end sees the file. So whatever takes two pages for neighbours finds the wrong
 * bytes. The last pages are spare: others are moved there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vhost/frontend_internal.h"

enum { PAGE = IOTLB_PAGE, POISON = 0xdd };

static size_t n_pages(const struct vhost_frontend *f)
{
	return f->mem_size / PAGE;
}

/* Pages of the file */

static int map_page(struct vhost_frontend *f, size_t i)
{
	const void *at = mmap(f->mem + i * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, f->mem_fd,
			      (off_t)f->iommu.page_at[i] * PAGE);

	return at == MAP_FAILED ? -errno : 0;
}

int frontend_iommu_map(struct vhost_frontend *f)
{
	size_t n = n_pages(f);
	int err = 0;

	f->iommu.page_at = calloc(n, sizeof(*f->iommu.page_at));
	if (!f->iommu.page_at)
		return -ENOMEM;
	for (size_t i = 0; i < n && err == 0; i++) {
		f->iommu.page_at[i] =
		    (uint32_t)(i % 2 ? n - 1 - i / 2 : i / 2); /* neighbours are far from one another */
		err = map_page(f, i);
	}
	return err;
}

static int swap_pages(struct vhost_frontend *f, size_t i, size_t k)
{
	uint32_t at = f->iommu.page_at[i];
	int err;

	f->iommu.page_at[i] = f->iommu.page_at[k];
	f->iommu.page_at[k] = at;
	err = map_page(f, i);
	return err < 0 ? err : map_page(f, k);
}

void frontend_iommu_deinit(struct vhost_frontend *f)
{
	free(f->iommu.page_at);
}

/* Translations */

/* Areas are written and read, receive buffers are written, transmit slots are read. */
static uint8_t permission(const struct vhost_frontend *f, size_t page)
{
	const uint8_t *from = f->mem + page * PAGE, *to = from + PAGE;
	uint8_t perm = from < f->mem + f->areas_size ? VHOST_ACCESS_RW : 0;

	for (unsigned i = 0; i < f->n_rings; i++) {
		const struct frontend_ring *r = &f->rings[i];

		if (from < r->slots + r->slot_size * f->config.ring_size && to > r->slots)
			perm |= i % 2 == 0 ? VHOST_ACCESS_WO : VHOST_ACCESS_RO;
	}
	return perm;
}

static int send_iotlb(struct vhost_frontend *f, const struct vhost_iotlb_msg *m)
{
	return vhost_frontend_request(f, VHOST_USER_IOTLB_MSG, m, sizeof(*m), NULL, 0, NULL, 0);
}

int frontend_iommu_update(struct vhost_frontend *f, uint64_t iova, uint8_t wanted)
{
	size_t page = (iova - FRONTEND_IOVA) / PAGE;
	struct vhost_iotlb_msg m = { .iova = FRONTEND_IOVA + page * PAGE, .size = PAGE, .type = VHOST_IOTLB_UPDATE };

	if (page >= n_pages(f))
		return -EFAULT;
	m.perm = permission(f, page);
	if ((m.perm & wanted) != wanted)
		return -EACCES;
	m.uaddr = frontend_user_base(f) + (uint64_t)f->iommu.page_at[page] * PAGE;
	f->iommu.n_updates++;
	return send_iotlb(f, &m);
}

/* For tests */

uint64_t vhost_frontend_misses(const struct vhost_frontend *f)
{
	return f->iommu.n_misses;
}

int vhost_frontend_invalidate(struct vhost_frontend *f, uint64_t iova, uint64_t size)
{
	struct vhost_iotlb_msg m = { .iova = iova, .size = size, .type = VHOST_IOTLB_INVALIDATE };

	return send_iotlb(f, &m);
}

uint64_t vhost_frontend_device_addr(const struct vhost_frontend *f, const void *p)
{
	return frontend_guest_addr(f, p);
}

uint64_t vhost_frontend_physical_addr(const struct vhost_frontend *f, const void *p)
{
	size_t off = (size_t)((const uint8_t *)p - f->mem);

	return f->iommu.page_at ? FRONTEND_GUEST_ADDR + (uint64_t)f->iommu.page_at[off / PAGE] * PAGE + off % PAGE
				: FRONTEND_GUEST_ADDR + off;
}

int vhost_frontend_move(struct vhost_frontend *f, void *p)
{
	size_t page = (size_t)((uint8_t *)p - f->mem) / PAGE;
	size_t spare = n_pages(f) - 1 - f->iommu.n_moves++ % FRONTEND_SPARE_PAGES;
	uint8_t *ours = f->mem + page * PAGE, *other = f->mem + spare * PAGE;
	int err;

	memcpy(other, ours, PAGE);
	err = swap_pages(f, page, spare);
	if (err < 0)
		return err;
	err = vhost_frontend_invalidate(f, frontend_guest_addr(f, ours), PAGE);
	memset(other, POISON, PAGE);
	return err;
}
