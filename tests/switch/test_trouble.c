/* SPDX-License-Identifier: Apache-2.0 */
/* test_trouble.c - Front-ends that break the rules while frames flow. They lose their connection; the others lose nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/lost_memory.h"
#include "base/tsan.h"
#include "good_pair.h"
#include "port/port_vhost.h"

enum { TIMES = 20, STATION = 0x62 };

static struct rig rig;
static struct good_pair good;
static struct vhost_frontend *bad;
static uint64_t bad_features;

/* The bad one's frames, most to itself, as fast as they go; what comes is thrown away. */
static void some_bad_traffic(bool to_all)
{
	uint8_t frame[2000];

	for (unsigned i = 0; i < 100; i++) {
		rig_frame(frame, sizeof(frame), i == 50 && to_all ? 0xff : STATION, STATION, i);
		if (vhost_frontend_send(bad, 0, NULL, frame, sizeof(frame)) == 0)
			vhost_frontend_flush(bad, 0);
		while (vhost_frontend_discard(bad, 0) >= 0)
			;
	}
}

static void numbers_beyond_ring(void)
{
	for (unsigned ring = 0; ring < 2; ring++) {
		struct virtq_driver *d = vhost_frontend_driver(bad, ring);

		for (unsigned i = 0; i < d->size; i++)
			write_once(d->packed ? &d->packed_desc[i].id : &d->avail->ring[i], (uint16_t)htole16(0x4000));
	}
}

static void descriptors_beyond_memory(void)
{
	for (unsigned ring = 0; ring < 2; ring++) {
		struct virtq_driver *d = vhost_frontend_driver(bad, ring);

		for (unsigned i = 0; i < d->size; i++)
			write_once((uint64_t *)&d->desc[i].addr, htole64(0x123456789000));
	}
}

static void memory_cut_short(void)
{
	uint64_t addr;
	size_t size;
	int fd;

	vhost_frontend_mem(bad, &addr, &size, &fd);
	assert_int_equal(ftruncate(fd, 0), 0);
}

/* All but the rings. */
static void buffers_cut_off(void)
{
	uint64_t addr;
	size_t size;
	int fd;

	vhost_frontend_mem(bad, &addr, &size, &fd);
	assert_int_equal(ftruncate(fd, 64 * 1024), 0);
}

static struct misdeed {
	void (*act)(void);
	const char *reason; /* a part of what the status says */
} misdeeds[] = {
	{ numbers_beyond_ring, "is outside the" },
	{ descriptors_beyond_memory, "outside guest memory" },
	{ memory_cut_short, "memory was cut short" },
	{ buffers_cut_off, "memory was cut short" },
};

static bool bad_is_out(void *arg)
{
	(void)arg;
	some_bad_traffic(false); /* something has to happen on the ring for the misdeed to be noticed */
	return !port_vhost_is_connected(rig_port(&rig, "bad"));
}

static void attach_bad(void)
{
	bad = rig_attach(&rig, "bad",
			 (struct vhost_frontend_config){ .features = bad_features, .protocol_features = ~0ull });
	rig_say_hello(&rig, bad, "bad", STATION);
}

/* Control's part: what the bad one does, time after time. */
static void misbehave(void *arg)
{
	const struct misdeed *m = arg;
	static unsigned times;
	uint64_t addr;
	size_t size;
	int handle, fd;
	uint8_t *mem;

	if (good.stop)
		return;
	some_bad_traffic(true);
	mem = vhost_frontend_mem(bad, &addr, &size, &fd);
	handle = lost_memory_add(mem, size, -1); /* the front-end's own mapping, too: it is in this process */
	assert_true(handle >= 0);
	m->act();
	if (!rig_wait(&rig, bad_is_out, NULL))
		fail_msg("still connected: %s", rig_status(&rig, "bad"));
	if (!strstr(rig_status(&rig, "bad"), m->reason))
		fail_msg("'%s' does not name '%s'", rig_status(&rig, "bad"), m->reason);
	lost_memory_remove(handle);
	vhost_frontend_destroy(bad);
	attach_bad();
	some_bad_traffic(true);
	if (++times % TIMES == 0)
		write_once(&good.stop, true);
}

/* ThreadSanitizer makes atomic stores itself, with a lock of its own held that our signal handler would wait for. */
static bool kills_tsan(const struct misdeed *m)
{
	return TSAN_IS_ON && m->act == memory_cut_short;
}

static void try_misdeed(struct misdeed *m, uint64_t features)
{
	struct rig_thread thread = { .run = good_pair_run, .arg = &good };
	unsigned fds;

	if (kills_tsan(m))
		skip();
	assert_int_equal(lost_memory_init(), 0); /* here, because cmocka has a handler of its own */
	bad_features = features;
	rig_start(&rig, 2, POLL_ADAPTIVE, 50);
	good_pair_start(&good, &rig);
	rig_add_port(&rig, "bad", 1);
	attach_bad();
	fds = rig_count_fds();
	rig_run_threads(&rig, &thread, 1, misbehave, m);
	rig_wait_for_fds(fds);
	vhost_frontend_destroy(bad);
	good_pair_stop(&good, &rig);
	rig_stop(&rig);
}

static void test_split(void **state)
{
	try_misdeed(*state, rig_all_features());
}

static void test_packed(void **state)
{
	try_misdeed(*state, port_vhost_offered());
}

#define BOTH(n, what)                                                       \
	{ what ", split ring", test_split, NULL, NULL, &misdeeds[n] },      \
	{                                                                   \
		what ", packed ring", test_packed, NULL, NULL, &misdeeds[n] \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(0, "numbers outside the ring"),
		BOTH(1, "descriptors beyond memory"),
		BOTH(2, "memory cut short"),
		BOTH(3, "buffers cut off"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
