# SPDX-License-Identifier: Apache-2.0
"""Two guests that offer everything: frames cross whole and unfinished, and arrive intact.

    guest a ---vhost-user--- ringwayd ---vhost-user--- guest b        network lan, MTU 1500
    10.0.0.1, fd00::1                                  10.0.0.2, fd00::2
"""

import pytest

from lab.transfer import MB, Counted, tcp, udp

MTU = 1500
FRAME_MAX = MTU + 14
ADDRESSES = {"a": {"ipv4": "10.0.0.1", "ipv6": "fd00::1"}, "b": {"ipv4": "10.0.0.2", "ipv6": "fd00::2"}}


@pytest.fixture(scope="module")
def net(module_lab):
    class Net:
        pass

    net = Net()
    net.daemon = module_lab.network(["a", "b"])
    net.guests = {name: module_lab.guest([net.daemon.socket(name)], name, wait=False) for name in "ab"}
    for name, guest in net.guests.items():
        guest.wait_boot()
        guest.address(0, ADDRESSES[name]["ipv4"] + "/24", ADDRESSES[name]["ipv6"] + "/64")
    assert net.guests["a"].ping(ADDRESSES["b"]["ipv4"])
    return net


def test_guests_negotiate_every_offload(net):
    for name in "ab":
        features = net.daemon.port(name)["features"]
        for wanted in ("csum", "guest_csum", "guest_tso4", "guest_tso6", "guest_ecn", "host_tso4", "host_tso6", "host_ecn",
                       "mrg_rxbuf", "version_1", "indirect_desc", "event_idx"):
            assert wanted in features


@pytest.mark.parametrize("version", ["ipv4", "ipv6"])
@pytest.mark.parametrize("sender,receiver", ["ab", "ba"])
def test_tcp_crosses_unsegmented_and_unfinished(net, sender, receiver, version):
    n_bytes = 200 * MB
    with Counted(net.daemon, "a", "b") as counted:
        tcp(net.guests[sender], net.guests[receiver], ADDRESSES[receiver][version], n_bytes)
    counted.assert_nothing_in_software()
    for port, way in ((sender, "rx"), (receiver, "tx")):
        c = counted[port][way]
        assert c["bytes"] > n_bytes
        # Had they been cut to the MTU there would have to be more of them.
        assert c["frames"] < n_bytes / FRAME_MAX
        assert c["gso_frames"] > 0.5 * n_bytes / 65536
        # Every data frame had its checksum left to whoever needs one.
        assert c["csum_partial"] >= c["gso_frames"]
    assert counted[sender]["rx"]["gso_frames"] == counted[receiver]["tx"]["gso_frames"]


@pytest.mark.parametrize("version", ["ipv4", "ipv6"])
@pytest.mark.parametrize("size", [18, 1452, 1473, 9000, 60000], ids=lambda n: f"{n}B")
def test_udp(net, version, size):
    with Counted(net.daemon, "a", "b") as counted:
        udp(net.guests["a"], net.guests["b"], ADDRESSES["b"][version], 50, size)
    counted.assert_nothing_in_software()


def test_vlan_tagged(net):
    """A tag that the guests make themselves: TSO frames carry it inside."""
    for guest, address in zip(net.guests.values(), ("10.1.0.1/24", "10.1.0.2/24")):
        guest.run(f"ip link add link eth0 name eth0.100 type vlan id 100 && ip addr add {address} dev eth0.100 && "
                  "ip link set eth0.100 up")
    assert net.guests["a"].ping("10.1.0.2")
    with Counted(net.daemon, "a", "b") as counted:
        tcp(net.guests["a"], net.guests["b"], "10.1.0.2", 20 * MB)
        udp(net.guests["a"], net.guests["b"], "10.1.0.2", 50, 1472)
    counted.assert_nothing_in_software()
    assert counted["b"]["tx"]["gso_frames"] > 0
    assert counted["b"]["tx"]["frames"] < 20 * MB / FRAME_MAX


def test_both_directions_at_once(net):
    a, b = net.guests.values()
    with Counted(net.daemon, "a", "b") as counted:
        other_way = b.submit("xfer recv 5000", 120)
        back = a.submit("sleep 0.5; xfer send 10.0.0.2 5000 20000000 3", 120)
        tcp(b, a, "10.0.0.1", 20 * MB)
        assert back.json()["sha256"] == other_way.json()["sha256"]
    counted.assert_nothing_in_software()
