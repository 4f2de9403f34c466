# SPDX-License-Identifier: Apache-2.0
"""A guest whose IOMMU stands between its memory and its network card.

    guest a, IOMMU ---vhost-user, IOTLB--- ringwayd ---vhost-user--- guest b
    10.0.0.1                                                         10.0.0.2

Linux maps every frame for the card and unmaps it afterwards: translations are asked for and taken back all the time.
"""

import pytest

from lab import Nic
from lab.transfer import MB, tcp, udp

IOMMU_CARD = "iommu_platform=on,ats=on,disable-legacy=on"


@pytest.fixture(params=["split", "packed"])
def net(request, lab):
    class Net:
        pass

    net = Net()
    net.daemon = lab.network(["a", "b"])
    options = IOMMU_CARD + (",packed=on" if request.param == "packed" else "")
    net.a = lab.guest([Nic(net.daemon.socket("a"), "52:54:00:00:0a:01", options)], "a", wait=False, iommu=True)
    net.b = lab.guest([net.daemon.socket("b")], "b", wait=False)
    for guest, address in ((net.a, "10.0.0.1/24"), (net.b, "10.0.0.2/24")):
        guest.wait_boot()
        guest.address(0, address)
    return net


def test_frames_are_translated(net):
    assert "access_platform" in net.daemon.port("a")["features"]
    assert net.a.ping("10.0.0.2")
    tcp(net.a, net.b, "10.0.0.2", 2 * MB)
    tcp(net.b, net.a, "10.0.0.1", 2 * MB)
