/* SPDX-License-Identifier: Apache-2.0 */
/* good_pair.c - Frames both ways, no more at a time than a ring holds, so that none needs to be lost however slow the machine is. */
#include "good_pair.h"

#include "base/barrier.h"
#include "base/clock.h"

enum { WINDOW = 32, FRAME_LEN = 300, ROUNDS_PER_BROADCAST = 64 };

/* No other station's address becomes one of these when somebody's memory turns into zeroes. */
enum { STATION = 0x51 };

static const char *const names[] = { "good0", "good1" };

void good_pair_start(struct good_pair *p, struct rig *rig)
{
	*p = (struct good_pair){ 0 };
	for (unsigned i = 0; i < 2; i++) {
		rig_add_port(rig, names[i], 1);
		p->f[i] = rig_attach(rig, names[i], (struct vhost_frontend_config){ .features = rig_all_features() });
		rig_say_hello(rig, p->f[i], names[i], (uint8_t)(STATION + i));
	}
}

void good_pair_stop(struct good_pair *p, struct rig *rig)
{
	assert_true(p->n_frames > 0);
	for (unsigned i = 0; i < 2; i++) {
		struct port_counters tx = rig_tx(rig, names[i]), rx = rig_rx(rig, names[i]);

		/* Somebody's broadcasts may be too many for a ring; frames to a known receiver are not dropped. */
		assert_int_equal(rig_drops(&rx), rx.drops[DROP_HAIRPIN]);
		assert_int_equal(rig_drops(&tx), tx.drops[DROP_RING_FULL]);
		vhost_frontend_destroy(p->f[i]);
		rig_del_port(rig, names[i]);
	}
}

struct flow {
	uint64_t sent, received;
};

static void send_some(struct good_pair *p, uint8_t from, struct flow *flow, bool to_all)
{
	uint8_t frame[FRAME_LEN];

	while ((!read_once(&p->stop) || flow->sent == 0) && flow->sent - flow->received < WINDOW) {
		rig_frame(frame, FRAME_LEN, STATION + 1 - from, STATION + from, flow->sent);
		if (vhost_frontend_send(p->f[from], 0, NULL, frame, FRAME_LEN) != 0)
			break;
		flow->sent++;
	}
	if (to_all) { /* for the others; floods are lost when there is no room */
		rig_frame(frame, FRAME_LEN, 0xff, STATION + from, 0);
		vhost_frontend_send(p->f[from], 0, NULL, frame, FRAME_LEN);
	}
	vhost_frontend_flush(p->f[from], 0);
}

/* Each has to come, in order. How many did; -1: one did not. */
static int receive_some(struct good_pair *p, uint8_t to, struct flow *flow)
{
	uint8_t got[2048];
	int n = 0;
	long len;

	while ((len = vhost_frontend_receive(p->f[to], 0, NULL, got, sizeof(got))) >= 0) {
		if (got[0] == 0xff || got[11] != STATION + 1 - to)
			continue; /* to all, or a stranger's to somebody unknown */
		if (rig_frame_number(got, (size_t)len, STATION + to, STATION + 1 - to) != (int64_t)flow->received)
			return -1;
		flow->received++;
		n++;
	}
	return n;
}

void good_pair_run(struct rig_thread *t)
{
	struct good_pair *p = t->arg;
	struct flow flows[2] = { 0 };
	uint64_t progress_ns = clock_ns();

	/* Some go, even when this thread gets to run only after the end was called for. */
	for (unsigned rounds = 0; !read_once(&p->stop) || flows[0].sent == 0 || flows[0].received < flows[0].sent ||
				  flows[1].received < flows[1].sent;
	     rounds++) {
		uint8_t from = rounds % 2;
		int n;

		send_some(p, from, &flows[from], rounds % ROUNDS_PER_BROADCAST < 2);
		n = receive_some(p, 1 - from, &flows[from]);
		if (n < 0) {
			t->fault = "a good frame is lost or spoiled";
			return;
		}
		if (n > 0)
			progress_ns = clock_ns();
		if (clock_ns() - progress_ns > RIG_PATIENCE_MS * NSEC_PER_MSEC) {
			t->fault = "the good ones stand still";
			return;
		}
	}
	p->n_frames = flows[0].received + flows[1].received;
}
