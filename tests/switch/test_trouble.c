/* SPDX-License-Identifier: Apache-2.0 */
/* test_trouble.c - Front-ends that break the rules while frames flow. They lose their connection; the others lose nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/clock.h"
#include "base/lost_memory.h"
#include "port/port_vhost.h"
#include "switch_rig.h"

enum { WINDOW = 32, FRAME_LEN = 300, MEANWHILE = 20 };

/* Two that go on whatever happens, and a third that misbehaves. */
static struct rig rig;
static struct vhost_frontend *good[2], *bad;
static uint64_t bad_features;
static bool stop;
static uint64_t n_good_frames;

/* Frames both ways between the good ones, no more at a time than a ring holds; each has to come, in order. */
static void run_good(struct rig_thread *t)
{
	static uint8_t frame[FRAME_LEN], got[65550];
	uint64_t sent[2] = { 0 }, received[2] = { 0 }, progress_ns = clock_ns();
	unsigned rounds = 0;

	while (!read_once(&stop) || received[0] < sent[0] || received[1] < sent[1]) {
		for (unsigned from = 0; from < 2; from++) {
			unsigned to = 1 - from;
			long len;

			while (!read_once(&stop) && sent[from] - received[from] < WINDOW) {
				rig_frame(frame, FRAME_LEN, (uint8_t)to, (uint8_t)from, sent[from]);
				if (vhost_frontend_send(good[from], 0, NULL, frame, FRAME_LEN) != 0)
					break;
				sent[from]++;
			}
			if (rounds++ % 64 == 0) { /* for the third; floods are lost when there is no room */
				rig_frame(frame, FRAME_LEN, 0xff, (uint8_t)from, 0);
				vhost_frontend_send(good[from], 0, NULL, frame, FRAME_LEN);
			}
			vhost_frontend_flush(good[from], 0);
			while ((len = vhost_frontend_receive(good[to], 0, NULL, got, sizeof(got))) >= 0) {
				if (got[0] == 0xff)
					continue; /* somebody's to all */
				if (rig_frame_number(got, (size_t)len, (uint8_t)to, (uint8_t)from) !=
				    (int64_t)received[from]) {
					t->fault = "a good frame is lost or spoiled";
					return;
				}
				received[from]++;
				progress_ns = clock_ns();
			}
		}
		if (clock_ns() - progress_ns > RIG_PATIENCE_MS * NSEC_PER_MSEC) {
			t->fault = "the good ones stand still";
			return;
		}
	}
	n_good_frames = received[0] + received[1];
}

/* The bad one's frames, most to itself, as fast as they go; what comes is thrown away. */
static void some_bad_traffic(bool to_all)
{
	uint8_t frame[2000];

	for (unsigned i = 0; i < 100; i++) {
		rig_frame(frame, sizeof(frame), i == 50 && to_all ? 0xff : 2, 2, i);
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
	rig_say_hello(&rig, bad, "bad", 2);
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

	if (stop)
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
	if (++times % MEANWHILE == 0)
		write_once(&stop, true);
}

static void check_good_counters(const char *name)
{
	struct port_counters tx = rig_tx(&rig, name), rx = rig_rx(&rig, name);

	/* The bad one's broadcasts may be too many; frames to a known receiver are not dropped. */
	assert_int_equal(rig_drops(&rx), rx.drops[DROP_HAIRPIN]);
	assert_int_equal(rig_drops(&tx), tx.drops[DROP_RING_FULL]);
}

static void try_misdeed(struct misdeed *m, uint64_t features)
{
	static const char *const names[] = { "good0", "good1" };
	struct rig_thread thread = { .run = run_good };
	unsigned fds;

	assert_int_equal(lost_memory_init(), 0); /* here, because cmocka has a handler of its own */
	bad_features = features;
	stop = false;
	rig_start(&rig, 2, POLL_ADAPTIVE, 50);
	for (unsigned i = 0; i < 2; i++) {
		rig_add_port(&rig, names[i], 1);
		good[i] = rig_attach(&rig, names[i], (struct vhost_frontend_config){ .features = rig_all_features() });
		rig_say_hello(&rig, good[i], names[i], (uint8_t)i);
	}
	rig_add_port(&rig, "bad", 1);
	attach_bad();
	fds = rig_count_fds();
	rig_run_threads(&rig, &thread, 1, misbehave, m);
	assert_int_equal(rig_count_fds(), fds);
	assert_true(n_good_frames > 0);
	check_good_counters("good0");
	check_good_counters("good1");
	vhost_frontend_destroy(bad);
	for (unsigned i = 0; i < 2; i++)
		vhost_frontend_destroy(good[i]);
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
