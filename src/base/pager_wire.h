/* SPDX-License-Identifier: Apache-2.0 */
/* pager_wire.h - What control, the spawner and pagers say to each other over stream sockets. Not for others. */
#ifndef RINGWAY_BASE_PAGER_WIRE_H
#define RINGWAY_BASE_PAGER_WIRE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/pager.h"

/* Control to the spawner. */
enum { SPAWNER_START = 1, SPAWNER_END = 2 };
struct spawner_command {
	uint64_t op;
	uint64_t id; /* control's number for the pager; with START comes its end of a socket */
};

/* A pager to control, first of all, with its userfaultfd. */
struct pager_hello {
	int64_t error;       /* negative errno: there is no descriptor, and the process has ended */
	uint64_t base, size; /* address space for memory */
};

/* Control and workers to a pager. With MAP comes the file. */
enum { PAGER_TOUCH = 1, PAGER_MAP = 2, PAGER_UNMAP = 3 };
struct pager_command {
	uint64_t op;
	uint64_t addr, size, offset;
};
static_assert(sizeof(struct pager_command) == 32, "one record, whatever the command");

/* A pager to control: the address of a page that was touched, a uint64_t. */

/* Send a record with a descriptor (-1: none). 0 or negative errno. */
int pager_send(int socket, const void *record, size_t size, int fd, int flags);
/* Receive a record whole; *fd: what came with it, -1: nothing. 0, -ECONNRESET: the other side has closed, or another negative errno. */
int pager_receive(int socket, void *record, size_t size, int *fd);

/* pager_process.c. The process that calls it becomes the spawner of `parent`; serves `socket` and ends. */
__attribute__((noreturn)) void pager_run_spawner(int socket, pid_t parent, void (*confine)(enum pager_role role));

#endif
