/* SPDX-License-Identifier: Apache-2.0 */
/* backend_state.h - A back-end as data: what another process needs to know to be the same back-end on the same connection.
 *
 * In two parts. `struct vhost_backend_state` is what front-ends say and control writes down; it holds while the control thread does
 * not take in messages. `struct vhost_backend_places` is what workers change; it holds while they stand still as well.
 *
 *	old process                               new process
 *	vhost_backend_save()                      vhost_backend_create() with config.resume: maps, watches; no ring runs
 *	workers stand still
 *	vhost_backend_save_places()               vhost_backend_go_on()
 *
 * The front-end sees none of it: descriptors are passed, not closed. What is added to a connection (struct vhost_backend) belongs
 * into one of these, into the tables of src/control/handover_port.c, and into both directions of backend_state.c.
 *
 * Descriptors are borrowed in both directions: saving leaves them to the back-end, creating duplicates them. -1: none. */
#ifndef RINGWAY_VHOST_BACKEND_STATE_H
#define RINGWAY_VHOST_BACKEND_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "vhost/backend.h"
#include "vhost/listener.h"
#include "vhost/wire.h"

struct vhost_ring_state {
	bool started, enabled, has_kick, has_addr, has_num, logs_used, placed, waits;
	bool calls_inband; /* call_fd is the back-end's own */
	uint16_t num, base;
	uint64_t desc_user_addr, avail_user_addr, used_user_addr, log_guest_addr;
	int call_fd, kick_fd, err_fd;
};

struct vhost_region_state {
	uint64_t guest_addr, user_addr, size, file_offset;
	uint32_t n_more; /* as in struct guest_region */
	int fd;
};

/* The channel for requests of ours. What is unanswered, and what came of an answer that is not whole. Translations are asked for anew. */
struct vhost_channel_state {
	int fd;
	uint32_t n_unanswered, n_calls;
	uint16_t n_answer;
	uint8_t answer[sizeof(struct vhost_user_header) + sizeof(uint64_t)];
};

struct vhost_backend_state {
	struct vhost_listener_state listener; /* server mode */
	int fd; /* of the connection; -1: there is none, and nothing below means anything */
	uint64_t features, protocol_features;
	bool has_features, speaks_inband;
	uint8_t status;
	uint16_t mtu;
	char error[256];
	/* What came of a message that is not whole: header and payload without a gap, and its descriptors. */
	uint16_t n_message;
	uint8_t message[sizeof(struct vhost_user_header) + sizeof(union vhost_user_payload)];
	uint16_t n_message_fds;
	int message_fds[VHOST_USER_FDS_MAX];
	struct vhost_channel_state channel;
	/* The dirty log's bitmap; size 0: there is none. */
	struct vhost_region_state log;
	int log_kick_fd;
	/* The area of what is in flight; n_rings 0: there is none. */
	struct vhost_inflight_state {
		uint64_t size, file_offset;
		uint16_t n_rings, ring_size;
		int fd;
	} inflight;
	uint16_t n_regions;
	struct vhost_region_state *regions; /* vhost_backend_state_deinit() */
	uint16_t n_rings;
	struct vhost_ring_state rings[VHOST_RINGS_MAX];
};

struct vhost_ring_place {
	bool running;
	uint16_t pos;                 /* where it goes on */
	struct virtq_journal journal; /* packed */
};

struct vhost_backend_places {
	char fault
	    [256]; /* why the connection has to end, which the control thread was about to find out; "": it is fine */
	uint16_t n_rings;
	struct vhost_ring_place rings[VHOST_RINGS_MAX];
};

/* Control thread, as all of these. 0, -ENOMEM, or -EBUSY: a guest is in postcopy, whose pages a process of ours waits for. */
int vhost_backend_save(const struct vhost_backend *b, struct vhost_backend_state *s);
void vhost_backend_state_deinit(struct vhost_backend_state *s);
/* Workers stand still. */
void vhost_backend_save_places(struct vhost_backend *b, struct vhost_backend_places *p);

/* A back-end that was created from a state: start its rings. Workers stand still; ops are called. Nothing is written to guest memory, so
 * that the old process can still go on itself. 0, or negative errno with a text for people: the state cannot be true. */
int vhost_backend_go_on(struct vhost_backend *b, const struct vhost_backend_places *p, char *err, size_t err_size);
/* The old process is out of it: sockets are ours to shut down, and the file to remove. */
void vhost_backend_own(struct vhost_backend *b);

#endif
