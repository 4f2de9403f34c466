/* SPDX-License-Identifier: Apache-2.0 */
/* barrier.h - Loads and stores that other threads, or a guest, see.
 *
 * Memory that a guest shares is read once into a local with read_once() or load_acquire(), checked, and only the local
 * used afterwards: a second read may give another value. The words are those of the C11 model; each use says in a comment
 * which two accesses it orders. All work on naturally aligned integers and pointers of up to 8 bytes. */
#ifndef RINGWAY_BASE_BARRIER_H
#define RINGWAY_BASE_BARRIER_H

#define read_once(p)        __atomic_load_n((p), __ATOMIC_RELAXED)
#define write_once(p, v)    __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define load_acquire(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* Orders a store before it with a load behind it (the one pair that acquire and release leave open). */
#define full_barrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)

/* Tells the core that this is a spin loop. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
