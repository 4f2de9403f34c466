/* SPDX-License-Identifier: Apache-2.0 */
/* backend_messages.c - Which messages there are, and what each may look like.
 *
 * All that can be known of a message without acting on it stands in one table, and is checked before its handler runs: the
 * sizes of its payload, the descriptors it may carry, the ring it names, the protocol feature it needs, the state in which it
 * may come. A message that fails a check ends the connection: the other side is broken or hostile, and going on would be
 * guessing.
 *
 * Front-ends do not wait for SET_OWNER or SET_FEATURES before they send the messages of rings: QEMU enables the first pair
 * when a guest is reset, and DPDK's virtio-user as a server first of all stops the rings of a connection that is new. */
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/fd_kind.h"
#include "vhost/backend_internal.h"

/* Where a message says which ring it is about. */
enum ring_field {
	NO_RING,
	RING_U32, /* the first field of a ring state or of ring addresses */
	RING_U64, /* low bits of a number, with VHOST_USER_VRING_NOFD_MASK */
};

/* What is parked while the handler runs. */
enum parks { PARKS_NOTHING, PARKS_RING, PARKS_ALL };

/* States in which a message is legal. */
enum when {
	ALWAYS = 0,
	FEATURES_KNOWN = 1 << 0, /* after SET_FEATURES */
	RING_STOPPED = 1 << 1,   /* its ring is not in use */
};

/* A bit number plus one. */
#define NEEDS(feature) (VHOST_USER_PROTOCOL_F_##feature + 1)

enum { AS_LONG = UINT8_MAX };

struct message {
	const char *name;
	VHOST_HANDLER((*handler));
	uint16_t size; /* of the payload, plus up to max_items times item_size when that is not 0 */
	uint16_t max_items;
	uint8_t item_size;
	uint8_t min_fds, max_fds;
	uint8_t reply_size; /* 0: no reply of its own, but REPLY_ACK; AS_LONG: of as many bytes as the request */
	uint8_t needs;      /* NEEDS(protocol feature); 0: none */
	bool drops_fds;     /* its descriptors are closed and not used, so they may be anything */
	enum when when;
	enum ring_field ring;
	enum parks parks;
};

#define U64   sizeof(uint64_t)
#define STATE sizeof(struct vhost_vring_state)

static const struct message messages[VHOST_USER_REQUEST_MAX + 1] = {
	[VHOST_USER_GET_FEATURES] = { "GET_FEATURES", vhost_handle_get_features, .reply_size = U64 },
	[VHOST_USER_SET_FEATURES] = { "SET_FEATURES", vhost_handle_set_features, U64, .parks = PARKS_ALL },
	[VHOST_USER_SET_OWNER] = { "SET_OWNER", vhost_handle_set_owner, .size = 0 },
	[VHOST_USER_RESET_OWNER] = { "RESET_OWNER", vhost_handle_reset_owner, .parks = PARKS_ALL },
	[VHOST_USER_SET_MEM_TABLE] = { "SET_MEM_TABLE", vhost_handle_set_mem_table, 8,
				       .item_size = sizeof(struct vhost_user_region),
				       .max_items = VHOST_USER_TABLE_REGIONS_MAX,
				       .max_fds = VHOST_USER_TABLE_REGIONS_MAX, .parks = PARKS_ALL },
	[VHOST_USER_SET_LOG_BASE] = { "SET_LOG_BASE", vhost_handle_set_log_base, sizeof(struct vhost_user_log),
				      .min_fds = 1, .max_fds = 1, .reply_size = U64, .needs = NEEDS(LOG_SHMFD),
				      .parks = PARKS_ALL },
	[VHOST_USER_SET_LOG_FD] = { "SET_LOG_FD", vhost_handle_set_log_fd, .min_fds = 1, .max_fds = 1,
				    .parks = PARKS_ALL },
	[VHOST_USER_SET_VRING_NUM] = { "SET_VRING_NUM", vhost_handle_set_vring_num, STATE, .when = RING_STOPPED,
				       .ring = RING_U32, .parks = PARKS_RING },
	[VHOST_USER_SET_VRING_ADDR] = { "SET_VRING_ADDR", vhost_handle_set_vring_addr, sizeof(struct vhost_vring_addr),
					.ring = RING_U32, .parks = PARKS_RING },
	[VHOST_USER_SET_VRING_BASE] = { "SET_VRING_BASE", vhost_handle_set_vring_base, STATE, .when = RING_STOPPED,
					.ring = RING_U32, .parks = PARKS_RING },
	[VHOST_USER_GET_VRING_BASE] = { "GET_VRING_BASE", vhost_handle_get_vring_base, STATE, .reply_size = STATE,
					.ring = RING_U32, .parks = PARKS_RING },
	[VHOST_USER_SET_VRING_KICK] = { "SET_VRING_KICK", vhost_handle_set_vring_kick, U64, .max_fds = 1,
					.when = FEATURES_KNOWN, .ring = RING_U64, .parks = PARKS_RING },
	[VHOST_USER_SET_VRING_CALL] = { "SET_VRING_CALL", vhost_handle_set_vring_call, U64, .max_fds = 1,
					.ring = RING_U64, .parks = PARKS_RING },
	[VHOST_USER_SET_VRING_ERR] = { "SET_VRING_ERR", vhost_handle_set_vring_err, U64, .max_fds = 1, .ring = RING_U64,
				       .parks = PARKS_RING },
	[VHOST_USER_GET_PROTOCOL_FEATURES] = { "GET_PROTOCOL_FEATURES", vhost_handle_get_protocol_features,
					       .reply_size = U64 },
	[VHOST_USER_SET_PROTOCOL_FEATURES] = { "SET_PROTOCOL_FEATURES", vhost_handle_set_protocol_features,
					       .size = U64 },
	[VHOST_USER_GET_QUEUE_NUM] = { "GET_QUEUE_NUM", vhost_handle_get_queue_num, .reply_size = U64,
				       .needs = NEEDS(MQ) },
	[VHOST_USER_SET_VRING_ENABLE] = { "SET_VRING_ENABLE", vhost_handle_set_vring_enable, STATE, .ring = RING_U32,
					  .parks = PARKS_RING },
	[VHOST_USER_SEND_RARP] = { "SEND_RARP", vhost_handle_send_rarp, U64, .needs = NEEDS(RARP) },
	[VHOST_USER_NET_SET_MTU] = { "NET_SET_MTU", vhost_handle_set_mtu, U64, .needs = NEEDS(MTU) },
	[VHOST_USER_SET_BACKEND_REQ_FD] = { "SET_BACKEND_REQ_FD", vhost_handle_set_backend_req_fd, .min_fds = 1,
					    .max_fds = 1, .needs = NEEDS(BACKEND_REQ) },
	/* Parks what it has to by itself. */
	[VHOST_USER_IOTLB_MSG] = { "IOTLB_MSG", vhost_handle_iotlb_msg, sizeof(struct vhost_iotlb_msg),
				   .needs = NEEDS(BACKEND_REQ) },
	[VHOST_USER_SET_VRING_ENDIAN] = { "SET_VRING_ENDIAN", vhost_handle_set_vring_endian, STATE,
					  .when = RING_STOPPED, .ring = RING_U32 },
	[VHOST_USER_GET_CONFIG] = { "GET_CONFIG", vhost_handle_get_config, VHOST_USER_CONFIG_HEADER, .item_size = 1,
				    .max_items = VHOST_USER_CONFIG_MAX, .reply_size = AS_LONG, .needs = NEEDS(CONFIG) },
	[VHOST_USER_SET_CONFIG] = { "SET_CONFIG", vhost_handle_set_config, VHOST_USER_CONFIG_HEADER, .item_size = 1,
				    .max_items = VHOST_USER_CONFIG_MAX, .needs = NEEDS(CONFIG) },
	/* 20 bytes in the specification, 24 from front-ends */
	[VHOST_USER_GET_INFLIGHT_FD] = { "GET_INFLIGHT_FD", vhost_handle_get_inflight_fd, 20, .item_size = 4,
					 .max_items = 1, .reply_size = AS_LONG, .needs = NEEDS(INFLIGHT_SHMFD),
					 .when = FEATURES_KNOWN },
	[VHOST_USER_SET_INFLIGHT_FD] = { "SET_INFLIGHT_FD", vhost_handle_set_inflight_fd, 20, .item_size = 4,
					 .max_items = 1, .min_fds = 1, .max_fds = 1, .needs = NEEDS(INFLIGHT_SHMFD),
					 .when = FEATURES_KNOWN, .parks = PARKS_ALL },
	[VHOST_USER_RESET_DEVICE] = { "RESET_DEVICE", vhost_handle_reset_device, .needs = NEEDS(RESET_DEVICE),
				      .parks = PARKS_ALL },
	/* Parks the ring when it starts it. */
	[VHOST_USER_VRING_KICK] = { "VRING_KICK", vhost_handle_vring_kick, STATE, .needs = NEEDS(INBAND_NOTIFICATIONS),
				    .when = FEATURES_KNOWN, .ring = RING_U32 },
	[VHOST_USER_GET_MAX_MEM_SLOTS] = { "GET_MAX_MEM_SLOTS", vhost_handle_get_max_mem_slots, .reply_size = U64,
					   .needs = NEEDS(CONFIGURE_MEM_SLOTS) },
	[VHOST_USER_ADD_MEM_REG] = { "ADD_MEM_REG", vhost_handle_add_mem_reg, sizeof(struct vhost_user_mem_reg),
				     .min_fds = 1, .max_fds = 1, .needs = NEEDS(CONFIGURE_MEM_SLOTS),
				     .parks = PARKS_ALL },
	/* Front-ends have sent the region's descriptor along; it is closed unused (vhost-user.rst). */
	[VHOST_USER_REM_MEM_REG] = { "REM_MEM_REG", vhost_handle_rem_mem_reg, sizeof(struct vhost_user_mem_reg),
				     .max_fds = 1, .needs = NEEDS(CONFIGURE_MEM_SLOTS), .parks = PARKS_ALL },
	[VHOST_USER_SET_DEVICE_STATE_FD] = { "SET_DEVICE_STATE_FD", vhost_handle_set_device_state_fd,
					     sizeof(struct vhost_user_transfer), .min_fds = 1, .max_fds = 1,
					     .reply_size = U64, .needs = NEEDS(DEVICE_STATE), .drops_fds = true },
	[VHOST_USER_CHECK_DEVICE_STATE] = { "CHECK_DEVICE_STATE", vhost_handle_check_device_state, .reply_size = U64,
					    .needs = NEEDS(DEVICE_STATE) },
	/* What a ring has popped it has used when it is parked: there is nothing to be waited for, or to be left behind. */
	[VHOST_USER_GET_VRING_BASE_SKIP_DRAIN] = { "GET_VRING_BASE_SKIP_DRAIN", vhost_handle_get_vring_base, STATE,
						   .reply_size = STATE, .needs = NEEDS(GET_VRING_BASE_SKIP_DRAIN),
						   .ring = RING_U32, .parks = PARKS_RING },
	[VHOST_USER_POSTCOPY_ADVISE] = { "POSTCOPY_ADVISE", vhost_handle_postcopy_advise, .needs = NEEDS(PAGEFAULT) },
	[VHOST_USER_POSTCOPY_LISTEN] = { "POSTCOPY_LISTEN", vhost_handle_postcopy_listen, .needs = NEEDS(PAGEFAULT),
					 .parks = PARKS_ALL },
	[VHOST_USER_POSTCOPY_END] = { "POSTCOPY_END", vhost_handle_postcopy_end, .reply_size = U64,
				      .needs = NEEDS(PAGEFAULT), .parks = PARKS_ALL },
	[VHOST_USER_SET_STATUS] = { "SET_STATUS", vhost_handle_set_status, U64, .needs = NEEDS(STATUS) },
	[VHOST_USER_GET_STATUS] = { "GET_STATUS", vhost_handle_get_status, .reply_size = U64, .needs = NEEDS(STATUS) },
};

/* Checks */

static bool size_fits(const struct message *m, uint32_t size)
{
	if (m->item_size == 0)
		return size == m->size;
	return size >= m->size && (size - m->size) % m->item_size == 0 &&
	       (size - m->size) / m->item_size <= m->max_items;
}

/* What a message may carry does not make us wait: not when it is used, and not when it is closed (base/fd_kind.h). */
static int check_descriptors(struct vhost_backend *b)
{
	for (unsigned i = 0; i < b->socket.n_fds; i++)
		if (fd_kind(b->socket.fds[i]) == FD_OTHER)
			return vhost_backend_reason(
			    b, -EPROTO,
			    "descriptor %u could make us wait for others; memory is to be a memfd, or a file of tmpfs, "
			    "hugetlbfs or a local disk (not FUSE, NFS, overlayfs)",
			    i);
	return 0;
}

static int check_form(struct vhost_backend *b, const struct message *m)
{
	const struct vhost_user_header *h = &b->socket.msg.header;
	unsigned n_fds = b->socket.n_fds;
	int err;

	/* "Header": the version, and need_reply; a front-end does not send replies */
	if ((h->flags & ~(uint32_t)VHOST_USER_NEED_REPLY) != VHOST_USER_VERSION)
		return vhost_backend_reason(b, -EPROTO, "flags are %#" PRIx32 " instead of %#x", h->flags,
					    (unsigned)VHOST_USER_VERSION);
	if (!size_fits(m, h->size))
		return vhost_backend_reason(b, -EPROTO, "payload of %" PRIu32 " bytes", h->size);
	if (n_fds < m->min_fds || n_fds > m->max_fds)
		return vhost_backend_reason(b, -EPROTO, "carries %u descriptors instead of %u to %u", n_fds, m->min_fds,
					    m->max_fds);
	err = m->drops_fds ? 0 : check_descriptors(b);
	if (err < 0)
		return err;
	if (m->needs && !(b->protocol_features & (1ull << (m->needs - 1))))
		return vhost_backend_reason(b, -EPROTO, "needs protocol feature %u, which was not negotiated",
					    m->needs - 1u);
	return 0;
}

/* The ring that the message names into *r. */
static int find_ring(struct vhost_backend *b, const struct message *m, struct vhost_ring **r)
{
	const union vhost_user_payload *p = &b->socket.msg.payload;
	uint64_t idx;

	*r = NULL;
	if (m->ring == NO_RING)
		return 0;
	idx = m->ring == RING_U32 ? p->state.index : p->u64 & ~(uint64_t)VHOST_USER_VRING_NOFD_MASK;
	if (idx >= b->n_rings)
		return vhost_backend_reason(b, -EPROTO, "ring %" PRIu64 " of a port that has %u", idx, b->n_rings);
	*r = &b->rings[idx];
	return 0;
}

static int check_state(struct vhost_backend *b, const struct message *m, const struct vhost_ring *r)
{
	if ((m->when & FEATURES_KNOWN) && !b->has_features)
		return vhost_backend_reason(b, -EPROTO, "came before SET_FEATURES");
	if ((m->when & RING_STOPPED) && r && vhost_ring_is_in_use(r))
		return vhost_backend_reason(b, -EPROTO, "ring %u is running", vhost_ring_index(b, r));
	return 0;
}

/* Action */

static int handle(struct vhost_backend *b, const struct message *m, struct vhost_ring *r)
{
	int err;

	if (m->parks == PARKS_ALL)
		vhost_backend_park(b);
	else if (m->parks == PARKS_RING && r)
		gate_park(&r->gate);
	err = m->handler(b, &b->socket.msg.payload, r);
	if (b->features_changed)
		b->ops->features_changed(b->arg);
	b->features_changed = false;
	if (m->parks == PARKS_ALL)
		vhost_backend_unpark(b);
	else if (m->parks == PARKS_RING && r)
		gate_unpark(&r->gate);
	vhost_backend_report_changes(b);
	return err;
}

static int reply(struct vhost_backend *b)
{
	struct vhost_user_msg *msg = &b->socket.msg;
	struct vhost_user_msg answer = { { msg->header.request, VHOST_USER_VERSION | VHOST_USER_REPLY, b->reply_size },
					 msg->payload };
	int err = vhost_socket_send(&b->socket, &answer, &b->reply_fd, b->reply_fd >= 0);

	return err < 0 ? vhost_backend_reason(b, err, "%s", b->socket.error) : 0;
}

/* REPLY_ACK: 0 is success. */
static int acknowledge(struct vhost_backend *b, int err)
{
	if (err < 0)
		log_limited(&b->log_limit, 10, LOG_LEVEL_WARNING, "%s: %s", b->config.socket, b->error);
	b->socket.msg.payload.u64 = (uint64_t)-err;
	b->reply_size = U64;
	return reply(b);
}

static int act(struct vhost_backend *b, const struct message *m)
{
	struct vhost_ring *r;
	int err = check_form(b, m);

	if (err == 0)
		err = find_ring(b, m, &r);
	if (err == 0)
		err = check_state(b, m, r);
	if (err == 0)
		err = handle(b, m, r);
	if (err == 0 && b->has_reply)
		return reply(b);
	if (err == -EPROTO || b->has_reply)
		return err;
	if ((b->socket.msg.header.flags & VHOST_USER_NEED_REPLY) &&
	    (b->protocol_features & (1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK)))
		return acknowledge(b, err);
	return err;
}

int vhost_backend_dispatch(struct vhost_backend *b)
{
	uint32_t request = b->socket.msg.header.request;
	int err;

	if (vhost_postcopy_is_ack(b))
		return vhost_postcopy_take_ack(b);
	if (request > VHOST_USER_REQUEST_MAX || !messages[request].handler)
		return vhost_backend_reason(b, -EPROTO, "message %" PRIu32 " is not known", request);
	b->message_name = messages[request].name;
	b->has_reply = messages[request].reply_size > 0;
	b->reply_size =
	    messages[request].reply_size == AS_LONG ? b->socket.msg.header.size : messages[request].reply_size;
	b->reply_fd = -1;
	err = act(b, &messages[request]);
	if (b->reply_fd >= 0)
		close(b->reply_fd);
	b->message_name = NULL;
	return err;
}
