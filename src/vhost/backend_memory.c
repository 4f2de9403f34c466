/* SPDX-License-Identifier: Apache-2.0 */
/* backend_memory.c - Handlers of messages about the guest's memory. All rings are parked.
 *
 * After each change every ring looks for its areas anew. One that does not find them pauses; it goes on where it was when they
 * are back, which is what a front-end wants that takes a region out and puts a larger one in. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "vhost/backend_internal.h"
#include "virtio/arrival.h"

void vhost_backend_remap_rings(struct vhost_backend *b)
{
	b->features_changed = true;
	vhost_iotlb_forget_memory(b);
	for (unsigned i = 0; i < b->n_rings; i++)
		vhost_ring_remap(b, &b->rings[i]);
}

static const char *describe(int err)
{
	switch (err) {
	case -EINVAL:
		return "its size is 0 or it wraps around";
	case -EEXIST:
		return "it overlaps another region";
	case -EFBIG:
		return "that makes more than 4 TiB";
	case -ENOSPC:
		return "there are too many regions";
	case -ERANGE:
		return "its file is shorter";
	case -EMEDIUMTYPE:
		return "its descriptor is no file of memory or of a local disk";
	default:
		return strerrordesc_np(-err);
	}
}

static int add_region(struct vhost_backend *b, const struct vhost_user_region *reg, unsigned fd_idx)
{
	int err = guest_mem_add_fd(&b->mem, reg->guest_addr, reg->user_addr, reg->size, b->socket.fds[fd_idx],
				   reg->mmap_offset);

	if (b->mem.arrivals)
		arrivals_allow(b->mem.arrivals, false);
	if (err == 0)
		return 0;
	return vhost_backend_reason(b, err, "region at %#" PRIx64 " with %" PRIu64 " bytes: %s", reg->guest_addr,
				    reg->size, describe(err));
}

VHOST_HANDLER(vhost_handle_set_mem_table)
{
	struct vhost_user_mem_table *t = &p->mem_table;
	size_t n_sent =
	    (b->socket.msg.header.size - offsetof(struct vhost_user_mem_table, regions)) / sizeof(t->regions[0]);
	int err = 0;

	(void)r;
	if (t->n_regions != n_sent || t->n_regions != b->socket.n_fds)
		return vhost_backend_reason(b, -EPROTO, "%" PRIu32 " regions, but %zu descriptions and %u descriptors",
					    t->n_regions, n_sent, b->socket.n_fds);
	if (t->n_regions == 0)
		return vhost_backend_reason(b, -EINVAL,
					    "no memory is shared (QEMU: -object memory-backend-memfd,share=on)");
	vhost_postcopy_before_change(b);
	guest_mem_clear(&b->mem);
	for (unsigned i = 0; i < t->n_regions && err == 0; i++)
		err = add_region(b, &t->regions[i], i);
	if (err < 0)
		guest_mem_clear(&b->mem);
	vhost_backend_remap_rings(b);
	vhost_postcopy_answer(b, t->regions, t->n_regions);
	return err;
}

VHOST_HANDLER(vhost_handle_get_max_mem_slots)
{
	(void)b, (void)r;
	p->u64 = GUEST_MEM_REGIONS_MAX;
	return 0;
}

VHOST_HANDLER(vhost_handle_add_mem_reg)
{
	struct vhost_user_region *reg = &p->mem_reg.region;
	int err;

	(void)r;
	vhost_postcopy_before_change(b);
	/* QEMU 7.2 says this, and REM_MEM_REG, once for every queue pair. */
	err = guest_mem_add_again(&b->mem, reg->guest_addr, reg->user_addr, reg->size);
	if (err < 0) {
		err = add_region(b, reg, 0);
		if (err == 0)
			vhost_backend_remap_rings(b);
	}
	vhost_postcopy_answer(b, reg, 1);
	return err;
}

VHOST_HANDLER(vhost_handle_rem_mem_reg)
{
	const struct vhost_user_region *reg = &p->mem_reg.region;

	(void)r;
	b->postcopy.ack_due = b->mem.arrivals;
	if (guest_mem_remove(&b->mem, reg->guest_addr, reg->user_addr, reg->size) < 0)
		return vhost_backend_reason(b, -ENOENT, "no region at %#" PRIx64 " with %" PRIu64 " bytes",
					    reg->guest_addr, reg->size);
	vhost_backend_remap_rings(b);
	return 0;
}
