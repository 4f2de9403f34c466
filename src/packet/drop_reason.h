/* SPDX-License-Identifier: Apache-2.0 */
/* drop_reason.h - Why a frame was dropped: one word per reason, the same in statistics, captures and metrics.
 *
 * X(constant, name shown to users, explanation shown by `ringway stats`). rx reasons are counted at the ingress port, tx
 * reasons at the egress port. Append at the end: the names are an interface. */
#ifndef RINGWAY_PACKET_DROP_REASON_H
#define RINGWAY_PACKET_DROP_REASON_H

#define DROP_REASONS(X)                                                                                    \
	X(NONE, "none", "not dropped")                                                                     \
	X(TOO_SHORT, "too_short", "frame shorter than an Ethernet header")                                 \
	X(TOO_LONG, "too_long",                                                                            \
	  "frame longer than 65601 bytes, or longer than the network's MTU and not to be segmented")       \
	X(BAD_OFFLOAD, "bad_offload", "checksum or segmentation request that does not fit the frame")      \
	X(BAD_SOURCE, "bad_source", "source address is multicast or zero")                                 \
	X(BAD_CHAIN, "bad_chain", "descriptor chain without room for the header, or with too many pieces") \
	X(NO_DESTINATION, "no_destination", "no other port in the network takes it")                       \
	X(HAIRPIN, "hairpin", "destination is behind the port it came from")                               \
	X(RING_FULL, "ring_full", "receiver had no buffer in time")                                        \
	X(NO_ROOM, "no_room", "receiver's buffers are smaller than the frame")                             \
	X(NOT_READY, "not_ready", "receiver is not connected or its driver has not started")               \
	X(UNSUPPORTED, "unsupported", "receiver cannot take it and it cannot be segmented")                \
	X(REFUSED, "refused", "the kernel refused the frame")                                              \
	X(PORT_GONE, "port_gone", "port was deleted or its connection was reset meanwhile")                \
	X(PAUSED, "paused", "receiver stood still while its rings or its memory were changed")

enum drop_reason {
#define X(constant, name, text) DROP_##constant,
	DROP_REASONS(X)
#undef X
	    N_DROP_REASONS
};

/* `reason` < N_DROP_REASONS. Static strings. */
const char *drop_reason_name(enum drop_reason reason);
const char *drop_reason_text(enum drop_reason reason);

#endif
