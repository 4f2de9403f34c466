/* SPDX-License-Identifier: Apache-2.0 */
/* batch.c - Memory of batches. */
#include "packet/batch.h"

#include <stdlib.h>
#include <string.h>

static_assert(sizeof(struct batch) % CACHE_LINE == 0, "aligned_alloc() wants a multiple of the alignment");

struct batch *batch_create(void)
{
	struct batch *b = aligned_alloc(CACHE_LINE, sizeof(*b));

	if (b)
		memset(b, 0, sizeof(*b)); /* and every page is there before the first frame comes */
	return b;
}

void batch_destroy(struct batch *b)
{
	free(b);
}
