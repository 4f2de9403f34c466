/* SPDX-License-Identifier: Apache-2.0 */
/* way_out.h - Gets a thread out of a system call in which a peer keeps it waiting.
 *
 * For calls that never wait unless a peer plays tricks: between the two functions a signal of the thread's own timer comes WAY_OUT_MS
 * after the first at the latest, and again and again, so that a call that waits fails with EINTR.
 *
 * The timer is not stopped when the thread leaves, for the next one comes soon: it costs a thread that does this all the time one signal
 * in WAY_OUT_MS, and one that does nothing nothing. So any other call of the thread may find itself interrupted as well, within
 * WAY_OUT_MS of the last leave. */
#ifndef RINGWAY_BASE_WAY_OUT_H
#define RINGWAY_BASE_WAY_OUT_H

enum { WAY_OUT_MS = 10 };

/* Not nested. Any thread; SIGALRM is taken for it. */
void way_out_enter(void);
void way_out_leave(void);

#endif
