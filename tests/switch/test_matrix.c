/* SPDX-License-Identifier: Apache-2.0 */
/* test_matrix.c - Every kind of front-end with every other: frames of all kinds arrive as they were sent or as the receiver can
 * take them, and the counters say what happened.
 *
 * usage: [RINGWAY_FULL=1] test_matrix */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/tsan.h"
#include "parcel.h"
#include "port/port_vhost.h"
#include "port/steer.h"
#include "virtio/virtio_compat.h"

enum {
	PAIRS = 4,
	PARCELS = 48,
	BUFFERS_AT_ONCE = 200, /* fewer than a ring has: none has to wait, however slow this machine is */
	BURST = 16,
	KINDS = 2 * 2 * 2 * 2 * 2 * 2 * 2 * 3,
	STEPS_FULL = 4,
	COMBINATIONS = TSAN_IS_ON ? 32 : 192,
};

static unsigned n_combinations = COMBINATIONS;

/* A number 0..KINDS-1 as a front-end. */
struct kind {
	struct vhost_frontend_config config;
	char text[120];
};

#define NOT_LEGACY (BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) | BIT(VIRTIO_F_VERSION_1))
#define CUTTING                                                                                      \
	(BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_UFO) | \
	 BIT(VIRTIO_NET_F_GUEST_USO4) | BIT(VIRTIO_NET_F_GUEST_USO6) | BIT(VIRTIO_NET_F_GUEST_ECN))

static struct kind kind_of(unsigned n)
{
	static const char *const caps[] = { "all offloads", "no TSO", "no csum" };
	uint64_t f = port_vhost_offered() & ~BIT(VIRTIO_F_ACCESS_PLATFORM), without = 0;
	bool packed = n & 1, mergeable = n & 2, in_order = n & 4, indirect = n & 8, event = n & 16, multi = n & 32,
	     legacy = n & 64;
	unsigned cap = n / 128 % 3;
	struct kind k;

	without |= packed ? 0 : BIT(VIRTIO_F_RING_PACKED);
	without |= mergeable ? 0 : BIT(VIRTIO_NET_F_MRG_RXBUF);
	without |= in_order ? 0 : BIT(VIRTIO_F_IN_ORDER);
	without |= indirect ? 0 : BIT(VIRTIO_RING_F_INDIRECT_DESC);
	without |= event ? 0 : BIT(VIRTIO_RING_F_EVENT_IDX);
	without |= legacy ? NOT_LEGACY : 0;
	without |= cap > 0 ? CUTTING : 0;
	without |= cap > 1 ? BIT(VIRTIO_NET_F_GUEST_CSUM) : 0;
	f &= ~without;
	k.config = (struct vhost_frontend_config){
		.queue_pairs = multi ? PAIRS : 1,
		.features = f,
		/* Without protocol features there is one pair, and the rings are enabled from the start. */
		.protocol_features = multi || n % 5 ? ~0ull : 0,
		.n_regions = 1 + n % 3,
		.tx_header_apart = n % 7 == 0,
		.tx_piece = n % 4 ? 0 : 4096,
		.tx_indirect = indirect,
	};
	snprintf(k.text, sizeof(k.text), "%s, %s%s%s%s%s, %u pairs, %s",
		 legacy   ? "legacy"
		 : packed ? "packed"
			  : "split",
		 mergeable ? "mergeable " : "", in_order ? "in order " : "", indirect ? "indirect " : "",
		 event ? "event index" : "", legacy && (packed || in_order) ? "" : "", k.config.queue_pairs, caps[cap]);
	return k;
}

struct side {
	const char *port;
	struct kind kind;
	struct vhost_frontend *f;
	struct parcel_tally sent, got;
};

struct reader {
	struct rig *rig;
	struct vhost_frontend *f;
	unsigned pair;
};

static long next_frame(void *arg, struct vnet_hdr *hdr, uint8_t *frame, size_t size)
{
	const struct reader *r = arg;
	uint64_t deadline_ns = clock_ns() + RIG_PATIENCE_MS * NSEC_PER_MSEC;
	long len;

	while ((len = vhost_frontend_receive(r->f, r->pair, hdr, frame, size)) < 0 && clock_ns() < deadline_ns)
		rig_turn_at_once(r->rig);
	return len;
}

static void send_parcel(struct side *from, unsigned pair, const struct parcel *p)
{
	struct vnet_hdr hdr;

	vnet_hdr_from_offload(&hdr, &p->offload, 0);
	assert_int_equal(vhost_frontend_send(from->f, pair, &hdr, p->frame, p->map.len), 0);
	from->sent.frames++;
	from->sent.gso_frames += p->offload.gso_size != 0;
	from->sent.csum_partial += p->offload.flags != 0;
}

/* The receiver's queue for a frame; that it is the right one, test_steer.c and test_steering.c show. */
static unsigned queue_of(struct rig *rig, const struct side *to, unsigned pair, const struct parcel *p)
{
	const struct port *port = rig_port(rig, to->port);
	const struct frame f = { .head = (uint8_t *)(uintptr_t)p->frame,
				 .head_len = (uint16_t)MIN(p->map.len, (size_t)FRAME_HEAD_FIRST) };
	uint32_t hash = steer_hash(&f);

	if (to->kind.config.queue_pairs < 2)
		return 0;
	return hash ? steer_pick(port->steer, hash, port->n_tx_active) : pair % port->n_tx_active;
}

/* One burst on one queue, and its arrival on the queues that the frames' flows have at the receiver. */
static void send_burst(struct rig *rig, struct side *from, struct side *to, unsigned pair, struct rig_random *random)
{
	static struct parcel parcels[BURST];
	struct reader reader = { .rig = rig, .f = to->f };
	bool mergeable = vhost_frontend_features(to->f) & BIT(VIRTIO_NET_F_MRG_RXBUF);
	unsigned n = 0, buffers = 0;

	while (n < BURST) {
		struct parcel *p = &parcels[n];

		parcel_make(p, random, (uint8_t)(to->port[0]), (uint8_t)(from->port[0]));
		buffers += parcel_buffers(p, mergeable);
		if (n > 0 && buffers > BUFFERS_AT_ONCE)
			break;
		send_parcel(from, pair, p);
		n++;
	}
	vhost_frontend_flush(from->f, pair);
	for (unsigned i = 0; i < n; i++) {
		const char *fault;

		reader.pair = queue_of(rig, to, pair, &parcels[i]);
		fault = parcel_check(&parcels[i], to->kind.config.features, next_frame, &reader, &to->got);

		if (fault)
			fail_msg("from (%s) to (%s), pair %u, frame %u of %zu bytes, gso %u/%u, v6 %d: %s; %s",
				 from->kind.text, to->kind.text, pair, i, parcels[i].map.len,
				 parcels[i].offload.gso_type, parcels[i].offload.gso_size, parcels[i].spec.v6, fault,
				 rig_status(rig, to->port));
	}
}

static void check_counters(struct rig *rig, const struct side *s, const struct port_counters *rx0,
			   const struct port_counters *tx0)
{
	struct port_counters rx = rig_rx(rig, s->port), tx = rig_tx(rig, s->port);

	assert_int_equal(rx.frames - rx0->frames, s->sent.frames);
	assert_int_equal(rx.gso_frames - rx0->gso_frames, s->sent.gso_frames);
	assert_int_equal(rx.csum_partial - rx0->csum_partial, s->sent.csum_partial);
	assert_int_equal(tx.frames - tx0->frames, s->got.frames);
	assert_int_equal(tx.gso_frames - tx0->gso_frames, s->got.gso_frames);
	assert_int_equal(tx.csum_partial - tx0->csum_partial, s->got.csum_partial);
	assert_int_equal(tx.sw_csum - tx0->sw_csum, s->got.finished);
	assert_int_equal(tx.sw_gso_frames - tx0->sw_gso_frames, s->got.cut_frames);
	assert_int_equal(tx.sw_segments - tx0->sw_segments, s->got.segments);
	assert_int_equal(rig_drops(&rx), rx.drops[DROP_HAIRPIN]);
	assert_int_equal(rig_drops(&tx), 0);
}

static void try_pair(struct rig *rig, unsigned kind_a, unsigned kind_b)
{
	struct side sides[2] = { { .port = "a", .kind = kind_of(kind_a) }, { .port = "b", .kind = kind_of(kind_b) } };
	struct port_counters rx0[2], tx0[2];
	struct rig_random random = { kind_a * 1000 + kind_b };

	for (unsigned i = 0; i < 2; i++) {
		sides[i].f = rig_attach(rig, sides[i].port, sides[i].kind.config);
		assert_true(vhost_frontend_features(sides[i].f) == sides[i].kind.config.features);
		rig_say_hello(rig, sides[i].f, sides[i].port, (uint8_t)sides[i].port[0]);
	}
	for (unsigned i = 0; i < 2; i++) {
		rx0[i] = rig_rx(rig, sides[i].port);
		tx0[i] = rig_tx(rig, sides[i].port);
	}
	for (unsigned n = 0; sides[0].sent.frames + sides[1].sent.frames < PARCELS; n++) {
		struct side *from = &sides[n % 2];

		send_burst(rig, from, &sides[1 - n % 2], n / 2 % from->kind.config.queue_pairs, &random);
	}
	for (unsigned i = 0; i < 2; i++)
		vhost_frontend_destroy(sides[i].f);
	for (unsigned i = 0; i < 2; i++) {
		rig_wait_active(rig, sides[i].port, 0);
		check_counters(rig, &sides[i], &rx0[i], &tx0[i]);
	}
}

static void test_matrix(void **state)
{
	unsigned step = KINDS * STEPS_FULL / n_combinations;
	struct rig rig;

	(void)state;
	rig_start(&rig, 2, POLL_ADAPTIVE, 50);
	rig_add_port(&rig, "a", PAIRS);
	rig_add_port(&rig, "b", PAIRS);
	/* 101 has no divisor in common with KINDS: each value of each property meets each other one. */
	for (unsigned n = 0; n < KINDS * STEPS_FULL; n += step)
		try_pair(&rig, (n * 101) % KINDS, (n * 101 * 67 + n / KINDS * 91 + 5) % KINDS);
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_matrix) };

	if (getenv("RINGWAY_FULL"))
		n_combinations = KINDS * STEPS_FULL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
