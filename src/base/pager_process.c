/* SPDX-License-Identifier: Apache-2.0 */
/* pager_process.c - The spawner and its pagers: what runs in processes of their own.
 *
 * A pager does one thing after the other, in the order in which it is told. While it waits for a page, commands wait in its
 * socket. It is ended by the spawner with SIGKILL, which a thread that waits for a page obeys.
 *
 * Bare mmap(2): ThreadSanitizer would prepare a shadow for all of the address space that is set aside. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/pager_wire.h"
#include "base/userfault.h"

/* syscalls spawner: recvmsg sendmsg close clone wait4 kill prctl getppid getpid gettid set_robust_list rseq rt_sigprocmask
 * rt_sigaction rt_sigreturn tgkill mmap(*,*,!PROT_EXEC) munmap mprotect(*,*,!PROT_EXEC) madvise brk futex seccomp exit exit_group
 * write getrandom */
/* syscalls pager: recvmsg sendto close mmap(*,*,!PROT_EXEC) madvise exit_group rt_sigreturn write getpid gettid tgkill rt_sigaction */

enum {
	SPACE_SHIFT_MAX = 45, /* address space for guest memory, less where that is not to be had */
	SPACE_SHIFT_MIN = 33,
};

struct spawner {
	int fd;
	void (*confine)(enum pager_role role);
	struct child {
		uint64_t id;
		pid_t pid;
	} * children;
	size_t n_children, n_room;
};

/* Die with the process that has started this one. */
static void follow(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
}

static void *map(void *addr, size_t size, int prot, int flags, int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, addr, size, prot, flags | MAP_NORESERVE, fd, offset);
}

/* Pager */

/* Returns when the page is there. */
__attribute__((no_sanitize("thread"))) static void touch(uint64_t addr)
{
	(void)*(const volatile uint8_t *)addr;
}

static bool map_memory(const struct pager_command *c, int fd, int uffd)
{
	void *base = (void *)c->addr;

	if (map(base, c->size, PROT_READ, MAP_SHARED | MAP_FIXED, fd, (off_t)c->offset) == MAP_FAILED)
		return false;
	madvise(base, c->size, MADV_NOHUGEPAGE); /* a huge page has no holes */
	return userfault_register(uffd, base, c->size) == 0;
}

static bool obey(int socket, const struct pager_command *c, int fd, int uffd)
{
	switch (c->op) {
	case PAGER_TOUCH:
		touch(c->addr);
		return send(socket, &c->addr, sizeof(c->addr), MSG_NOSIGNAL) == sizeof(c->addr);
	case PAGER_MAP:
		return map_memory(c, fd, uffd);
	case PAGER_UNMAP:
		return map((void *)c->addr, c->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
		       MAP_FAILED;
	default:
		return false;
	}
}

static void set_space_aside(struct pager_hello *hello)
{
	void *base = MAP_FAILED;
	unsigned shift;

	for (shift = SPACE_SHIFT_MAX; base == MAP_FAILED && shift >= SPACE_SHIFT_MIN; shift--) {
		hello->size = 1ull << shift;
		base = map(NULL, hello->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	if (base == MAP_FAILED)
		hello->error = -ENOMEM;
	hello->base = (uintptr_t)base;
}

static __attribute__((noreturn)) void run_pager(int socket, void (*confine)(enum pager_role role))
{
	struct pager_hello hello = { .error = 0 };
	int uffd = userfault_open(UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MISSING_HUGETLBFS);
	struct pager_command c;
	int fd = -1;

	prctl(PR_SET_NAME, "ringway-pager");
	set_space_aside(&hello);
	if (uffd < 0)
		hello.error = uffd;
	if (pager_send(socket, &hello, sizeof(hello), uffd, MSG_NOSIGNAL) < 0 || hello.error)
		_exit(EXIT_FAILURE);
	if (confine)
		confine(PAGER_PROCESS);
	while (pager_receive(socket, &c, sizeof(c), &fd) == 0 && obey(socket, &c, fd, uffd))
		if (fd >= 0)
			close(fd);
	_exit(EXIT_SUCCESS);
}

/* Spawner */

static void start(struct spawner *s, uint64_t id, int socket)
{
	pid_t pid, self = getpid();

	if (s->n_children == s->n_room) {
		size_t n = s->n_room ? 2 * s->n_room : 16;
		struct child *more = reallocarray(s->children, n, sizeof(*more));

		if (!more)
			return; /* control sees its socket closed */
		s->children = more;
		s->n_room = n;
	}
	pid = fork();
	if (pid == 0) {
		follow(self);
		close(s->fd);
		run_pager(socket, s->confine);
	}
	if (pid > 0)
		s->children[s->n_children++] = (struct child){ id, pid };
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void end_by_id(struct spawner *s, uint64_t id)
{
	for (size_t i = 0; i < s->n_children; i++) {
		if (s->children[i].id != id)
			continue;
		end(s->children[i].pid);
		s->children[i] = s->children[--s->n_children];
		return;
	}
}

/* Signals that are meant for the daemon, from a terminal or a service manager, reach the whole group. */
static void ignore_signals(void)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE };

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGBUS, SIG_DFL); /* a file that was cut short ends the pager */
}

/* All but stderr and the socket, which gets the number behind it. */
static int keep_only(int socket)
{
	int fd = STDERR_FILENO + 1;

	if (socket != fd && dup3(socket, fd, O_CLOEXEC) < 0)
		_exit(EXIT_FAILURE);
	syscall(SYS_close_range, fd + 1, ~0u, 0);
	return fd;
}

void pager_run_spawner(int socket, pid_t parent, void (*confine)(enum pager_role role))
{
	struct spawner s = { .fd = keep_only(socket), .confine = confine };
	struct spawner_command c;
	int fd;

	follow(parent);
	prctl(PR_SET_NAME, "ringway-spawner");
	prctl(PR_SET_DUMPABLE, 0);
	ignore_signals();
	if (confine)
		confine(PAGER_SPAWNER);
	while (pager_receive(s.fd, &c, sizeof(c), &fd) == 0) {
		if (c.op == SPAWNER_START && fd >= 0)
			start(&s, c.id, fd);
		else if (c.op == SPAWNER_END)
			end_by_id(&s, c.id);
		if (fd >= 0)
			close(fd);
	}
	while (s.n_children > 0)
		end(s.children[--s.n_children].pid);
	_exit(EXIT_SUCCESS);
}
