# SPDX-License-Identifier: Apache-2.0
"""DPDK's testpmd with virtio-user ports, looping frames: a front-end that is not QEMU, without a guest."""

import re
import subprocess

from .process import Process, Skip, eventually, lacking

PROMPT = "testpmd> "
RING_SIZE = 256
MBUF_SIZE = 2048


def mac(port):
    return f"52:54:00:00:00:{port + 1:02x}"


class Testpmd:
    """io mode: what comes in at an even port goes out of the next one, and the other way round, unchanged.

    `ports`: (socket, further arguments of net_virtio_user) each. Forwards after wait() and say("start"). With server=1 it makes the sockets,
    and is ready when somebody has connected to each.
    """

    __test__ = False  # whatever pytest thinks of its name

    def __init__(self, ports, directory, name="testpmd", queues=1, frame_max=1514):
        program = lacking("dpdk-testpmd")
        if program:
            raise Skip(f"no {program}")
        vdevs = [f"--vdev=net_virtio_user{i},path={path},mac={mac(i)},queues={queues},queue_size={RING_SIZE},{args}"
                 for i, (path, args) in enumerate(ports)]
        large = [f"--max-pkt-len={frame_max + 4}", "--enable-scatter"] if frame_max > 1514 else []
        # A receive ring full of them, and a transmit ring of indirect tables with a frame's pieces each: used ones are taken back late.
        mbufs = RING_SIZE * (1 + -(-frame_max // MBUF_SIZE)) * queues * len(ports) + 4096
        # Without hugepages DPDK takes its memory from one memfd, which can be shared as well.
        self.process = Process(
            ["stdbuf", "-oL", "dpdk-testpmd", "--lcores=0@0,1@1", "--no-huge", "--no-shconf", "-m", "512", "--no-pci", "--no-telemetry",
             f"--file-prefix={directory.name}-{name}", *vdevs, "--", "-i", "--forward-mode=io", "--nb-cores=1",
             f"--rxq={queues}", f"--txq={queues}", f"--rxd={RING_SIZE}", f"--txd={RING_SIZE}",
             f"--total-num-mbufs={mbufs}", *large,
             *(f"--eth-peer={i},{mac(i ^ 1)}" for i in range(len(ports)))],
            directory / f"{name}.log", stdin=subprocess.PIPE)

    def wait(self):
        eventually(lambda: self.prompts() or not self.process.running(), timeout=30, what="testpmd is ready")
        assert self.process.running(), self.process.log_tail()

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
        """Frames that came in at (port 0, port 1, ...)."""
        return tuple(int(n) for n in re.findall(r"RX-packets:\s*(\d+)", self.say("show port stats all")))

    def link_is_up(self, port):
        return re.search(r"Link status: (\w+)", self.say(f"show port info {port}")).group(1) == "up"

    def kill(self):
        self.process.kill()
