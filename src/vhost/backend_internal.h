/* SPDX-License-Identifier: Apache-2.0 */
/* backend_internal.h - What the files of the back-end share. Not for others.
 *
 *   backend.c           life cycle, connection, questions from outside
 *   backend_messages.c  the table of messages; checks one against it, parks rings, calls its handler, answers
 *   backend_session.c   handlers: features, protocol features, status, reset
 *   backend_config.c    handlers: the configuration space
 *   backend_memory.c    handlers: the guest's memory
 *   backend_log.c       handlers: the log of pages written, for migration
 *   backend_postcopy.c  handlers: memory that comes late, after migration
 *   backend_rings.c     handlers: rings; and the ring states
 *   backend_areas.c     where a ring's areas are in our memory
 *   backend_channel.c   requests of ours to the front-end
 *   backend_inband.c    notifications that are messages
 *   backend_iotlb.c     rings behind the guest's IOMMU
 *   backend_inflight.c  handlers: the area in which the front-end keeps what is in flight
 *   backend_transfer.c  handlers: the state of the device, for migration
 *   backend_journal.c   where packed rings stand, kept for the next process
 *   backend_state.c     all of it as data, for a process that takes over
 *
 * A handler runs with the rings parked that the table says. It leaves its reply in the message's payload and returns 0, or a
 * negative errno with a reason (vhost_backend_reason()): -EPROTO ends the connection; any other error is answered when the
 * front-end asked for an answer, and ends the connection when it did not. */
#ifndef RINGWAY_VHOST_BACKEND_INTERNAL_H
#define RINGWAY_VHOST_BACKEND_INTERNAL_H

#include "base/compiler.h"
#include "base/log.h"
#include "vhost/backend.h"
#include "vhost/connector.h"
#include "vhost/listener.h"
#include "vhost/pace.h"
#include "vhost/socket.h"
#include "virtio/dirty_log.h"
#include "virtio/virtq_iotlb.h"

struct watch;
struct vhost_journal_file;

/* Memory of the front-end's for what is in flight in rings 0 to n_rings - 1. */
struct vhost_inflight {
	struct guest_region map;
	uint16_t n_rings; /* 0: there is none */
	uint16_t ring_size;
};

enum { VHOST_FDS_PER_RING = 3 }; /* call, kick, err */
enum {
	VHOST_AREAS = 3, /* of a ring */
	VHOST_ASKS_MAX = 256,
	VHOST_UNANSWERED_MAX = 1024,
};

/* Pieces of an area, mapped side by side. */
struct vhost_window {
	void *base; /* NULL: none */
	size_t size;
	int lost_handle;
};

struct vhost_ring_iotlb {
	struct virtq_iotlb vq;
	struct vhost_window windows[VHOST_AREAS];
	int miss_fd; /* the back-end's */
};

/* A translation that the front-end was asked for. */
struct vhost_ask {
	uint64_t iova;
	uint32_t perm;
	unsigned seconds; /* for which it has been asked for before */
};

struct vhost_iotlb {
	struct iotlb table;
	int miss_fd; /* eventfd: workers have noted misses */
	struct watch *watch;
	struct timer *timer; /* runs while anything is asked for */
	unsigned n_asks, n_asks_before;
	struct vhost_ask asks[VHOST_ASKS_MAX], asks_before[VHOST_ASKS_MAX];
	unsigned unanswered_s; /* > 0: for so long the front-end has not translated the address `unanswered` */
	uint64_t unanswered;
};

struct vhost_channel {
	struct vhost_socket socket;
	struct watch *watch;
	unsigned n_unanswered;
	unsigned n_calls; /* unanswered: VRING_CALL, at most one per ring */
};

/* This connection's, from POSTCOPY_ADVISE to POSTCOPY_END. */
struct vhost_postcopy {
	struct arrivals *arrivals; /* mem has them, too, from POSTCOPY_LISTEN on */
	struct watch *watch;
	struct timer *timer;
	unsigned n_advised;
	bool ack_due; /* memory has changed, and the front-end is to say that it knows where it is */
};

struct vhost_backend {
	struct event_loop *loop;
	struct vhost_backend_config config;
	const struct vhost_backend_ops *ops;
	void *arg;

	struct vhost_listener listener; /* server mode */
	struct watch *listener_watch;
	struct vhost_pace pace;
	struct timer *listener_pause;     /* runs while no connection is taken */
	struct vhost_connector connector; /* client mode */

	bool connected;
	struct vhost_socket socket;
	struct closer *closer;
	struct watch *watch;
	struct timer *message_timer; /* runs while a message has begun and is not whole */
	struct vhost_journal_file *journal;

	/* This connection's. */
	uint64_t features; /* acknowledged, with VHOST_USER_F_PROTOCOL_FEATURES */
	uint64_t protocol_features;
	bool has_features;
	uint8_t status;
	uint16_t mtu;
	struct guest_mem mem;
	struct dirty_log log;
	struct vhost_inflight inflight;
	struct vhost_postcopy postcopy;
	struct vhost_channel channel;
	bool speaks_inband; /* the front-end has sent a notification as a message, or asked for them */
	bool translates;    /* addresses are translated by iotlb */
	struct vhost_iotlb iotlb;

	/* To be told, or closed, when nothing is parked any more. */
	uint32_t changed_rings; /* bit per ring */
	bool features_changed;
	bool state_changed;
	int lost_fds[VHOST_FDS_PER_RING * VHOST_RINGS_MAX];
	unsigned n_lost_fds;

	/* Of the message being handled. A handler may change it. */
	bool has_reply;           /* of its own, and no acknowledgement */
	uint32_t reply_size;      /* payload */
	int reply_fd;             /* -1: none; closed when it was sent */
	const char *message_name; /* of the message being handled, for reasons; NULL: none */
	char error[256];
	char connect_error[128]; /* why there is no connection; client mode */
	struct log_limit log_limit;

	unsigned n_rings;
	struct vhost_ring rings[VHOST_RINGS_MAX];
};

static_assert(VHOST_RINGS_MAX <= 32, "changed_rings has a bit for each");

/* backend.c */

/* Keep why a message is refused; returns `err`. */
int vhost_backend_reason(struct vhost_backend *b, int err, const char *fmt, ...) printf_like(3, 4);
void vhost_backend_park(struct vhost_backend *b);
void vhost_backend_unpark(struct vhost_backend *b);
/* Nothing parked: tell ops what has changed, then close what was lost. */
void vhost_backend_report_changes(struct vhost_backend *b);
uint64_t vhost_backend_offered_features(const struct vhost_backend *b);
uint64_t vhost_backend_offered_protocol_features(const struct vhost_backend *b);

/* Takes over `fd`, from a front-end that has just connected, or in the middle of things. Calls no op. 0 or negative errno with a
 * reason. */
int vhost_backend_attach(struct vhost_backend *b, int fd);
/* `err`: what a reception or a message gave; the reason, if there is one, is in b->error. */
void vhost_backend_end_connection(struct vhost_backend *b, int err);
/* Runs the timer of a message that has begun and is not whole, while there is one. */
void vhost_backend_time_message(struct vhost_backend *b);
/* Why the connection has to end, because of what workers or the SIGBUS handler have found; 0: it need not. */
int vhost_backend_find_fault(struct vhost_backend *b, char *text, size_t size);

/* backend_state.c: b->config.resume. 0 or negative errno. */
int vhost_backend_resume(struct vhost_backend *b, char *err, size_t err_size);

/* backend_messages.c */

/* Act on the message that b->socket holds. An error ends the connection. */
int vhost_backend_dispatch(struct vhost_backend *b);

/* backend_memory.c. All rings are parked, and look for their areas anew. */
void vhost_backend_remap_rings(struct vhost_backend *b);

/* backend_rings.c. The ring is parked. */

/* Its areas are in use, or will be as soon as the front-end has told where they are. */
static inline bool vhost_ring_is_in_use(const struct vhost_ring *r)
{
	return r->vq.running || r->waits;
}

void vhost_ring_init(struct vhost_ring *r);
static inline unsigned vhost_ring_index(const struct vhost_backend *b, const struct vhost_ring *r)
{
	return (unsigned)(r - b->rings);
}
/* Find the ring's areas in memory again, after something it depends on has changed, and mark it when that starts or stops it. 0: it
 * runs, or is not to run yet;
 * -EFAULT, -EINVAL, without a reason: its areas are not in the guest's memory, or not as they have to be. */
int vhost_ring_remap(struct vhost_backend *b, struct vhost_ring *r);
/* Stopped; where it stood is kept in r->base. Call and kick descriptors are lost. */
void vhost_ring_stop(struct vhost_backend *b, struct vhost_ring *r);
/* Stopped and disabled, all that was said about it forgotten; the err descriptor stays. */
void vhost_ring_reset(struct vhost_backend *b, struct vhost_ring *r);
/* Running: leave the areas until the front-end has told again where they are. */
void vhost_ring_pause(struct vhost_ring *r);
/* As it was before the connection. */
void vhost_ring_forget(struct vhost_backend *b, struct vhost_ring *r);
void vhost_ring_mark_changed(struct vhost_backend *b, const struct vhost_ring *r);

/* backend_areas.c. Ring parked, and not running. */

/* Find the ring's areas, into the configuration. 0, -EAGAIN: translations, or pages of a guest in postcopy, have been asked for; errors: see vhost_ring_check_areas(). */
int vhost_ring_find_areas(struct vhost_backend *b, struct vhost_ring *r, struct virtq_config *c);
/* Would the ring find its areas, or at least be able to ask for them? If not, say why. */
int vhost_ring_check_areas(struct vhost_backend *b, struct vhost_ring *r);
/* Is there any use in trying? What is missing is asked for. */
bool vhost_ring_areas_are_known(struct vhost_backend *b, const struct vhost_ring *r);
bool vhost_ring_areas_overlap(const struct vhost_backend *b, const struct vhost_ring *r, uint64_t first, uint64_t last);
void vhost_ring_leave_areas(struct vhost_ring *r);
/* Was their memory cut short? */
bool vhost_ring_areas_are_lost(const struct vhost_ring *r);

/* backend_channel.c */

void vhost_channel_init(struct vhost_channel *ch);
void vhost_channel_close(struct vhost_channel *ch);
/* Takes over `fd`, whatever comes of it; there is no channel. 0 or negative errno. */
int vhost_channel_open(struct vhost_backend *b, int fd);
/* Ask for a translation. False: there is no channel, or the front-end does not read it. */
bool vhost_channel_ask(struct vhost_backend *b, uint64_t iova, uint32_t perm);
/* Tell of a ring, BACKEND_VRING_CALL (which is answered) or _ERR. False: not now; when there is room, or another channel,
 * vhost_inband_go_on(). */
bool vhost_channel_tell(struct vhost_backend *b, uint32_t request, const struct vhost_ring *r);

/* backend_inband.c */

/* The front-end does more than agree to in-band notifications, which QEMU does as well. If they were agreed to at all. */
void vhost_inband_begin(struct vhost_backend *b);
/* Ring parked: where the front-end speaks so, and has given no eventfd, one of ours. 0 or negative errno with a reason. */
int vhost_ring_kick_inband(struct vhost_backend *b, struct vhost_ring *r);
int vhost_ring_call_inband(struct vhost_backend *b, struct vhost_ring *r);
/* Its call_fd came from another process, where it was ours; looked at from vhost_inband_go_on() on. 0 or negative errno. */
int vhost_ring_resume_calls(struct vhost_backend *b, struct vhost_ring *r);
/* Send calls that have waited, if none is unanswered. */
void vhost_inband_go_on(struct vhost_backend *b);
/* There is another channel: calls that the last one swallowed are sent again. */
void vhost_inband_repeat(struct vhost_backend *b);
void vhost_inband_tell_error(struct vhost_backend *b, const struct vhost_ring *r);

/* backend_iotlb.c */

/* Parked; no ring runs or waits. 0 or negative errno. */
int vhost_iotlb_follow_features(struct vhost_backend *b);
void vhost_iotlb_turn_off(struct vhost_backend *b);
/* Parked: the memory map changes. */
void vhost_iotlb_forget_memory(struct vhost_backend *b);
/* Parked: the ring's part of it, for virtq_set_iotlb(). 0 or -ENOMEM. */
int vhost_ring_attach_iotlb(struct vhost_backend *b, struct vhost_ring *r);
/* Ask the front-end for a translation, unless it is asked for already. */
void vhost_iotlb_ask(struct vhost_backend *b, uint64_t iova, uint32_t perm);
/* Ask for everything that something waits for. Nothing parked. */
void vhost_iotlb_ask_again(struct vhost_backend *b);

/* backend_log.c. Parked. */

/* Log what the ring writes, or not, after its state or what was negotiated has changed; and the same for all rings. */
void vhost_ring_set_log(struct vhost_backend *b, struct vhost_ring *r);
void vhost_backend_set_logs(struct vhost_backend *b);

/* backend_postcopy.c */

/* Regions are gone already. */
void vhost_postcopy_forget(struct vhost_backend *b);
/* Of a message about memory: before it is acted on, and after; the answer says where the regions are. */
void vhost_postcopy_before_change(struct vhost_backend *b);
void vhost_postcopy_answer(struct vhost_backend *b, struct vhost_user_region *regions, unsigned n);
/* The message that b->socket holds is the acknowledgement of that answer. */
bool vhost_postcopy_is_ack(const struct vhost_backend *b);
int vhost_postcopy_take_ack(struct vhost_backend *b);

/* backend_journal.c. Ring parked. */

int vhost_journal_open(struct vhost_backend *b); /* 0 or -ENOMEM */
void vhost_journal_close(struct vhost_backend *b);
/* Where the ring with these areas goes on, and what is written about that, into c->last_avail, c->journal and c->inflight. 0;
 * -EBADMSG: what the front-end keeps about it is impossible; -ENOMEM. */
int vhost_ring_find_place(struct vhost_backend *b, struct vhost_ring *r, struct virtq_config *c);
struct virtq_journal *vhost_ring_journal(struct vhost_backend *b, const struct vhost_ring *r);
/* The front-end knows where the ring stands, or it does not count. */
void vhost_ring_end_journal(struct vhost_backend *b, const struct vhost_ring *r);

/* backend_inflight.c */

/* A new file of `size` zeroes that nobody can make shorter or longer; a descriptor or negative errno. */
int vhost_sealed_file(const char *name, size_t size);
/* Parked. No area any more. */
void vhost_inflight_forget(struct vhost_backend *b);
/* Was its file cut short under us? */
bool vhost_inflight_is_lost(const struct vhost_backend *b);
/* The ring's part of it, or NULL. */
void *vhost_ring_inflight(const struct vhost_backend *b, const struct vhost_ring *r);

/* backend_session.c */

bool vhost_backend_any_ring_runs(const struct vhost_backend *b);

/* Handlers. `r`: the ring that the message names, NULL when it names none. */
#define VHOST_HANDLER(name) int name(struct vhost_backend *b, union vhost_user_payload *p, struct vhost_ring *r)
VHOST_HANDLER(vhost_handle_get_features);
VHOST_HANDLER(vhost_handle_set_features);
VHOST_HANDLER(vhost_handle_get_protocol_features);
VHOST_HANDLER(vhost_handle_set_protocol_features);
VHOST_HANDLER(vhost_handle_set_owner);
VHOST_HANDLER(vhost_handle_reset_owner);
VHOST_HANDLER(vhost_handle_reset_device);
VHOST_HANDLER(vhost_handle_get_queue_num);
VHOST_HANDLER(vhost_handle_set_mtu);
VHOST_HANDLER(vhost_handle_send_rarp);
VHOST_HANDLER(vhost_handle_get_status);
VHOST_HANDLER(vhost_handle_set_status);
VHOST_HANDLER(vhost_handle_set_mem_table);
VHOST_HANDLER(vhost_handle_set_log_base);
VHOST_HANDLER(vhost_handle_set_log_fd);
VHOST_HANDLER(vhost_handle_get_inflight_fd);
VHOST_HANDLER(vhost_handle_set_inflight_fd);
VHOST_HANDLER(vhost_handle_set_device_state_fd);
VHOST_HANDLER(vhost_handle_check_device_state);
VHOST_HANDLER(vhost_handle_get_config);
VHOST_HANDLER(vhost_handle_set_config);
VHOST_HANDLER(vhost_handle_postcopy_advise);
VHOST_HANDLER(vhost_handle_postcopy_listen);
VHOST_HANDLER(vhost_handle_postcopy_end);
VHOST_HANDLER(vhost_handle_get_max_mem_slots);
VHOST_HANDLER(vhost_handle_add_mem_reg);
VHOST_HANDLER(vhost_handle_rem_mem_reg);
VHOST_HANDLER(vhost_handle_set_backend_req_fd);
VHOST_HANDLER(vhost_handle_iotlb_msg);
VHOST_HANDLER(vhost_handle_set_vring_num);
VHOST_HANDLER(vhost_handle_set_vring_addr);
VHOST_HANDLER(vhost_handle_set_vring_base);
VHOST_HANDLER(vhost_handle_get_vring_base);
VHOST_HANDLER(vhost_handle_set_vring_kick);
VHOST_HANDLER(vhost_handle_set_vring_call);
VHOST_HANDLER(vhost_handle_set_vring_err);
VHOST_HANDLER(vhost_handle_set_vring_enable);
VHOST_HANDLER(vhost_handle_vring_kick);
VHOST_HANDLER(vhost_handle_set_vring_endian);

#endif
