/* SPDX-License-Identifier: Apache-2.0 */
/* vhost_peer.h - A front-end that says what a test wants, and a back-end for it to talk to.
 *
 * Both live in the test's one thread: after the front-end has said something, rig_run() lets the back-end act until it has
 * nothing left to do. Nothing here goes through src/vhost/socket.c: what is tested is not its own yardstick. */
#ifndef RINGWAY_TESTS_VHOST_PEER_H
#define RINGWAY_TESTS_VHOST_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include "base/event_loop.h"
#include "vhost/backend.h"
#include "vhost/wire.h"

#define BIT(n) (1ull << (n))

enum {
	PEER_MEM_SIZE = 1 << 20,
	PEER_RING_SIZE = 64,
	PEER_RINGS_MAX = 8,
};
#define PEER_GUEST_ADDR 0x100000000ull
#define PEER_USER_ADDR  0x7f0000000000ull

/* The back-end under test, and what it told. */
struct rig {
	struct event_loop *loop;
	struct vhost_backend *b;
	struct vhost_backend_config config;
	char dir[64];
	char path[108];
	char err[256];
	int error;
	unsigned ring_changed[VHOST_RINGS_MAX], features_changed, state_changed, announced;
	uint8_t announced_mac[6];
	int kick_fd_seen[VHOST_RINGS_MAX]; /* as ring_changed() saw it last; -1: none */
	int fds_before;
};

int rig_setup(void **state);
/* Like rig_setup() without a back-end: for the test to make with its own configuration. */
int rig_setup_bare(void **state);
/* Fails when descriptors or mappings are left. */
int rig_teardown(void **state);
void rig_create(struct rig *rig);
void rig_run(struct rig *rig);

int count_fds(void);
/* Those that came in vain are closed by other threads: soon there are as many as `n` again, and no fewer. */
void wait_for_fds(int n);
/* Mappings of the memory of peers in this process, the peers' own included. */
int count_peer_maps(void);

/* A front-end with 1 MiB of memory, at its start a ring's areas per page pair. */
struct peer {
	int fd;
	int mem_fd;
	uint8_t *mem;
	int kick_fds[PEER_RINGS_MAX], call_fds[PEER_RINGS_MAX];
	bool need_reply;
	uint64_t features, protocol_features;
};

void peer_init(struct peer *p);
void peer_deinit(struct peer *p);
/* Connect, and wait until the back-end has a connection; or do not wait. */
void peer_connect(struct peer *p, const struct rig *rig);
void peer_knock(struct peer *p, const struct rig *rig);

/* Send bytes with descriptors, all at once. False: the other side has closed. */
bool peer_send_bytes(struct peer *p, const void *bytes, size_t len, const int *fds, unsigned n_fds);
bool peer_send(struct peer *p, uint32_t request, uint32_t flags, const void *payload, uint32_t size, const int *fds,
	       unsigned n_fds);
/* What has come already. 1: a message, 0: nothing, -1: the other side has closed. */
int peer_receive(struct peer *p, struct vhost_user_msg *msg);
/* And the descriptor that came with it; -1: none did. */
int peer_receive_fd(struct peer *p, struct vhost_user_msg *msg, int *fd);
/* After a turn of the back-end: has it closed the connection? Messages that come before are thrown away. */
bool peer_has_ended(struct rig *rig, struct peer *p);

/* Requests that must succeed, each with the turns of the back-end that it takes. */
void peer_request(struct rig *rig, struct peer *p, uint32_t request, const void *payload, uint32_t size, const int *fds,
		  unsigned n_fds);
uint64_t peer_get_u64(struct rig *rig, struct peer *p, uint32_t request);
void peer_set_u64(struct rig *rig, struct peer *p, uint32_t request, uint64_t value);
void peer_set_state(struct rig *rig, struct peer *p, uint32_t request, uint32_t index, uint32_t num);
uint32_t peer_get_base(struct rig *rig, struct peer *p, uint32_t index);
void peer_set_fd(struct rig *rig, struct peer *p, uint32_t request, uint32_t index, int fd);
/* `need_reply` is set: the value of the answer. */
uint64_t peer_ask(struct rig *rig, struct peer *p, uint32_t request, const void *payload, uint32_t size, const int *fds,
		  unsigned n_fds);

/* The whole memory as one region. */
struct vhost_user_mem_table peer_table(void);
uint32_t peer_table_size(const struct vhost_user_mem_table *t);
struct vhost_vring_addr peer_ring_addr(uint32_t index);
void peer_set_memory(struct rig *rig, struct peer *p);
void peer_negotiate(struct rig *rig, struct peer *p, uint64_t features, uint64_t protocol_features);
/* From SET_VRING_NUM to SET_VRING_KICK, in the order that QEMU and DPDK use. */
void peer_start_ring(struct rig *rig, struct peer *p, uint32_t index);
/* Connected, negotiated, memory and the rings of one pair running and enabled. */
void peer_start(struct rig *rig, struct peer *p);

#endif
