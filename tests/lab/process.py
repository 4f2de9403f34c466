# SPDX-License-Identifier: Apache-2.0
"""Starting, watching and ending processes."""

import contextlib
import ctypes
import glob
import os
import pathlib
import shutil
import signal
import subprocess
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("RINGWAY_BUILD", TOP / "build")).resolve()
GUEST_DIR = pathlib.Path(os.environ.get("RINGWAY_GUEST", TOP / "build" / "guest")).resolve()

# Sanitizers make everything slower; the limits on waiting are no part of what is tested.
PATIENCE = float(os.environ.get("RINGWAY_PATIENCE", "1"))

IS_ROOT = os.geteuid() == 0


Skip = unittest.SkipTest  # a test cannot run here; says why


def lacking(*programs):
    """The first of these programs that is not installed, or None."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return next((p for p in programs if not shutil.which(p, path=path)), None)


def eventually(question, timeout=10.0, every=0.05, what=None):
    """Asks until the answer is true, and returns it. AssertionError when the time is over."""
    end = time.monotonic() + timeout * PATIENCE
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"did not happen within {timeout} s: {what or question}")
        time.sleep(every)


class Process:
    """One child. Its stderr and stdout go to a log file; it dies with us."""

    def __init__(self, argv, log, as_nobody=False, env=None, pass_fds=(), stdin=subprocess.DEVNULL, netns=None):
        wrapper = ["setpriv", "--pdeathsig", "KILL"]
        if as_nobody and IS_ROOT:
            wrapper += ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
        if netns:
            wrapper = ["ip", "netns", "exec", netns] + wrapper
        self.name = os.path.basename(argv[0])
        self.log_path = pathlib.Path(log)
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(
                wrapper + ["--"] + [str(a) for a in argv],
                stdin=stdin, stdout=out, stderr=out, pass_fds=pass_fds, env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        self.pid = self.popen.pid

    @property
    def status(self):
        return self.popen.returncode

    def running(self):
        return self.popen.poll() is None

    def signal(self, number):
        if self.running():
            self.popen.send_signal(number)

    def wait(self, timeout=10.0):
        return self.popen.wait(timeout * PATIENCE)

    def kill(self):
        """Ends it at once. Fine when it has ended already."""
        self.signal(signal.SIGKILL)
        self.popen.wait()
        if self.popen.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.popen.stdin.close()

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines=25):
        return "\n".join(self.log().splitlines()[-lines:])

    # What it costs

    def cpu_ns(self):
        """Time on a CPU, all threads."""
        return sum(int(pathlib.Path(p).read_text().split()[0]) for p in glob.glob(f"/proc/{self.pid}/task/*/schedstat"))

    def switches(self):
        """How often its threads were put on a CPU: each wake-up is one, at least."""
        total = 0
        for status in glob.glob(f"/proc/{self.pid}/task/*/status"):
            lines = pathlib.Path(status).read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
        return total

    def open_fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class Orphan(Process):
    """A process that another one has left to us: `be_subreaper()` before."""

    def __init__(self, pid, name, log):
        self.pid, self.name, self.log_path = pid, name, pathlib.Path(log)
        self.ended = None

    def running(self):
        if self.ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.ended = os.waitstatus_to_exitcode(status)
        return self.ended is None

    @property
    def status(self):
        return self.ended

    def signal(self, number):
        if self.running():
            os.kill(self.pid, number)

    def wait(self, timeout=10.0):
        try:
            eventually(lambda: not self.running(), timeout)
        except AssertionError:
            raise subprocess.TimeoutExpired(self.name, timeout)
        return self.ended

    def kill(self):
        self.signal(signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait()


def be_subreaper():
    """Descendants whose parent ends become our children: nothing that a test starts gets lost."""
    PR_SET_CHILD_SUBREAPER = 36
    assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
