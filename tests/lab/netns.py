# SPDX-License-Identifier: Apache-2.0
"""A network namespace: a host of its own."""

import itertools
import os
import subprocess

from .process import IS_ROOT, PATIENCE, Skip

counter = itertools.count()


class Netns:
    def __init__(self, directory):
        if not IS_ROOT:
            raise Skip("only root makes network namespaces")
        self.dir = directory
        self.name = f"ringway-{os.getpid()}-{next(counter)}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.run("ip link set lo up")

    def tap(self, ifname, queues=1):
        """A tap that nobody may use, as an administrator would make one."""
        self.run(f"ip tuntap add dev {ifname} mode tap user nobody vnet_hdr {'multi_queue' if queues > 1 else ''}")

    def run(self, command, check=True, timeout=60):
        argv = ["ip", "netns", "exec", self.name, "sh", "-c", command]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout * PATIENCE)
        if check and done.returncode:
            raise AssertionError(f"{command}: exit status {done.returncode}\n{done.stdout}")
        return done.stdout

    def popen(self, command):
        """A shell command that goes on by itself; its stdout and stderr are for the caller to read."""
        argv = ["ip", "netns", "exec", self.name, "setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", command]
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def delete(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False)
