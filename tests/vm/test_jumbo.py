# SPDX-License-Identifier: Apache-2.0
"""A network with an MTU of 9000: the guests are told so, and frames of that size cross."""

import pytest

from lab.transfer import MB, Counted, tcp, udp

MTU = 9000


@pytest.fixture(scope="module")
def net(module_lab):
    class Net:
        pass

    net = Net()
    net.daemon = module_lab.network(["a", "b"], network={"mtu": MTU})
    net.a, net.b = (module_lab.guest([net.daemon.socket(p)], p, options=f"host_mtu={MTU}", wait=False) for p in "ab")
    for i, guest in enumerate((net.a, net.b), 1):
        guest.wait_boot()
        guest.address(0, f"10.0.0.{i}/24", f"fd00::{i}/64")
    assert net.a.ping("10.0.0.2")
    return net


def test_guests_learn_the_mtu(net):
    for port, guest in ("a", net.a), ("b", net.b):
        assert guest.out("cat /sys/class/net/eth0/mtu") == str(MTU)
        assert net.daemon.port(port)["guest_mtu"] == MTU
        assert f"{MTU}, the guest's {MTU}" in net.daemon.cli("port", "show", port, text=True)


@pytest.mark.parametrize("address", ["10.0.0.2", "fd00::2"])
def test_tso_frames_cross_whole(net, address):
    with Counted(net.daemon, "a", "b") as counted:
        tcp(net.a, net.b, address, 50 * MB)
    counted.assert_nothing_in_software()
    assert counted["b"]["tx"]["gso_frames"] > 0
    assert counted["b"]["tx"]["frames"] < 50 * MB / (MTU + 14)


def test_frames_of_the_mtu_cross(net):
    """Without TSO every frame is at most 9014 bytes, and most are just that."""
    net.a.run("ethtool -K eth0 tso off gso off")
    try:
        with Counted(net.daemon, "a", "b") as counted:
            tcp(net.a, net.b, "10.0.0.2", 20 * MB)
            udp(net.a, net.b, "10.0.0.2", 20, MTU - 28)
    finally:
        net.a.run("ethtool -K eth0 tso on gso on")
    counted.assert_nothing_in_software()
    tx = counted["b"]["tx"]
    assert tx["gso_frames"] == 0
    assert 5000 < tx["bytes"] / tx["frames"] <= MTU + 14
