/* SPDX-License-Identifier: Apache-2.0 */
/* slow_file.h - A file of FUSE whose server, a process of the test, answers nothing any more once it is open. */
#ifndef RINGWAY_TESTS_SLOW_FILE_H
#define RINGWAY_TESTS_SLOW_FILE_H

#include <sys/types.h>

struct slow_file {
	int fd;       /* the caller's to close, or to give away */
	pid_t server; /* in a user namespace of its own */
};

enum { SLOW_FILE_SIZE = 1 << 20 };

/* 0; -1: nobody may mount FUSE here. */
int slow_file_open(struct slow_file *f);
/* Everybody who waits for an answer gets an error. */
void slow_file_release(struct slow_file *f);

#endif
