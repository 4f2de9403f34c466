/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_virtq.c - What a driver writes into its ring, of either kind, while the device turns it round.
 *
 * An input is two bytes that say which features the ring has and how long it is, and then a program: a byte that says what to do,
 * with what it needs behind it. Guest memory is three pages, of which two are adjacent for the guest and none for us; the ring lies in
 * the first one, so that writing to it and to tables and buffers is one and the same. What comes out of the ring has to lie
 * inside these pages, and is read and written as a worker would. */
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../ring/ring_run.h"

enum {
	PAGE = 4096,
	PAGES = 3,
	AVAIL_AT = 1024, /* behind the longest descriptor table */
	USED_AT = 2048,
	SIZE_MAX_HERE = 64,
	MAX_IOV = 80,
	HELD_MAX = SIZE_MAX_HERE,
};

static const uint64_t page_gpa[PAGES] = { 0, PAGE, 5 * PAGE };

enum op { OP_WRITE, OP_POP, OP_PUSH, OP_PUBLISH, OP_UNPOP, OP_NOTIFY, OP_ENABLE, OP_DISABLE, OP_RESTART, N_OPS };

struct input {
	const uint8_t *data;
	size_t left;
};

struct machine {
	struct guest_mem mem;
	uint8_t *page[PAGES];
	struct virtq vq;
	struct virtq_config config;
	enum virtq_dir dir;
	struct virtq_chain held[HELD_MAX];
	unsigned n_held;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static unsigned next_byte(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->data++;
}

static bool inside(const struct machine *m, const struct iovec *v)
{
	for (unsigned i = 0; i < PAGES; i++) {
		uintptr_t off = (uintptr_t)v->iov_base - (uintptr_t)m->page[i];

		if (off < PAGE && v->iov_len <= PAGE - off)
			return true;
	}
	return false;
}

static uint32_t use_pieces(const struct machine *m, const struct iovec *iov, unsigned n)
{
	volatile uint8_t seen = 0;
	uint32_t len = 0;

	for (unsigned i = 0; i < n; i++) {
		uint8_t *base = iov[i].iov_base;

		check(iov[i].iov_len > 0 && inside(m, &iov[i]), "a piece is outside guest memory");
		if (m->dir == VIRTQ_WRITABLE)
			memset(base, 0x55, iov[i].iov_len);
		else
			seen = (uint8_t)(seen ^ base[0] ^ base[iov[i].iov_len - 1]);
		len += (uint32_t)iov[i].iov_len;
	}
	return len;
}

static void do_pop(struct machine *m, unsigned arg)
{
	unsigned max = arg & 0x80 ? arg & 7 : MAX_IOV;
	struct virtq_chain chain = { 0 };
	struct iovec iov[MAX_IOV];
	int err;

	for (unsigned i = 0; i <= arg % 8 && m->n_held < m->config.size; i++) {
		if (arg & 0x40 && max > 0 && ring_run_pop(&m->vq, m->dir, 1 + arg % 8, iov, &chain))
			err = 0;
		else if (virtq_available(&m->vq, 1 + arg % 8) > 0)
			err = virtq_pop(&m->vq, m->dir, iov, max, &chain);
		else
			return;
		check(err == 0 || err == -ENOBUFS || err == -EPROTO, "pop's result");
		check((err == -EPROTO) == (virtq_error(&m->vq) != NULL),
		      "broken without an error, or the other way round");
		if (err == -EPROTO)
			return;
		check(chain.id < m->config.size, "number of the chain");
		check(chain.n_desc >= 1 && chain.n_desc <= m->config.size, "descriptors of the chain");
		check(chain.n_iov <= max && (err == 0 || chain.n_iov == 0), "pieces of the chain");
		check(use_pieces(m, iov, chain.n_iov) == chain.len, "length of the chain");
		m->held[m->n_held++] = chain;
	}
}

static void do_push(struct machine *m, unsigned arg)
{
	for (unsigned i = 0; i <= arg % 8 && m->n_held > 0; i++) {
		const struct virtq_chain *chain = &m->held[--m->n_held];

		if (!(arg & 0x40 && ring_run_push(&m->vq, m->dir, chain, arg)))
			virtq_push(&m->vq, chain, arg);
	}
}

static void do_unpop(struct machine *m)
{
	if (m->n_held == 0)
		return;
	m->n_held--;
	virtq_unpop(&m->vq, m->held[m->n_held].n_desc);
}

static void do_write(struct machine *m, struct input *in)
{
	unsigned where = next_byte(in) << 8;
	unsigned n;

	where = (where | next_byte(in)) % (PAGE * PAGES);
	for (n = next_byte(in); n > 0 && in->left > 0; n--, where = (where + 1) % (PAGE * PAGES))
		m->page[where / PAGE][where % PAGE] = (uint8_t)next_byte(in);
}

/* The driver gets the ring back, and starts it again where it stands. */
static void do_restart(struct machine *m)
{
	while (m->n_held > 0)
		do_push(m, 0);
	virtq_publish(&m->vq);
	virtq_stop(&m->vq);
	check(virtq_available(&m->vq, 1) == 0, "a stopped ring has chains");
	m->config.last_avail = m->vq.last_avail;
	check(virtq_init(&m->vq, &m->config, &m->mem) == 0, "restart");
}

static void run(struct machine *m, struct input *in)
{
	while (in->left > 0) {
		unsigned op = next_byte(in) % N_OPS;

		if (op == OP_WRITE)
			do_write(m, in);
		else if (op == OP_POP)
			do_pop(m, next_byte(in));
		else if (op == OP_PUSH)
			do_push(m, next_byte(in));
		else if (op == OP_PUBLISH)
			virtq_publish(&m->vq);
		else if (op == OP_UNPOP)
			do_unpop(m);
		else if (op == OP_NOTIFY)
			virtq_should_notify(&m->vq);
		else if (op == OP_ENABLE)
			virtq_enable_notify(&m->vq);
		else if (op == OP_DISABLE)
			virtq_disable_notify(&m->vq);
		else
			do_restart(m);
		if (virtq_error(&m->vq))
			check(virtq_available(&m->vq, 1) == 0, "a broken ring has chains");
	}
}

static void set_up(struct machine *m, unsigned features, unsigned size)
{
	bool packed = features & 1;

	check(guest_mem_init(&m->mem) == 0, "memory");
	for (unsigned i = 0; i < PAGES; i++) {
		m->page[i] = aligned_alloc(PAGE, PAGE);
		check(m->page[i] != NULL, "memory");
		memset(m->page[i], 0, PAGE);
		check(guest_mem_add_host(&m->mem, page_gpa[i], page_gpa[i], PAGE, m->page[i]) == 0, "region");
	}
	m->dir = features & 8 ? VIRTQ_WRITABLE : VIRTQ_READABLE;
	m->config = (struct virtq_config){
		.size = (uint16_t)(packed ? 1 + size % SIZE_MAX_HERE : 1u << size % 7),
		.features = 1ull << VIRTIO_F_VERSION_1 | (uint64_t)packed << VIRTIO_F_RING_PACKED |
			    (features & 2 ? 1ull << VIRTIO_RING_F_INDIRECT_DESC : 0) |
			    (features & 4 ? 1ull << VIRTIO_RING_F_EVENT_IDX : 0),
		.desc = m->page[0],
		.avail = m->page[0] + AVAIL_AT,
		.used = m->page[0] + USED_AT,
		.last_avail = packed ? 0x8000 : 0,
	};
	check(virtq_init(&m->vq, &m->config, &m->mem) == 0, "ring");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .data = data, .left = size };
	struct machine m = { .n_held = 0 };
	unsigned features = next_byte(&in);

	set_up(&m, features, next_byte(&in));
	run(&m, &in);
	guest_mem_deinit(&m.mem);
	for (unsigned i = 0; i < PAGES; i++)
		free(m.page[i]);
	return 0;
}
