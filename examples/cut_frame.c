/* SPDX-License-Identifier: Apache-2.0 */
/* cut_frame.c - A TCP frame of 4000 bytes, as a guest with TSO hands it over, becomes three for a wire with an MTU of 1500; they are
 * coalesced, and it is back.
 *
 *	cc cut_frame.c $(pkg-config --cflags --libs libringway) && ./a.out */
#include <netinet/in.h>
#include <ringway/packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ETHERNET = 14, IPV4 = 20, TCP = 20, HEADERS = ETHERNET + IPV4 + TCP, PAYLOAD = 4000, MSS = 1460 };

static const uint8_t headers[HEADERS] = {
	0x02, 0,    0,  0,  0,    2,    0x02, 0, 0,  0,           0, 1, 0x08, 0x00, /* Ethernet */
	0x45, 0,    0,  0,  0x12, 0x34, 0x40, 0, 64, IPPROTO_TCP, 0, 0, 10,   0,
	0,    1,    10, 0,  0,    2, /* IPv4 */
	0x30, 0x39, 0,  80, 0,    0,    0,    1, 0,  0,           0, 1, 0x50, 0x18,
	0x10, 0,    0,  0,  0,    0, /* TCP: ACK, PSH */
};

/* The guest fills in the pseudo header's sum and leaves the rest to the device. */
static void make_request(struct rw_frame *f)
{
	uint16_t seed = rw_csum_fold(rw_csum_pseudo4(f->head + ETHERNET + 12, IPPROTO_TCP, TCP + PAYLOAD));

	memcpy(f->head + ETHERNET + IPV4 + 16, &seed, sizeof(seed));
	f->offload = (struct rw_offload){ .flags = RW_NEEDS_CSUM,
					  .gso_type = RW_GSO_TCPV4,
					  .gso_size = MSS,
					  .hdr_len = HEADERS,
					  .csum_start = ETHERNET + IPV4,
					  .csum_offset = 16 };
}

/* Cut it for a receiver that takes nothing undone, into wire[]. Returns how many. */
static int cut(struct rw_frame *f, uint8_t wire[][HEADERS + MSS], struct rw_frame *segments)
{
	struct rw_fit *fit = rw_fit_create();
	struct rw_frame *out;
	int n, i = 0;

	if (!fit)
		abort();
	n = rw_fit_begin(fit, f, 0);
	while ((out = rw_fit_next(fit))) {
		struct iovec to = { wire[i], out->len };

		rw_frame_copy(out, &to, 1);
		segments[i++].len = out->len;
	}
	rw_fit_destroy(fit);
	return n;
}

static int coalesce(struct rw_frame *segments, int n)
{
	struct rw_gro *gro = rw_gro_create(false);
	const struct rw_gro_out *out;
	int n_out = 0;

	if (!gro)
		abort();
	rw_gro_push(gro, segments, (unsigned)n, 0);
	rw_gro_flush(gro, RW_GRO_FLUSH_ALL);
	while ((out = rw_gro_pop(gro))) {
		printf("coalesced from %u: %u bytes, to be cut at %u\n", out->n_pieces, out->frame->len,
		       out->frame->offload.gso_size);
		n_out++;
	}
	rw_gro_recycle(gro);
	rw_gro_destroy(gro);
	return n_out;
}

int main(void)
{
	static uint8_t payload[PAYLOAD], head[RW_HEAD_MAX], heads[3][RW_HEAD_MAX], wire[3][HEADERS + MSS];
	struct iovec iov = { payload, sizeof(payload) }, rest[3];
	struct rw_frame f = { .head = head, .head_len = HEADERS, .len = HEADERS + PAYLOAD, .iov = &iov, .n_iov = 1 };
	struct rw_frame segments[3] = { 0 };
	int n;

	rw_init();
	memcpy(head, headers, HEADERS);
	/* Fewer than RW_HEAD_MIN bytes are too few for a head of a longer frame. */
	rw_frame_pull(&f, 128);
	make_request(&f);
	if (rw_offload_check(&f) != 0)
		return 1;
	printf("the frame asks for capabilities %#x\n", rw_caps_needed(&f));
	n = cut(&f, wire, segments);
	for (int i = 0; i < n; i++) {
		printf("segment %d: %u bytes\n", i, segments[i].len);
		memcpy(heads[i], wire[i], 128);
		rest[i] = (struct iovec){ wire[i] + 128, segments[i].len - 128 };
		segments[i].head = heads[i];
		segments[i].head_len = 128;
		segments[i].iov = &rest[i];
		segments[i].n_iov = 1;
	}
	return n == 3 && coalesce(segments, n) == 1 ? 0 : 1;
}
