# SPDX-License-Identifier: Apache-2.0
"""DPDK's testpmd with two virtio-user ports, looping frames: a front-end that is not QEMU, without a guest."""

import re
import subprocess

from .process import Process, Skip, eventually, lacking

MACS = ("52:54:00:00:00:01", "52:54:00:00:00:02")
PROMPT = "testpmd> "


class Testpmd:
    __test__ = False  # whatever pytest thinks of its name
    """io mode: what comes in at one port goes out of the other, unchanged."""

    def __init__(self, sockets, directory, devargs=""):
        program = lacking("dpdk-testpmd")
        if program:
            raise Skip(f"no {program}")
        vdevs = [f"--vdev=net_virtio_user{i},path={path},mac={mac},queues=1,queue_size=1024,{devargs}"
                 for i, (path, mac) in enumerate(zip(sockets, MACS))]
        # Without hugepages DPDK takes its memory from one memfd, which can be shared as well.
        self.process = Process(
            ["stdbuf", "-oL", "dpdk-testpmd", "--lcores=0@0,1@1", "--no-huge", "--no-shconf", "-m", "256", "--no-pci", "--no-telemetry",
             f"--file-prefix={directory.name}", *vdevs, "--", "-i", "--forward-mode=io", "--nb-cores=1",
             "--total-num-mbufs=16384", "--txd=1024", "--rxd=1024", f"--eth-peer=0,{MACS[1]}", f"--eth-peer=1,{MACS[0]}"],
            directory / "testpmd.log", stdin=subprocess.PIPE)
        try:
            eventually(lambda: self.prompts() or not self.process.running(), timeout=30, what="testpmd is ready")
            assert self.process.running(), self.process.log_tail()
        except AssertionError:
            self.process.kill()
            raise

    def prompts(self):
        return self.process.log().count(PROMPT)

    def say(self, command):
        """Types a command, returns what it prints."""
        seen, length = self.prompts(), len(self.process.log())
        self.process.popen.stdin.write(command.encode() + b"\n")
        self.process.popen.stdin.flush()
        eventually(lambda: self.prompts() > seen or not self.process.running(), timeout=20, what=command)
        return self.process.log()[length:]

    def received(self):
        """Frames that came in at (port 0, port 1)."""
        return tuple(int(n) for n in re.findall(r"RX-packets:\s*(\d+)", self.say("show port stats all")))

    def kill(self):
        self.process.kill()
