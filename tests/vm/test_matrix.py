# SPDX-License-Identifier: Apache-2.0
"""Every kind of ring that a front-end can ask for, each moving payload that is compared with what was sent.

    guest a: eth0, eth1, ...  ---ringwayd, network lanI---  guest b: eth0, eth1, ...
    vhost-pair  ---ringwayd, network eastI---  testpmd, from one port to the next  ---ringwayd, network westI---  vhost-pair

Each network joins two kinds. Every day as few of them as have each choice together with each other one; RINGWAY_FULL=1 takes all.
"""

import collections
import itertools
import os
import subprocess

import pytest

from lab import BUILD, Lab, Nic, eventually
from lab.transfer import MB, Counted, tcp, udp

# What there is to choose; how QEMU's virtio-net-pci is told, and DPDK's net_virtio_user; what the daemon then shows as negotiated
# ("-": it must not). None: not to be had from this front-end.
Choice = collections.namedtuple("Choice", "axis value qemu dpdk negotiated")
CHOICES = [
    Choice("ring", "split", "packed=off", "packed_vq=0", "version_1 -ring_packed"),
    Choice("ring", "packed", "packed=on", "packed_vq=1", "version_1 ring_packed"),
    Choice("ring", "legacy", "disable-modern=on,disable-legacy=off", None, "-version_1 -ring_packed"),  # DPDK: has to be modern
    Choice("buffers", "mergeable", "mrg_rxbuf=on", "mrg_rxbuf=1", "mrg_rxbuf"),
    Choice("buffers", "whole", "mrg_rxbuf=off", "mrg_rxbuf=0", "-mrg_rxbuf"),
    Choice("order", "any", "", "in_order=0", "-in_order"),
    Choice("order", "as given", None, "in_order=1", "in_order"),  # QEMU: not in 7.2
    Choice("tables", "indirect", "indirect_desc=on", "", "indirect_desc"),
    Choice("tables", "none", "indirect_desc=off", None, "-indirect_desc"),  # DPDK: uses them where it can
    Choice("events", "index", "event_idx=on", None, "event_idx"),  # DPDK: does not know them
    Choice("events", "flags", "event_idx=off", "", "-event_idx"),
    Choice("queues", "1", "", "", ""),
    Choice("queues", "4", "", "", "mq"),  # as many as the port has
]
SIDES = ("east", "west")
N_FRAMES = 5000  # in each direction
FULL = bool(os.environ.get("RINGWAY_FULL"))


class Kind:
    """One choice of each axis."""

    def __init__(self, choices):
        self.choices = choices
        self.values = {c.axis: c.value for c in choices}
        self.queues = int(self.values["queues"])

    def __str__(self):
        return "/".join(self.values.values())

    def options(self, front_end):
        return ",".join(filter(None, (getattr(c, front_end) for c in self.choices)))

    def pairs(self):
        return set(itertools.combinations(self.choices, 2))

    def assert_negotiated(self, daemon, port):
        features = daemon.port(port)["features"]
        for feature in " ".join(c.negotiated for c in self.choices).split():
            wanted = not feature.startswith("-")
            assert (feature.lstrip("-") in features) == wanted, f"{port} ({self}): {feature}, {features}"


def all_kinds(front_end):
    axes = {}
    for choice in CHOICES:
        if getattr(choice, front_end) is not None:
            axes.setdefault(choice.axis, []).append(choice)
    return [Kind(choices) for choices in itertools.product(*axes.values())]


def pruned(kinds):
    """Some of them, with every pair of choices that occurs: always the one that adds most."""
    chosen, missing = [], set().union(*(k.pairs() for k in kinds))
    while missing:
        best = max(kinds, key=lambda k: len(k.pairs() & missing))
        missing -= best.pairs()
        chosen.append(best)
    return chosen


def joined(kinds):
    """[(kind, another one), ...]; an odd one is joined with the first."""
    half = (len(kinds) + 1) // 2
    return list(zip(kinds[:half], (kinds + kinds)[half:]))


def to_join(front_end):
    kinds = all_kinds(front_end)
    return kinds if FULL else pruned(kinds)


def names(pairs):
    return [f"{one}-{other}" for one, other in pairs]


def vhost_user(name, queues=1):
    return {"name": name, "type": "vhost-user", "queues": queues}


@pytest.mark.parametrize("front_end,n", [("qemu", 48), ("dpdk", 16)])
def test_table_is_complete(front_end, n):
    kinds = all_kinds(front_end)
    assert len(kinds) == n
    assert set().union(*(k.pairs() for k in pruned(kinds))) == set().union(*(k.pairs() for k in kinds))


# QEMU: guests that offer every offload, so that frames cross whole whatever ring they come from.

QEMU_LANS = joined(to_join("qemu"))
# Four datagrams under way in three fragments each: a ring with neither mergeable buffers nor tables has 13 buffers.
UDP_SIZES = (18, 1472, 4000)


@pytest.fixture(scope="module")
def guests(module_lab):
    class Net:
        pass

    net = Net()
    sides = dict(zip("ab", zip(*QEMU_LANS)))
    net.daemon = module_lab.daemon({"networks": [
        {"name": f"lan{i}", "ports": [vhost_user(f"{side}{i}", sides[side][i].queues) for side in "ab"]}
        for i in range(len(QEMU_LANS))
    ]})
    for place, (side, kinds) in enumerate(sides.items(), 1):
        nics = [Nic(net.daemon.socket(f"{side}{i}"), f"52:54:00:{place:02x}:00:{i + 1:02x}", kind.options("qemu"), kind.queues)
                for i, kind in enumerate(kinds)]
        # A card without mergeable buffers keeps up to 64 KiB for each of its descriptors.
        setattr(net, side, module_lab.guest(nics, side, wait=False, memory_mb=1024 if FULL else 512))
    for place, side in enumerate("ab", 1):
        guest = getattr(net, side)
        guest.wait_boot()
        for i, kind in enumerate(sides[side]):
            guest.address(i, f"10.2.{i}.{place}/24", f"fd02:{i}::{place}/64")
            if kind.queues > 1:
                guest.run(f"ethtool -L eth{i} combined {kind.queues}")
                eventually(lambda: net.daemon.port(f"{side}{i}")["queues_active"] == kind.queues, what=f"queues of {side}{i}")
    return net


@pytest.mark.parametrize("i", range(len(QEMU_LANS)), ids=names(QEMU_LANS))
def test_guests(guests, i):
    a, b = f"a{i}", f"b{i}"
    assert guests.a.ping(f"10.2.{i}.2")
    for port, kind in zip((a, b), QEMU_LANS[i]):
        kind.assert_negotiated(guests.daemon, port)
    with Counted(guests.daemon, a, b) as counted:
        # Several connections at once, in both directions: of more than one queue, more than one is used.
        more = [(guests.b.submit(f"xfer recv {port}", 60), guests.a.submit(f"xfer send 10.2.{i}.2 {port} 1000000 {port}", 60))
                for port in range(6000, 6003)]
        tcp(guests.b, guests.a, f"10.2.{i}.1", 4 * MB)
        tcp(guests.a, guests.b, f"fd02:{i}::2", 4 * MB)
        for received, sent in more:
            assert received.json()["sha256"] == sent.json()["sha256"]
        for size in UDP_SIZES:
            udp(guests.a, guests.b, f"10.2.{i}.2", 20, size)
            udp(guests.b, guests.a, f"fd02:{i}::1", 20, size)
    counted.assert_nothing_in_software()
    assert counted[a]["tx"]["gso_frames"] > 0 and counted[b]["tx"]["gso_frames"] > 0


# DPDK. Ports of one testpmd have as many queues, and take frames as large.

def dpdk_groups():
    groups = {}
    for kind in to_join("dpdk"):
        groups.setdefault((kind.values["queues"], kind.values["buffers"]), []).append(kind)
    return {group: joined(kinds) for group, kinds in groups.items()}


DPDK_GROUPS = dpdk_groups()
# Longest frame, and how many are under way: with their pieces they have to fit into a ring, or testpmd drops them.
LOADS = {"mergeable": ((1514, 128), (9014, 32)), "whole": ((1514, 128),)}


@pytest.fixture(scope="module", params=DPDK_GROUPS, ids="-".join)
def testpmd(request):
    """Each is gone before the next one comes: they never sleep."""
    queues, buffers = request.param

    class Net:
        pass

    net = Net()
    net.pairs, net.loads = DPDK_GROUPS[request.param], LOADS[buffers]
    with Lab() as lab:
        net.daemon = lab.daemon({"networks": [
            {"name": f"{side}{i}", "mtu": 9000, "ports": [vhost_user(f"{side}-dpdk{i}", int(queues)), vhost_user(f"{side}-end{i}")]}
            for i in range(len(net.pairs)) for side in SIDES
        ]})
        ports = [(net.daemon.socket(f"{side}-dpdk{i}"), kind.options("dpdk"))
                 for i, kinds in enumerate(net.pairs) for side, kind in zip(SIDES, kinds)]
        net.testpmd = lab.testpmd(ports, queues=int(queues), frame_max=net.loads[-1][0])
        net.testpmd.say("start")
        yield net


def test_dpdk(testpmd):
    for i, kinds in enumerate(testpmd.pairs):
        for side, kind in zip(SIDES, kinds):
            kind.assert_negotiated(testpmd.daemon, f"{side}-dpdk{i}")
            assert testpmd.daemon.port(f"{side}-dpdk{i}")["queues_active"] == kind.queues
        with Counted(testpmd.daemon, *(f"{side}-dpdk{i}" for side in SIDES)) as counted:
            for longest, under_way in testpmd.loads:
                exchange(testpmd, i, kinds, longest, under_way)
        counted.assert_nothing_in_software()
        for port in counted.delta.values():
            assert min(port[way]["frames"] for way in ("rx", "tx")) >= N_FRAMES * len(testpmd.loads)


def exchange(net, i, kinds, longest, under_way):
    argv = [BUILD / "tests" / "vm" / "vhost-pair", "-l", str(longest), "-w", str(under_way),
            *(net.daemon.socket(f"{side}-end{i}") for side in SIDES), str(N_FRAMES)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    print(f"{kinds[0]} - {kinds[1]}, up to {longest} bytes: {done.stdout}{done.stderr}")
    assert done.returncode == 0, f"{kinds[0]} - {kinds[1]}, up to {longest} bytes: {done.stderr}{done.stdout}"
