/* SPDX-License-Identifier: Apache-2.0 */
/* test_endings.c - Wherever in its course a connection ends, and however: the back-end has the descriptors, the mappings and the heap that it
 * had before, and takes the next front-end.
 *
 * A session does everything for which the back-end keeps something. It is broken off after each step, in each way. */
#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/closer.h"
#include "base/pager.h"
#include "vhost_peer.h"

#define PAGE     4096ull
#define PIECES   0x10000ull /* addresses for the device of a ring that lies in pieces */
#define PROTOCOL BIT(30)

enum with { NOTHING, MEMORY, EVENT, CHANNEL };

struct step {
	uint32_t request;
	enum with with;
	uint64_t needs; /* protocol features */
	uint64_t wants; /* features */
	uint32_t size;
	union vhost_user_payload payload;
};

#define F(name)       BIT(VHOST_USER_PROTOCOL_F_##name)
#define U64(value)    .size = 8, .payload.u64 = (value)
#define STATE(idx, n) .size = 8, .payload.state = { idx, n }
#define IOTLB_NEEDS   .needs = F(BACKEND_REQ), .wants = BIT(VIRTIO_F_ACCESS_PLATFORM)
#define UPDATE(io, at)                                                            \
	{                                                                         \
		VHOST_USER_IOTLB_MSG, IOTLB_NEEDS, .size = 32, .payload.iotlb = { \
			io,                                                       \
			PAGE,                                                     \
			at,                                                       \
			3,                                                        \
			VHOST_IOTLB_UPDATE                                        \
		}                                                                 \
	}
#define TABLE .size = 40, .payload.mem_table = { 1, 0, { { PEER_GUEST_ADDR, PEER_MEM_SIZE, PEER_USER_ADDR, 0 } } }
#define REGION(off)                                                                                                   \
	.needs = F(CONFIGURE_MEM_SLOTS), .size = 40,                                                                  \
	.payload.mem_reg.region = { PEER_GUEST_ADDR + 2 * PEER_MEM_SIZE, 0x10000, PEER_USER_ADDR + 2 * PEER_MEM_SIZE, \
				    off }
#define AREAS(ring, desc, avail, used) .size = 40, .payload.addr = { ring, 0, desc, used, avail, 0 }
#define AT_HOME(ring)                                                                       \
	AREAS(ring, PEER_USER_ADDR + (ring)*0x2000, PEER_USER_ADDR + (ring)*0x2000 + 0x800, \
	      PEER_USER_ADDR + (ring)*0x2000 + 0x1000)
#define RING(ring, ...)                                                                                           \
	{ VHOST_USER_SET_VRING_NUM, STATE(ring, PEER_RING_SIZE) }, { VHOST_USER_SET_VRING_BASE, STATE(ring, 0) }, \
	    { VHOST_USER_SET_VRING_ADDR, AT_HOME(ring) }, __VA_ARGS__,                                            \
	{                                                                                                         \
		VHOST_USER_SET_VRING_ENABLE, STATE(ring, 1)                                                       \
	}
#define FDS(ring)                                                                                         \
	{ VHOST_USER_SET_VRING_CALL, EVENT, U64(ring) }, { VHOST_USER_SET_VRING_KICK, EVENT, U64(ring) }, \
	{                                                                                                 \
		VHOST_USER_SET_VRING_ERR, EVENT, U64(ring)                                                \
	}

/* The log has a bit for each page up to the end of the memory. */
static const struct step usual[] = {
	{ VHOST_USER_SET_OWNER, .size = 0 },
	{ VHOST_USER_SET_BACKEND_REQ_FD, CHANNEL, .needs = F(BACKEND_REQ) },
	{ VHOST_USER_SET_LOG_BASE, MEMORY, .needs = F(LOG_SHMFD), .size = 16, .payload.log = { 0x20020, 0x80000 } },
	{ VHOST_USER_SET_LOG_FD, EVENT, .size = 0 },
	{ VHOST_USER_SET_MEM_TABLE, MEMORY, TABLE },
	{ VHOST_USER_GET_INFLIGHT_FD, .needs = F(INFLIGHT_SHMFD), .size = 24,
	  .payload.inflight = { .n_rings = 4, .ring_size = PEER_RING_SIZE } },
	{ VHOST_USER_SET_INFLIGHT_FD, MEMORY, .needs = F(INFLIGHT_SHMFD), .size = 24,
	  .payload.inflight = { 0x8000, 0xc0000, 2, PEER_RING_SIZE, 0 } },
	{ VHOST_USER_IOTLB_MSG, IOTLB_NEEDS, .size = 32,
	  .payload.iotlb = { PEER_USER_ADDR, PEER_MEM_SIZE, PEER_USER_ADDR, 3, VHOST_IOTLB_UPDATE } },
	RING(0, FDS(0)),
	RING(1, FDS(1)),
	{ VHOST_USER_SET_VRING_CALL, EVENT, U64(1) },
	{ VHOST_USER_SET_VRING_KICK, U64(1 | 0x100) },
	{ VHOST_USER_SET_VRING_CALL, U64(1 | 0x100) },
	{ VHOST_USER_SET_LOG_BASE, MEMORY, .needs = F(LOG_SHMFD), .size = 16, .payload.log = { 0x20020, 0x60000 } },
	{ VHOST_USER_SET_LOG_FD, EVENT, .size = 0 },
	{ VHOST_USER_SET_MEM_TABLE, MEMORY, TABLE },
	{ VHOST_USER_ADD_MEM_REG, MEMORY, REGION(0x4000) },
	{ VHOST_USER_REM_MEM_REG, MEMORY, REGION(0x4000) },
	{ VHOST_USER_ADD_MEM_REG, MEMORY, REGION(0x8000) },
	RING(2, { VHOST_USER_VRING_KICK, .needs = F(INBAND_NOTIFICATIONS), STATE(2, 0) }),
	{ VHOST_USER_VRING_KICK, .needs = F(INBAND_NOTIFICATIONS), STATE(2, 0) },
	{ VHOST_USER_SET_BACKEND_REQ_FD, CHANNEL, .needs = F(BACKEND_REQ) },
	{ VHOST_USER_SET_VRING_NUM, IOTLB_NEEDS, STATE(3, 512) },
	{ VHOST_USER_SET_VRING_ADDR, IOTLB_NEEDS, AREAS(3, PIECES, PIECES + 2 * PAGE, PIECES + 3 * PAGE) },
	{ VHOST_USER_SET_VRING_KICK, EVENT, IOTLB_NEEDS, U64(3) },
	UPDATE(PIECES, PEER_USER_ADDR + 0x50000),
	UPDATE(PIECES + PAGE, PEER_USER_ADDR + 0x54000),
	UPDATE(PIECES + 2 * PAGE, PEER_USER_ADDR + 0x52000),
	UPDATE(PIECES + 3 * PAGE, PEER_USER_ADDR + 0x58000),
	UPDATE(PIECES + 4 * PAGE, PEER_USER_ADDR + 0x56000),
	{ VHOST_USER_IOTLB_MSG, IOTLB_NEEDS, .size = 32,
	  .payload.iotlb = { PIECES, PAGE, 0, 0, VHOST_IOTLB_INVALIDATE } },
	UPDATE(PIECES, PEER_USER_ADDR + 0x5a000),
	{ VHOST_USER_SET_DEVICE_STATE_FD, MEMORY, .needs = F(DEVICE_STATE), .size = 8, .payload.transfer = { 0, 0 } },
	{ VHOST_USER_CHECK_DEVICE_STATE, .needs = F(DEVICE_STATE), .size = 0 },
	{ VHOST_USER_GET_VRING_BASE, STATE(0, 0) },
	{ VHOST_USER_RESET_DEVICE, .needs = F(RESET_DEVICE), .size = 0 },
};

static const struct step postcopy[] = {
	{ VHOST_USER_POSTCOPY_ADVISE, .size = 0 },
	{ VHOST_USER_POSTCOPY_LISTEN, .size = 0 },
	{ VHOST_USER_SET_MEM_TABLE, MEMORY, TABLE },
	{ VHOST_USER_SET_MEM_TABLE, U64(0) }, /* the acknowledgement */
	RING(0, FDS(0)),
	RING(1, FDS(1)),
	{ VHOST_USER_POSTCOPY_END, .size = 0 },
};

static const struct session {
	uint64_t features, without; /* the latter: protocol features */
	const struct step *steps;
	unsigned n_steps;
} sessions[] = {
#define STEPS(list) (list), sizeof(list) / sizeof((list)[0])
	{ BIT(VIRTIO_F_VERSION_1), F(INBAND_NOTIFICATIONS), STEPS(usual) },
	{ BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_RING_PACKED) | BIT(VHOST_F_LOG_ALL), 0, STEPS(usual) },
	{ BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ACCESS_PLATFORM) | BIT(VHOST_F_LOG_ALL), 0, STEPS(usual) },
	{ BIT(VIRTIO_F_VERSION_1), 0, STEPS(postcopy) },
};
enum { N_SESSIONS = sizeof(sessions) / sizeof(sessions[0]) };

/* What there is */

struct footprint {
	int fds, maps;
	size_t heap;
};

static int count_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	int c, n = 0;

	assert_non_null(f);
	while ((c = fgetc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

/* Sanitizers map and keep memory as they like. */
#if defined(__has_feature)
#define IS_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

static struct footprint footprint(void)
{
	if (IS_SANITIZED)
		return (struct footprint){ count_fds(), count_peer_maps(), 0 };
	return (struct footprint){ count_fds(), count_maps(), mallinfo2().uordblks };
}

/* Other threads close what came in vain, and free what named it. False: the heap has grown. */
static bool is_back_at(const struct footprint *before, const char *what)
{
	struct footprint now = footprint();

	for (unsigned ms = 0; ms < 5000; ms++) {
		if (now.fds == before->fds && now.maps == before->maps && now.heap <= before->heap)
			return true;
		if (now.fds == before->fds && now.maps == before->maps && ms > 20)
			return false;
		usleep(1000);
		now = footprint();
	}
	fail_msg("%s: %d descriptors instead of %d, %d mappings instead of %d", what, now.fds, before->fds, now.maps,
		 before->maps);
	return false;
}

/* A connection */

struct scene {
	struct rig *rig;
	const struct session *session;
	uint64_t protocol;
	struct peer p;
	int channel; /* our end; -1: none */
};

static void connect_and_negotiate(struct scene *s)
{
	peer_init(&s->p);
	peer_connect(&s->p, s->rig);
	s->channel = -1;
	s->protocol =
	    peer_get_u64(s->rig, &s->p, VHOST_USER_GET_PROTOCOL_FEATURES) & ~s->session->without & ~F(GPA_ADDRESSES);
	peer_negotiate(s->rig, &s->p, s->session->features | PROTOCOL, s->protocol);
}

static bool is_possible(const struct scene *s, const struct step *step)
{
	return (step->needs & ~s->protocol) == 0 && (step->wants & ~s->session->features) == 0;
}

static int open_channel(struct scene *s)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	if (s->channel >= 0)
		close(s->channel);
	s->channel = ends[0];
	return ends[1];
}

/* With `more` bytes, and `twice`, all descriptors two times. */
static void send_step(struct scene *s, const struct step *step, uint32_t flags, uint32_t more, bool twice)
{
	const int none[] = { -1, s->p.mem_fd, s->p.kick_fds[0], step->with == CHANNEL ? open_channel(s) : -1 };
	const int fds[] = { none[step->with], none[step->with] };

	peer_send(&s->p, step->request, flags, &step->payload, step->size + more, fds,
		  step->with == NOTHING ? 0 : 1 + twice);
	if (step->with == CHANNEL)
		close(fds[0]);
}

/* A step that works. */
static void take_step(struct scene *s, const struct step *step)
{
	bool own_answer = step->request == VHOST_USER_GET_VRING_BASE || s->session->steps == postcopy;
	struct vhost_user_msg msg;

	send_step(s, step, own_answer ? 1 : 1 | 8, 0, false);
	rig_run(s->rig);
	while (peer_receive(&s->p, &msg) == 1)
		if (!own_answer && msg.header.size == 8 && msg.payload.u64 != 0 &&
		    step->request != VHOST_USER_SET_DEVICE_STATE_FD)
			fail_msg("request %u: %s", step->request, vhost_backend_error(s->rig->b));
	if (!vhost_backend_is_connected(s->rig->b))
		fail_msg("request %u: %s", step->request, vhost_backend_error(s->rig->b));
}

/* Ways to end */

enum ending { CLOSED, UNKNOWN, HALF, TOO_LONG, TOO_MANY_FDS, BROKEN, DESTROYED, N_ENDINGS };
static const char *const endings[] = { "closed", "unknown",  "half", "too long", "too many descriptors",
				       "broken", "destroyed" };

/* `next`: the step that would be taken now. */
static void end(struct scene *s, enum ending how, const struct step *next)
{
	struct vhost_ring *r = vhost_backend_ring(s->rig->b, 0);

	switch (how) {
	case CLOSED:
	case N_ENDINGS:
		break;
	case UNKNOWN:
		peer_send(&s->p, VHOST_USER_REQUEST_MAX + 1, 1, NULL, 0, &s->p.mem_fd, 1);
		break;
	case HALF:
		peer_send_bytes(&s->p, &next->request, sizeof(next->request), s->p.kick_fds, 2);
		break;
	case TOO_LONG:
		send_step(s, next, 1, 1, false);
		break;
	case TOO_MANY_FDS:
		send_step(s, next, 1, 0, true);
		break;
	case BROKEN:
		r->broken = vhost_ring_is_usable(r);
		vhost_backend_check_rings(s->rig->b);
		break;
	case DESTROYED:
		vhost_backend_destroy(s->rig->b);
		rig_create(s->rig);
		break;
	}
	rig_run(s->rig);
	peer_deinit(&s->p);
	if (s->channel >= 0)
		close(s->channel);
	for (unsigned i = 0; i < 500 && vhost_backend_is_connected(s->rig->b); i++)
		event_loop_turn(s->rig->loop, 10);
	assert_false(vhost_backend_is_connected(s->rig->b));
}

/* The session up to its step `n`, and its end. */
static void play(struct scene *s, unsigned n, enum ending how)
{
	connect_and_negotiate(s);
	for (unsigned i = 0; i < n; i++)
		if (is_possible(s, &s->session->steps[i]))
			take_step(s, &s->session->steps[i]);
	end(s, how, &s->session->steps[n % s->session->n_steps]);
}

/* The C library keeps some for each thread, once; what leaks leaks each time. */
static void play_and_compare(struct scene *s, unsigned n, enum ending how)
{
	enum { TIMES = 10 };
	char what[128];

	snprintf(what, sizeof(what), "session %td, %u steps, then %s", s->session - sessions, n, endings[how]);
	for (unsigned i = 0; i < TIMES; i++) {
		struct footprint before = footprint();

		play(s, n, how);
		if (is_back_at(&before, what))
			return;
	}
	fail_msg("%s: the heap grows", what);
}

static void play_all(struct rig *rig, const struct session *session)
{
	struct scene s = { .rig = rig, .session = session };

	for (enum ending how = CLOSED; how < N_ENDINGS; how++)
		play(&s, session->n_steps, how); /* libraries keep some for themselves */
	for (unsigned n = 0; n <= session->n_steps; n++)
		for (enum ending how = CLOSED; how < N_ENDINGS; how++)
			play_and_compare(&s, n, how);
}

static void test_nothing_is_left(void **state)
{
	struct rig *rig = *state;

	rig->config.features |= BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_ACCESS_PLATFORM);
	rig_create(rig);
	for (unsigned i = 0; i < N_SESSIONS; i++)
		if (sessions[i].steps != postcopy || pager_is_available())
			play_all(rig, &sessions[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_is_left, rig_setup_bare, rig_teardown),
	};

	pager_init(NULL);
	closer_start_threads(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
