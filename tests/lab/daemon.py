# SPDX-License-Identifier: Apache-2.0
"""ringwayd under test, and the tool that speaks to it."""

import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import time

from .process import BUILD, IS_ROOT, PATIENCE, Orphan, Process, be_subreaper, eventually


class CliError(Exception):
    def __init__(self, argv, status, stderr):
        super().__init__(f"{' '.join(argv)}: exit status {status}: {stderr}")
        self.status = status
        self.stderr = stderr


class Daemon:
    """Runs as an ordinary user: nobody, when the tests are run by root.

    `config` is the tree of ringway.yaml (JSON is YAML), or text to be written as it is. The binaries are copied next to
    the sockets, where nobody can execute them wherever the build folder is. `build` is where the daemon comes from. The tool comes
    from BUILD, as sanitizers make a short life four times as long; whoever wants another sets `tool`.
    """

    def __init__(self, config, directory, netns=None, wrapper=(), env=None, build=BUILD):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(exist_ok=True)
        self.run_dir = self.dir / "run"
        self.config_path = self.dir / "ringway.yaml"
        self.tool = self.dir / "ringway"
        self.netns, self.wrapper, self.env = netns, list(wrapper), env
        self.process = None
        self.run_dir.mkdir(exist_ok=True)
        shutil.copy(pathlib.Path(build) / "ringwayd", self.dir)
        shutil.copy(BUILD / "ringway", self.tool)
        self.write_config(config)
        if IS_ROOT:
            nobody = pwd.getpwnam("nobody")
            for path in (self.dir, self.run_dir):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
                path.chmod(0o755)

    def write_config(self, config):
        self.config_path.write_text(config if isinstance(config, str) else json.dumps(config, indent=2))
        self.config_path.chmod(0o644)

    # Life

    def start(self):
        argv = self.wrapper + [self.dir / "ringwayd", "-c", self.config_path, "--run-dir", self.run_dir]
        self.process = Process(argv, self.dir / "ringwayd.log", as_nobody=True, netns=self.netns, env=self.env)
        eventually(self.answers, timeout=10, what="ringwayd answers")
        return self

    def answers(self):
        if not self.process.running():
            raise AssertionError(f"ringwayd ended with {self.process.status}:\n{self.process.log_tail()}")
        try:
            self.cli("status")
            return True
        except CliError:
            return False

    def stop(self):
        """Asks it to end and insists on a clean end: leaks that a sanitizer finds show here."""
        if not self.process or not self.process.running():
            return
        self.process.signal(signal.SIGTERM)
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.signal(signal.SIGABRT)
            raise AssertionError(f"ringwayd does not end:\n{self.process.log_tail()}")
        assert status == 0, f"ringwayd ended with {status}:\n{self.process.log_tail(80)}"

    def kill(self):
        if self.process:
            self.process.kill()

    @property
    def log(self):
        return self.process.log()

    def open_fds(self):
        """Of the daemon, without connections of the API, which come and go."""
        def look():
            time.sleep(0.01)
            return self.process.open_fds()

        return min(look() for _ in range(20))

    def handover(self, *options, as_user="nobody"):
        """Has a new process take over, as its user would; returns the tree that the tool prints."""
        be_subreaper()
        argv = [self.dir / "ringway", "--run-dir", self.run_dir, "--json", "daemon", "handover", *options]
        if IS_ROOT and as_user:
            argv = ["setpriv", "--reuid", as_user, "--regid", "nogroup", "--clear-groups", "--", *argv]
        if self.netns:
            argv = ["ip", "netns", "exec", self.netns, *argv]
        done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=40 * PATIENCE,
                              env={**os.environ, **(self.env or {})})
        if done.returncode:
            raise CliError([str(a) for a in argv], done.returncode, done.stderr.strip())
        status = json.loads(done.stdout)
        old, self.process = self.process, Orphan(status["pid"], "ringwayd", self.process.log_path)
        assert old.wait() == 0, old.log_tail()
        return status

    # The tool

    def cli(self, *args, text=False, check=True):
        """Runs `ringway ARGS --json` and returns the tree it prints; its text with `text`."""
        argv = [str(self.tool), "--run-dir", str(self.run_dir), *map(str, args)]
        if not text:
            argv.append("--json")
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20 * PATIENCE)
        if check and done.returncode:
            raise CliError(argv, done.returncode, done.stderr.strip())
        return done.stdout if text else json.loads(done.stdout or "null")

    def socket(self, port):
        return self.run_dir / f"{port}.sock"

    def port(self, name):
        return self.cli("port", "show", name)

    def counters(self, name):
        """{"rx": {...}, "tx": {...}} of one port."""
        return self.cli("stats", name)
