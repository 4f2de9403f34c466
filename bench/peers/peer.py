# SPDX-License-Identifier: Apache-2.0
"""What a switch under measurement has to offer.

A peer is started once and frozen (SIGSTOP) while others are measured: so all of them are measured in turn, many times, and
none that polls disturbs the next. The switch runs on core 0, whatever loads it on core 1.
"""

import os
import pathlib
import shutil
import signal
import time

SWITCH_CORE, LOAD_CORE = 0, 1


class Unavailable(Exception):
    """This peer cannot be measured here; says why."""


def on_core(core, *argv):
    return ["taskset", "-c", str(core), *map(str, argv)]


def cpu_s(pids):
    """Seconds on a CPU, all threads."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
            total += int(task.read_text().split()[0])
    return total / 1e9


def wait_for(question, what, timeout=15):
    end = time.monotonic() + timeout
    while not question():
        if time.monotonic() > end:
            raise Unavailable(f"{what} did not come within {timeout} s")
        time.sleep(0.05)


class Peer:
    name = None
    programs = ()  # without them it is not measured

    def __init__(self, lab):
        self.lab = lab
        missing = [p for p in self.programs if not shutil.which(p)]
        if missing:
            raise Unavailable(f"no {missing[0]}")
        self.dir = lab.dir / self.name.replace(" ", "-")
        self.dir.mkdir()
        self.dir.chmod(0o755)
        self.pids = []

    def start(self):
        """Ready to be measured afterwards. Processes are the lab's to end, and their ids in self.pids."""
        raise NotImplementedError

    def freeze(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.05)

    def cpu_s(self):
        return cpu_s(self.pids)


class LoopPeer(Peer):
    """Two vhost-user sockets."""

    sockets = ()
    largest = 65226  # bytes of a frame
    offloads = False  # takes frames to be cut; without, large frames go as they are

    def loop_args(self, row):
        return ["-o"] if row.offload and self.offloads else []


class HostPeer(Peer):
    """Two network namespaces that can reach each other at self.address, the server's."""

    client = server = None  # Netns
    address = "10.77.0.2"
    can_ping = True

    def join(self, a, b):
        """Devices that lie in namespaces (name, Netns) become e0 of the client and of the server."""
        self.client, self.server = self.lab.netns(), self.lab.netns()
        for (device, netns), host, address in ((a, self.client, "10.77.0.1"), (b, self.server, self.address)):
            netns.run(f"ip link set {device} netns {host.name} name e0")
            host.run(f"ip addr add {address}/24 dev e0; ip link set e0 up")
