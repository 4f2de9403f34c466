/* SPDX-License-Identifier: Apache-2.0 */
/* drop_reason.c - The table behind drop_reason.h. */
#include "packet/drop_reason.h"

#include <assert.h>

static const struct {
	const char *name, *text;
} reasons[N_DROP_REASONS] = {
#define X(constant, shown, explanation) [DROP_##constant] = { shown, explanation },
	DROP_REASONS(X)
#undef X
};

const char *drop_reason_name(enum drop_reason reason)
{
	assert(reason < N_DROP_REASONS);
	return reasons[reason].name;
}

const char *drop_reason_text(enum drop_reason reason)
{
	assert(reason < N_DROP_REASONS);
	return reasons[reason].text;
}
