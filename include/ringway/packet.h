/* SPDX-License-Identifier: Apache-2.0 */
/* ringway/packet.h - Ethernet frames and the work left undone in them: checksums, segmentation, coalescing (libringway).
 *
 * A frame is a view. Its first bytes, the head, are a private copy; the payload behind them stays where it is, in a scatter list. What
 * is still to be done to it, a checksum that covers only the pseudo header, a size that has yet to be cut, is described as in
 * virtio_net_hdr (VIRTIO 1.2, 5.1.6). This library checks such requests of senders that are not trusted, finishes the work for
 * receivers that cannot take it undone, and does the reverse for ports without offloads. It never copies payload but where a
 * function says so. Results are Linux's, bit for bit.
 *
 *	rw_offload_check(&f)                              what did the sender ask for, and can it be?
 *	if ((rw_caps_needed(&f) & ~caps) == 0)
 *		write(&f);                                the receiver takes it as it is
 *	else if (rw_fit_begin(fit, &f, caps) > 0)
 *		while ((out = rw_fit_next(fit)))
 *			rw_frame_copy(out, to, n_to);     or rw_frame_finish() and rw_frame_to_iov()
 *
 * Conventions: lengths and offsets are in bytes, from the start of the frame (its destination MAC address); frames have no FCS. Functions
 * that can fail return a negative errno. Fields of packets are in network byte order, struct members in that of the host. Nothing
 * is allocated but by *_create(). All functions may be called by any thread; an object, one thread at a time. Constants,
 * structures and functions that are here keep their meaning within a soname; reserved members are 0 at first. */
#ifndef RINGWAY_PACKET_PUBLIC_H
#define RINGWAY_PACKET_PUBLIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Choose the fastest implementations for this machine. Once, before other functions are used by more than one thread; without it all is
 * as correct, and slower. */
void rw_init(void);

/* ---- Checksums (RFC 1071) ----
 *
 * A sum is a 32-bit value whose halves still have to be folded, in the byte order of memory, so that it is stored as it is on every
 * machine. All implementations give equal results. */

/* Ones'-complement sum of `len` bytes at any address, added to `sum` (0 at first). */
uint32_t rw_csum(const void *buf, size_t len, uint32_t sum);

/* The same, and the bytes are copied to `dst` in the same pass. The ranges do not overlap. */
uint32_t rw_csum_copy(void *dst, const void *src, size_t len, uint32_t sum);

/* Add to `sum` the sum of a piece that begins `off` bytes into the whole: at an odd offset its bytes change places (RFC 1071, 2 (B)). */
uint32_t rw_csum_add_at(uint32_t sum, uint32_t piece, size_t off);

/* The sum in 16 bits, not inverted. */
uint16_t rw_csum_fold(uint32_t sum);

/* The field of TCP, UDP, ICMPv6: the complement, and 0xffff instead of 0 (RFC 768). IPv4's header takes ~rw_csum_fold(sum). */
uint16_t rw_csum_finish(uint32_t sum);

/* The field `csum` after bytes at an even offset with the sum `from` became ones with the sum `to` (RFC 1624, 3, eqn. 3). */
uint16_t rw_csum_update(uint16_t csum, uint32_t from, uint32_t to);

/* Sums of the pseudo headers of IPv4 and IPv6 (RFC 9293, 3.1; RFC 8200, 8.1): `addrs` is source and destination as they lie in the
 * IP header (8 and 32 bytes), `len` the length of the packet behind it, 0..65535 for IPv4. */
uint32_t rw_csum_pseudo4(const void *addrs, uint8_t proto, uint32_t len);
uint32_t rw_csum_pseudo6(const void *addrs, uint8_t proto, uint32_t len);

/* CRC32c of `len` bytes, SCTP's checksum (RFC 9260, appendix A), as it lies in the packet. The field itself counts as 0. */
uint32_t rw_crc32c(const void *buf, size_t len);

/* ---- Frames ---- */

/* What is left undone: the members, flags and types of virtio_net_hdr (VIRTIO 1.2, 5.1.6; tunnels: VIRTIO 1.4, 5.1.6), in host
 * byte order. All 0: nothing. */
struct rw_offload {
	uint8_t flags;            /* RW_NEEDS_CSUM ... */
	uint8_t gso_type;         /* RW_GSO_* */
	uint16_t hdr_len;         /* end of the L4 header; a hint, never trusted */
	uint16_t gso_size;        /* L4 payload per segment; RW_GSO_UDP: IP payload per fragment */
	uint16_t csum_start;      /* the sum begins here and goes on to the end of the frame */
	uint16_t csum_offset;     /* from csum_start: where it is stored */
	uint16_t outer_th_offset; /* in a tunnel: outer UDP header */
	uint16_t inner_nh_offset; /* ... inner IP header */
};

enum {
	RW_NEEDS_CSUM = 1,      /* the field holds the pseudo header's sum and has yet to be completed */
	RW_DATA_VALID = 2,      /* the checksum was verified */
	RW_UDP_TUNNEL_CSUM = 8, /* the outer UDP checksum has to be completed as well */
};

enum {
	RW_GSO_NONE = 0,
	RW_GSO_TCPV4 = 1,
	RW_GSO_UDP = 3, /* to be cut into IP fragments */
	RW_GSO_TCPV6 = 4,
	RW_GSO_UDP_L4 = 5, /* to be cut into datagrams */
	RW_GSO_UDP_TUNNEL_IPV4 = 0x20,
	RW_GSO_UDP_TUNNEL_IPV6 = 0x40,
	RW_GSO_ECN = 0x80,
};

enum {
	RW_FRAME_MIN = 14,    /* shortest frame */
	RW_FRAME_MAX = 65601, /* longest: the largest IPv6 packet behind three VLAN tags */
	RW_HEAD_MIN = 64,     /* a head has all of the frame, or at least this */
	RW_HEAD_MAX = 256,    /* memory that a head has, however long it is */
};

/* One frame: `head`, then the payload. Zero it and set the first six members, and `offload` where there is something. */
struct rw_frame {
	uint8_t *head;           /* [0, head_len) of the frame; RW_HEAD_MAX bytes of memory, nobody else's */
	const struct iovec *iov; /* the rest; its pieces have at least len - head_len bytes behind iov_off */
	uint32_t iov_off;        /* bytes of iov[0] to skip */
	uint32_t len;            /* of the whole frame, RW_FRAME_MIN..RW_FRAME_MAX */
	uint16_t n_iov;
	uint16_t head_len;
	uint16_t user[2]; /* the caller's, never looked at */
	struct rw_offload offload;
	uint8_t reserved[3];
	uint8_t finish;     /* the library's: what rw_frame_copy() and rw_frame_finish() complete */
	uint16_t segs_sent; /* rw_fit_begin() starts behind so many segments */
	uint8_t reserved2[6];
};

/* Make the head at least `n` bytes long (or as long as the frame), by copying from the payload. False when that is more than
 * RW_HEAD_MAX: nothing is changed then. */
bool rw_frame_pull(struct rw_frame *f, unsigned n);

/* The pieces of the whole frame, head first, in `out`, which has room for `max`. Returns how many, 0 when there is not enough room. */
unsigned rw_frame_to_iov(const struct rw_frame *f, struct iovec *out, unsigned max);

/* Sum of [off, len); off <= f->len. */
uint32_t rw_frame_csum(const struct rw_frame *f, uint32_t off);

/* Copy the whole frame to the pieces of `dst`, which have at least f->len bytes in all, and complete in the same pass what rw_fit_next()
 * left for that. n_dst > 0. */
void rw_frame_copy(const struct rw_frame *f, const struct iovec *dst, unsigned n_dst);

/* For writers that do not copy: complete in the head what rw_fit_next() left, or what f->offload asks for (VIRTIO 1.2, 5.1.6.2).
 * The head may grow to hold the field; no other frame may share it. False, and nothing is changed, when the field lies beyond
 * the frame or out of reach of the head. */
bool rw_frame_finish(struct rw_frame *f);

/* ---- Parsing ---- */

enum { RW_L3_NONE, RW_L3_IPV4, RW_L3_IPV6, RW_L3_ARP };

/* struct rw_parsed, flags */
enum {
	RW_PARSE_TRUNCATED = 1,   /* the bytes end before the headers do */
	RW_PARSE_MALFORMED = 2,   /* a header that cannot be */
	RW_PARSE_FRAGMENT = 4,    /* a fragment, or an IPv6 fragment header */
	RW_PARSE_NOT_FIRST = 8,   /* ... not the first: there is no L4 header */
	RW_PARSE_IP_OPTIONS = 16, /* of IPv4 */
	RW_PARSE_EXT_HDR = 32,    /* hop-by-hop, routing, destination options */
	RW_PARSE_AUTH = 64,       /* RFC 4302 */
	RW_PARSE_ND = 128,        /* neighbour discovery (RFC 4861) */
};

/* Offsets are never beyond the end of what was parsed; 0: there is none. */
struct rw_parsed {
	uint16_t ethertype; /* behind all tags; below 0x600 it is an IEEE 802.3 length */
	uint16_t tci[2];    /* of the two outermost 802.1Q tags */
	uint8_t n_tags;     /* 0..2 */
	uint8_t l3;         /* RW_L3_* */
	uint8_t l4_proto;   /* IPPROTO_* */
	uint8_t flags;      /* RW_PARSE_* */
	uint16_t l3_off;
	uint16_t nexthdr_off; /* the byte that names l4_proto */
	uint16_t l4_off;
	uint16_t payload_off; /* behind the last header that was understood */
};

/* Ethernet, 802.1Q, ARP, IPv4, IPv6 with extension headers, TCP, UDP, ICMP: what is in buf[0, len). True when all headers that are
 * known were there and made sense; *p is filled in anyhow. Lengths that packets claim for themselves are not believed, nor checked. */
bool rw_parse(const void *buf, size_t len, struct rw_parsed *p);

/* The inside of VXLAN (RFC 7348) and Geneve (RFC 8926), by UDP's destination port 4789 and 6081. `outer` is rw_parse()'s result for the
 * same bytes. True when there was something that could be parsed: *inner has offsets from the start of the outer frame, *inner_off is
 * where the inner frame begins. */
bool rw_parse_tunnel(const void *buf, size_t len, const struct rw_parsed *outer, struct rw_parsed *inner,
		     uint16_t *inner_off);

/* The Toeplitz hash of receive side scaling (VIRTIO 1.2, 5.1.6.4.3): over addresses, and ports of TCP and UDP outside fragments. */
struct rw_flow_hash;

enum { RW_FLOW_HASH_KEY_LEN = 40 };

/* `key`: RW_FLOW_HASH_KEY_LEN bytes, NULL for Microsoft's. `symmetric`: both directions of a connection get the same; no card
 * computes that. NULL: out of memory. */
struct rw_flow_hash *rw_flow_hash_create(const uint8_t *key, bool symmetric);
void rw_flow_hash_destroy(struct rw_flow_hash *h);

/* Of a frame whose first bytes are `head` and parsed. 0 for what is not IP. */
uint32_t rw_flow_hash(const struct rw_flow_hash *h, const void *head, const struct rw_parsed *p);

/* ---- What a sender asks for ---- */

/* Is f->offload, which came from somebody who is not trusted, something that this frame can carry? The rules are those of Linux for users
 * of a tap device. Then it is made plain: a gso_type says from now on that there is something to cut, and members without a
 * meaning are 0. The head may grow. 0, or -EINVAL: drop the frame. */
int rw_offload_check(struct rw_frame *f);

/* Put `f` into a tunnel: *out is `f` behind the outer_len bytes of headers at `outer`, Ethernet to VXLAN or Geneve; what was left undone is
 * so inside. Payload is shared; `head` is memory of RW_HEAD_MAX bytes for *out. Outer lengths and checksums are filled in, UDP's only
 * if `csum`. 0; -EINVAL: `outer` is not that; -EMSGSIZE: no room in the head, or longer than RW_FRAME_MAX; -EOPNOTSUPP: `f` is in a
 * tunnel, or to be cut in a way that cannot wait: cut it first. */
int rw_offload_encap(struct rw_frame *out, uint8_t *head, const struct rw_frame *f, const void *outer,
		     unsigned outer_len, bool csum);

/* ---- What a receiver takes ---- */

/* Capabilities; in brackets the VIRTIO_NET_F_* that a guest shows them by (VIRTIO 1.2, 5.1.3). All but TUNNEL imply CSUM. */
enum {
	RW_CAP_CSUM = 1,          /* RW_NEEDS_CSUM [GUEST_CSUM] */
	RW_CAP_TSO4 = 2,          /* [GUEST_TSO4] */
	RW_CAP_TSO6 = 4,          /* [GUEST_TSO6] */
	RW_CAP_ECN = 8,           /* the last two with RW_GSO_ECN [GUEST_ECN] */
	RW_CAP_UFO = 16,          /* [GUEST_UFO] */
	RW_CAP_USO4 = 32,         /* [GUEST_USO4] */
	RW_CAP_USO6 = 64,         /* [GUEST_USO6] */
	RW_CAP_TUNNEL = 128,      /* [GUEST_UDP_TUNNEL_GSO] */
	RW_CAP_TUNNEL_CSUM = 256, /* [GUEST_UDP_TUNNEL_GSO_CSUM] */
};

/* The RW_CAP_* that a receiver must have to take `f` as it is; ~0 when no receiver can. */
uint32_t rw_caps_needed(const struct rw_frame *f);

/* A walk over what becomes of one frame for one receiver. */
struct rw_fit;

struct rw_fit *rw_fit_create(void); /* NULL: out of memory */
void rw_fit_destroy(struct rw_fit *fit);

/* Bring `f` to what a receiver with `caps` takes, from segment f->segs_sent on. Segments are cut as Linux cuts them: TCP with ECN, options
 * and extension headers (RFC 9293; RFC 3168, 6.1.2 for CWR; IPv4 identifications count up), UDP as datagrams or fragments
 * (RFC 791, 3.2; RFC 8200, 4.5), both in tunnels. The head of `f` may grow; `f` has to live as long as the walk. Returns how many
 * frames rw_fit_next() will give, 1..2048; -EINVAL: the headers are not what the request says; -EOPNOTSUPP: it would be more, or the
 * headers are longer than 1024 bytes. */
int rw_fit_begin(struct rw_fit *fit, struct rw_frame *f, uint32_t caps);

/* The next one, or NULL. Its payload is f's. Its checksum may still have to be completed: see rw_frame_copy(), rw_frame_finish(). Valid,
 * and its head writable, until the next call. */
struct rw_frame *rw_fit_next(struct rw_fit *fit);

/* ---- Coalescing ---- */

/* Segments of TCP connections and equal datagrams of UDP flows that follow each other become large frames. What comes out and is cut
 * again is what went in. What may merge is what Linux merges. */
struct rw_gro;

/* A frame that is finished: one of those that were pushed, changed if others were merged into it. */
struct rw_gro_out {
	struct rw_frame *frame;
	struct rw_frame *const *pieces; /* what it was made of, itself first */
	unsigned n_pieces;              /* 1..128 */
};

#define RW_GRO_FLUSH_ALL UINT64_MAX

/* `udp`: merge datagrams as well. NULL: out of memory. */
struct rw_gro *rw_gro_create(bool udp);
void rw_gro_destroy(struct rw_gro *g);

/* How many frames can be pushed, 0..256. */
unsigned rw_gro_room(const struct rw_gro *g);

/* Take frames[0..n), n <= rw_gro_room(g). They may be changed, and have to live with their heads and payloads until they came out and were
 * recycled. Their checksums are verified, unless they have RW_DATA_VALID. `now_ns`: any clock, for rw_gro_flush(). */
void rw_gro_push(struct rw_gro *g, struct rw_frame *frames, unsigned n, uint64_t now_ns);

/* Finish all that began at or before `begun_ns`. */
void rw_gro_flush(struct rw_gro *g, uint64_t begun_ns);

/* The next frame that is finished, or NULL. Valid until rw_gro_recycle(). */
const struct rw_gro_out *rw_gro_pop(struct rw_gro *g);

/* All that was popped is done with. Does nothing while something waits to be popped. */
void rw_gro_recycle(struct rw_gro *g);

#ifdef __cplusplus
}
#endif

#endif
