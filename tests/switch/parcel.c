/* SPDX-License-Identifier: Apache-2.0 */
/* parcel.c - Frames of all kinds, and what may become of them. */
#include "parcel.h"

#include <linux/virtio_net.h>
#include <string.h>

#include "base/compiler.h"
#include "virtio/virtio_compat.h"
#include "wire_check.h"

enum { FRAME_MAX = 65549, BUFFER = 2048, USO_MAX = 128 };

static void make_plain(struct parcel *p, struct rig_random *random)
{
	uint32_t len = 60 + rig_random(random, rig_random(random, 2) ? 1500 : FRAME_MAX - 60);

	p->map = (struct packet_map){ .len = len };
	p->is_ip = false;
	p->offload = (struct offload){ 0 };
	rig_frame(p->frame, len, 0, 0, rig_random(random, 1000));
}

void parcel_make(struct parcel *p, struct rig_random *random, uint8_t dst, uint8_t src)
{
	uint8_t macs[22];
	unsigned kind = rig_random(random, 5);
	struct packet *s = &p->spec;

	*s = (struct packet){
		.v6 = rig_random(random, 2), .udp = rig_random(random, 2), .seq = 0xfffff000, .tcp_flags = 0x18
	};
	s->partial = kind >= 2;
	s->payload_len = rig_random(random, kind == 4 ? 65000 : 1400);
	if (kind == 4) {
		unsigned least = s->udp ? s->payload_len / USO_MAX + 1 : s->payload_len / 150 + 1;

		s->gso_size = (uint16_t)(least + 100 + rig_random(random, 1400));
		if (s->payload_len <= s->gso_size) /* whole, or it would not be left to be cut */
			s->payload_len = s->gso_size + 1u;
	}
	if (kind == 0) {
		make_plain(p, random);
	} else {
		p->map = packet_build(p->frame, s, rig_random(random, 1u << 30), &p->offload);
		p->is_ip = true;
	}
	rig_frame(macs, sizeof(macs), dst, src, 0);
	memcpy(p->frame, macs, 12);
}

unsigned parcel_buffers(const struct parcel *p, bool mergeable)
{
	unsigned whole = mergeable ? (unsigned)p->map.len / BUFFER + 1 : 1;
	unsigned cut = p->offload.gso_size ? p->spec.payload_len / p->offload.gso_size + 1 : 1;

	return MAX(whole, cut);
}

static bool has(uint64_t features, unsigned bit)
{
	return features >> bit & 1;
}

/* VIRTIO 1.2, 5.1.3.1 */
static bool takes_uncut(uint64_t features, const struct parcel *p)
{
	if (!has(features, VIRTIO_NET_F_GUEST_CSUM))
		return false;
	if (p->spec.udp)
		return has(features, p->spec.v6 ? VIRTIO_NET_F_GUEST_USO6 : VIRTIO_NET_F_GUEST_USO4);
	return has(features, p->spec.v6 ? VIRTIO_NET_F_GUEST_TSO6 : VIRTIO_NET_F_GUEST_TSO4);
}

static const char *check_same(const struct parcel *p, const struct vnet_hdr *hdr, const uint8_t *got, size_t len)
{
	struct offload o;

	vnet_hdr_to_offload(hdr, &o);
	if (len != p->map.len || memcmp(got, p->frame, len) != 0)
		return "the frame was changed";
	if (o.gso_type != p->offload.gso_type || o.flags != p->offload.flags || o.gso_size != p->offload.gso_size)
		return "the request was changed";
	if (o.flags && (o.csum_start != p->offload.csum_start || o.csum_offset != p->offload.csum_offset))
		return "the checksum's place was changed";
	return NULL;
}

static void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* What a receiver does with NEEDS_CSUM: the sum over all behind csum_start. */
static void finish_csum(const struct vnet_hdr *hdr, uint8_t *frame, size_t len)
{
	size_t start = le16toh(hdr->csum_start);
	uint32_t sum = 0;

	for (size_t i = start; i < len; i++) {
		sum += (i - start) & 1 ? frame[i] : (uint32_t)frame[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	put16(frame + start + le16toh(hdr->csum_offset), sum ^ 0xffff);
}

/* One that is not to be cut, with its checksum, or a segment with payload from `off`. */
static const char *check_piece(const struct parcel *p, uint64_t features, const struct vnet_hdr *hdr, uint8_t *got,
			       size_t len, size_t off, struct parcel_tally *tally)
{
	const char *fault;
	size_t n = len - p->map.payload;

	if (len < p->map.payload || off + n > p->spec.payload_len)
		return "a piece of the wrong length";
	if (hdr->gso_type != 0)
		return "a piece that is to be cut";
	if (hdr->flags && !has(features, VIRTIO_NET_F_GUEST_CSUM))
		return "a request that the receiver did not offer to take";
	if (hdr->flags == VIRTIO_NET_HDR_F_NEEDS_CSUM)
		finish_csum(hdr, got, len);
	else
		tally->finished++;
	fault = wire_fault(got, len, 0);
	if (fault)
		return fault;
	if (memcmp(got + p->map.payload, p->frame + p->map.payload + off, n) != 0)
		return "payload was changed";
	if (memcmp(got, p->frame, p->map.l3) != 0)
		return "Ethernet header was changed";
	if (!p->spec.udp) {
		uint32_t seq;

		memcpy(&seq, got + p->map.l4 + 4, sizeof(seq));
		if (be32toh(seq) != p->spec.seq + (uint32_t)off)
			return "sequence number";
	}
	return NULL;
}

const char *parcel_check(const struct parcel *p, uint64_t features,
			 long (*next)(void *arg, struct vnet_hdr *hdr, uint8_t *frame, size_t size), void *arg,
			 struct parcel_tally *tally)
{
	static _Thread_local uint8_t got[PACKET_ROOM];
	bool cut = p->offload.gso_size && !takes_uncut(features, p);
	bool finished = p->offload.flags && !has(features, VIRTIO_NET_F_GUEST_CSUM);
	size_t off = 0;

	tally->frames++;
	tally->cut_frames += cut;
	do {
		struct vnet_hdr hdr = { 0 };
		long len = next(arg, &hdr, got, sizeof(got));
		const char *fault;

		if (len < 0)
			return "nothing came";
		if (!cut && !finished) {
			tally->gso_frames += p->offload.gso_size != 0;
			tally->csum_partial += p->offload.flags != 0;
			return check_same(p, &hdr, got, (size_t)len);
		}
		fault = check_piece(p, features, &hdr, got, (size_t)len, off, tally);
		if (fault)
			return fault;
		tally->segments += cut;
		off += (size_t)len - p->map.payload;
		if (cut && (size_t)len - p->map.payload != p->offload.gso_size && off != p->spec.payload_len)
			return "a segment that is not full, before the last";
	} while (off < p->spec.payload_len);
	return NULL;
}
