/* SPDX-License-Identifier: Apache-2.0 */
/* backend_postcopy.c - Handlers of messages about postcopy migration, at the host that the guest moves to. All rings are parked.
 *
 * "Migration", and POSTCOPY_*: the front-end ADVISEs that postcopy may follow, and gets a userfaultfd. It LISTENs, which begins
 * postcopy. Memory that it shares from now on is incomplete: our answer says where it is mapped, so that the front-end
 * understands the faults, and no page is asked for before the front-end has acknowledged that. Rings start when all of their areas
 * have come. At the END all pages are here. What it takes to do without missing pages is virtio/arrival.h's.
 *
 * QEMU has a device of its own for each queue pair, which all send these messages, the last pair's first. Each
 * gets a descriptor; memory is registered with the last one, as the first pair, which is the first to share memory and to answer
 * faults, is the last to be advised. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/event_loop.h"
#include "base/pager.h"
#include "vhost/backend_internal.h"
#include "vhost/eventfd.h"
#include "virtio/arrival.h"

/* Requests may get lost on the front-end's side: QEMU does not find the memory of a device that has not shared any yet. */
enum { REPEAT_MS = 250 };

static void forget(struct vhost_postcopy *pc)
{
	watch_remove(pc->watch);
	timer_remove(pc->timer);
	arrivals_destroy(pc->arrivals);
	pc->watch = NULL;
	pc->timer = NULL;
	pc->arrivals = NULL;
	pc->ack_due = false;
}

void vhost_postcopy_forget(struct vhost_backend *b)
{
	forget(&b->postcopy);
	b->postcopy.n_advised = 0;
	b->mem.arrivals = NULL;
}

/* Rings go on, or start, for which something has come. Nothing is parked. */
static void wake_rings(struct vhost_backend *b)
{
	/* The pages before the look for who waits: a worker marks its ring, and then looks for the pages. */
	full_barrier();
	for (unsigned i = 0; i < b->n_rings; i++) {
		struct vhost_ring *r = &b->rings[i];

		if (r->started && !r->vq.running) {
			gate_park(&r->gate);
			if (vhost_ring_remap(b, r) == 0 && r->vq.running) {
				vhost_eventfd_signal(r->call_fd);
				b->state_changed = true;
			}
			gate_unpark(&r->gate);
		} else if (__atomic_exchange_n(&r->starved, false, __ATOMIC_RELAXED)) {
			vhost_ring_mark_changed(b, r);
		}
	}
	vhost_backend_report_changes(b);
}

static void on_arrival(void *arg, int fd, uint32_t events)
{
	struct vhost_backend *b = arg;
	int n = b->mem.arrivals ? arrivals_take(&b->mem) : -ECONNRESET;

	(void)fd, (void)events;
	if (n > 0)
		wake_rings(b);
	else if (n < 0)
		vhost_backend_end_connection(
		    b, vhost_backend_reason(b, n, "postcopy: the process that waits for pages has ended"));
}

static void repeat(void *arg)
{
	struct vhost_backend *b = arg;

	arrivals_repeat(&b->mem);
}

VHOST_HANDLER(vhost_handle_postcopy_advise)
{
	struct vhost_postcopy *pc = &b->postcopy;
	int err;

	(void)p, (void)r;
	if (b->mem.arrivals || pc->n_advised >= b->config.queue_pairs)
		return vhost_backend_reason(b, -EPROTO, "came too often, or in postcopy");
	if (b->translates)
		return vhost_backend_reason(b, -EPROTO, "comes for a device behind an IOMMU");
	forget(pc);
	pc->n_advised++;
	b->has_reply = true;
	err = arrivals_create(&pc->arrivals, &b->reply_fd);
	if (err < 0)
		return vhost_backend_reason(b, err, "no process to wait for pages: %s", strerrordesc_np(-err));
	pc->watch = watch_add(b->loop, arrivals_fd(pc->arrivals), EPOLLIN, on_arrival, b);
	return pc->watch ? 0 : vhost_backend_reason(b, -errno, "%s", strerrordesc_np(errno));
}

VHOST_HANDLER(vhost_handle_postcopy_listen)
{
	struct vhost_postcopy *pc = &b->postcopy;

	(void)p, (void)r;
	if (!pc->arrivals)
		return vhost_backend_reason(b, -EPROTO, "came before POSTCOPY_ADVISE");
	if (b->mem.arrivals)
		return 0;
	if (b->mem.n > 0)
		return vhost_backend_reason(b, -EPROTO, "memory was shared before");
	pc->timer = timer_add(b->loop, REPEAT_MS, REPEAT_MS, repeat, b);
	if (!pc->timer)
		return vhost_backend_reason(b, -ENOMEM, "out of memory");
	b->mem.arrivals = pc->arrivals;
	b->state_changed = true;
	log_info("%s: postcopy begins", b->config.socket);
	return 0;
}

VHOST_HANDLER(vhost_handle_postcopy_end)
{
	(void)r;
	p->u64 = 0;
	if (!b->mem.arrivals)
		return 0;
	arrivals_end(&b->mem);
	forget(&b->postcopy);
	vhost_backend_remap_rings(b);
	for (unsigned i = 0; i < b->n_rings; i++)
		if (b->rings[i].starved)
			vhost_ring_mark_changed(b, &b->rings[i]);
	b->state_changed = true;
	log_info("%s: postcopy is complete", b->config.socket);
	return 0;
}

/* Memory */

void vhost_postcopy_before_change(struct vhost_backend *b)
{
	if (b->mem.arrivals) {
		b->postcopy.ack_due = true;
		b->has_reply = true;
		b->reply_size = b->socket.msg.header.size;
	} else if (b->postcopy.arrivals) {
		forget(&b->postcopy); /* the migration was over before postcopy began */
	}
}

void vhost_postcopy_answer(struct vhost_backend *b, struct vhost_user_region *regions, unsigned n)
{
	if (!b->mem.arrivals)
		return;
	for (unsigned i = 0; i < n; i++) {
		const struct guest_region *r = guest_mem_find(&b->mem, regions[i].guest_addr);

		if (r && r->arriving)
			regions[i].user_addr = arrivals_addr(r);
	}
}

/* It has the number of the message that it acknowledges, or none where there was nothing to be said. */
bool vhost_postcopy_is_ack(const struct vhost_backend *b)
{
	const struct vhost_user_header *h = &b->socket.msg.header;

	if (!b->mem.arrivals || b->socket.n_fds > 0 || h->size != sizeof(uint64_t))
		return false;
	switch (h->request) {
	case VHOST_USER_NONE:
		return true;
	case VHOST_USER_SET_MEM_TABLE:
	case VHOST_USER_ADD_MEM_REG:
	case VHOST_USER_REM_MEM_REG:
		return b->postcopy.ack_due;
	default:
		return false;
	}
}

int vhost_postcopy_take_ack(struct vhost_backend *b)
{
	const struct vhost_user_msg *msg = &b->socket.msg;

	if (msg->header.flags != VHOST_USER_VERSION || msg->payload.u64 != 0)
		return vhost_backend_reason(b, -EPROTO, "postcopy: the front-end does not acknowledge the memory");
	b->postcopy.ack_due = false;
	arrivals_allow(b->mem.arrivals, true);
	wake_rings(b);
	return 0;
}

/* Questions */

bool vhost_backend_is_in_postcopy(const struct vhost_backend *b)
{
	return b->mem.arrivals;
}
