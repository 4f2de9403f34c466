/* SPDX-License-Identifier: Apache-2.0 */
/* test_run.c - Runs do to a ring what single pops and pushes do.
 *
 * Two drivers do the same with two rings. One device takes and gives back chain by chain, the other in runs as long as they go. After each
 * step the areas of both rings have the same bytes, both devices stand at the same place, and both journals say the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "ring_fixture.h"

enum { ROUNDS = 4000, CHAINS_MAX = 40, BUFS_MAX = 3, MAX_IOV = 8 };

struct side {
	struct ring r;
	struct virtq_journal journal;
	struct virtq_chain chains[CHAINS_MAX];
	struct iovec iov[CHAINS_MAX]; /* the first piece of each */
	unsigned n;
};

struct pair {
	struct side single, runs;
	enum virtq_dir dir;
	bool packed;
	uint64_t seed;
	unsigned longest;
};

/* The same chains for both, plain ones mostly. Returns how many. */
static unsigned add_chains(struct pair *p)
{
	unsigned want = 1 + prng(&p->seed) % CHAINS_MAX, n = 0;

	while (n < want) {
		unsigned n_bufs = prng(&p->seed) % 16 ? 1 : 1 + prng(&p->seed) % BUFS_MAX;
		struct virtq_buf bufs[BUFS_MAX];

		for (unsigned i = 0; i < n_bufs; i++)
			bufs[i] = (struct virtq_buf){
				.addr = (prng(&p->seed) % 16 ? GPA_A : GPA_C) + prng(&p->seed) % 60000,
				.len = 1 + prng(&p->seed) % 2000,
				.write = p->dir == VIRTQ_WRITABLE,
			};
		if (virtq_driver_add(&p->single.r.drv, bufs, n_bufs, &bufs) < 0)
			break;
		assert_int_equal(virtq_driver_add(&p->runs.r.drv, bufs, n_bufs, &bufs), 0);
		n++;
	}
	virtq_driver_publish(&p->single.r.drv);
	virtq_driver_publish(&p->runs.r.drv);
	return n;
}

static bool pop_one(struct side *s, enum virtq_dir dir)
{
	struct iovec iov[MAX_IOV];

	if (virtq_available(&s->r.dev, 1) == 0)
		return false;
	assert_int_equal(virtq_pop(&s->r.dev, dir, iov, MAX_IOV, &s->chains[s->n]), 0);
	s->iov[s->n++] = iov[0];
	return true;
}

static always_inline unsigned pop_run(struct side *s, const bool packed, enum virtq_dir dir)
{
	struct virtq_pop_run run;
	unsigned n = virtq_pop_begin(&run, &s->r.dev, packed, CHAINS_MAX - s->n), i;

	for (i = 0; i < n; i++) {
		virtq_pop_prefetch(&run, 4);
		if (!virtq_pop_next(&run, dir, 1))
			break;
		s->iov[s->n] = (struct iovec){ run.base, run.len };
		s->chains[s->n++] = (struct virtq_chain){ .id = run.id, .n_desc = 1, .n_iov = 1, .len = run.len };
	}
	virtq_pop_end(&run, &s->r.dev, i);
	return i;
}

static void pop_in_runs(struct pair *p, unsigned n)
{
	struct side *s = &p->runs;

	while (s->n < n) {
		unsigned more = p->packed ? pop_run(s, true, p->dir) : pop_run(s, false, p->dir);

		p->longest = MAX(p->longest, more);
		if (more == 0)
			assert_true(pop_one(s, p->dir));
	}
}

static uint32_t used_len(const struct pair *p, const struct virtq_chain *c)
{
	return p->dir == VIRTQ_WRITABLE ? MIN(c->len, 1u + c->id) : 0;
}

static always_inline unsigned push_run(struct pair *p, const bool packed, unsigned from)
{
	struct side *s = &p->runs;
	struct virtq_push_run run;
	unsigned n = virtq_push_begin(&run, &s->r.dev, packed, p->dir, s->n - from), i;

	for (i = 0; i < n && s->chains[from + i].n_desc == 1; i++)
		virtq_push_next(&run, s->chains[from + i].id, used_len(p, &s->chains[from + i]));
	virtq_push_end(&run, &s->r.dev, i);
	return i;
}

static void push_all(struct pair *p)
{
	for (unsigned i = 0; i < p->single.n; i++)
		virtq_push(&p->single.r.dev, &p->single.chains[i], used_len(p, &p->single.chains[i]));
	for (unsigned i = 0; i < p->runs.n;) {
		unsigned more = p->packed ? push_run(p, true, i) : push_run(p, false, i);

		if (more == 0)
			virtq_push(&p->runs.r.dev, &p->runs.chains[i], used_len(p, &p->runs.chains[i]));
		i += MAX(more, 1u);
	}
}

static void assert_same(struct pair *p)
{
	struct side *a = &p->single, *b = &p->runs;

	assert_int_equal(a->r.dev.last_avail, b->r.dev.last_avail);
	assert_int_equal(a->r.dev.used_idx, b->r.dev.used_idx);
	assert_int_equal(a->r.dev.published_idx, b->r.dev.published_idx);
	assert_memory_equal(a->r.areas, b->r.areas, a->r.areas_size);
	assert_memory_equal(&a->journal, &b->journal, sizeof(a->journal));
	assert_null(virtq_error(&b->r.dev));
}

static void collect(struct side *s)
{
	uint32_t len;

	for (unsigned i = 0; i < s->n; i++)
		assert_non_null(virtq_driver_get_used(&s->r.drv, &len));
	assert_null(virtq_driver_get_used(&s->r.drv, &len));
	assert_int_equal(s->r.drv.n_free, s->r.size);
	s->n = 0;
}

static void round_trip(struct pair *p)
{
	unsigned n = add_chains(p);

	while (pop_one(&p->single, p->dir))
		continue;
	assert_int_equal(p->single.n, n);
	pop_in_runs(p, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(p->single.chains[i].id, p->runs.chains[i].id);
		assert_int_equal(p->single.chains[i].n_desc, p->runs.chains[i].n_desc);
		assert_int_equal(p->single.chains[i].len, p->runs.chains[i].len);
		assert_int_equal(p->single.iov[i].iov_len, p->runs.iov[i].iov_len);
	}
	push_all(p);
	assert_same(p);
	virtq_publish(&p->single.r.dev);
	virtq_publish(&p->runs.r.dev);
	assert_same(p);
	collect(&p->single);
	collect(&p->runs);
}

static void check(uint16_t size, uint64_t features, enum virtq_dir dir)
{
	static struct pair p;

	memset(&p, 0, sizeof(p));
	p.dir = dir;
	p.packed = features & F_PACKED;
	p.seed = 0x9e3779b97f4a7c15;
	ring_init(&p.single.r, size, features);
	ring_init(&p.runs.r, size, features);
	if (p.packed) {
		p.single.r.dev.journal = &p.single.journal;
		p.runs.r.dev.journal = &p.runs.journal;
	}
	for (unsigned i = 0; i < ROUNDS; i++)
		round_trip(&p);
	/* They were runs. */
	assert_true(p.longest >= MIN(size, (unsigned)CHAINS_MAX) / 2);
	ring_deinit(&p.single.r);
	ring_deinit(&p.runs.r);
}

static void test_split(void **state)
{
	static const uint16_t sizes[] = { 1, 2, 8, 64, 256 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		check(sizes[i], F_VERSION_1, VIRTQ_READABLE);
		check(sizes[i], F_VERSION_1 | F_EVENT_IDX, VIRTQ_WRITABLE);
	}
}

static void test_packed(void **state)
{
	static const uint16_t sizes[] = { 1, 2, 7, 64, 250 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		check(sizes[i], F_VERSION_1 | F_PACKED, VIRTQ_READABLE);
		check(sizes[i], F_VERSION_1 | F_PACKED | F_EVENT_IDX, VIRTQ_WRITABLE);
	}
}

/* Who asked for less than there is gets no more, and the rest is still there. */
static void test_no_more_than_asked_for(void **state)
{
	(void)state;
	for (unsigned packed = 0; packed < 2; packed++) {
		struct virtq_buf buf = { GPA_A, 100, false };
		struct virtq_pop_run run;
		struct virtq_chain chain;
		struct iovec iov[2];
		struct ring r;

		ring_init(&r, 8, F_VERSION_1 | (packed ? F_PACKED : 0));
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(virtq_driver_add(&r.drv, &buf, 1, &buf), 0);
		virtq_driver_publish(&r.drv);
		assert_int_equal(virtq_available(&r.dev, 1), 5);
		/* Which region to look in shows with the first. */
		assert_int_equal(virtq_pop(&r.dev, VIRTQ_READABLE, iov, 2, &chain), 0);
		assert_int_equal(
		    packed ? virtq_pop_begin(&run, &r.dev, true, 2) : virtq_pop_begin(&run, &r.dev, false, 2), 2);
		for (unsigned i = 0; i < 2; i++) {
			assert_true(virtq_pop_next(&run, VIRTQ_READABLE, 100));
			assert_ptr_equal(run.base, ring_at(&r, GPA_A));
		}
		assert_false(virtq_pop_next(&run, VIRTQ_READABLE, 101)); /* too short */
		virtq_pop_end(&run, &r.dev, 2);
		assert_int_equal(virtq_available(&r.dev, 5), 2);
		ring_deinit(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_no_more_than_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
