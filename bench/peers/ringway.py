# SPDX-License-Identifier: Apache-2.0
"""Ringway itself, with the configuration of a beginner, run by an ordinary user."""

from .peer import SWITCH_CORE, HostPeer, LoopPeer, Peer, on_core


def start(peer, ports, netns=None):
    config = {"networks": [{"name": "lan", "ports": ports}]}
    daemon = peer.lab.daemon(config, netns=netns, wrapper=on_core(SWITCH_CORE))
    peer.pids = [daemon.process.pid]
    return daemon


class Loop(LoopPeer):
    name = "ringway"
    offloads = True

    def start(self):
        daemon = start(self, [{"name": n, "type": "vhost-user"} for n in ("a", "b")])
        self.sockets = [daemon.socket("a"), daemon.socket("b")]


class Taps(HostPeer):
    name = "ringway"

    def start(self):
        netns = self.lab.netns()
        for name in ("ra", "rb"):
            netns.tap(name)
        start(self, [{"name": n, "type": "tap", "ifname": n} for n in ("ra", "rb")], netns.name)
        self.join(("ra", netns), ("rb", netns))


class Alone(Peer):
    """Not the daemon but its code, in the process that measures it."""

    name = "ringway"

    def start(self):
        pass
