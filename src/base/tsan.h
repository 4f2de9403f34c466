/* SPDX-License-Identifier: Apache-2.0 */
/* tsan.h - Tells ThreadSanitizer of an order that it cannot see, because a library that it did not instrument makes it.
 *
 * What a thread did before tsan_release(p) is taken to have happened before what another does after tsan_acquire(p). Nothing in
 * other builds. Each use stands beside the call that really orders. TSAN_IS_ON, 1 or 0, is for tests. */
#ifndef RINGWAY_BASE_TSAN_H
#define RINGWAY_BASE_TSAN_H

#include <stdint.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN_IS_ON 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define TSAN_IS_ON 1
#endif

#if defined(TSAN_IS_ON)
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
#define tsan_acquire(p) __tsan_acquire((void *)(uintptr_t)(p))
#define tsan_release(p) __tsan_release((void *)(uintptr_t)(p))
#else
#define TSAN_IS_ON      0
#define tsan_acquire(p) ((void)(p))
#define tsan_release(p) ((void)(p))
#endif

#endif
