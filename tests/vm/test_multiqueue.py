# SPDX-License-Identifier: Apache-2.0
"""A guest with four CPUs and four queue pairs, and one with one, by a daemon with two workers."""

import collections
import re

import pytest

from lab import Nic, eventually
from lab.transfer import MB, Counted, tcp, udp

QUEUES = 4
DATAGRAMS = 200

@pytest.fixture(scope="module")
def net(module_lab):
    class Net:
        pass

    net = Net()
    net.daemon = module_lab.network([{"name": "a", "type": "vhost-user", "queues": QUEUES}, "b"], top={"workers": 2})
    net.a = module_lab.guest([Nic(net.daemon.socket("a"), "52:54:00:00:00:01", queues=QUEUES)], "a", cpus=QUEUES, wait=False)
    net.b = module_lab.guest([net.daemon.socket("b")], "b", wait=False)
    for i, guest in enumerate((net.a, net.b), 1):
        guest.wait_boot()
        guest.address(0, f"10.0.0.{i}/24")
    assert net.a.ping("10.0.0.2")
    return net


def use_queues(net, queues):
    net.a.run(f"ethtool -L eth0 combined {queues}", timeout=10)
    eventually(lambda: net.daemon.port("a")["queues_active"] == queues, what=f"{queues} active queues")


@pytest.mark.parametrize("queues", [QUEUES, 1, QUEUES - 1], ids=["all", "one", "some"])
def test_queues_are_used_and_left(net, queues):
    use_queues(net, queues)
    with Counted(net.daemon, "a", "b") as counted:
        more = [(net.b.submit(f"xfer recv {port}", 120), net.a.submit(f"xfer send 10.0.0.2 {port} 4000000 {port}", 120))
                for port in range(6000, 6003)]
        tcp(net.b, net.a, "10.0.0.1", 4 * MB)
        for received, sent in more:
            assert received.json()["sha256"] == sent.json()["sha256"]
    counted.assert_nothing_in_software()


def frames(guest, way):
    """By queue, as the guest counts them."""
    counted = re.findall(rf"{way}_queue_(\d+)_packets: (\d+)", guest.out("ethtool -S eth0"))
    return collections.Counter({int(queue): int(n) for queue, n in counted})


def test_answers_come_on_the_queue_that_was_asked_on(net):
    """One flow from each CPU. Where it sends is the guest's choice."""
    use_queues(net, QUEUES)
    used = set()
    for cpu in range(QUEUES):
        before = {way: frames(net.a, way) for way in ("rx", "tx")}
        net.a.run(f"taskset -p {1 << cpu} $PPID")  # the agent's: what it starts inherits it
        udp(net.a, net.b, "10.0.0.2", DATAGRAMS, 64)
        sent, received = (frames(net.a, way) - before[way] for way in ("tx", "rx"))
        (queue, n), = sent.most_common(1)
        assert n >= DATAGRAMS, sent
        assert received[queue] >= DATAGRAMS, f"sent on {sent}, received on {received}"
        used.add(queue)
    assert len(used) > 1
