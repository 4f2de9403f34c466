/* SPDX-License-Identifier: Apache-2.0 */
/* ring_run.h - Runs (virtq_run.h) of a single chain, for tests that take one at a time. */
#ifndef RINGWAY_TESTS_RING_RUN_H
#define RINGWAY_TESTS_RING_RUN_H

#include "virtio/virtq_run.h"

static always_inline bool ring_run_pop_kind(struct virtq *vq, const bool packed, enum virtq_dir dir, uint32_t need,
					    struct iovec *iov, struct virtq_chain *chain)
{
	struct virtq_pop_run run;

	if (virtq_pop_begin(&run, vq, packed, 1) == 0 || !virtq_pop_next(&run, dir, need))
		return false;
	virtq_pop_end(&run, vq, 1);
	*iov = (struct iovec){ run.base, run.len };
	*chain = (struct virtq_chain){ .id = run.id, .n_desc = 1, .n_iov = 1, .len = run.len };
	return true;
}

/* False: the next chain is not for a run, and nothing is popped. */
static inline bool ring_run_pop(struct virtq *vq, enum virtq_dir dir, uint32_t need, struct iovec *iov,
				struct virtq_chain *chain)
{
	return vq->packed ? ring_run_pop_kind(vq, true, dir, need, iov, chain)
			  : ring_run_pop_kind(vq, false, dir, need, iov, chain);
}

static always_inline bool ring_run_push_kind(struct virtq *vq, const bool packed, enum virtq_dir dir,
					     const struct virtq_chain *chain, uint32_t len)
{
	struct virtq_push_run run;
	bool may = virtq_push_begin(&run, vq, packed, dir, 1) > 0;

	if (may)
		virtq_push_next(&run, chain->id, len);
	virtq_push_end(&run, vq, may);
	return may;
}

/* False: the chain is not for a run, and nothing is pushed. */
static inline bool ring_run_push(struct virtq *vq, enum virtq_dir dir, const struct virtq_chain *chain, uint32_t len)
{
	if (chain->n_desc != 1 || (dir == VIRTQ_WRITABLE) != (len > 0))
		return false;
	return vq->packed ? ring_run_push_kind(vq, true, dir, chain, len)
			  : ring_run_push_kind(vq, false, dir, chain, len);
}

#endif
