/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_daemon.c - ringway daemon handover
 *
 * The running daemon cannot start a program, its sandbox forbids that. So this does, in the way in which the running one was started,
 * and the two daemons do the rest between them. The new one writes what goes wrong to our stderr, until it takes over the log
 * of the old one as well. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"

enum { PATIENCE_MS = 30000, POLL_MS = 10 };

/* argv of the new daemon: as the old one's, with the run directory, which could be another one in our environment. The texts are
 * those of `status`. */
static char **make_argv(const json_t *status, const char *program)
{
	const json_t *arguments = json_object_get(json_object_get(status, "process"), "arguments");
	const char **argv = calloc(json_array_size(arguments) + 5, sizeof(*argv));
	bool has_run_dir = false;
	const json_t *argument;
	size_t i, n = 0;

	if (!argv)
		return NULL;
	argv[n++] = program;
	json_array_foreach (arguments, i, argument) {
		argv[n++] = json_string_value(argument);
		has_run_dir = has_run_dir || strncmp(argv[n - 1], "--run-dir", strlen("--run-dir")) == 0;
	}
	if (!has_run_dir) {
		argv[n++] = "--run-dir";
		argv[n++] = cli_text(status, "run_dir");
	}
	argv[n++] = "--handover";
	return (char **)argv;
}

/* In the child. It is to outlive this terminal. */
static _Noreturn void become(const char *directory, char **argv)
{
	int null = open("/dev/null", O_RDWR);

	setsid();
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		close(null);
	}
	dup2(STDERR_FILENO, STDOUT_FILENO);
	closefrom(STDERR_FILENO + 1); /* libcurl's sockets are among them */
	if (chdir(directory) == 0)
		execv(argv[0], argv);
	cli_fail("%s: %s", argv[0], strerror(errno));
	_exit(127);
}

static pid_t start(const json_t *status, const char *program)
{
	const char *directory = cli_text(json_object_get(status, "process"), "directory");
	char **argv = make_argv(status, program);
	pid_t pid;

	fflush(NULL);
	pid = argv ? fork() : -1;
	if (pid == 0)
		become(directory, argv);
	if (pid < 0)
		cli_fail("%s cannot be started: %s", program, strerror(errno));
	free(argv);
	return pid;
}

/* The status of the new daemon, once it serves; NULL after a message. */
static json_t *wait_for(struct cli *cli, pid_t pid)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };

	for (unsigned ms = 0; ms < PATIENCE_MS; ms += POLL_MS) {
		struct client_reply reply;
		int ended;

		if (waitpid(pid, &ended, WNOHANG) == pid) {
			cli_fail("process %d ended without taking over; the daemon that ran goes on", (int)pid);
			return NULL;
		}
		if (client_try(cli->client, &reply, "/api/status")) {
			if (cli_number(reply.body, "pid") == pid)
				return reply.body;
			json_decref(reply.body);
		}
		nanosleep(&pause, NULL);
	}
	cli_fail("process %d has not taken over within %d s; it may still do so", (int)pid, PATIENCE_MS / 1000);
	return NULL;
}

static int print(const struct cli *cli, const json_t *status)
{
	const json_t *took_over = json_object_get(status, "took_over");

	if (cli->json)
		return cli_print_json(status);
	printf("Process %lld, ringwayd %s, has taken over from process %lld, ringwayd %s.\n"
	       "No frame moved for %.2f ms.\n",
	       (long long)cli_number(status, "pid"), cli_text(status, "version"),
	       (long long)cli_number(took_over, "pid"), cli_text(took_over, "version"),
	       (double)cli_number(took_over, "pause_ns") / 1e6);
	return CLI_OK;
}

/* What would not work, or not last. */
static int check(const json_t *status)
{
	const json_t *process = json_object_get(status, "process");

	if (!process)
		return cli_fail("ringwayd %s cannot hand over", cli_text(status, "version"));
	if (cli_flag(process, "supervised"))
		return cli_fail("systemd runs this daemon, and would not know of another one: 'systemctl restart' the "
				"service, which keeps the connections as well");
	return CLI_OK;
}

int cmd_daemon_handover(struct cli *cli, const struct cli_args *args)
{
	json_t *status = client_get(cli->client, "/api/status"), *now;
	const char *given = cli_option(args, "exec"), *program;
	char *absolute = given ? realpath(given, NULL) : NULL; /* the new daemon starts in another directory */
	int result = CLI_FAILED;
	pid_t pid;

	if (!status || check(status) != CLI_OK)
		goto release;
	if (given && !absolute) {
		cli_fail("%s: %s", given, strerror(errno));
		goto release;
	}
	program = absolute ? absolute : cli_text(json_object_get(status, "process"), "program");
	pid = start(status, program);
	now = pid > 0 ? wait_for(cli, pid) : NULL;
	if (now)
		result = print(cli, now);
	json_decref(now);
release:
	json_decref(status);
	free(absolute);
	return result;
}
