/* SPDX-License-Identifier: Apache-2.0 */
/* test_frame_csum.c - Checksums of frames cut into pieces, wherever the field lies, against a loop over the same bytes in one
 * piece. */
#include "frame_sample.h"
#include "packet/crc32c.h"
#include "packet/csum.h"

/* The checksum that the frame asks for, byte by byte in `flat`. */
static void finish_flat(const struct frame *f, uint8_t *flat)
{
	uint32_t start = f->offload.csum_start;
	uint32_t sum = 0;

	for (uint32_t i = start; i < f->len; i++)
		sum += (i - start) % 2 ? flat[i] : flat[i] * 256u;
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	if (sum == 0 && f->finish_csum == FINISH_CSUM)
		sum = 0xffff;
	flat[start + f->offload.csum_offset] = (uint8_t)(sum >> 8);
	flat[start + f->offload.csum_offset + 1] = (uint8_t)sum;
}

/* Where the field may lie: `pieces` is the length of the target's pieces, 0 for one that is long enough. */
static const struct place {
	uint32_t len;
	uint16_t head_len, csum_start, csum_offset;
	size_t pieces;
	bool in_head_after_pull;
} places[] = {
	{ 1514, 128, 34, 16, 0, true },     /* TCPv4, in the head */
	{ 1514, 128, 34, 6, 0, true },      /* UDPv4 */
	{ 1514, 128, 54, 2, 0, true },      /* ICMPv6 */
	{ 1515, 128, 34, 16, 0, true },     /* odd length */
	{ 1514, 128, 35, 16, 0, true },     /* odd start */
	{ 1514, 128, 34, 17, 0, true },     /* odd offset */
	{ 1514, 64, 47, 16, 0, true },      /* the head's last byte and the payload's first */
	{ 1514, 64, 64, 0, 0, true },       /* the payload's first bytes, nothing summed before */
	{ 1514, 64, 100, 16, 0, true },     /* in the payload */
	{ 1514, 64, 240, 14, 0, true },     /* the last that a head can hold */
	{ 1514, 64, 240, 15, 0, false },    /* one byte further */
	{ 1514, 256, 1000, 100, 0, false }, /* far in the payload */
	{ 1514, 64, 0, 1512, 0, false },    /* the frame's last bytes, all of it summed */
	{ 1514, 64, 1512, 0, 0, false },    /* nothing summed but the field */
	{ 60, 60, 34, 16, 0, true },        /* all in the head */
	{ 1514, 128, 34, 16, 51, true },    /* the field in two pieces of the target */
	{ 1514, 128, 34, 16, 50, true },    /* ... at the end of one, at the start of the next */
	{ 1514, 128, 34, 16, 1, true },     /* pieces of one byte each */
	{ 1513, 64, 33, 700, 7, false },
};

static void place_ask(struct frame *f, const struct place *p, uint8_t finish)
{
	f->offload =
	    (struct offload){ .flags = OFFLOAD_NEEDS_CSUM, .csum_start = p->csum_start, .csum_offset = p->csum_offset };
	f->finish_csum = finish;
}

/* `iov` has room for p->len pieces. */
static unsigned place_cut(const struct place *p, uint8_t *start, struct iovec *iov)
{
	size_t piece = p->pieces ? p->pieces : p->len;
	unsigned n = 0;

	for (size_t off = 0; off < p->len; off += piece)
		iov[n++] = (struct iovec){ start + off, MIN(piece, p->len - off) };
	return n;
}

static void copy_completes(const struct place *p, struct sample *s, uint8_t finish)
{
	static struct iovec iov[DATA_MAX];
	struct target t = { .mem = guarded_alloc(DATA_MAX) };
	struct frame before;
	unsigned n;

	place_ask(&s->f, p, finish);
	before = s->f;
	memset(t.mem.start, 0x5a, (size_t)(t.mem.end - t.mem.start));
	n = place_cut(p, t.mem.end - p->len, iov);
	frame_copy(&s->f, iov, n);
	finish_flat(&s->f, s->flat);
	target_check(&t, s->flat, p->len);
	assert_memory_equal(&s->f, &before, sizeof(before));
	guarded_free(t.mem);
}

static void copy_completes_the_checksum(void **state)
{
	struct sample *s = sample_create();
	uint64_t seed = 8;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(places) * 20; i++) {
		const struct place *p = &places[i % ARRAY_SIZE(places)];

		sample_fill(s, &seed, p->len, p->head_len, 1 + i / ARRAY_SIZE(places));
		copy_completes(p, s, i % 2 ? FINISH_CSUM : FINISH_CSUM_KEEP_0);
	}
	sample_destroy(s);
}

static void finish_in_the_head(void **state)
{
	struct sample *s = sample_create();
	uint64_t seed = 9;
	uint8_t out[DATA_MAX];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(places) * 20; i++) {
		const struct place *p = &places[i % ARRAY_SIZE(places)];
		struct frame before;

		sample_fill(s, &seed, p->len, p->head_len, 1 + i / ARRAY_SIZE(places));
		place_ask(&s->f, p, FINISH_CSUM);
		before = s->f;
		assert_int_equal(frame_finish_csum(&s->f), p->in_head_after_pull);
		if (p->in_head_after_pull) {
			finish_flat(&before, s->flat);
			assert_int_equal(s->f.finish_csum, FINISH_CSUM_NONE);
			assert_int_equal(s->f.offload.flags, 0);
		} else {
			assert_memory_equal(&s->f, &before, sizeof(before));
		}
		frame_copy_out(&s->f, 0, out, p->len);
		assert_memory_equal(out, s->flat, p->len);
	}
	sample_destroy(s);
}

static void field_beyond_the_frame(void **state)
{
	static const struct place beyond[] = {
		{ 60, 60, 34, 25, 0, false },                                    /* by one byte */
		{ 60, 60, 60, 0, 0, false },        { 60, 60, 61, 0, 0, false }, /* nothing to sum at all */
		{ 60, 60, 65535, 65535, 0, false },                              /* the sum of both does not wrap */
		{ 1000, 64, 65535, 1, 0, false },
	};
	struct sample *s = sample_create();
	uint64_t seed = 10;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(beyond); i++) {
		uint8_t out[1000];
		struct iovec to = { out, beyond[i].len };

		sample_fill(s, &seed, beyond[i].len, beyond[i].head_len, 3);
		place_ask(&s->f, &beyond[i], FINISH_CSUM);
		assert_false(frame_finish_csum(&s->f));
		frame_copy(&s->f, &to, 1);
		assert_memory_equal(out, s->flat, beyond[i].len);
	}
	sample_destroy(s);
}

/* A payload whose sum is ffff: the complement, 0, is stored as ffff, or as it is. */
static void zero_checksum(void **state)
{
	static const struct {
		uint8_t finish;
		uint8_t want;
	} rows[] = { { FINISH_CSUM, 0xff }, { FINISH_CSUM_KEEP_0, 0 } };
	static const struct place udp = { 62, 62, 34, 6, 0, true };
	struct sample *s = sample_create();
	uint64_t seed = 11;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t out[62];
		struct iovec to = { out, sizeof(out) };

		sample_fill(s, &seed, 62, 62, 1);
		memset(s->head + 34, 0, 62 - 34);
		s->head[50] = 0x12;
		s->head[51] = 0x34;
		s->head[60] = 0xed;
		s->head[61] = 0xcb;
		place_ask(&s->f, &udp, rows[i].finish);
		frame_copy(&s->f, &to, 1);
		assert_int_equal(out[40], rows[i].want);
		assert_int_equal(out[41], rows[i].want);
		assert_true(frame_finish_csum(&s->f));
		assert_memory_equal(s->f.head, out, sizeof(out));
	}
	sample_destroy(s);
}

static void sctp_crc(void **state)
{
	static const struct place sctp = { 600, 128, 34, 8, 0, true };
	struct sample *s = sample_create();
	uint64_t seed = 12;

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		uint8_t out[600];
		struct iovec to[2] = { { out, 43 }, { out + 43, sizeof(out) - 43 } };
		uint32_t crc;

		sample_fill(s, &seed, sctp.len, sctp.head_len, 1 + i % PIECES_MAX);
		place_ask(&s->f, &sctp, FINISH_CSUM_CRC32C);
		frame_copy(&s->f, to, 2);
		memset(s->flat + 42, 0, 4);
		crc = crc32c_finish(crc32c(s->flat + 34, sctp.len - 34, CRC32C_INIT));
		memcpy(s->flat + 42, &crc, 4);
		assert_memory_equal(out, s->flat, sctp.len);
		assert_true(frame_finish_csum(&s->f));
		frame_copy_out(&s->f, 0, out, sctp.len);
		assert_memory_equal(out, s->flat, sctp.len);
	}
	sample_destroy(s);
}

static void sums_of_frames(void **state)
{
	struct sample *s = sample_create();
	uint64_t seed = 13;

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		uint32_t len = 64 + random_below(&seed, 2000);
		uint32_t off = random_below(&seed, len + 1);

		sample_fill(s, &seed, len, 64, 1 + i % PIECES_MAX);
		assert_int_equal(csum_fold(csum_frame(&s->f, off)),
				 csum_fold(csum_partial(s->flat + off, len - off, 0)));
	}
	sample_destroy(s);
}

static int choose_twins(void **state)
{
	(void)state;
	csum_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_completes_the_checksum),
		cmocka_unit_test(finish_in_the_head),
		cmocka_unit_test(field_beyond_the_frame),
		cmocka_unit_test(zero_checksum),
		cmocka_unit_test(sctp_crc),
		cmocka_unit_test(sums_of_frames),
	};

	/* With the scalar reference, then with what csum_init() picks. */
	return cmocka_run_group_tests_name("scalar", tests, NULL, NULL) +
	       cmocka_run_group_tests_name("chosen", tests, choose_twins, NULL);
}
