/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox_seccomp.c - Which system calls each kind of thread may make.
 *
 * The code says beside each use what it calls, in comments that begin with "syscalls"; tools/gen-syscalls makes the lists of them.
 * The comments here are for what no line of ours calls by name: the C library and the libraries of control.
 *
 * A thread that makes another call ends the process with SIGSYS, after a line in the log that names call and thread. Such a
 * thread has a bug or is somebody else's by now. The process can go: its guests attach to the next one and go on.
 *
 * No filter where something else in the process makes calls of its own: sanitizers, valgrind. */
#include <asm/unistd.h>
#include <errno.h>
#include <linux/if_tun.h>
#include <linux/prctl.h>
#include <linux/sockios.h>
#include <linux/userfaultfd.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/log.h"
#include "daemon/sandbox.h"

struct syscall_rule {
	int number; /* negative: this architecture does without */
	unsigned n_args;
	struct scmp_arg_cmp args[6];
};

/* The C library in any thread. Memory, but none that can be executed; locks; time; signals, and the end of a thread:
 *
 * syscalls worker: brk mmap(*,*,!PROT_EXEC) mremap munmap mprotect(*,*,!PROT_EXEC) madvise getrandom
 * futex rseq sched_yield clock_gettime clock_nanosleep nanosleep gettimeofday restart_syscall
 * exit exit_group getpid gettid tgkill rt_sigaction rt_sigprocmask rt_sigreturn */
/* libmicrohttpd, on unix sockets and an epoll set of its own:
 *
 * syscalls control: accept4 recvfrom sendto sendmsg shutdown getsockname setsockopt writev sendfile
 * epoll_create1 epoll_ctl epoll_wait epoll_pwait eventfd2 read close fcntl */
/* stdio, and names of users and groups from files (the C library asks for nscd first):
 *
 * syscalls control: openat newfstatat fstat statx read lseek close socket(AF_UNIX) connect poll ppoll */
/* Credentials of a peer; liburcu; sd_notify(); the end:
 *
 * syscalls control: getsockopt membarrier sendmsg geteuid getuid getegid getgid prlimit64 unlink unlinkat */

#include "syscalls.h"

enum { NUMBERS_MAX = 512 };

static char *names[NUMBERS_MAX]; /* for the handler, which cannot allocate */

static const char *main_thread = "control"; /* for the handler: what this process's first thread is */

static const struct {
	const char *name;
	const struct syscall_rule *rules;
	size_t n_rules;
} filters[] = {
	[SANDBOX_WORKER] = { "worker", worker_rules, ARRAY_SIZE(worker_rules) },
	[SANDBOX_CONTROL] = { "control", control_rules, ARRAY_SIZE(control_rules) },
	[SANDBOX_SPAWNER] = { "spawner", spawner_rules, ARRAY_SIZE(spawner_rules) },
	[SANDBOX_PAGER] = { "pager", pager_rules, ARRAY_SIZE(pager_rules) },
};

/* Not a library: the interrupted code may be inside one. log_error() only formats and writes. */
static void on_sigsys(int signo, siginfo_t *info, void *context)
{
	int number = info->si_syscall;
	const char *name = number >= 0 && number < NUMBERS_MAX && names[number] ? names[number] : "unknown";
	const char *thread = getpid() != gettid() ? "worker" : main_thread;

	(void)context;
	log_error(
	    "sandbox: the %s thread made the system call %s (%d) in a way that no declaration allows: the process "
	    "ends. "
	    "Declarations are comments /* syscalls %s: ... */, see tools/gen-syscalls; --no-sandbox starts without",
	    thread, name, number, thread);
	signal(signo, SIG_DFL);
	tgkill(getpid(), gettid(), signo); /* is delivered when this handler returns, if not before */
}

static void collect_names(void)
{
	for (int i = 0; i < NUMBERS_MAX; i++)
		names[i] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
}

/* Why there can be no filter; NULL: there can. */
static const char *obstacle(void)
{
	const char *preload = getenv("LD_PRELOAD");

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return "a sanitizer is built in";
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
	return "a sanitizer is built in";
#endif
#endif
	if (preload && strstr(preload, "vgpreload"))
		return "this is valgrind";
	if (seccomp_api_get() < 1)
		return "the kernel has no seccomp filters";
	return NULL;
}

bool sandbox_prepare_filters(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };
	const char *why_not = obstacle();

	if (why_not) {
		log_info("system calls are not limited: %s", why_not);
		return false;
	}
	collect_names();
	sigemptyset(&sa.sa_mask);
	return sigaction(SIGSYS, &sa, NULL) == 0;
}

static int add_rule(scmp_filter_ctx ctx, const struct syscall_rule *r)
{
	int err = r->number < 0 ? 0 : seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, r->number, r->n_args, r->args);

	return err == -EEXIST ? 0 : err;
}

int sandbox_load_filter(enum sandbox_thread kind)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int err = ctx ? 0 : -ENOMEM;

	if (kind == SANDBOX_SPAWNER || kind == SANDBOX_PAGER)
		main_thread = filters[kind].name;
	for (size_t i = 0; i < filters[kind].n_rules && err == 0; i++)
		err = add_rule(ctx, &filters[kind].rules[i]);
	/* A binary tree instead of a list: the data path makes few calls, but makes them often. */
	if (err == 0)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (err == 0)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}
