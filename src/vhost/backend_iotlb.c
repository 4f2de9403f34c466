/* SPDX-License-Identifier: Apache-2.0 */
/* backend_iotlb.c - Rings behind the guest's IOMMU ("IOMMU support"): what is asked for, what comes, what is taken back.
 *
 * Workers note what is missing and write to an eventfd; the areas of a ring that is to start are missed by control itself. Both end up
 * as asks, each sent to the front-end once. An update removes the asks that it answers, and whatever waits is tried again: rings
 * whose areas were missing are started, those that stalled on a chain are woken. What is not answered within a second is
 * forgotten, and everything that still waits asks anew. So neither a front-end that loses a question nor one that is silent keeps
 * a ring waiting longer than it is silent; and there are never more questions than the table of asks holds.
 *
 * Translations are taken back with every ring parked: no worker is inside with what it found before, and frames that a worker held on
 * to while their receiver was full are dropped. A ring that has an area there pauses until that area is translated anew.
 *
 * A device has an IOMMU when VIRTIO_F_ACCESS_PLATFORM and the channel to ask on (BACKEND_REQ) were negotiated. The feature alone
 * is what a guest wants whose memory is protected from the host: nothing translates there (docs/protocol.md). */
#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/event_loop.h"
#include "vhost/backend_internal.h"
#include "vhost/eventfd.h"

/* syscalls worker: write */
/* syscalls control: eventfd2 read write close */

enum { ASK_AGAIN_MS = 1000 };

/* Asks */

static void start_timer(struct vhost_backend *b);

static struct vhost_ask *find_ask(struct vhost_ask *asks, unsigned n, uint64_t iova, uint32_t perm)
{
	for (unsigned i = 0; i < n; i++)
		if (asks[i].iova / IOTLB_PAGE == iova / IOTLB_PAGE && (asks[i].perm & perm) == perm)
			return &asks[i];
	return NULL;
}

void vhost_iotlb_ask(struct vhost_backend *b, uint64_t iova, uint32_t perm)
{
	struct vhost_iotlb *io = &b->iotlb;
	const struct vhost_ask *before;

	start_timer(b);
	if (io->n_asks == VHOST_ASKS_MAX || find_ask(io->asks, io->n_asks, iova, perm))
		return;
	before = find_ask(io->asks_before, io->n_asks_before, iova, perm);
	io->asks[io->n_asks++] = (struct vhost_ask){ iova, perm, before ? before->seconds + 1 : 0 };
	vhost_channel_ask(b, iova, perm); /* or not: the second passes, and it is asked for again */
}

static void forget_answered(struct vhost_iotlb *io, uint64_t iova, uint64_t size, uint32_t perm)
{
	for (unsigned i = io->n_asks; i-- > 0;)
		if (io->asks[i].iova - iova < size && (io->asks[i].perm & perm) == io->asks[i].perm)
			io->asks[i] = io->asks[--io->n_asks];
}

/* What workers have noted, as long as there is room; the rest stays with them. */
static void collect(struct vhost_backend *b)
{
	struct virtq_miss m;

	for (unsigned i = 0; i < b->n_rings; i++) {
		struct vhost_ring_iotlb *io = b->rings[i].iotlb;

		while (io && b->iotlb.n_asks < VHOST_ASKS_MAX && virtq_take_miss(&io->vq, &m)) {
			struct iotlb_entry e;
			uint32_t changes;

			if (!iotlb_find(&b->iotlb.table, m.iova, m.perm, &e, &changes))
				vhost_iotlb_ask(b, m.iova, m.perm);
		}
	}
}

static void misses_noted(void *arg, int fd, uint32_t events)
{
	uint64_t n;

	(void)events;
	if (read(fd, &n, sizeof(n)) == sizeof(n))
		collect(arg);
}

/* Worker */
void vhost_ring_ask(struct vhost_ring *r, enum virtq_dir dir)
{
	static const uint64_t one = 1;

	if (virtq_note_misses(&r->vq, dir) && write(r->iotlb->miss_fd, &one, sizeof(one)) < 0)
		return; /* EAGAIN: it is readable already */
}

/* What waits */

/* Its worker found a translation missing, and has not looked again since. */
static bool stalls(const struct vhost_ring *r)
{
	return r->vq.running && read_once(&r->vq.stalled);
}

/* Ring 2q is the guest's rx: its buffers are written. */
static enum virtq_dir direction(const struct vhost_backend *b, const struct vhost_ring *r)
{
	return vhost_ring_index(b, r) % 2 == 0 ? VIRTQ_WRITABLE : VIRTQ_READABLE;
}

/* The worker of a guest's tx ring looks when it is kicked. Others look whenever they have a frame for the guest. */
static void wake(const struct vhost_backend *b, const struct vhost_ring *r)
{
	if (direction(b, r) == VIRTQ_READABLE)
		vhost_eventfd_signal(r->kick_fd);
}

static void try_to_start(struct vhost_backend *b, struct vhost_ring *r)
{
	bool first = !r->placed;
	int err;

	gate_park(&r->gate);
	err = vhost_ring_remap(b, r);
	if (r->vq.running)
		virtq_note_misses(&r->vq, direction(b, r));
	gate_unpark(&r->gate);
	if (err < 0)
		vhost_ring_check_areas(b, r); /* says why */
	if (!r->vq.running)
		return;
	wake(b, r);
	if (first) /* whoever used chains before us may have died before it told */
		vhost_eventfd_signal(r->call_fd);
}

static void try_again(struct vhost_backend *b)
{
	/* The change of the table before the look at who waits: a worker that goes to sleep says that it waits, and then looks at the
	 * table once more. */
	full_barrier();
	for (unsigned i = 0; i < b->n_rings; i++) {
		struct vhost_ring *r = &b->rings[i];

		if (r->waits && vhost_ring_areas_are_known(b, r))
			try_to_start(b, r);
		else if (stalls(r))
			wake(b, r);
	}
	collect(b);
}

/* Forget what was asked for; who still waits asks anew. */
void vhost_iotlb_ask_again(struct vhost_backend *b)
{
	struct vhost_iotlb *io = &b->iotlb;

	if (!b->translates)
		return;
	memcpy(io->asks_before, io->asks, io->n_asks * sizeof(io->asks[0]));
	io->n_asks_before = io->n_asks;
	io->n_asks = 0;
	iotlb_touch(&io->table);
	try_again(b);
}

/* A ring that nobody has looked at since the table changed waits for nothing: the timer ends, and an idle guest costs nothing. */
static bool anything_waits(const struct vhost_backend *b)
{
	for (unsigned i = 0; i < b->n_rings; i++)
		if (b->rings[i].waits || (stalls(&b->rings[i]) && virtq_lacks(&b->rings[i].vq)))
			return true;
	return false;
}

/* The ask that was made most often. */
static const struct vhost_ask *longest(const struct vhost_iotlb *io)
{
	const struct vhost_ask *best = NULL;

	for (unsigned i = 0; i < io->n_asks; i++)
		if (!best || io->asks[i].seconds > best->seconds)
			best = &io->asks[i];
	return best;
}

static void remember_longest(struct vhost_backend *b, bool waits)
{
	struct vhost_iotlb *io = &b->iotlb;
	const struct vhost_ask *a = waits ? longest(io) : NULL;
	bool told = io->unanswered_s > 0;

	io->unanswered_s = a ? a->seconds : 0;
	io->unanswered = a ? a->iova : 0;
	if (told != (io->unanswered_s > 0))
		b->state_changed = true;
}

static void second_is_over(void *arg)
{
	struct vhost_backend *b = arg;
	struct vhost_iotlb *io = &b->iotlb;
	bool waits = anything_waits(b);

	remember_longest(b, waits);
	if (waits || io->n_asks > 0) {
		vhost_iotlb_ask_again(b);
	} else {
		timer_remove(io->timer);
		io->timer = NULL;
	}
	vhost_backend_report_changes(b);
}

static void start_timer(struct vhost_backend *b)
{
	if (!b->iotlb.timer)
		b->iotlb.timer = timer_add(b->loop, ASK_AGAIN_MS, ASK_AGAIN_MS, second_is_over, b);
}

bool vhost_backend_is_waiting(const struct vhost_backend *b, uint64_t *iova, unsigned *seconds)
{
	*iova = b->iotlb.unanswered;
	*seconds = b->iotlb.unanswered_s;
	return *seconds > 0;
}

/* Updates and invalidations */

static void take_back(struct vhost_backend *b, uint64_t first, uint64_t last)
{
	vhost_backend_park(b);
	iotlb_remove(&b->iotlb.table, first, last);
	for (unsigned i = 0; i < b->n_rings; i++) {
		struct vhost_ring *r = &b->rings[i];

		if (!r->vq.running)
			continue;
		virtq_forget_translations(&r->vq);
		if (vhost_ring_areas_overlap(b, r, first, last))
			vhost_ring_pause(r);
		else if (direction(b, r) == VIRTQ_WRITABLE) /* frames that nobody waits for may be next */
			virtq_note_misses(&r->vq, VIRTQ_WRITABLE);
	}
	vhost_backend_unpark(b);
}

static int update(struct vhost_backend *b, const struct vhost_iotlb_msg *m)
{
	uint8_t *host;

	if (m->iova % IOTLB_PAGE != 0 || m->size % IOTLB_PAGE != 0 || m->size == 0 ||
	    m->size - 1 > UINT64_MAX - m->iova)
		return vhost_backend_reason(b, -EINVAL, "%" PRIu64 " bytes at %#" PRIx64 " are no range of whole pages",
					    (uint64_t)m->size, (uint64_t)m->iova);
	if (m->perm == 0 || m->perm > VHOST_ACCESS_RW)
		return vhost_backend_reason(b, -EINVAL, "permission %u", m->perm);
	host = guest_mem_user_to_host(&b->mem, m->uaddr, m->size);
	if (!host)
		return vhost_backend_reason(b, -EFAULT,
					    "%#" PRIx64 " with %" PRIu64
					    " bytes is not in one region of the guest's memory",
					    (uint64_t)m->uaddr, (uint64_t)m->size);
	if (iotlb_contradicts(&b->iotlb.table, m->iova, m->size, host, m->perm))
		take_back(b, m->iova, m->iova + (m->size - 1));
	iotlb_add(&b->iotlb.table, m->iova, m->size, host, m->perm);
	forget_answered(&b->iotlb, m->iova, m->size, m->perm);
	try_again(b);
	return 0;
}

/* More may be taken back than is meant: it is asked for again. A size of 0 is what 2^64 becomes when a front-end adds 1 to a mask. */
static void invalidate(struct vhost_backend *b, const struct vhost_iotlb_msg *m)
{
	uint64_t last = m->size == 0 || m->size - 1 > UINT64_MAX - m->iova ? UINT64_MAX : m->iova + (m->size - 1);

	take_back(b, m->iova, last);
	try_again(b);
}

VHOST_HANDLER(vhost_handle_iotlb_msg)
{
	const struct vhost_iotlb_msg m = p->iotlb;

	(void)r;
	if (!b->translates)
		return vhost_backend_reason(b, -EINVAL, "ACCESS_PLATFORM was not negotiated");
	switch (m.type) {
	case VHOST_IOTLB_UPDATE:
		return update(b, &m);
	case VHOST_IOTLB_INVALIDATE:
		invalidate(b, &m);
		return 0;
	default:
		return vhost_backend_reason(b, -EINVAL, "type %u", m.type);
	}
}

void vhost_iotlb_forget_memory(struct vhost_backend *b)
{
	if (b->translates)
		iotlb_remove(&b->iotlb.table, 0, UINT64_MAX);
}

/* On and off */

static int turn_on(struct vhost_backend *b)
{
	struct vhost_iotlb *io = &b->iotlb;
	int err = iotlb_init(&io->table);

	if (err)
		return err;
	b->translates = true;
	io->miss_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	io->watch = io->miss_fd >= 0 ? watch_add(b->loop, io->miss_fd, EPOLLIN, misses_noted, b) : NULL;
	if (io->watch)
		return 0;
	err = -errno;
	vhost_iotlb_turn_off(b);
	return err;
}

void vhost_iotlb_turn_off(struct vhost_backend *b)
{
	struct vhost_iotlb *io = &b->iotlb;

	if (!b->translates)
		return;
	for (unsigned i = 0; i < b->n_rings; i++) {
		free(b->rings[i].iotlb);
		b->rings[i].iotlb = NULL;
	}
	timer_remove(io->timer);
	watch_remove(io->watch);
	if (io->miss_fd >= 0)
		close(io->miss_fd);
	iotlb_deinit(&io->table);
	*io = (struct vhost_iotlb){ .miss_fd = -1 };
	b->translates = false;
}

int vhost_iotlb_follow_features(struct vhost_backend *b)
{
	bool on = (b->features & (1ull << VIRTIO_F_ACCESS_PLATFORM)) &&
		  (b->protocol_features & (1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ));

	if (on == b->translates)
		return 0;
	/* A page that has not come would be found by its translation, and be empty. */
	if (on && b->postcopy.arrivals)
		return -EOPNOTSUPP;
	if (on)
		return turn_on(b);
	vhost_iotlb_turn_off(b);
	return 0;
}

int vhost_ring_attach_iotlb(struct vhost_backend *b, struct vhost_ring *r)
{
	if (!r->iotlb) {
		r->iotlb = calloc(1, sizeof(*r->iotlb));
		if (!r->iotlb)
			return -ENOMEM;
		r->iotlb->miss_fd = b->iotlb.miss_fd;
		r->iotlb->vq.table = &b->iotlb.table;
	}
	/* What was noted of a ring that was left is void. */
	r->iotlb->vq.head = r->iotlb->vq.tail = 0;
	return 0;
}
