/* SPDX-License-Identifier: Apache-2.0 */
/* switch_rig.c - Starting and stopping the whole, and what all tests do with it. */
#include "switch_rig.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/clock.h"
#include "base/log.h"
#include "port/port_vhost.h"
#include "vhost/wire.h"

enum { FDB_SIZE = 1024, THREADS_MAX = 8 };

/* Whole */

void rig_start(struct rig *rig, unsigned workers, enum poll_mode poll, unsigned busy_poll_us)
{
	static const char *const names[] = { "lan", "other" };
	struct network_config network = { .mtu = RIG_MTU, .fdb_size = FDB_SIZE, .fdb_ageing_s = 300 };
	struct runtime_options options = {
		.run_dir = rig->dir, .workers = workers, .poll = poll, .busy_poll_us = busy_poll_us
	};
	struct runtime_error e;

	log_set_level(getenv("RINGWAY_TEST_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	snprintf(rig->dir, sizeof(rig->dir), "/tmp/ringway-test-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	rig->loop = event_loop_create();
	assert_non_null(rig->loop);
	rig->rt = runtime_create(rig->loop, &options, &e);
	assert_non_null(rig->rt);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(network.name, sizeof(network.name), "%s", names[i]);
		assert_int_equal(runtime_network_add(rig->rt, &network, &e), 0);
	}
}

/* What a daemon keeps for the next one: files in state/. Sockets are gone by then, or the folder is not empty. */
static void remove_state(const struct rig *rig)
{
	char path[400];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/state", rig->dir);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/state/%s", rig->dir, e->d_name);
		unlink(path);
	}
	if (!dir)
		return;
	closedir(dir);
	snprintf(path, sizeof(path), "%s/state", rig->dir);
	assert_int_equal(rmdir(path), 0);
}

void rig_stop(struct rig *rig)
{
	runtime_destroy(rig->rt);
	event_loop_destroy(rig->loop);
	remove_state(rig);
	assert_int_equal(rmdir(rig->dir), 0);
}

void rig_turn(struct rig *rig)
{
	assert_true(event_loop_turn(rig->loop, 1) >= 0);
}

void rig_turn_at_once(struct rig *rig)
{
	assert_true(event_loop_turn(rig->loop, 0) >= 0);
}

static void turn_for_frontend(void *arg)
{
	rig_turn(arg);
}

bool rig_wait(struct rig *rig, bool (*done)(void *arg), void *arg)
{
	uint64_t deadline_ns = clock_ns() + RIG_PATIENCE_MS * NSEC_PER_MSEC;

	while (!done(arg)) {
		if (clock_ns() > deadline_ns)
			return false;
		rig_turn(rig);
	}
	return true;
}

/* Ports */

struct port *rig_port(struct rig *rig, const char *name)
{
	struct runtime_port *rp = runtime_port_find(rig->rt, name);

	assert_non_null(rp);
	return rp->port;
}

static struct port *add_port(struct rig *rig, const char *network, const char *name, struct port_config c)
{
	struct runtime_error e;

	c.type = PORT_TYPE_VHOST_USER;
	c.socket_mode = 0600;
	snprintf(c.name, sizeof(c.name), "%s", name);
	snprintf(c.socket, sizeof(c.socket), "%s.sock", name);
	if (runtime_port_add(rig->rt, network, &c, &e))
		fail_msg("%s: %s", name, e.text);
	return rig_port(rig, name);
}

struct port *rig_add_port_to(struct rig *rig, const char *network, const char *name, unsigned queues)
{
	return add_port(rig, network, name, (struct port_config){ .queues = queues });
}

struct port *rig_add_port_coalescing(struct rig *rig, const char *name, enum port_coalesce how)
{
	return add_port(rig, "lan", name, (struct port_config){ .queues = 1, .coalesce = how });
}

struct port *rig_add_port(struct rig *rig, const char *name, unsigned queues)
{
	return rig_add_port_to(rig, "lan", name, queues);
}

void rig_del_port(struct rig *rig, const char *name)
{
	assert_int_equal(runtime_port_del(rig->rt, name, NULL), 0);
}

const char *rig_status(struct rig *rig, const char *name)
{
	static char text[512];
	struct port *port = rig_port(rig, name);

	port->ops->status(port, text, sizeof(text));
	return text;
}

struct port_counters rig_rx(struct rig *rig, const char *name)
{
	struct port_counters rx, tx;

	port_counters_sum(rig_port(rig, name), &rx, &tx);
	return rx;
}

struct port_counters rig_tx(struct rig *rig, const char *name)
{
	struct port_counters rx, tx;

	port_counters_sum(rig_port(rig, name), &rx, &tx);
	return tx;
}

uint64_t rig_drops(const struct port_counters *c)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < N_DROP_REASONS; i++)
		n += c->drops[i];
	return n;
}

/* Front-ends */

uint64_t rig_all_features(void)
{
	return port_vhost_offered() & ~(BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER));
}

struct vhost_frontend *rig_attach(struct rig *rig, const char *port, struct vhost_frontend_config c)
{
	char path[128], err[256];
	struct vhost_frontend *f;
	int error;

	snprintf(path, sizeof(path), "%s/%s.sock", rig->dir, port);
	c.socket = path;
	c.while_waiting = turn_for_frontend;
	c.arg = rig;
	c.timeout_ms = RIG_PATIENCE_MS;
	c.queue_pairs = c.queue_pairs ? c.queue_pairs : 1;
	f = vhost_frontend_create(&c, &error, err, sizeof(err));
	if (!f)
		fail_msg("%s: %s", port, err);
	rig_wait_active(rig, port, c.queue_pairs);
	return f;
}

struct active {
	const struct port *port;
	unsigned n;
};

static bool has_active(void *arg)
{
	const struct active *a = arg;

	return read_once(&a->port->n_tx_active) == a->n;
}

void rig_wait_active(struct rig *rig, const char *port, unsigned active)
{
	struct active a = { rig_port(rig, port), active };

	if (!rig_wait(rig, has_active, &a))
		fail_msg("%s: %s", port, rig_status(rig, port));
}

/* Threads */

static void *thread_main(void *arg)
{
	struct rig_thread *t = arg;

	t->run(t);
	store_release(&t->ended, true); /* with all that it left */
	return NULL;
}

static unsigned n_running(struct rig_thread *threads, unsigned n)
{
	unsigned running = 0;

	for (unsigned i = 0; i < n; i++)
		running += !load_acquire(&threads[i].ended);
	return running;
}

void rig_run_threads(struct rig *rig, struct rig_thread *threads, unsigned n, void (*meanwhile)(void *arg), void *arg)
{
	pthread_t ids[THREADS_MAX];

	assert_true(n <= THREADS_MAX);
	for (unsigned i = 0; i < n; i++) {
		threads[i].fault = NULL;
		threads[i].ended = false;
		assert_int_equal(pthread_create(&ids[i], NULL, thread_main, &threads[i]), 0);
	}
	while (n_running(threads, n) > 0) {
		rig_turn(rig);
		if (meanwhile)
			meanwhile(arg);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(ids[i], NULL);
	for (unsigned i = 0; i < n; i++)
		if (threads[i].fault)
			fail_msg("thread %u: %s", i, threads[i].fault);
}

/* Frames */

enum { ETHERTYPE_TEST = 0x88b5, NUMBER_OFF = 14, BYTES_OFF = 22 }; /* IEEE 802, local experimental EtherType 1 */

static void put_mac(uint8_t *mac, uint8_t station)
{
	memset(mac, station == 0xff ? 0xff : 0, 6);
	if (station != 0xff) {
		mac[0] = 2;
		mac[5] = station;
	}
}

void rig_frame(uint8_t *frame, size_t len, uint8_t dst, uint8_t src, uint64_t number)
{
	assert(len >= BYTES_OFF);
	put_mac(frame, dst);
	put_mac(frame + 6, src);
	frame[12] = ETHERTYPE_TEST >> 8;
	frame[13] = ETHERTYPE_TEST & 0xff;
	memcpy(frame + NUMBER_OFF, &number, sizeof(number));
	for (size_t i = BYTES_OFF; i < len; i++)
		frame[i] = (uint8_t)(number * 7 + i * 13 + (i >> 8));
}

int64_t rig_frame_number(const uint8_t *frame, size_t len, uint8_t dst, uint8_t src)
{
	uint8_t macs[12];
	uint64_t number;

	put_mac(macs, dst);
	put_mac(macs + 6, src);
	if (len < BYTES_OFF || memcmp(frame, macs, sizeof(macs)) != 0)
		return -1;
	memcpy(&number, frame + NUMBER_OFF, sizeof(number));
	for (size_t i = BYTES_OFF; i < len; i++)
		if (frame[i] != (uint8_t)(number * 7 + i * 13 + (i >> 8)))
			return -1;
	return (int64_t)number;
}

struct taken_in {
	struct rig *rig;
	struct vhost_frontend *f;
	const char *port;
	uint64_t n;
};

static bool has_taken_in(void *arg)
{
	const struct taken_in *t = arg;
	struct port_counters rx = rig_rx(t->rig, t->port);

	vhost_frontend_serve(t->f);
	return rx.drops[DROP_HAIRPIN] >= t->n;
}

void rig_say_hello(struct rig *rig, struct vhost_frontend *f, const char *port, uint8_t station)
{
	struct port_counters before = rig_rx(rig, port);
	struct taken_in t = { rig, f, port, before.drops[DROP_HAIRPIN] + 1 };
	uint8_t frame[60];

	rig_frame(frame, sizeof(frame), station, station, 0);
	assert_int_equal(vhost_frontend_send(f, 0, NULL, frame, sizeof(frame)), 0);
	vhost_frontend_flush(f, 0);
	assert_true(rig_wait(rig, has_taken_in, &t));
}

/* Chance and time */

uint32_t rig_random(struct rig_random *r, uint32_t below)
{
	r->state = r->state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((r->state >> 33) % below);
}

void rig_spin_ns(uint64_t ns)
{
	uint64_t until = clock_ns() + ns;

	while (clock_ns() < until)
		cpu_relax();
}

/* The process */

bool rig_is_instrumented(void)
{
	const char *preload = getenv("LD_PRELOAD");

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
	return true;
#endif
#endif
	return preload && strstr(preload, "valgrind");
}

unsigned rig_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

void rig_wait_for_fds(unsigned n)
{
	for (unsigned ms = 0; ms < RIG_PATIENCE_MS && rig_count_fds() > n; ms++)
		usleep(1000);
	assert_int_equal(rig_count_fds(), n);
}

unsigned rig_count_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned n = 0;
	int c;

	assert_non_null(f);
	while ((c = fgetc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}
