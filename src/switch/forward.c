/* SPDX-License-Identifier: Apache-2.0 */
/* forward.c - Learn, look up, sort by destination, send. */
#include "switch/forward.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/account.h"
#include "base/barrier.h"
#include "base/clock.h"
#include "port/steer.h"
#include "switch/fdb.h"

enum {
	ADDR_LEN = 6,
	VLAN_TAGS_LEN = 8,     /* two tags do not count against the MTU */
	TABLE_IS_LARGE = 8192, /* addresses, from which a table is no longer in the nearest caches */
	WAIT_MAX_NS = 5 * 1000 * 1000,
	WAIT_START_NS = 1000 * 1000, /* the least credit to begin a wait with */
	WAIT_REFILL_SHIFT = 2,       /* of the time that passes, 1 / 4 becomes credit to keep senders waiting */
};

#define NO_ADDR   (~0ull) /* no address has more than 48 bits */
#define GROUP_BIT 0x01ull /* of the first byte of an address: multicast or broadcast (IEEE 802, 8.2) */

/* First pass */

/* Both addresses of a frame, to be compared with another's. */
struct addresses {
	uint64_t first;
	uint32_t rest;
};

static always_inline struct addresses addresses_of(const uint8_t *head)
{
	struct addresses a;

	memcpy(&a.first, head, sizeof(a.first));
	memcpy(&a.rest, head + sizeof(a.first), sizeof(a.rest));
	return a;
}

static always_inline bool addresses_are_equal(struct addresses a, struct addresses b)
{
	return !((a.first ^ b.first) | (a.rest ^ b.rest));
}

/* What the frames of a batch have in common: mostly one source and one destination. */
struct lookup {
	const struct snapshot *s;
	const struct snapshot_port *from;
	struct addresses last; /* of the previous frame, for which the rest was found out */
	uint64_t src;
	enum drop_reason verdict;
	uint16_t dst_port;
	uint16_t dst_active; /* tx queues among which its flows are steered; 0: none */
	bool steers_back;    /* the sender has several queues: remember which it chose */
	bool steers;         /* this, or the receiver has several */
	bool many;           /* frames of the batch may go to more than one queue */
	unsigned queue;      /* the sender's */
	uint32_t now_s;
	uint32_t max_len; /* bytes of a frame that is not to be cut */
};

static uint16_t look_up(const struct lookup *l, uint64_t dst)
{
	uint16_t idx;

	if (dst & GROUP_BIT)
		return FRAME_DST_FLOOD;
	idx = fdb_lookup(l->from->network->fdb, dst);
	/* An entry may outlive its port by a moment. */
	if (idx >= l->s->n || l->s->at[idx].network != l->from->network)
		return FRAME_DST_FLOOD;
	return idx;
}

static unsigned active_queues(const struct port *p)
{
	return p->steer ? read_once(&p->n_tx_active) : 1;
}

/* Remember the sender's choice for the flow, find the receiver's. */
static uint16_t steer(const struct lookup *l, const struct frame *f)
{
	uint32_t hash = steer_hash(f);

	if (l->steers_back && hash)
		steer_learn(l->from->port->steer, hash, l->queue, l->now_s);
	if (l->dst_active < 2)
		return 0;
	if (!hash)
		return (uint16_t)(l->queue % l->dst_active);
	return (uint16_t)steer_pick(l->s->at[l->dst_port].port->steer, hash, l->dst_active);
}

/* A frame with other addresses than the one before: learn the source, find the destination. */
static enum drop_reason look_up_both(struct lookup *l, const uint8_t *head)
{
	uint64_t dst = fdb_key(head), src = fdb_key(head + ADDR_LEN);

	if (src != l->src) {
		if (unlikely((src & GROUP_BIT) || src == 0))
			return DROP_BAD_SOURCE;
		fdb_learn(l->from->network->fdb, src, l->from->port->idx, l->now_s);
		l->src = src;
	}
	l->dst_port = look_up(l, dst);
	if (unlikely(l->dst_port == l->from->port->idx))
		return DROP_HAIRPIN;
	l->dst_active = l->dst_port == FRAME_DST_FLOOD ? 0 : (uint16_t)active_queues(l->s->at[l->dst_port].port);
	l->steers = l->steers_back || l->dst_active > 1;
	return DROP_NONE;
}

static always_inline enum drop_reason decide(struct lookup *l, struct frame *f)
{
	struct addresses here = addresses_of(f->head);

	if (unlikely(f->len > l->max_len && f->offload.gso_type == GSO_NONE))
		return DROP_TOO_LONG;
	if (!addresses_are_equal(here, l->last)) {
		l->many |= l->src != NO_ADDR;
		l->verdict = look_up_both(l, f->head);
		l->last = here;
	}
	if (unlikely(l->verdict))
		return l->verdict;
	f->dst = l->dst_port;
	if (unlikely(l->steers)) {
		f->dst_queue = steer(l, f);
		l->many = true;
	}
	return DROP_NONE;
}

/* Have the table's lines on their way before the first is looked at: with many addresses each is a miss of its own. */
static void prefetch_table(const struct fdb *fdb, const struct batch *b)
{
	struct addresses last = { 0 };

	for (unsigned i = 0; i < b->n; i++) {
		const uint8_t *head = b->frames[i].head;
		struct addresses here = addresses_of(head);

		if (likely(addresses_are_equal(here, last)))
			continue;
		fdb_prefetch(fdb, fdb_key(head), false);
		fdb_prefetch(fdb, fdb_key(head + ADDR_LEN), true);
		last = here;
	}
}

/* Sets each frame's dst. Returns the frames that have one as a mask, in *flood those for all. */
static uint64_t decide_batch(struct lookup *l, struct port_counters *c, struct batch *b, uint64_t *flood)
{
	struct port_tally tally = { 0 };
	uint64_t unicast = 0;
	unsigned coalesced = 0;

	*flood = 0;
	for (unsigned i = 0; i < b->n; i++) {
		struct frame *f = &b->frames[i];
		enum drop_reason reason = f->drop ? (enum drop_reason)f->drop : decide(l, f);

		if (unlikely(reason)) {
			if (f->drop == FRAME_COALESCED) {
				coalesced++;
				continue;
			}
			f->drop = (uint8_t)reason;
			port_count_drop(c, reason, 1);
			continue;
		}
		port_tally_frame(&tally, f);
		if (f->dst == FRAME_DST_FLOOD)
			*flood |= 1ull << i;
		else
			unicast |= 1ull << i;
	}
	port_count(c, &tally);
	if (unlikely(coalesced))
		counter_add(&c->coalesced, coalesced);
	return unicast;
}

/* Second pass */

struct list {
	unsigned n;
	uint16_t dst, dst_queue;
	struct frame *frames[BATCH_FRAMES];
};

/* The bit of frame `k` of the list in masks of the batch. */
static uint64_t list_bit(const struct batch *b, const struct list *list, unsigned k)
{
	return 1ull << (list->frames[k] - b->frames);
}

/* Port and queue in one word. */
static uint32_t destination(const struct frame *f)
{
	uint32_t both;

	static_assert(offsetof(struct frame, dst_queue) == offsetof(struct frame, dst) + sizeof(f->dst),
		      "side by side");
	memcpy(&both, (const uint8_t *)f + offsetof(struct frame, dst), sizeof(both));
	return both;
}

/* Move the frames of `todo` that go to the same place as its first into a list. */
static uint64_t pick_destination(struct batch *b, uint64_t todo, struct list *list)
{
	const struct frame *first = &b->frames[__builtin_ctzll(todo)];
	uint32_t where = destination(first);

	list->n = 0;
	list->dst = first->dst;
	list->dst_queue = first->dst_queue;
	for (uint64_t left = todo; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);

		if (destination(&b->frames[i]) != where)
			continue;
		list->frames[list->n++] = &b->frames[i];
		todo &= ~(1ull << i);
	}
	return todo;
}

/* Move all of `todo`, which go to one place, into a list. */
static void pick_all(struct batch *b, uint64_t todo, struct list *list)
{
	const struct frame *first = &b->frames[__builtin_ctzll(todo)];

	list->dst = first->dst;
	list->dst_queue = first->dst_queue;
	list->n = 0;
	for (unsigned i = 0; i < b->n; i++) {
		list->frames[list->n] = &b->frames[i];
		list->n += todo >> i & 1;
	}
}

/* The receiver's queue for floods from the sender's queue `queue`. */
static unsigned pick_flood_queue(const struct port *to, unsigned queue)
{
	unsigned active = read_once(&to->n_tx_active);

	return active ? queue % active : 0;
}

static void flood(const struct snapshot *s, const struct snapshot_port *from, unsigned queue, struct batch *b,
		  uint64_t mask)
{
	const struct snapshot_network *network = from->network;
	struct list list = { 0 };

	for (uint64_t left = mask; left; left &= left - 1)
		list.frames[list.n++] = &b->frames[__builtin_ctzll(left)];
	for (unsigned i = 0; i < network->n_ports; i++) {
		struct port *to = s->at[network->ports[i]].port;
		int taken;

		if (to == from->port)
			continue;
		taken = to->ops->tx(to, pick_flood_queue(to, queue), list.frames, list.n);
		if (unlikely(taken < (int)list.n))
			port_count_drop(&to->queues[0].tx, taken < 0 ? DROP_PAUSED : DROP_RING_FULL,
					list.n - (unsigned)MAX(taken, 0));
		for (unsigned k = 0; k < list.n; k++)
			list.frames[k]->segs_sent = 0;
	}
}

/* The time for which `to` may keep its senders waiting now: it grows with time, and is spent by waiting. */
static int64_t patience(struct port *to, unsigned queue, uint64_t now_ns)
{
	struct tx_patience *p = &to->queues[queue].patience;
	int64_t since = (int64_t)(now_ns - read_once(&p->refilled_ns));

	if (since > 0) {
		int64_t credit = read_once(&p->credit_ns) + (since >> WAIT_REFILL_SHIFT);

		write_once(&p->credit_ns, MIN(credit, (int64_t)WAIT_MAX_NS));
		write_once(&p->refilled_ns, now_ns);
	}
	return read_once(&p->credit_ns);
}

static void spend_patience(struct port *to, unsigned queue, uint64_t ns)
{
	struct tx_patience *p = &to->queues[queue].patience;

	write_once(&p->credit_ns, read_once(&p->credit_ns) - (int64_t)ns);
}

/* Returns the frames whose receiver was full or paused, the latter in b->paused as well. */
static uint64_t send_list(const struct snapshot *s, struct batch *b, const struct list *list)
{
	struct port *to = s->at[list->dst].port;
	uint64_t full = 0;
	int taken;

	if (unlikely(!to))
		return 0;
	taken = to->ops->tx(to, list->dst_queue, list->frames, list->n);
	for (unsigned k = (unsigned)MAX(taken, 0); k < list->n; k++)
		full |= list_bit(b, list, k);
	if (unlikely(taken < 0))
		b->paused |= full;
	return full;
}

/* Send to each destination of `todo` once. */
static uint64_t send_unicast(const struct snapshot *s, struct batch *b, uint64_t todo)
{
	uint64_t full = 0;
	struct list list;

	b->paused = 0;
	while (todo) {
		todo = pick_destination(b, todo, &list);
		full |= send_list(s, b, &list);
	}
	return full;
}

/* The same where the destination is one for all. */
static uint64_t send_to_one(const struct snapshot *s, struct batch *b, uint64_t todo)
{
	struct list list;

	b->paused = 0;
	if (unlikely(!todo))
		return 0;
	pick_all(b, todo, &list);
	return send_list(s, b, &list);
}

static enum drop_reason why_waiting(const struct batch *b, unsigned i)
{
	return b->paused >> i & 1 ? DROP_PAUSED : DROP_RING_FULL;
}

/* What becomes of frames whose receiver was full: those whose receiver has at least `least_ns` of patience are returned, the
 * others dropped. `waited_ns`: since the last try. */
static uint64_t settle_full(const struct snapshot *s, struct batch *b, uint64_t mask, uint64_t waited_ns,
			    int64_t least_ns, uint64_t now_ns)
{
	uint64_t keep = 0;
	struct list list;

	while (mask) {
		unsigned first = (unsigned)__builtin_ctzll(mask);
		struct port *to;

		mask = pick_destination(b, mask, &list);
		to = s->at[list.dst].port;
		spend_patience(to, list.dst_queue, waited_ns);
		if (patience(to, list.dst_queue, now_ns) < least_ns) {
			port_count_drop(&to->queues[list.dst_queue].tx, why_waiting(b, first), list.n);
			continue;
		}
		for (unsigned k = 0; k < list.n; k++)
			keep |= list_bit(b, &list, k);
	}
	return keep;
}

void forward_batch(const struct snapshot *s, struct port *from, unsigned queue, struct batch *b, uint64_t now_ns)
{
	const struct snapshot_port *at = snapshot_find(s, from);
	struct lookup l = {
		.s = s,
		.from = at,
		.verdict = DROP_BAD_SOURCE, /* of addresses of zeros */
		.src = NO_ADDR,
		.queue = queue,
		.now_s = (uint32_t)(now_ns / NSEC_PER_SEC),
	};
	uint64_t unicast, group;

	if (unlikely(!at)) /* deleted a moment ago */
		return;
	l.steers_back = active_queues(from) > 1;
	l.max_len = at->network->max_frame_len + VLAN_TAGS_LEN;
	if (fdb_count(at->network->fdb) > TABLE_IS_LARGE)
		prefetch_table(at->network->fdb, b);
	unicast = decide_batch(&l, &from->queues[queue].rx, b, &group);
	account_lap(ACCOUNT_LOOKUP, b->n);
	if (group)
		flood(s, at, queue, b, group);
	b->waiting = l.many ? send_unicast(s, b, unicast) : send_to_one(s, b, unicast);
	if (unlikely(b->waiting)) {
		b->waiting = settle_full(s, b, b->waiting, 0, WAIT_START_NS, now_ns);
		b->waiting_since_ns = now_ns;
		b->tried_ns = now_ns;
	}
}

bool forward_retry(const struct snapshot *s, struct batch *b, uint64_t now_ns)
{
	bool expired = now_ns - b->waiting_since_ns > WAIT_MAX_NS;
	int64_t least_ns = expired ? INT64_MAX : 1;

	b->waiting = send_unicast(s, b, b->waiting);
	if (b->waiting)
		b->waiting = settle_full(s, b, b->waiting, now_ns - b->tried_ns, least_ns, now_ns);
	b->tried_ns = now_ns;
	return b->waiting == 0;
}

void forward_drop_waiting(const struct snapshot *s, struct batch *b, enum drop_reason reason)
{
	for (uint64_t left = b->waiting; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);
		struct port *to = s->at[b->frames[i].dst].port;

		if (to)
			port_count_drop(&to->queues[0].tx, reason ? reason : why_waiting(b, i), 1);
	}
	b->waiting = 0;
}

void forward_drop_waiting_for(struct batch *b, uint16_t dst)
{
	for (uint64_t left = b->waiting; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);

		if (b->frames[i].dst == dst)
			b->waiting &= ~(1ull << i);
	}
}
