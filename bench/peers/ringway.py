# SPDX-License-Identifier: Apache-2.0
"""Ringway itself, with the configuration of a beginner, run by an ordinary user."""

from lab.process import BUILD

from .peer import LOAD_CORE, SWITCH_CORE, HostPeer, LoopPeer, Peer, on_core, wait_for


def start(peer, ports, netns=None, **network):
    config = {"networks": [{"name": "lan", "ports": ports, **network}]}
    daemon = peer.lab.daemon(config, netns=netns, wrapper=on_core(SWITCH_CORE))
    peer.pids = [daemon.process.pid]
    return daemon


class Loop(LoopPeer):
    name = "ringway"
    offloads = True

    def start(self):
        daemon = start(self, [{"name": n, "type": "vhost-user"} for n in ("a", "b")])
        self.sockets = [daemon.socket("a"), daemon.socket("b")]


# A frame from each of so many addresses to the first of them: it is learned from, and goes nowhere.
SPEAK = """
import socket, sys, time
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
    s.bind((sys.argv[1], 0))
    for i in range(int(sys.argv[2])):
        s.send(b"\\2\\xaa" + bytes(4) + b"\\2\\xaa" + i.to_bytes(4, "big") + b"\\x88\\xb5" + bytes(46))
        if i % 100 == 0:
            time.sleep(0.001)
"""


class Crowd(LoopPeer):
    """Two ports that are measured among 254 whose guests have nothing to say, and a tap from which 100,000 addresses were learned."""

    name = "of 256 ports"
    offloads = True
    N_PORTS, N_ADDRESSES = 256, 100_000

    def start(self):
        netns = self.lab.netns()
        netns.tap("many")
        names = [f"p{i}" for i in range(self.N_PORTS)]
        ports = [{"name": n, "type": "vhost-user"} for n in names] + [{"name": "many", "type": "tap", "ifname": "many"}]
        self.daemon = start(self, ports, netns.name, fdb_size=4 * self.N_ADDRESSES, fdb_ageing_s=0)
        self.sockets = [self.daemon.socket(n) for n in names[:2]]
        for i in range(2, self.N_PORTS, 2):
            pair = [self.daemon.socket(n) for n in names[i:i + 2]]
            self.lab.process(on_core(LOAD_CORE, BUILD / "vhost-loop", "-I", "-a", i + 1, *pair), f"{names[i]}.log")
        wait_for(lambda: self.daemon.cli("status")["ports_connected"] == self.N_PORTS - 1, "254 guests and a tap", 60)
        netns.run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1; ip link set many up")
        (self.dir / "speak.py").write_text(SPEAK)
        netns.run(f"python3 {self.dir}/speak.py many {self.N_ADDRESSES}")
        wait_for(lambda: self.n_learned() >= 0.999 * self.N_ADDRESSES, "100,000 addresses")

    def n_learned(self):
        return self.daemon.cli("network", "show", "lan")["fdb"]["entries"]


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
