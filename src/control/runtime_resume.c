/* SPDX-License-Identifier: Apache-2.0 */
/* runtime_resume.c - Standing still for another process, see runtime.h. */
#include "control/runtime_priv.h"

void runtime_pause(struct runtime *rt)
{
	for (unsigned i = 0; i < rt->n_workers; i++)
		worker_pause_begin(rt->workers[i]);
	for (unsigned i = 0; i < rt->n_workers; i++)
		worker_pause_wait(rt->workers[i]);
}

void runtime_resume(struct runtime *rt)
{
	for (unsigned i = 0; i < rt->n_workers; i++)
		worker_resume(rt->workers[i]);
}
