/* SPDX-License-Identifier: Apache-2.0 */
/* userfault.h - Memory whose missing pages do not simply appear: userfaultfd(2), as far as it is used here.
 *
 * A page of shared memory that nobody has written yet appears, full of zeroes, when it is touched. In a range that is registered it does
 * not. What happens instead is a property of the descriptor: the thread that touched it waits until somebody who reads the
 * descriptor has found the page, or it gets SIGBUS at once (UFFD_FEATURE_SIGBUS). Only accesses of user mode wait, those of the
 * kernel on behalf of a system call fail with EFAULT; so no privilege is needed. */
#ifndef RINGWAY_BASE_USERFAULT_H
#define RINGWAY_BASE_USERFAULT_H

#include <stddef.h>
#include <stdint.h>

/* A new descriptor for ranges of this process, non-blocking. `features`: UFFD_FEATURE_*. Negative errno when the kernel refuses. */
int userfault_open(uint64_t features);
/* Whole pages of one or more mappings. 0 or negative errno. */
int userfault_register(int fd, const void *base, size_t size);
int userfault_unregister(int fd, const void *base, size_t size);
/* Who waits for a page of the range looks again. The range is of the process that opened the descriptor, whoever calls. */
int userfault_wake(int fd, uint64_t addr, uint64_t size);

#endif
