/* SPDX-License-Identifier: Apache-2.0 */
/* process.h - How this process was started. */
#ifndef RINGWAY_DAEMON_PROCESS_H
#define RINGWAY_DAEMON_PROCESS_H

#include "control/api.h"

/* Once, before the sandbox is entered. `argv` stays as it is while the process lives. */
void process_describe(struct api_process *p, int argc, char **argv);

#endif
