# SPDX-License-Identifier: Apache-2.0
"""DPDK's testpmd with two vhost ports in io mode: what comes in at one goes out at the other, unseen."""

import subprocess
import time

from lab import hugepages

from .peer import LOAD_CORE, SWITCH_CORE, LoopPeer, wait_for


class Loop(LoopPeer):
    name = "testpmd io"
    programs = ("dpdk-testpmd",)

    def start(self):
        hugepages.need(self.lab, 512)
        self.sockets = [self.dir / "v0.sock", self.dir / "v1.sock"]
        argv = ["dpdk-testpmd", f"--lcores=0@{LOAD_CORE},1@{SWITCH_CORE}", "--in-memory", "--single-file-segments", "--no-pci",
                "-m", "512", f"--file-prefix={self.lab.dir.name}"]
        argv += [f"--vdev=net_vhost{i},iface={s},queues=1" for i, s in enumerate(self.sockets)]
        argv += ["--", "-i", "--forward-mode=io", "--nb-cores=1", "--total-num-mbufs=32768"]
        process = self.lab.process(argv, "testpmd.log", stdin=subprocess.PIPE)
        self.pids = [process.pid]
        wait_for(lambda: all(s.exists() for s in self.sockets), "testpmd's sockets")
        process.popen.stdin.write(b"start\n")
        process.popen.stdin.flush()
        time.sleep(0.5)
