/* SPDX-License-Identifier: Apache-2.0 */
/* test_notify.c - Kicks and interrupts: none is lost, and those that were not asked for are not sent.
 *
 * The first half drives both ends from one thread and checks each decision. The second half is two threads that sleep on
 * eventfds whenever they are told that they may: a notification that was wrongly suppressed shows as a sleep that never ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/tsan.h"
#include "ring_fixture.h"

static const uint64_t kinds[] = {
	0,
	F_VERSION_1,
	F_VERSION_1 | F_EVENT_IDX,
	F_VERSION_1 | F_IN_ORDER | F_EVENT_IDX,
	F_VERSION_1 | F_PACKED,
	F_VERSION_1 | F_PACKED | F_EVENT_IDX,
	F_VERSION_1 | F_PACKED | F_IN_ORDER | F_EVENT_IDX,
};

static void add(struct ring *r, unsigned n)
{
	struct virtq_buf buf = { .addr = GPA_A, .len = 64 };

	for (unsigned i = 0; i < n; i++)
		assert_int_equal(virtq_driver_add(&r->drv, &buf, 1, r), 0);
	virtq_driver_publish(&r->drv);
}

static void use(struct ring *r, unsigned n)
{
	struct virtq_chain chain;
	struct iovec iov[2];

	assert_true(virtq_available(&r->dev, n) >= n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(virtq_pop(&r->dev, VIRTQ_READABLE, iov, 2, &chain), 0);
		virtq_push(&r->dev, &chain, 0);
	}
	virtq_publish(&r->dev);
}

static void collect(struct ring *r, unsigned n)
{
	uint32_t len;

	for (unsigned i = 0; i < n; i++)
		assert_ptr_equal(virtq_driver_get_used(&r->drv, &len), r);
	assert_null(virtq_driver_get_used(&r->drv, &len));
}

/* Long enough for every index to wrap, with an odd step so that rings wrap at every offset. */
enum { ROUNDS = 30000, STEP = 3 };

static void check_kicks(uint64_t features)
{
	struct ring r;

	ring_init(&r, 8, features);
	for (unsigned i = 0; i < ROUNDS; i++) {
		/* Asked for: one kick for what is added, however much, and no second one. */
		assert_false(virtq_enable_notify(&r.dev));
		assert_false(virtq_driver_should_kick(&r.drv));
		add(&r, STEP);
		assert_true(virtq_driver_should_kick(&r.drv));
		assert_false(virtq_driver_should_kick(&r.drv));
		assert_true(virtq_enable_notify(&r.dev)); /* there are chains already */
		virtq_disable_notify(&r.dev);
		add(&r, 1);
		assert_false(virtq_driver_should_kick(&r.drv));
		use(&r, STEP + 1);
		collect(&r, STEP + 1);
		/* Not asked for. */
		add(&r, STEP);
		assert_false(virtq_driver_should_kick(&r.drv));
		use(&r, STEP);
		collect(&r, STEP);
	}
	ring_deinit(&r);
}

static void check_interrupts(uint64_t features)
{
	struct ring r;

	ring_init(&r, 8, features);
	assert_false(virtq_should_notify(&r.dev)); /* nothing was used yet */
	for (unsigned i = 0; i < ROUNDS; i++) {
		assert_false(virtq_driver_enable_notify(&r.drv));
		assert_false(virtq_should_notify(&r.dev));
		add(&r, STEP + 1);
		use(&r, STEP);
		assert_true(virtq_should_notify(&r.dev));
		assert_false(virtq_should_notify(&r.dev));
		assert_true(virtq_driver_enable_notify(&r.drv)); /* there are used ones already */
		virtq_driver_disable_notify(&r.drv);
		collect(&r, STEP);
		use(&r, 1);
		/* With event index on a split ring a wish cannot be withdrawn, only met: it named the chain after next. */
		(void)virtq_should_notify(&r.dev);
		collect(&r, 1);
		add(&r, STEP);
		use(&r, STEP);
		assert_false(virtq_should_notify(&r.dev));
		collect(&r, STEP);
	}
	ring_deinit(&r);
}

static void test_kicks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		print_message("%s\n", features_name(kinds[i]));
		check_kicks(kinds[i]);
	}
}

static void test_interrupts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		print_message("%s\n", features_name(kinds[i]));
		check_interrupts(kinds[i]);
	}
}

enum { ITEMS = TSAN_IS_ON ? 30000 : 300000, LOST_MS = 20000 };

struct stress {
	struct ring r;
	int kick, call; /* eventfds */
	unsigned kicks, calls, device_slept, driver_slept;
	bool lost;
};

static void notify(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		fail();
}

/* False when nobody woke us, though somebody had to. */
static bool sleep_on(struct stress *s, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t count;

	if (read_once(&s->lost) || poll(&p, 1, LOST_MS) != 1) {
		write_once(&s->lost, true);
		return false;
	}
	return read(fd, &count, sizeof(count)) == sizeof(count);
}

static void device_batch(struct stress *s, unsigned n)
{
	struct virtq *vq = &s->r.dev;
	struct virtq_chain chain;
	struct iovec iov[2];

	for (unsigned i = 0; i < n; i++) {
		if (virtq_pop(vq, VIRTQ_READABLE, iov, 2, &chain) || *(uint32_t *)iov[0].iov_base != 0x600df00d)
			write_once(&s->lost, true);
		virtq_push(vq, &chain, 0);
	}
	virtq_publish(vq);
	if (virtq_should_notify(vq)) {
		s->calls++;
		notify(s->call);
	}
}

static void *device_main(void *arg)
{
	struct stress *s = arg;
	struct virtq *vq = &s->r.dev;

	for (unsigned done = 0; done < ITEMS;) {
		unsigned n = virtq_available(vq, 1);

		if (n > 0) {
			device_batch(s, MIN(n, 7));
			done += MIN(n, 7);
			continue;
		}
		if (!virtq_enable_notify(vq)) {
			s->device_slept++;
			if (!sleep_on(s, s->kick))
				return NULL;
		}
		virtq_disable_notify(vq);
	}
	return s;
}

/* Take back what is there. False: nothing came in time. */
static bool driver_waits(struct stress *s, unsigned *used)
{
	struct virtq_driver *d = &s->r.drv;
	uint32_t len;
	bool found = false;

	while (virtq_driver_get_used(d, &len)) {
		(*used)++;
		found = true;
	}
	if (found)
		return true;
	if (!virtq_driver_enable_notify(d)) {
		s->driver_slept++;
		if (!sleep_on(s, s->call))
			return false;
	}
	virtq_driver_disable_notify(d);
	return true;
}

static void driver_main(struct stress *s)
{
	struct virtq_driver *d = &s->r.drv;
	struct virtq_buf buf = { .addr = GPA_A, .len = 4 };
	unsigned added = 0, used = 0;
	uint64_t seed = 1;

	while (used < ITEMS) {
		unsigned n = 1 + prng(&seed) % 5;

		while (n-- > 0 && added < ITEMS && virtq_driver_add(d, &buf, 1, s) == 0)
			added++;
		virtq_driver_publish(d);
		if (virtq_driver_should_kick(d)) {
			s->kicks++;
			notify(s->kick);
		}
		if (d->n_free == 0 || added == ITEMS) {
			if (!driver_waits(s, &used))
				return;
		}
	}
}

static void stress_ring(uint16_t size, uint64_t features)
{
	static struct stress s;
	pthread_t device;
	void *finished;

	s = (struct stress){ .kick = eventfd(0, 0), .call = eventfd(0, 0) };
	ring_init(&s.r, size, features);
	*(uint32_t *)(void *)ring_at(&s.r, GPA_A) = 0x600df00d;
	assert_int_equal(pthread_create(&device, NULL, device_main, &s), 0);
	driver_main(&s);
	pthread_join(device, &finished);
	print_message("%3u entries, %-28s %6u kicks, %6u interrupts, device slept %u times, driver %u\n", size,
		      features_name(features), s.kicks, s.calls, s.device_slept, s.driver_slept);
	assert_false(s.lost);
	assert_non_null(finished);
	assert_null(virtq_error(&s.r.dev));
	assert_false(s.r.drv.broken);
	ring_deinit(&s.r);
	close(s.kick);
	close(s.call);
}

static void test_sleepers_are_woken(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		stress_ring(2, kinds[i]);
		stress_ring(64, kinds[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kicks),
		cmocka_unit_test(test_interrupts),
		cmocka_unit_test(test_sleepers_are_woken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
