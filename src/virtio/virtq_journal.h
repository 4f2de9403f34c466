/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_journal.h - Where a packed ring stands, in memory that outlives this process.
 *
 * A split ring says in guest memory how far it was used, so whoever takes it over after a kill goes on from there. A packed one
 * does not: how long a used chain was is known to the driver alone, and a batch that was pushed and not published has overwritten
 * descriptors already. Front-ends do not know either, and after a lost connection name a place from long ago (docs/protocol.md,
 * "Restart"). So the device writes one word before each push, and one after each publication. All stores of a process that is
 * killed have happened, up to some instruction, so their order is all that counts.
 *
 * Resuming finishes what was begun: the last push is repeated, and what was pushed is published. No chain is lost or used twice.
 *
 * Whether the journal is about this ring, and not one that was set up anew at the same addresses, shows in the ring. The driver
 * clears the device's event area when it sets up a ring, and no device of ours leaves a 0 there. But QEMU writes there as well while
 * it has no back-end, so the descriptors are asked, too: the last one that was used, and the one to go on from.
 *
 * The file may be another process's to write: nothing in it is believed, and each field is read once. A front-end that keeps what is in
 * flight itself (virtq_inflight.h) needs no journal. */
#ifndef RINGWAY_VIRTIO_VIRTQ_JOURNAL_H
#define RINGWAY_VIRTIO_VIRTQ_JOURNAL_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/barrier.h"
#include "base/compiler.h"

struct virtq_config;

enum { VIRTQ_JOURNAL_VERSION = 1, VIRTQ_JOURNAL_SIZE = 64 };

/* Zeroed: about no ring. */
struct virtq_journal {
	uint64_t push;       /* the last push, written before it: place 16, id 15, n_desc 16, length 17 bits; 0: none */
	uint16_t published;  /* a place, written after publication */
	uint16_t begun;      /* a place: what the front-end named when the ring was started */
	uint16_t size;       /* of the ring */
	uint16_t version;    /* written last: VIRTQ_JOURNAL_VERSION, or 0 */
	uint64_t ring;       /* the front-end's address of the descriptors */
	uint64_t padding[5]; /* to a cache line, which belongs to the ring's worker */
};
static_assert(sizeof(struct virtq_journal) == VIRTQ_JOURNAL_SIZE, "part of the format");

/* The stores before it happen before the stores behind it, as seen by whoever comes after this process. */
static always_inline void virtq_journal_order(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static always_inline uint64_t virtq_journal_word(uint16_t pos, uint16_t id, uint16_t n_desc, uint32_t len)
{
	return pos | (uint64_t)id << 16 | (uint64_t)n_desc << 31 | (uint64_t)len << 47;
}

static always_inline void virtq_journal_push(struct virtq_journal *j, uint16_t pos, uint16_t id, uint16_t n_desc,
					     uint32_t len)
{
	const uint32_t len_max = (1u << 17) - 1; /* more than any frame */

	write_once(&j->push, virtq_journal_word(pos, id, n_desc, unlikely(len > len_max) ? len_max : len));
	virtq_journal_order();
}

static always_inline void virtq_journal_publish(struct virtq_journal *j, uint16_t pos)
{
	virtq_journal_order();
	write_once(&j->published, pos);
}

/* Control, with the ring parked. `config` has the areas and the size, `ring` is the front-end's address of the descriptors, `begun` the
 * place that it named. */

/* Is the journal about this ring? Then finish what was begun in it and give the place to go on from. */
bool virtq_journal_resume(struct virtq_journal *j, const struct virtq_config *config, uint64_t ring, uint16_t begun,
			  uint16_t *pos);
/* Begin with a ring in which nothing is pushed, at place `begun`. */
void virtq_journal_begin(struct virtq_journal *j, const struct virtq_config *config, uint64_t ring, uint16_t begun);
/* The front-end has been told where the ring stands. */
void virtq_journal_end(struct virtq_journal *j);

#endif
