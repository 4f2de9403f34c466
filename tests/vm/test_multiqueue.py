# SPDX-License-Identifier: Apache-2.0
"""A guest with two CPUs and two queue pairs, and one with one, by a daemon with two workers."""

import pytest

from lab import Nic, eventually
from lab.transfer import MB, Counted, tcp


@pytest.fixture(scope="module")
def net(module_lab):
    class Net:
        pass

    net = Net()
    net.daemon = module_lab.network([{"name": "a", "type": "vhost-user", "queues": 2}, "b"], top={"workers": 2})
    net.a = module_lab.guest([Nic(net.daemon.socket("a"), "52:54:00:00:00:01", queues=2)], "a", cpus=2, wait=False)
    net.b = module_lab.guest([net.daemon.socket("b")], "b", wait=False)
    for i, guest in enumerate((net.a, net.b), 1):
        guest.wait_boot()
        guest.address(0, f"10.0.0.{i}/24")
    assert net.a.ping("10.0.0.2")
    return net


@pytest.mark.parametrize("queues", [2, 1, 2], ids=["both", "one", "both again"])
def test_queues_are_used_and_left(net, queues):
    net.a.run(f"ethtool -L eth0 combined {queues}", timeout=10)
    eventually(lambda: net.daemon.port("a")["queues_active"] == queues, what=f"{queues} active queues")
    with Counted(net.daemon, "a", "b") as counted:
        more = [(net.b.submit(f"xfer recv {port}", 120), net.a.submit(f"xfer send 10.0.0.2 {port} 10000000 {port}", 120))
                for port in range(6000, 6003)]
        tcp(net.b, net.a, "10.0.0.1", 10 * MB)
        for received, sent in more:
            assert received.json()["sha256"] == sent.json()["sha256"]
    counted.assert_nothing_in_software()
