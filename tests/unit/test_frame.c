/* SPDX-License-Identifier: Apache-2.0 */
/* test_frame.c - Frames cut into pieces in every way, against the same bytes in one piece. */
#include "frame_sample.h"
#include "packet/batch.h"
#include "packet/csum.h"
#include "packet/drop_reason.h"

static void pull(void **state)
{
	static const struct {
		uint32_t len;
		uint16_t head_len;
		unsigned want;
		bool done;
		uint16_t head_len_after;
	} rows[] = {
		{ 1000, 64, 0, true, 64 },    { 1000, 64, 64, true, 64 },   { 1000, 64, 65, true, 65 },
		{ 1000, 64, 256, true, 256 }, { 1000, 64, 257, false, 64 }, { 60, 60, 200, true, 60 },
		{ 100, 64, 200, true, 100 }, /* as long as the frame */
		{ 100, 64, 5000, true, 100 }, { 256, 64, 257, true, 256 },  { 257, 64, 257, false, 64 },
	};
	struct sample *s = sample_create();
	uint64_t seed = 2;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows) * 50; i++) {
		unsigned row = i % ARRAY_SIZE(rows);
		uint8_t out[1000];

		sample_fill(s, &seed, rows[row].len, rows[row].head_len, 1 + i % PIECES_MAX);
		assert_int_equal(frame_pull(&s->f, rows[row].want), rows[row].done);
		assert_int_equal(s->f.head_len, rows[row].head_len_after);
		assert_int_equal(s->f.len, rows[row].len);
		assert_memory_equal(s->f.head, s->flat, s->f.head_len);
		frame_copy_out(&s->f, 0, out, s->f.len);
		assert_memory_equal(out, s->flat, s->f.len);
	}
	sample_destroy(s);
}

static void to_iov(void **state)
{
	struct sample *s = sample_create();
	uint64_t seed = 3;

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		struct iovec out[PIECES_MAX + 1];
		uint32_t off = 0;
		unsigned n;

		sample_fill(s, &seed, 64 + random_below(&seed, 2000), 64, 1 + i % PIECES_MAX);
		n = frame_to_iov(&s->f, out, ARRAY_SIZE(out));
		assert_in_range(n, 1, PIECES_MAX + 1);
		for (unsigned k = 0; k < n; k++) {
			assert_true(out[k].iov_len > 0);
			assert_memory_equal(out[k].iov_base, s->flat + off, out[k].iov_len);
			off += (uint32_t)out[k].iov_len;
		}
		assert_int_equal(off, s->f.len);
		assert_int_equal(frame_to_iov(&s->f, out, n), n);
		assert_int_equal(frame_to_iov(&s->f, out, n - 1), 0);
	}
	sample_destroy(s);
}

/* Pieces of the payload that is longer than the frame says are left alone: a ring's padding. */
static void len_ends_the_payload(void **state)
{
	struct sample *s = sample_create();
	uint64_t seed = 4;
	struct iovec out[PIECES_MAX];

	(void)state;
	sample_fill(s, &seed, 500, 64, 1);
	s->f.len = 300;
	assert_int_equal(frame_to_iov(&s->f, out, PIECES_MAX), 2);
	assert_int_equal(out[1].iov_len, 300 - 64);
	s->f.len = 64;
	assert_int_equal(frame_to_iov(&s->f, out, PIECES_MAX), 1);
	sample_destroy(s);
}

static void slices(void **state)
{
	struct sample *s = sample_create();
	uint64_t seed = 5;

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		uint32_t payload, first, second;
		struct frame slice;
		uint8_t out[2100];

		sample_fill(s, &seed, 64 + random_below(&seed, 2000), 64, 1 + i % PIECES_MAX);
		payload = frame_payload_len(&s->f);
		first = random_below(&seed, payload + 1);
		second = random_below(&seed, payload - first + 1);

		slice = (struct frame){ .head = s->head, .len = payload - first };
		frame_slice(&s->f, first, &slice);
		frame_copy_out(&slice, 0, out, slice.len);
		assert_memory_equal(out, s->flat + 64 + first, slice.len);

		slice.len -= second;
		frame_slice(&slice, second, &slice);
		frame_copy_out(&slice, 0, out, slice.len);
		assert_memory_equal(out, s->flat + 64 + first + second, slice.len);
		assert_true(slice.len > 0 || slice.n_iov == 0 || slice.iov[0].iov_len > slice.iov_off);
	}
	sample_destroy(s);
}

static void copy_out(void **state)
{
	struct sample *s = sample_create();
	uint64_t seed = 6;

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		uint32_t len = 64 + random_below(&seed, 2000);
		uint32_t off = random_below(&seed, len + 1);
		uint32_t n = random_below(&seed, len - off + 1);
		struct guarded out = guarded_alloc(1);

		n = MIN(n, 1000);
		sample_fill(s, &seed, len, 64, 1 + i % PIECES_MAX);
		frame_copy_out(&s->f, off, out.end - n, n);
		assert_memory_equal(out.end - n, s->flat + off, n);
		guarded_free(out);
	}
	sample_destroy(s);
}

static void copy_of_any_cut(void **state)
{
	struct sample *s = sample_create();
	struct target t = { .mem = guarded_alloc(DATA_MAX) };
	uint64_t seed = 7;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		uint32_t len = FRAME_LEN_MIN + random_below(&seed, i % 2 ? 3000 : 200);
		uint32_t head_len = 64 + random_below(&seed, FRAME_HEAD_MAX - 63);

		sample_fill(s, &seed, len, (uint16_t)MIN(len, head_len), 1 + i % PIECES_MAX);
		target_fill(&t, &seed, len, 1 + random_below(&seed, PIECES_MAX));
		frame_copy(&s->f, t.iov, t.n);
		target_check(&t, s->flat, len);
	}
	guarded_free(t.mem);
	sample_destroy(s);
}

static void batch_is_ready(void **state)
{
	struct batch *b = batch_create();

	(void)state;
	assert_non_null(b);
	assert_int_equal(b->n, 0);
	assert_int_equal(b->waiting, 0);
	assert_int_equal((uintptr_t)&b->frames[1] % CACHE_LINE, 0);
	assert_int_equal((uintptr_t)b->heads[1] % CACHE_LINE, 0);
	batch_destroy(b);
	batch_destroy(NULL);
}

static void drop_reasons_have_names(void **state)
{
	(void)state;
	assert_string_equal(drop_reason_name(DROP_NONE), "none");
	assert_string_equal(drop_reason_name(DROP_PORT_GONE), "port_gone");
	for (unsigned i = 0; i < N_DROP_REASONS; i++) {
		assert_true(strlen(drop_reason_name((enum drop_reason)i)) > 0);
		assert_true(strlen(drop_reason_text((enum drop_reason)i)) > 0);
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(drop_reason_name((enum drop_reason)i),
						drop_reason_name((enum drop_reason)k));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pull),
		cmocka_unit_test(to_iov),
		cmocka_unit_test(len_ends_the_payload),
		cmocka_unit_test(slices),
		cmocka_unit_test(copy_out),
		cmocka_unit_test(copy_of_any_cut),
		cmocka_unit_test(batch_is_ready),
		cmocka_unit_test(drop_reasons_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
