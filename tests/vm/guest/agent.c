/* SPDX-License-Identifier: Apache-2.0 */
/* agent.c - Runs commands in a test guest for the harness on the host. Process 1 of the guest, after /init.
 *
 * Over a serial line in raw mode, all in ASCII but the bodies:
 *
 *	guest	ready\n				after every boot
 *	host	run ID TIMEOUT_MS LENGTH\n	and LENGTH bytes: a command for /bin/sh
 *	guest	exit ID STATUS LENGTH\n		and LENGTH bytes: its stdout and stderr
 *
 * Commands run at the same time and are answered as they end. STATUS is what a shell would say (128 + signal), 124 when the
 * time ran out: the whole process group is killed then. What a command leaves running in the background of its own is left
 * alone, and keeps the answer waiting only while it holds stdout. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { JOBS_MAX = 32, LINE_LENGTH_MAX = 64, COMMAND_MAX = 1 << 16, OUTPUT_MAX = 4 << 20, TIMED_OUT = 124 };

struct job {
	bool used, ended, timed_out;
	unsigned long id;
	pid_t pid;
	int out; /* its stdout; -1: at its end */
	int status;
	int64_t deadline_ms;
	char *output;
	size_t len;
};

static struct job jobs[JOBS_MAX];
static int line_fd;

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void say(const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(line_fd, data, len);

		if (n < 0 && errno != EINTR)
			return;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
}

static void answer(unsigned long id, int status, const char *output, size_t len)
{
	char head[LINE_LENGTH_MAX];
	int n = snprintf(head, sizeof(head), "exit %lu %d %zu\n", id, status, len);

	say(head, (size_t)n);
	say(output, len);
}

static void start_job(unsigned long id, long timeout_ms, const char *command)
{
	struct job *j = jobs;
	int pipe_fds[2];

	while (j < jobs + JOBS_MAX && j->used)
		j++;
	if (j == jobs + JOBS_MAX || pipe2(pipe_fds, O_CLOEXEC)) {
		answer(id, 126, "agent: too many commands\n", 25);
		return;
	}
	*j = (struct job){ .used = true, .id = id, .out = pipe_fds[0], .deadline_ms = now_ms() + timeout_ms };
	j->output = malloc(OUTPUT_MAX);
	j->pid = fork();
	if (j->pid == 0) {
		setsid();
		int null = open("/dev/null", O_RDONLY);

		dup2(null, 0);
		dup2(pipe_fds[1], 1);
		dup2(pipe_fds[1], 2);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(pipe_fds[1]);
}

/* Complete requests at the front of the buffer are started. Returns how many bytes they were. */
static size_t take_requests(const char *buf, size_t len)
{
	size_t taken = 0;

	for (;;) {
		const char *line = buf + taken, *end = memchr(line, '\n', len - taken);
		unsigned long id, body;
		long timeout_ms;

		if (!end)
			return taken;
		if (sscanf(line, "run %lu %ld %lu", &id, &timeout_ms, &body) != 3 || body >= COMMAND_MAX) {
			taken = (size_t)(end + 1 - buf); /* noise on the line */
			continue;
		}
		if (len - (size_t)(end + 1 - buf) < body)
			return taken;
		char *command = strndup(end + 1, body);

		start_job(id, timeout_ms, command);
		free(command);
		taken = (size_t)(end + 1 - buf) + body;
	}
}

static void read_requests(void)
{
	static char buf[COMMAND_MAX + LINE_LENGTH_MAX];
	static size_t len;
	ssize_t n = read(line_fd, buf + len, sizeof(buf) - 1 - len);

	if (n <= 0)
		return;
	len += (size_t)n;
	buf[len] = 0;
	size_t taken = take_requests(buf, len);

	if (!taken && len == sizeof(buf) - 1)
		taken = len;
	memmove(buf, buf + taken, len - taken);
	len -= taken;
}

static void read_output(struct job *j)
{
	char spill[4096];
	bool full = j->len == OUTPUT_MAX;
	ssize_t n = full ? read(j->out, spill, sizeof(spill)) : read(j->out, j->output + j->len, OUTPUT_MAX - j->len);

	if (n <= 0) {
		close(j->out);
		j->out = -1;
	} else if (!full) {
		j->len += (size_t)n;
	}
}

/* Process 1 inherits every orphan, so most of what ends here is nobody's job. */
static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (struct job *j = jobs; j < jobs + JOBS_MAX; j++) {
			if (!j->used || j->pid != pid)
				continue;
			j->ended = true;
			j->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
	}
}

static void check_job(struct job *j)
{
	if (!j->timed_out && now_ms() >= j->deadline_ms) {
		j->timed_out = true;
		kill(-j->pid, SIGKILL);
		if (j->out >= 0)
			close(j->out);
		j->out = -1;
	}
	if (!j->ended || j->out >= 0)
		return;
	answer(j->id, j->timed_out ? TIMED_OUT : j->status, j->output, j->len);
	free(j->output);
	j->used = false;
}

static void turn(void)
{
	struct pollfd fds[JOBS_MAX + 1] = { { .fd = line_fd, .events = POLLIN } };
	bool idle = true;

	for (int i = 0; i < JOBS_MAX; i++) {
		fds[i + 1] = (struct pollfd){ .fd = jobs[i].used ? jobs[i].out : -1, .events = POLLIN };
		idle = idle && !jobs[i].used;
	}
	poll(fds, JOBS_MAX + 1, idle ? -1 : 20);
	if (fds[0].revents)
		read_requests();
	for (int i = 0; i < JOBS_MAX; i++)
		if (fds[i + 1].revents)
			read_output(&jobs[i]);
	reap();
	for (int i = 0; i < JOBS_MAX; i++)
		if (jobs[i].used)
			check_job(&jobs[i]);
}

static void on_child(int sig)
{
	(void)sig; /* only to end poll() */
}

int main(int argc, char **argv)
{
	struct termios t;

	line_fd = open(argc > 1 ? argv[1] : "/dev/ttyS1", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (line_fd < 0 || tcgetattr(line_fd, &t)) {
		perror("agent");
		return 1;
	}
	cfmakeraw(&t);
	cfsetspeed(&t, B115200);
	tcsetattr(line_fd, TCSANOW, &t);
	tcflush(line_fd, TCIFLUSH);
	struct sigaction on_chld = { .sa_handler = on_child };

	sigaction(SIGCHLD, &on_chld, NULL);
	say("ready\n", 6);
	for (;;)
		turn();
}
