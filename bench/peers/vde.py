# SPDX-License-Identifier: Apache-2.0
"""VDE's switch with two taps."""

import subprocess

from .peer import SWITCH_CORE, HostPeer, on_core, wait_for


class Taps(HostPeer):
    name = "VDE"
    programs = ("vde_switch",)

    def start(self):
        netns = self.lab.netns()
        argv = on_core(SWITCH_CORE, "vde_switch", "-s", self.dir / "ctl", "-tap", "va", "-tap", "vb")
        # It ends when its stdin does.
        process = self.lab.process(argv, "vde.log", stdin=subprocess.PIPE, netns=netns.name)
        self.pids = [process.pid]
        wait_for(lambda: "vb" in netns.run("ip -br link"), "VDE's taps")
        self.join(("va", netns), ("vb", netns))
