/* SPDX-License-Identifier: Apache-2.0 */
/* port_vhost_tx.c - From the switch into a guest's receive buffers: the one copy.
 *
 * A frame goes into one chain or, with mergeable buffers, into as many as it needs (VIRTIO 1.2, 5.1.6.4). Chains are taken
 * first and given back unused when the ring runs out, so that a frame is in the ring whole or not at all. */
#include <errno.h>
#include <string.h>

#include "base/account.h"
#include "base/barrier.h"
#include "base/copy.h"
#include "base/prefetch.h"
#include "packet/csum.h"
#include "packet/offload_fit.h"
#include "port/port_vhost_priv.h"
#include "virtio/virtq_run.h"

enum {
	/* Receive buffers that one frame may take. A driver's smallest are about 1500 bytes; the bound keeps one with buffers of a
	 * byte from costing more than a drop. */
	TX_CHAINS_MAX = 256,
	TX_PREFETCH = 4, /* buffers ahead */
};

/* Receive buffers taken for one frame. */
struct room {
	unsigned n_chains;
	unsigned n_iov;
	uint32_t len; /* bytes, header included */
	struct virtq_chain chains[TX_CHAINS_MAX];
	struct iovec iov[FRAME_IOV_MAX];
};

enum taken { TAKEN, RING_FULL, TOO_SMALL, BROKEN };

static void room_give_back(struct virtq *vq, struct room *room)
{
	unsigned n_desc = 0;

	for (unsigned i = 0; i < room->n_chains; i++)
		n_desc += room->chains[i].n_desc;
	virtq_unpop(vq, n_desc);
}

/* Take buffers for `need` bytes. On anything but TAKEN, none are taken. */
static enum taken room_take(struct port_vhost *p, struct virtq *vq, uint32_t need, struct room *room)
{
	unsigned max_chains = p->mergeable ? MIN(TX_CHAINS_MAX, vq->size) : 1;
	enum taken why;

	room->n_chains = 0;
	room->n_iov = 0;
	room->len = 0;
	while (room->len < need) {
		struct virtq_chain *chain = &room->chains[room->n_chains];
		int err;

		why = TOO_SMALL;
		if (unlikely(room->n_chains == max_chains))
			goto give_back;
		why = RING_FULL;
		if (unlikely(virtq_available(vq, 1) == 0))
			goto give_back;
		err = virtq_pop(vq, VIRTQ_WRITABLE, &room->iov[room->n_iov], FRAME_IOV_MAX - room->n_iov, chain);
		if (unlikely(err == -EPROTO))
			return BROKEN;
		if (unlikely(err == -EAGAIN)) /* it may be here next time, as a buffer may */
			goto give_back;
		room->n_chains++;
		why = TOO_SMALL;
		if (unlikely(err))
			goto give_back;
		room->n_iov += chain->n_iov;
		room->len += chain->len;
	}
	return TAKEN;

give_back:
	room_give_back(vq, room);
	return virtq_error(vq) ? BROKEN : why;
}

/* Write `len` bytes of header at the start of the room. Returns the pieces behind it, how many in *n. */
static struct iovec *put_header(struct virtq *vq, struct room *room, const void *hdr, size_t len, unsigned *n)
{
	struct iovec *iov = room->iov;
	const uint8_t *from = hdr;

	*n = room->n_iov;
	while (len) {
		/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): room_take() has filled in as many */
		size_t here = MIN(len, iov->iov_len);

		memcpy(iov->iov_base, from, here);
		if (unlikely(vq->buffer_log))
			virtq_log_written(vq, iov, 1, here);
		from += here;
		len -= here;
		iov->iov_base = (uint8_t *)iov->iov_base + here;
		iov->iov_len -= here;
		if (iov->iov_len == 0 && *n > 1) {
			iov++;
			(*n)--;
		}
	}
	return iov;
}

static void push_room(struct virtq *vq, const struct room *room, uint32_t len)
{
	for (unsigned i = 0; i < room->n_chains; i++) {
		uint32_t here = MIN(len, room->chains[i].len);

		virtq_push(vq, &room->chains[i], here);
		len -= here;
	}
}

/* Where the frame goes on behind its head. */
static const uint8_t *payload_of(const struct frame *f)
{
	return (const uint8_t *)f->iov->iov_base + f->iov_off;
}

/* Has it a short head, and the rest of it, of which there is some, in one piece as it is? A frame that is all head need not have pieces. */
static bool is_plain(const struct frame *f)
{
	return f->head_len <= COPY_SHORT_MAX && f->len > f->head_len && !f->finish_csum &&
	       f->iov->iov_len - f->iov_off >= f->len - f->head_len;
}

/* Short frames that have more than a head, in two short copies; else by frame_copy(). Apart, to leave put_run() its registers. */
static __attribute__((noinline)) void copy_longer(const struct frame *f, uint8_t *to, size_t room)
{
	uint32_t head_len = f->head_len, rest = f->len - head_len;

	if (rest > COPY_SHORT_MAX || !is_plain(f)) {
		frame_copy(f, &(struct iovec){ to, room }, 1);
		return;
	}
	prefetch_to_write(to + 2 * CACHE_LINE);
	prefetch_to_write(to + 3 * CACHE_LINE);
	copy_short(to, f->head, head_len);
	copy_short(to + head_len, payload_of(f), rest);
}

/* Long frames, together with a look at the frame and the buffer that come next. */
static __attribute__((noinline)) void copy_long(struct frame *const *at, struct frame *const *end, uint8_t *to,
						size_t room, uint8_t *next_to)
{
	const struct frame *f = *at, *next = at + 1 < end ? at[1] : f;
	uint32_t head_len = f->head_len;

	if (f->len >= COPY_STREAM_MIN || !is_plain(f)) {
		frame_copy(f, &(struct iovec){ to, room }, 1);
		return;
	}
	if (next->len == next->head_len)
		next = f;
	copy_short(to, f->head, head_len);
	copy_and_ask(to + head_len, payload_of(f), f->len - head_len, next_to + 2 * CACHE_LINE, payload_of(next));
}

static always_inline bool is_short(const struct frame *f)
{
	return f->head_len == f->len && f->len <= COPY_SHORT_MAX && !f->finish_csum;
}

/* Where the next frame will go; `to` when that is not known. */
static always_inline uint8_t *next_buffer(const struct virtq_pop_run *pops, uint8_t *to)
{
	uint64_t off = virtq_pop_peek(pops, 0);

	return off < pops->mem.size ? pops->mem.host + off : to;
}

/* Header and frame into the next receive buffer, when that is one piece and holds both. Where a frame is among long ones, `at` its place
 * in the batch up to `end`, what comes next is looked at, too; short ones are quicker without. */
static always_inline bool put_next(struct virtq_pop_run *pops, struct virtq_push_run *pushes, unsigned hdr_len,
				   const struct frame *f, const bool among_long, struct frame *const *at,
				   struct frame *const *end)
{
	uint32_t need = hdr_len + f->len;
	uint8_t *to;

	if (unlikely(!virtq_pop_next(pops, VIRTQ_WRITABLE, need)))
		return false;
	to = pops->base;
	vnet_words_write(to, hdr_len, vnet_words_from_offload(&f->offload, 1));
	if (likely(is_short(f)))
		copy_short(to + hdr_len, f->head, f->len);
	else if (!among_long || f->len < COPY_LONG_MIN)
		copy_longer(f, to + hdr_len, pops->len - hdr_len);
	else
		copy_long(at, end, to + hdr_len, pops->len - hdr_len, next_buffer(pops, to));
	virtq_push_next(pushes, pops->id, need);
	return true;
}

/* A frame into whatever buffers come next. */
static __attribute__((noinline)) enum taken put_any(struct port_vhost *p, struct virtq *vq, const struct frame *f)
{
	uint32_t need = p->hdr_len + f->len;
	struct vnet_hdr hdr;
	struct room room;
	struct iovec *iov;
	unsigned n_iov;
	enum taken t = room_take(p, vq, need, &room);

	if (unlikely(t != TAKEN))
		return t;
	/* A driver of the current specification reads num_buffers even without mergeable buffers: 1 (VIRTIO 1.2, 5.1.6.4.1). */
	vnet_hdr_from_offload(&hdr, &f->offload, (uint16_t)room.n_chains);
	iov = put_header(vq, &room, &hdr, p->hdr_len, &n_iov);
	frame_copy(f, iov, n_iov);
	if (unlikely(vq->buffer_log))
		virtq_log_written(vq, iov, n_iov, f->len);
	push_room(vq, &room, need);
	return TAKEN;
}

/* Put what the guest takes as it is and what fits one buffer each, up to the end of the ring or the first frame that is another kind.
 * Returns how many. */
static always_inline unsigned put_run(const struct port_vhost *p, struct virtq *vq, const bool packed,
				      const bool among_long, struct frame *const *frames, unsigned n,
				      struct port_tally *tally)
{
	struct port_tally t = *tally; /* in registers: nobody else looks at it */
	uint32_t caps = p->caps;
	unsigned hdr_len = p->hdr_len, i;
	struct virtq_pop_run pops;
	struct virtq_push_run pushes;

	n = virtq_pop_begin(&pops, vq, packed, n);
	n = virtq_push_begin(&pushes, vq, packed, VIRTQ_WRITABLE, n);
	for (i = 0; i < n; i++) {
		const struct frame *f = frames[i];

		virtq_pop_prefetch(&pops, TX_PREFETCH);
		if (unlikely(!offload_passes(f, caps) ||
			     !put_next(&pops, &pushes, hdr_len, f, among_long, &frames[i], &frames[n])))
			break;
		port_tally_frame(&t, f);
	}
	virtq_pop_end(&pops, vq, i);
	virtq_push_end(&pushes, vq, i);
	*tally = t;
	return i;
}

#define PUT_RUN(name, packed, among_long)                                                            \
	static __attribute__((noinline)) unsigned name(const struct port_vhost *p, struct virtq *vq, \
						       struct frame *const *frames, unsigned n,      \
						       struct port_tally *tally)                     \
	{                                                                                            \
		return put_run(p, vq, packed, among_long, frames, n, tally);                         \
	}

PUT_RUN(put_short_split, false, false)
PUT_RUN(put_short_packed, true, false)
PUT_RUN(put_long_split, false, true)
PUT_RUN(put_long_packed, true, true)

/* A batch that begins or ends with a long frame is taken to be full of them. */
static unsigned put_one_run(const struct port_vhost *p, struct virtq *vq, struct frame *const *frames, unsigned n,
			    struct port_tally *tally)
{
	bool among_long = MAX(frames[0]->len, frames[n - 1]->len) >= COPY_LONG_MIN;

	if (vq->packed)
		return among_long ? put_long_packed(p, vq, frames, n, tally)
				  : put_short_packed(p, vq, frames, n, tally);
	return among_long ? put_long_split(p, vq, frames, n, tally) : put_short_split(p, vq, frames, n, tally);
}

/* Runs as long as there are any. */
static unsigned put_runs(const struct port_vhost *p, struct virtq *vq, struct frame *const *frames, unsigned n,
			 struct port_tally *tally)
{
	unsigned i = 0, more;

	if (unlikely(vq->buffer_log)) /* each is to be reported */
		return 0;
	do {
		more = put_one_run(p, vq, frames + i, n - i, tally);
		i += more;
	} while (more && i < n);
	return i;
}

/* A frame that the guest cannot take as it is. Where the ring fills up in between, f->segs_sent says where to go on. */
static enum taken put_fitted(struct port_vhost *p, struct virtq *vq, struct port_counters *c, struct port_tally *tally,
			     struct frame *f)
{
	struct offload_fit fit;
	struct port_tally unused = { 0 };
	struct frame *out;
	int n = offload_fit_begin(&fit, f, p->caps);

	if (n < 0) {
		port_count_drop(c, (enum drop_reason) - n, 1);
		return TAKEN;
	}
	while ((out = offload_fit_next(&fit))) {
		enum taken t = put_runs(p, vq, &out, 1, &unused) ? TAKEN : put_any(p, vq, out);

		if (t != TAKEN)
			return t;
		f->segs_sent++;
		if (out->finish_csum)
			counter_add(&c->sw_csum, 1);
	}
	if (f->segs_sent > 1) {
		counter_add(&c->sw_gso_frames, 1);
		counter_add(&c->sw_segments, f->segs_sent);
	}
	port_tally_frame(tally, f);
	return TAKEN;
}

/* A frame at which put_runs() stopped. */
static enum taken put(struct port_vhost *p, struct virtq *vq, struct port_counters *c, struct port_tally *tally,
		      struct frame *f)
{
	enum taken t;

	if (!offload_passes(f, p->caps)) {
		account_lap(ACCOUNT_COPY, 0);
		t = put_fitted(p, vq, c, tally, f);
		account_lap(ACCOUNT_FIT, 1);
		return t;
	}
	t = put_any(p, vq, f);
	if (t == TAKEN)
		port_tally_frame(tally, f);
	return t;
}

int port_vhost_tx(struct port *port, unsigned queue, struct frame *const *frames, unsigned n)
{
	struct port_vhost *p = port_vhost_of(port);
	struct vhost_ring *r = port_vhost_tx_ring(p, queue);
	struct port_counters *c = &port->queues[queue].tx;
	struct port_tally tally = { 0 };
	unsigned i;

	if (!gate_enter(&r->gate))
		return -EAGAIN;
	if (unlikely(!vhost_ring_is_usable(r) || !r->enabled)) {
		if (r->waits && r->enabled) {
			gate_leave(&r->gate);
			return -EAGAIN;
		}
		port_count_drop(c, DROP_NOT_READY, n);
		gate_leave(&r->gate);
		return (int)n;
	}
	/* A full ring is polled, never waited for: the driver need not kick when it adds buffers. */
	if (unlikely(r->vq.notify_enabled))
		virtq_disable_notify(&r->vq);
	for (i = 0; i < n; i++) {
		enum taken t;

		i += put_runs(p, &r->vq, frames + i, n - i, &tally);
		if (likely(i == n))
			break;
		t = put(p, &r->vq, c, &tally, frames[i]);
		if (t == RING_FULL)
			break;
		if (unlikely(t == TOO_SMALL))
			port_count_drop(c, DROP_NO_ROOM, 1);
		if (unlikely(t == BROKEN)) {
			port_vhost_ring_broken(p, r);
			port_count_drop(c, DROP_NOT_READY, n - i);
			i = n;
			break;
		}
	}
	account_lap(ACCOUNT_COPY, i);
	port_count(c, &tally);
	if (likely(!r->broken))
		port_vhost_publish(r, c);
	account_lap(ACCOUNT_PUBLISH, 0);
	/* By the time of the next frames the front-end may have translated the next buffers. */
	if (unlikely(r->vq.iotlb && !r->broken))
		vhost_ring_ask(r, VIRTQ_WRITABLE);
	if (unlikely(r->vq.error && !r->broken))
		port_vhost_ring_broken(p, r);
	gate_leave(&r->gate);
	return (int)i;
}
