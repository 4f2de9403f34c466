/* SPDX-License-Identifier: Apache-2.0 */
/* test_kernel_gro.c - Random TCP segments from a wire to a guest that takes everything: coalesced by this machine's kernel, and by ours.
 *
 *	test_kernel_gro [SEED [ROUNDS]]
 *
 * One flow at a time, in which now and then something happens that ends a train. What comes out has to be the same, header by header and
 * byte by byte, and has to be what went in when it is cut again. Left out is where the two differ on purpose (gro.h): identifications
 * that stay the same; and what depends on how the kernel was built: VLAN tags, UDP. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <cmocka.h>

#include "guard.h"
#include "kernel_path.h"
#include "layout.h"
#include "packet/gro.h"
#include "packets.h"
#include "tap_fixture.h"
#include "to_wire.h"

enum {
	ROUNDS = 2000,
	SEGMENTS_MAX = 40,
	PATIENCE_MS = 2000,
	/* At each tick of its clock the kernel lets go of what it holds. It has to get through without one. */
	TRIES = 20,
};

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 0x10, URG = 0x20, ECE = 0x40, CWR = 0x80 };

static uint64_t base_seed;
static unsigned n_rounds = ROUNDS;
static struct kernel_path kernel;

struct tally {
	size_t n_in, n_out;
	unsigned n_repeated; /* comparisons, see TRIES */
};

/* What a receiver gets: frames, each with its header. */
struct delivery {
	struct frames frames;
	struct vnet_hdr hdrs[SEGMENTS_MAX];
};

static bool one_in(uint64_t *rng, unsigned n)
{
	return random_below(rng, n) == 0;
}

/* Something happens, rarely, between one segment and the next. */
static void change(struct packet *p, uint64_t *rng)
{
	switch (random_below(rng, 60)) {
	case 0:
		p->seq += 1 + random_below(rng, 2000);
		break;
	case 1:
		p->seq -= 1 + random_below(rng, 2000);
		break;
	case 2:
		p->ack++;
		break;
	case 3:
		p->window ^= 1;
		break;
	case 4:
		p->tos ^= 3;
		break;
	case 5:
		p->df = !p->df;
		break;
	case 6:
		p->id = (uint16_t)(p->id + 1 + random_below(rng, 1000));
		break;
	case 7:
		p->tcp_opt_words ^= 1;
		break;
	default:
		break;
	}
}

static uint8_t random_flags(uint64_t *rng, bool last)
{
	static const uint8_t rare[] = { FIN, SYN, RST, URG, ECE, CWR, ECE | CWR, PSH | FIN };

	if (last || one_in(rng, 12))
		return ACK | PSH;
	return ACK | (one_in(rng, 30) ? rare[random_below(rng, 8)] : 0);
}

static void make_segments(struct frames *in, uint64_t *rng)
{
	static uint8_t room[PACKET_ROOM];
	unsigned n = 2 + random_below(rng, SEGMENTS_MAX - 1), mss = 100 + random_below(rng, 1349);
	struct packet p = {
		.v6 = random_below(rng, 2),
		.df = random_below(rng, 2),
		.tcp_opt_words = (uint8_t)(3 * random_below(rng, 2)),
		.port = (uint16_t)random_below(rng, 60000),
		.id = (uint16_t)random_next(rng),
		.seq = (uint32_t)random_next(rng),
		.window = 1000,
	};

	for (unsigned i = 0; i < n; i++) {
		struct offload o;
		size_t len;

		/* Nothing that Ethernet would have to pad. */
		p.payload_len = one_in(rng, 30) ? 20 + random_below(rng, 1428) : mss;
		p.tcp_flags = random_flags(rng, i == n - 1);
		len = packet_build(room, &p, random_next(rng), &o).len;
		memcpy(frames_add(in, len), room, len);
		p.seq += p.payload_len;
		p.id++;
		change(&p, rng);
	}
}

/* How many segments went into it? */
static unsigned segments_of(const struct vnet_hdr *h, const struct bytes *b)
{
	size_t l4 = le16toh(h->csum_start), gso_size = le16toh(h->gso_size), payload;

	if (h->gso_type == GSO_NONE)
		return 1;
	assert_true(gso_size > 0 && l4 + 20 <= b->len);
	payload = b->len - l4 - (b->data[l4 + 12] >> 4) * 4u;
	return (unsigned)((payload + gso_size - 1) / gso_size);
}

static void through_kernel(const struct frames *in, struct delivery *d)
{
	const struct vnet_hdr none = { 0 };

	for (size_t i = 0; i < in->n; i++)
		assert_true(kernel_path_write(&kernel, &none, in->at[i].data, in->at[i].len));
	for (unsigned n = 0; n < in->n;) {
		struct vnet_hdr h;

		if (!kernel_path_read(&kernel, PATIENCE_MS, &h, &d->frames))
			fail_msg("the kernel keeps something");
		n += segments_of(&h, &d->frames.at[d->frames.n - 1]);
		d->hdrs[d->frames.n - 1] = h;
	}
}

static void through_ours(const struct frames *in, struct delivery *d, struct frames *again)
{
	struct layout *layouts[SEGMENTS_MAX];
	struct gro *g = gro_create(false);
	const struct gro_out *o;

	for (size_t i = 0; i < in->n; i++) {
		layouts[i] = layout_create(in->at[i], 0);
		gro_push(g, &layouts[i]->frame, 1, 0);
	}
	gro_flush(g, GRO_FLUSH_ALL);
	while ((o = gro_pop(g))) {
		vnet_hdr_from_offload(&d->hdrs[d->frames.n], &o->frame->offload, 0);
		layout_write_copy(&d->frames, o->frame, 1);
		to_wire(o->frame, BY_COPY, again);
	}
	for (size_t i = 0; i < in->n; i++)
		layout_destroy(layouts[i]);
	gro_destroy(g);
}

static bool same_frames(const struct frames *a, const struct frames *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (a->at[i].len != b->at[i].len || memcmp(a->at[i].data, b->at[i].data, a->at[i].len) != 0)
			return false;
	}
	return true;
}

/* hdr_len is a hint. */
static bool same_hdr(const struct vnet_hdr *a, const struct vnet_hdr *b)
{
	return a->flags == b->flags && a->gso_type == b->gso_type && a->gso_size == b->gso_size &&
	       a->csum_start == b->csum_start && a->csum_offset == b->csum_offset;
}

static bool same_delivery(const struct delivery *a, const struct delivery *b)
{
	if (!same_frames(&a->frames, &b->frames))
		return false;
	for (size_t i = 0; i < a->frames.n; i++) {
		if (!same_hdr(&a->hdrs[i], &b->hdrs[i]))
			return false;
	}
	return true;
}

static void show(const char *what, const struct delivery *d)
{
	fprintf(stderr, "%s:\n", what);
	for (size_t i = 0; i < d->frames.n; i++) {
		const struct bytes *b = &d->frames.at[i];

		fprintf(stderr, "  flags %u type %#x size %u, %zu bytes:", d->hdrs[i].flags, d->hdrs[i].gso_type,
			le16toh(d->hdrs[i].gso_size), b->len);
		for (size_t k = 14; k < 74 && k < b->len; k++)
			fprintf(stderr, "%s%02x", k % 4 == 2 ? " " : "", b->data[k]);
		fputs("\n", stderr);
	}
}

static bool kernel_does_as(const struct frames *in, const struct delivery *ours, bool last_try)
{
	struct delivery theirs = { 0 };
	bool same;

	through_kernel(in, &theirs);
	same = same_delivery(ours, &theirs);
	if (!same && last_try) {
		show("ours", ours);
		show("the kernel's", &theirs);
	}
	frames_free(&theirs.frames);
	return same;
}

static void run(uint64_t seed, struct tally *t)
{
	struct frames in = { 0 }, again = { 0 };
	struct delivery ours = { 0 };
	uint64_t rng = seed;
	unsigned tries = 1;

	make_segments(&in, &rng);
	through_ours(&in, &ours, &again);
	if (!same_frames(&in, &again))
		fail_msg("cut again, it is not what went in; seed %#" PRIx64, seed);
	while (!kernel_does_as(&in, &ours, tries == TRIES)) {
		if (tries++ == TRIES)
			fail_msg("seed %#" PRIx64, seed);
	}
	t->n_repeated += tries - 1;
	t->n_in += in.n;
	t->n_out += ours.frames.n;
	frames_free(&in);
	frames_free(&again);
	frames_free(&ours.frames);
}

static void test_trains(void **state)
{
	struct tally t = { 0 };

	(void)state;
	kernel_path_open(&kernel, KERNEL_MERGES);
	for (unsigned i = 0; i < n_rounds; i++)
		run(base_seed + i, &t);
	kernel_path_close(&kernel);
	fprintf(stderr, "%zu segments became %zu frames; %u repetitions\n", t.n_in, t.n_out, t.n_repeated);
	assert_true(t.n_out < t.n_in);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_trains) };

	if (getrandom(&base_seed, sizeof(base_seed), 0) != sizeof(base_seed))
		return 1;
	if (argc > 1)
		base_seed = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		n_rounds = (unsigned)strtoul(argv[2], NULL, 0);
	fprintf(stderr, "seed %#" PRIx64 ", %u rounds\n", base_seed, n_rounds);
	skip_unless_possible();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
