/* SPDX-License-Identifier: Apache-2.0 */
/* test_sandbox.c - What each kind of thread may still call, and how it ends when it calls something else.
 *
 * Each call is made by a child process that has loaded the filter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"
#include "daemon/sandbox.h"

static int call_nothing(void)
{
	return 0;
}

static int call_write(void)
{
	return write(STDOUT_FILENO, "", 0) == 0 ? 0 : 1;
}

static int call_mmap(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED ? 0 : 1;
}

static int call_mmap_exec(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static int call_unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) < 0;
}

static int call_netlink_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0) < 0;
}

static int call_packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) < 0;
}

static int call_execve(void)
{
	char *const argv[] = { NULL };

	return execve("/bin/true", argv, argv);
}

static int call_fork(void)
{
	return fork() < 0;
}

static int call_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0;
}

static const struct {
	const char *name; /* in the log; "": no system call of interest */
	int (*call)(void);
	bool worker, control; /* allowed? */
} cases[] = {
	{ "", call_nothing, true, true },
	{ "write", call_write, true, true },
	{ "mmap", call_mmap, true, true },
	{ "mmap", call_mmap_exec, false, false },
	{ "socket", call_unix_socket, false, true },
	{ "socket", call_netlink_socket, false, false },
	{ "socket", call_packet_socket, false, false },
	{ "execve", call_execve, false, false },
	{ "clone", call_fork, false, false },
	{ "ptrace", call_ptrace, false, false },
};

/* The wait status of a child that loads the filter and calls; what it wrote to stderr. */
static int run_child(enum sandbox_thread kind, int (*call)(void), char *text, size_t size)
{
	int pipe_fds[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(pipe_fds[1], STDERR_FILENO);
		if (!sandbox_prepare_filters() || sandbox_load_filter(kind))
			_exit(2);
		_exit(call());
	}
	close(pipe_fds[1]);
	n = read(pipe_fds[0], text, size - 1);
	text[MAX(n, 0)] = '\0';
	close(pipe_fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void check(size_t i, enum sandbox_thread kind, bool allowed)
{
	char text[1024];
	int status = run_child(kind, cases[i].call, text, sizeof(text));

	print_message("%s, %s: status %#x %s\n", kind == SANDBOX_WORKER ? "worker" : "control", cases[i].name, status,
		      text);
	if (allowed) {
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
		return;
	}
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
	assert_non_null(strstr(text, cases[i].name));
}

static void test_calls(void **state)
{
	(void)state;
	if (!sandbox_prepare_filters())
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		check(i, SANDBOX_WORKER, cases[i].worker);
		check(i, SANDBOX_CONTROL, cases[i].control);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
