/* SPDX-License-Identifier: Apache-2.0 */
/* test_kernel_gso.c - Random frames, from a guest to a wire that can do nothing: through this machine's kernel, and through ours.
 *
 *	test_kernel_gso [SEED [ROUNDS]]
 *
 * What comes out has to be the same, bit by bit. What may differ:
 *   - the identification of IPv6 fragments, which is random;
 *   - what is odd or wrong may be refused by us, and not the other way round;
 *   - UFO where Linux's fragments cannot be put together: of a size that is no multiple of 8, and IPv6 with extension headers, whose
 *     lengths Linux adds to the offsets. Ours must be right by the book there. */
#include <errno.h>
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
#include "random_request.h"
#include "tap_fixture.h"
#include "to_wire.h"
#include "wire_check.h"

enum { ROUNDS = 1000, FRAG_ID_OFF = 4, FRAG_ID_LEN = 4 };

static uint64_t base_seed;
static unsigned n_rounds = ROUNDS;
static struct kernel_path kernel;

static const char *const kind_names[N_REQUEST_KINDS] = {
	[REQUEST_TCP] = "TCP",   [REQUEST_USO] = "USO",           [REQUEST_UFO] = "UFO",
	[REQUEST_CSUM] = "csum", [REQUEST_ANY_CSUM] = "any csum", [REQUEST_BAD] = "bad",
};

/* What became of a request. */
struct tally {
	unsigned n_same, n_refused, n_stricter, n_by_the_book;
	size_t n_frames;
};

static void through_ours(const struct request *r, uint64_t seed, struct frames *out)
{
	uint8_t *exact = malloc(r->len);
	struct layout *l;
	enum writer writer;

	memcpy(exact, r->frame, r->len);
	l = layout_create((struct bytes){ exact, r->len }, random_below(&seed, LAYOUTS));
	vnet_hdr_to_offload(&r->hdr, &l->frame.offload);
	writer = random_below(&seed, N_WRITERS);
	to_wire(&l->frame, to_wire_reaches_csum(&l->frame.offload, writer) ? writer : BY_COPY, out);
	layout_destroy(l);
	free(exact);
}

static void through_kernel(const struct request *r, struct frames *out)
{
	if (kernel_path_write(&kernel, &r->hdr, r->frame, r->len))
		kernel_path_drain(&kernel, out);
}

/* Of the first byte that differs; SIZE_MAX: none. */
static size_t difference(struct bytes a, struct bytes b, size_t mask_off, size_t mask_len)
{
	for (size_t i = 0; i < a.len && i < b.len; i++) {
		if (a.data[i] != b.data[i] && i - mask_off >= mask_len)
			return i;
	}
	return a.len == b.len ? SIZE_MAX : MIN(a.len, b.len);
}

static void print_bytes(const char *what, const uint8_t *p, size_t len)
{
	fprintf(stderr, "%s (%zu bytes):", what, len);
	for (size_t i = 0; i < MIN(len, 160); i++)
		fprintf(stderr, "%s%02x", i % 4 ? "" : " ", p[i]);
	fputs("\n", stderr);
}

static void show(const struct request *r)
{
	fprintf(
	    stderr,
	    "request: flags %#x gso_type %#x hdr_len %u gso_size %u csum_start %u csum_offset %u; what is wrong: %s\n",
	    r->hdr.flags, r->hdr.gso_type, le16toh(r->hdr.hdr_len), le16toh(r->hdr.gso_size),
	    le16toh(r->hdr.csum_start), le16toh(r->hdr.csum_offset), r->fault ? r->fault : "nothing");
	print_bytes("frame", r->frame, r->len);
}

static bool same(const struct request *r, const struct frames *ours, const struct frames *theirs)
{
	size_t mask_len = request_is_ufo6(r) && theirs->n > 1 ? FRAG_ID_LEN : 0;

	if (ours->n != theirs->n) {
		fprintf(stderr, "%zu frames came out, %zu of the kernel's\n", ours->n, theirs->n);
		return false;
	}
	for (size_t i = 0; i < ours->n; i++) {
		size_t at = difference(ours->at[i], theirs->at[i], r->map.l4 + FRAG_ID_OFF, mask_len);

		if (at == SIZE_MAX)
			continue;
		fprintf(stderr, "frame %zu of %zu differs at byte %zu\n", i, ours->n, at);
		print_bytes("ours", ours->at[i].data, ours->at[i].len);
		print_bytes("kernel's", theirs->at[i].data, theirs->at[i].len);
		return false;
	}
	return true;
}

/* Linux is known to be wrong. */
static bool kernel_errs(const struct request *r, const struct frames *theirs)
{
	if ((r->hdr.gso_type & GSO_KIND_MASK) != GSO_UDP || theirs->n < 2)
		return false;
	return le16toh(r->hdr.gso_size) & 7 || r->packet.ext_units;
}

/* Fragments that make up one datagram, which has the payload that went in. */
static bool by_the_book(const struct request *r, const struct frames *fragments)
{
	struct frames whole = { 0 };
	const char *fault = "fragments do not fit together";

	if (wire_reassemble(fragments, &whole)) {
		fault = wire_fault(whole.at[0].data, whole.at[0].len, 0);
		if (!fault &&
		    (whole.at[0].len != r->len || memcmp(whole.at[0].data + r->map.payload, r->frame + r->map.payload,
							 r->len - r->map.payload) != 0))
			fault = "payload changed";
	}
	frames_free(&whole);
	if (fault)
		fprintf(stderr, "%s\n", fault);
	return !fault;
}

static bool compare(const struct request *r, const struct frames *ours, const struct frames *theirs, struct tally *t)
{
	t->n_frames += theirs->n;
	if (ours->n == 0 && theirs->n == 0) {
		t->n_refused++;
		return true;
	}
	if (ours->n == 0 && r->fault) {
		t->n_stricter++;
		return true;
	}
	if (kernel_errs(r, theirs)) {
		t->n_by_the_book++;
		return r->spoiled || by_the_book(r, ours);
	}
	t->n_same++;
	return same(r, ours, theirs);
}

static void run(enum request_kind kind, uint64_t seed, struct tally *t)
{
	static uint8_t room[REQUEST_ROOM];
	struct request r = { .frame = room };
	struct frames ours = { 0 }, theirs = { 0 };

	request_make(&r, kind, seed);
	through_kernel(&r, &theirs);
	through_ours(&r, seed, &ours);
	if (!compare(&r, &ours, &theirs, t)) {
		show(&r);
		fail_msg("%s, seed %#" PRIx64, kind_names[kind], seed);
	}
	frames_free(&ours);
	frames_free(&theirs);
}

static void test_kind(void **state)
{
	enum request_kind kind = *(const enum request_kind *)*state;
	struct tally t = { 0 };

	for (unsigned i = 0; i < n_rounds; i++)
		run(kind, base_seed + i, &t);
	fprintf(stderr,
		"%s: %u the same, %u refused by both, %u by us alone, %u right where Linux is not; %zu frames\n",
		kind_names[kind], t.n_same, t.n_refused, t.n_stricter, t.n_by_the_book, t.n_frames);
	assert_true(t.n_same > 0);
}

static int setup(void **state)
{
	(void)state;
	kernel_path_open(&kernel, KERNEL_CUTS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kernel_path_close(&kernel);
	return 0;
}

int main(int argc, char **argv)
{
	static enum request_kind kinds[N_REQUEST_KINDS];
	struct CMUnitTest tests[N_REQUEST_KINDS];

	if (getrandom(&base_seed, sizeof(base_seed), 0) != sizeof(base_seed))
		return 1;
	if (argc > 1)
		base_seed = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		n_rounds = (unsigned)strtoul(argv[2], NULL, 0);
	fprintf(stderr, "seed %#" PRIx64 ", %u rounds of each kind\n", base_seed, n_rounds);
	skip_unless_possible();
	for (unsigned i = 0; i < N_REQUEST_KINDS; i++) {
		kinds[i] = i;
		tests[i] =
		    (struct CMUnitTest){ .name = kind_names[i], .test_func = test_kind, .initial_state = &kinds[i] };
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
