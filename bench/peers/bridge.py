# SPDX-License-Identifier: Apache-2.0
"""The kernel's bridge between two veth pairs. It has no process: its work is done by whoever sends."""

from .peer import HostPeer


class Bridge(HostPeer):
    name = "kernel bridge"
    programs = ("ip",)

    def start(self):
        netns = self.lab.netns()
        netns.run("""
            ip link add br0 type bridge && ip link set br0 up
            for x in a b; do ip link add v$x type veth peer name w$x; ip link set v$x master br0 up; done""")
        # iptables would look at each frame where br_netfilter is there.
        netns.run("sysctl -qw net.bridge.bridge-nf-call-iptables=0", check=False)
        self.join(("wa", netns), ("wb", netns))
