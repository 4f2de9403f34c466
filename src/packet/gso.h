/* SPDX-License-Identifier: Apache-2.0 */
/* gso.h - Cut one frame into segments, as Linux does it. Internal to src/packet: offload_fit() is the way in.
 *
 * gso_begin() parses the headers once, copies them to fit->head and takes out of them, and of their checksums, what changes from
 * segment to segment. gso_next() then writes the changing fields in place and moves the slice of payload on; it reads no payload
 * and computes no sum over headers again. What changes:
 *
 *   IPv4           total length, identification (+1 per segment, with or without DF), header checksum
 *   IPv6           payload length
 *   TCP            sequence number; FIN and PSH only on the last, CWR only on the first segment; checksum
 *   UDP (USO)      length, checksum
 *   UFO            fragment offset, more-fragments bit; identification stays; checksum once, over the whole datagram
 *   outer headers  the same for the outer IP header; outer UDP length and checksum
 *
 * Checksums of TCP and UDP are prepared only: the field gets the sum of the pseudo header with the new length, the payload is
 * summed when somebody copies it. The field is derived from what the sender put there, not from addresses, so a wrong
 * seed yields wrong segments and a right one is right also behind a routing header. */
#ifndef RINGWAY_PACKET_GSO_H
#define RINGWAY_PACKET_GSO_H

#include "packet/offload_fit.h"
#include "packet/parse.h"

/* Prepare to cut `f`, for a receiver that takes unfinished checksums or does not. 0, or -(enum drop_reason). */
int gso_begin(struct offload_fit *fit, struct frame *f, bool receiver_sums);

/* Make fit->out segment fit->seg_idx, which is to be below fit->n_segs. */
void gso_next(struct offload_fit *fit);

/* By kind. *_begin: fit->head has the headers, parsed in *p, and mss and payload_off are set. *_patch: write what is the segment's into
 * fit->head; `len` is the length of the segment in bytes, from Ethernet on. */
void gso_tcp_begin(struct offload_fit *fit, const struct parsed *p);
void gso_tcp_patch(struct offload_fit *fit, uint32_t len);

void gso_udp_begin(struct offload_fit *fit, const struct parsed *p);
void gso_udp_patch(struct offload_fit *fit, uint32_t len);

/* UFO. Patched before the IP header, whose checksum covers the fragment offset. `f` is told its identification. */
void gso_frag_begin(struct offload_fit *fit, struct frame *f, const struct parsed *p);
void gso_frag_patch(struct offload_fit *fit);

/* Outer UDP. Patched after the inner headers, which its checksum covers. */
void gso_tunnel_begin(struct offload_fit *fit);
void gso_tunnel_patch(struct offload_fit *fit, uint32_t len);

/* IP headers, outermost first. */
void gso_ip_begin(struct offload_fit *fit, const struct parsed *p);
void gso_ip_patch(struct offload_fit *fit, const struct fit_ip *ip, uint32_t len);

static inline bool gso_is_last(const struct offload_fit *fit)
{
	return fit->seg_idx + 1 == fit->n_segs;
}

#endif
