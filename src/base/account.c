/* SPDX-License-Identifier: Apache-2.0 */
#include "base/account.h"

#include <assert.h>

#include "base/barrier.h"
#include "base/compiler.h"

_Thread_local struct account *account_of_thread;

void account_open(struct account *account)
{
	account_of_thread = account;
	account_skip();
}

const char *account_stage_name(enum account_stage stage)
{
	static const char *const names[] = {
#define X(constant, name, explanation) name,
		ACCOUNT_STAGES(X)
#undef X
	};
	static_assert(ARRAY_SIZE(names) == N_ACCOUNT_STAGES, "a stage has no name");

	return names[stage];
}

void account_read(const struct account *account, struct account *copy)
{
	*copy = (struct account){ .last = 0 };
	for (unsigned i = 0; i < N_ACCOUNT_STAGES; i++) {
		copy->cycles[i] = read_once(&account->cycles[i]);
		copy->frames[i] = read_once(&account->frames[i]);
	}
	copy->notifications = read_once(&account->notifications);
	copy->notifications_suppressed = read_once(&account->notifications_suppressed);
}
