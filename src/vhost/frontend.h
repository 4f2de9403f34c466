/* SPDX-License-Identifier: Apache-2.0 */
/* frontend.h - The front-end side of vhost-user: attaches to a back-end as a guest with a network card would.
 *
 * It has guest memory (a memfd), N queue pairs with the driver side of their rings, and moves frames with their virtio-net
 * header. Tests and load generators drive a port with it instead of a VM. Well-behaved; who wants to misbehave reaches through
 * to the parts: vhost_frontend_request() sends any message, _mem() is the guest's memory, _driver() a ring.
 *
 * Synchronous, one thread. Requests wait for their reply up to a time limit; while they wait they call config.while_waiting, so that a
 * back-end in the same thread can answer. A queue pair may be used by another thread than the next pair.
 *
 *   frontend.c         life cycle: memory, connection, start, stop
 *   frontend_session.c requests and replies, negotiation, telling the back-end about memory and rings
 *   frontend_queue.c   frames
 *   frontend_channel.c what the back-end asks and tells
 *   frontend_iommu.c   the guest's IOMMU */
#ifndef RINGWAY_VHOST_FRONTEND_H
#define RINGWAY_VHOST_FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/virtq_driver.h"
#include "virtio/vnet_hdr.h"

struct vhost_frontend;

struct vhost_frontend_config {
	const char *socket;
	bool server;          /* make the socket and wait for the back-end to connect */
	unsigned queue_pairs; /* 1..VHOST_FRONTEND_PAIRS_MAX */
	uint16_t ring_size;   /* 0: 256 */
	uint64_t features;    /* wanted, of those that are offered */
	/* Bit numbers of enum vhost_user_protocol_feature, wanted; 0 for none (rings are then enabled from the start). */
	uint64_t protocol_features;
	unsigned n_regions; /* the memory is shared in so many pieces, adjacent for the guest; 0: 1 */

	uint32_t
	    rx_buf_size; /* bytes, with header; 0: 2048 with mergeable buffers, else what the largest frame needs */
	uint32_t tx_buf_size; /* bytes, with header; 0: what the largest frame needs */
	/* How frames for the back-end lie in descriptors. */
	bool tx_header_apart; /* the header in a descriptor of its own */
	uint32_t tx_piece;    /* descriptors of at most this many bytes; 0: no limit */
	bool tx_indirect;     /* through indirect tables, when negotiated */
	/* What the back-end asks and tells over a channel is taken in when frames are looked for, on one thread for all pairs.
	 * With VIRTIO_F_ACCESS_PLATFORM and BACKEND_REQ: have an IOMMU between the device and the memory. */
	bool iommu;
	/* With INBAND_NOTIFICATIONS: no eventfds; a kick is a message that waits for its acknowledgement, an interrupt one that is taken in. */
	bool inband;
	/* On a reconnection, name the place that was named before: what DPDK does with split rings and QEMU with packed ones. */
	bool stale_base;
	/* Keep what is in flight for the back-end (GET_INFLIGHT_FD), as Cloud Hypervisor does. */
	bool inflight;
	bool gpa_addresses; /* name addresses of the guest's for rings and memory, when negotiated */

	unsigned timeout_ms;              /* 0: 5000 */
	void (*while_waiting)(void *arg); /* NULL: sleep */
	void *arg;
};

enum { VHOST_FRONTEND_PAIRS_MAX = 16, VHOST_FRONTEND_TX_PIECES_MAX = 64 };

/* Life cycle */

/* Connect and negotiate, share the memory, start and enable all pairs. NULL with the error and a text in err. */
struct vhost_frontend *vhost_frontend_create(const struct vhost_frontend_config *config, int *error, char *err,
					     size_t err_size);
/* Disconnects as a VM that is killed. NULL is fine. */
void vhost_frontend_destroy(struct vhost_frontend *f);

/* Stop the rings in good order (GET_VRING_BASE), and start them again where they were. 0 or negative errno. */
int vhost_frontend_stop(struct vhost_frontend *f);
int vhost_frontend_start(struct vhost_frontend *f);
/* Reset one ring while the others run (VIRTIO_F_RING_RESET), and start it anew with `size` entries, no more than it had at first. Frames that
 * the back-end had not sent yet are gone. */
int vhost_frontend_reset_ring(struct vhost_frontend *f, unsigned ring, uint16_t size);
/* The connection is gone: make a new one and go on with the rings as they are, from what the back-end used last. */
int vhost_frontend_reconnect(struct vhost_frontend *f);

/* Negotiated. */
uint64_t vhost_frontend_features(const struct vhost_frontend *f);
uint64_t vhost_frontend_protocol_features(const struct vhost_frontend *f);
/* Has the back-end closed the connection? */
bool vhost_frontend_is_connected(struct vhost_frontend *f);

/* Frames */

/* Put a frame on its way; `hdr` may be NULL for one without offloads. Visible to the back-end after a flush. -EAGAIN: the ring is full;
 * -EMSGSIZE: larger than tx_buf_size. */
int vhost_frontend_send(struct vhost_frontend *f, unsigned pair, const struct vnet_hdr *hdr, const void *frame,
			size_t len);
/* Publish what was sent, and kick if the back-end wants it. */
void vhost_frontend_flush(struct vhost_frontend *f, unsigned pair);
/* Frames sent that the back-end still has. */
unsigned vhost_frontend_in_flight(struct vhost_frontend *f, unsigned pair);

/* The next frame that came, copied out, its buffers given back. Its length, also when it is longer than `size`, which cuts it;
 * -EAGAIN: there is none; -EPROTO: the back-end broke the rules of virtio. */
long vhost_frontend_receive(struct vhost_frontend *f, unsigned pair, struct vnet_hdr *hdr, void *frame, size_t size);
/* As vhost_frontend_receive(), but throws the frame away: for load. */
long vhost_frontend_discard(struct vhost_frontend *f, unsigned pair);

/* Ask for notifications of received frames and wait for one. 0: there are frames; -EAGAIN: time is up. */
int vhost_frontend_wait(struct vhost_frontend *f, unsigned pair, int timeout_ms);

/* What a guest would see if it looked: interrupts that came for ring `ring` since the last call. */
uint64_t vhost_frontend_interrupts(struct vhost_frontend *f, unsigned ring);

/* The channel */

/* Take in what the back-end has asked and told, and answer. 0 or negative errno. */
int vhost_frontend_serve(struct vhost_frontend *f);
/* Leave it lying. */
void vhost_frontend_set_silent(struct vhost_frontend *f, bool silent);
/* Give the back-end another one. 0 or negative errno. */
int vhost_frontend_renew_channel(struct vhost_frontend *f);
/* Errors that it told of ring `ring` (BACKEND_VRING_ERR). */
unsigned vhost_frontend_errors(const struct vhost_frontend *f, unsigned ring);

/* IOMMU */

/* Questions that came. */
uint64_t vhost_frontend_misses(const struct vhost_frontend *f);
/* Take translations back; they are given again when asked for. */
int vhost_frontend_invalidate(struct vhost_frontend *f, uint64_t iova, uint64_t size);
/* Put a page that the device does not have elsewhere, with what is in it, and leave nothing good where it was. */
int vhost_frontend_move(struct vhost_frontend *f, void *p);
/* The address in guest memory that the device uses for a byte of it, and the guest-physical one. */
uint64_t vhost_frontend_device_addr(const struct vhost_frontend *f, const void *p);
uint64_t vhost_frontend_physical_addr(const struct vhost_frontend *f, const void *p);

/* Underneath */

/* Send a request; `reply` not NULL: wait for its reply of `reply_size` bytes, else for its acknowledgement when REPLY_ACK is
 * negotiated. -EREMOTEIO: the back-end refused; -ETIMEDOUT; -ECONNRESET. */
int vhost_frontend_request(struct vhost_frontend *f, uint32_t request, const void *payload, uint32_t size,
			   const int *fds, unsigned n_fds, void *reply, uint32_t reply_size);
/* Our address of guest memory, its guest address and its size; and the memfd. */
uint8_t *vhost_frontend_mem(struct vhost_frontend *f, uint64_t *guest_addr, size_t *size, int *fd);
/* Ring 2q: receive ring of pair q; 2q + 1: its transmit ring. */
struct virtq_driver *vhost_frontend_driver(struct vhost_frontend *f, unsigned ring);
void vhost_frontend_kick(struct vhost_frontend *f, unsigned ring);

#endif
