# SPDX-License-Identifier: Apache-2.0
"""A guest and the host, through a tap that an administrator made for the user that runs the daemon.

    guest a ---vhost-user--- ringwayd ---tap rw0--- network stack of a namespace
    10.0.0.1, fd00::1                               10.0.0.254, fd00::fe
"""

import subprocess

import pytest

from lab.process import GUEST_DIR, PATIENCE
from lab.transfer import MB, Counted, tcp, udp

MTU = 1500
N_BYTES = 100 * MB


class Host:
    """The namespace as an end of a transfer."""

    def __init__(self, netns):
        self.netns = netns

    def submit(self, command, timeout=30):
        return HostJob(self.netns.popen(f"PATH={GUEST_DIR}:$PATH; {command}"), timeout)


class HostJob:
    def __init__(self, popen, timeout):
        self.popen, self.timeout = popen, timeout * PATIENCE

    def wait(self, check=True):
        try:
            output, _ = self.popen.communicate(timeout=self.timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            raise
        assert not check or self.popen.returncode == 0, output
        return output

    def json(self):
        import json

        return json.loads(self.wait())


@pytest.fixture(scope="module", params=[1, 2], ids=["1 queue", "2 queues"])
def net(request):
    from lab import Lab

    class Net:
        pass

    with Lab() as lab:
        net = Net()
        netns = lab.netns()
        netns.tap("rw0", queues=request.param)
        net.daemon = lab.network(["a", {"name": "host", "type": "tap", "ifname": "rw0", "queues": request.param}],
                                 netns=netns.name)
        netns.run("ip addr add 10.0.0.254/24 dev rw0; ip addr add fd00::fe/64 dev rw0 nodad; ip link set rw0 up")
        net.host = Host(netns)
        net.guest = lab.guest([net.daemon.socket("a")], "a")
        net.guest.address(0, "10.0.0.1/24", "fd00::1/64")
        assert net.guest.ping("10.0.0.254")
        yield net


@pytest.mark.parametrize("address", ["10.0.0.254", "fd00::fe"])
def test_guest_to_host(net, address):
    with Counted(net.daemon, "a", "host") as counted:
        tcp(net.guest, net.host, address, N_BYTES)
    counted.assert_nothing_in_software()
    tx = counted["host"]["tx"]
    assert tx["gso_frames"] > 0
    assert tx["frames"] < N_BYTES / (MTU + 14)


@pytest.mark.parametrize("address", ["10.0.0.1", "fd00::1"])
def test_host_to_guest(net, address):
    with Counted(net.daemon, "a", "host") as counted:
        tcp(net.host, net.guest, address, N_BYTES)
    counted.assert_nothing_in_software()
    assert counted["host"]["rx"]["gso_frames"] > 0
    assert counted["a"]["tx"]["frames"] < N_BYTES / (MTU + 14)


@pytest.mark.parametrize("size", [18, 1472, 9000])
def test_udp(net, size):
    with Counted(net.daemon, "a", "host") as counted:
        udp(net.guest, net.host, "10.0.0.254", 50, size)
        udp(net.host, net.guest, "fd00::1", 50, size)
    counted.assert_nothing_in_software()
