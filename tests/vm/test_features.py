# SPDX-License-Identifier: Apache-2.0
"""Guests that offer less, each paired with a full-featured one: the switch fits every frame to its receiver. What a ring can be like
is test_matrix.py's.

    guest lesser: eth0, eth1, ... each lacks something     ---ringwayd---     guest full: eth0, eth1, ... lack nothing
    10.2.I.1, fd02:I::1                                    network lanI       10.2.I.2, fd02:I::2
"""

import dataclasses

import pytest

from lab.transfer import MB, Counted, tcp, udp

N_BYTES = 16 * MB


@dataclasses.dataclass
class Case:
    name: str
    options: str
    lacks: tuple  # features that must not be there, or the test would test nothing
    receives_large: bool = True  # TSO frames come whole
    receives_partial: bool = True  # unfinished checksums come as they are
    sends_large: bool = True
    sends_partial: bool = True
    coalesce: str = "none"


CASES = [
    # A card without CSUM has no TSO either, QEMU or driver see to that; the same holds for the receiving direction.
    Case("csum", "csum=off,host_tso4=off,host_tso6=off,host_ecn=off,host_ufo=off", ("csum", "host_tso4"),
         sends_large=False, sends_partial=False),
    # What it sends one by one comes together on the way.
    Case("coalesce", "csum=off,host_tso4=off,host_tso6=off,host_ecn=off,host_ufo=off", ("csum", "host_tso4"),
         coalesce="tcp"),
    Case("guest_csum", "guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off",
         ("guest_csum", "guest_tso4"), receives_large=False, receives_partial=False),
    Case("guest_tso", "guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off", ("guest_tso4", "guest_tso6"),
         receives_large=False),
    Case("guest_tso4", "guest_tso4=off", ("guest_tso4",), receives_large=False),
    Case("nothing", "csum=off,host_tso4=off,host_tso6=off,host_ecn=off,host_ufo=off,guest_csum=off,guest_tso4=off,"
         "guest_tso6=off,guest_ecn=off,guest_ufo=off,mrg_rxbuf=off,indirect_desc=off,event_idx=off,disable-modern=on,"
         "disable-legacy=off", ("csum", "guest_csum", "mrg_rxbuf", "indirect_desc", "event_idx", "version_1"),
         receives_large=False, receives_partial=False, sends_large=False, sends_partial=False),
]


@pytest.fixture(scope="module")
def net(module_lab):
    class Net:
        pass

    from lab import Nic

    net = Net()
    net.daemon = module_lab.daemon({"networks": [
        {"name": f"lan{i}", "ports": [{"name": f"lesser{i}", "type": "vhost-user", "coalesce": case.coalesce},
                                      {"name": f"full{i}", "type": "vhost-user"}]}
        for i, case in enumerate(CASES)
    ]})
    nics = {side: [Nic(net.daemon.socket(f"{side}{i}"), f"52:54:00:{place:02x}:00:{i + 1:02x}",
                       case.options if side == "lesser" else "") for i, case in enumerate(CASES)]
            for place, side in enumerate(("lesser", "full"), 1)}
    net.lesser = module_lab.guest(nics["lesser"], "lesser", wait=False)
    net.full = module_lab.guest(nics["full"], "full", wait=False)
    for place, guest in enumerate((net.lesser, net.full), 1):
        guest.wait_boot()
        for i in range(len(CASES)):
            guest.address(i, f"10.2.{i}.{place}/24", f"fd02:{i}::{place}/64")
    return net


@pytest.fixture(params=range(len(CASES)), ids=lambda i: CASES[i].name)
def pair(request, net):
    """(case, its number) with both ends up."""
    assert net.lesser.ping(f"10.2.{request.param}.2")
    return CASES[request.param], request.param


def test_features_are_what_the_case_says(net, pair):
    case, i = pair
    features = net.daemon.port(f"lesser{i}")["features"]
    assert not set(case.lacks) & set(features)
    assert "ring_reset" not in features  # QEMU would let the guest have it (docs/protocol.md)
    assert {"csum", "guest_csum", "guest_tso4", "mrg_rxbuf", "version_1"} <= set(net.daemon.port(f"full{i}")["features"])


def test_to_the_lesser_one(net, pair):
    case, i = pair
    with Counted(net.daemon, f"lesser{i}") as counted:
        tcp(net.full, net.lesser, f"10.2.{i}.1", N_BYTES)
    tx = counted[f"lesser{i}"]["tx"]
    if case.receives_large:
        assert tx["gso_frames"] > 0 and tx["sw_segments"] == 0
    else:
        assert tx["gso_frames"] == 0 and tx["sw_segments"] > N_BYTES / 1514
    if case.receives_partial:
        assert tx["csum_partial"] > 0
    else:
        assert tx["csum_partial"] == 0


def test_from_the_lesser_one(net, pair):
    case, i = pair
    with Counted(net.daemon, f"lesser{i}", f"full{i}") as counted:
        tcp(net.lesser, net.full, f"10.2.{i}.2", N_BYTES)
    rx = counted[f"lesser{i}"]["rx"]
    assert bool(rx["gso_frames"]) == case.sends_large
    assert bool(rx["csum_partial"]) == case.sends_partial
    assert bool(rx["coalesced"]) == (case.coalesce != "none")
    # The receiver can take anything.
    assert counted[f"full{i}"]["tx"]["sw_segments"] == counted[f"full{i}"]["tx"]["sw_csum"] == 0


def test_ipv6_and_udp(net, pair):
    _, i = pair
    tcp(net.full, net.lesser, f"fd02:{i}::1", 2 * MB)
    tcp(net.lesser, net.full, f"fd02:{i}::2", 2 * MB)
    for size in (18, 1472, 9000):
        udp(net.full, net.lesser, f"10.2.{i}.1", 20, size)
        udp(net.lesser, net.full, f"fd02:{i}::2", 20, size)
