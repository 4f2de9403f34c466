# SPDX-License-Identifier: Apache-2.0
"""Guests come and go; the daemon and the other guests do not notice."""

import time

import pytest

from lab import eventually
from lab.transfer import MB, tcp


@pytest.fixture(scope="module")
def net(module_lab):
    class Net:
        pass

    net = Net()
    net.lab = module_lab
    net.daemon = module_lab.network(["a", "b"])
    net.a = module_lab.guest([net.daemon.socket("a")], "a", wait=False)
    net.b = module_lab.guest([net.daemon.socket("b")], "b", wait=False)
    net.a.wait_boot()
    net.b.wait_boot()
    net.a.address(0, "10.0.0.1/24")
    return net


def assert_b_is_back(net):
    net.b.address(0, "10.0.0.2/24")
    assert net.a.ping("10.0.0.2")
    tcp(net.a, net.b, "10.0.0.2", 5 * MB)
    tcp(net.b, net.a, "10.0.0.1", 5 * MB)
    assert net.a.boots == 1
    assert net.daemon.process.running()


def test_idle_daemon_sleeps(net):
    """Two booted guests with nothing to say: under 0.5 % of a core in ten seconds, and no wake-up in a second."""
    assert_b_is_back(net)
    daemon = net.daemon.process
    time.sleep(2)
    cpu, start = daemon.cpu_ns(), time.monotonic_ns()
    quiet_seconds = 0
    for _ in range(10):
        switches = daemon.switches()
        time.sleep(1)
        quiet_seconds += daemon.switches() == switches
    share = (daemon.cpu_ns() - cpu) / (time.monotonic_ns() - start)
    assert share < 0.005
    # A guest's kernel may well say something in ten seconds (neighbours, multicast); in most of them it does not.
    assert quiet_seconds >= 5


def test_guest_reboots(net):
    net.b.reboot()
    assert_b_is_back(net)


def test_guest_is_reset_under_load(net):
    """The ring vanishes while frames are on their way in both directions."""
    net.b.submit("xfer recv 5555 >/dev/null", 30)
    net.a.submit("xfer send 10.0.0.2 5555 1000000000 1", 4)
    time.sleep(1.5)
    net.b.reset()
    assert_b_is_back(net)


def test_driver_is_unbound_and_bound(net):
    for _ in range(3):
        net.b.run("cd /sys/bus/virtio/drivers/virtio_net && d=$(ls -d virtio*) && echo $d >unbind && sleep 0.2 && echo $d >bind")
        assert_b_is_back(net)


def test_guest_is_killed(net):
    net.b.process.kill()
    # The other one goes on, to nobody.
    assert not net.a.ping("10.0.0.2", timeout=1)
    net.b = net.lab.guest(net.b.nics, "b2")
    assert_b_is_back(net)


def test_guest_is_killed_under_load(net):
    net.b.submit("xfer recv 5556 >/dev/null", 30)
    net.a.submit("xfer send 10.0.0.2 5556 1000000000 1", 4)
    time.sleep(1.5)
    net.b.process.kill()
    net.b = net.lab.guest(net.b.nics, "b3")
    assert_b_is_back(net)


def test_port_says_how_it_is(net):
    assert net.daemon.port("b")["connected"]
    net.b.process.kill()
    eventually(lambda: not net.daemon.port("b")["connected"], what="port b is free again")
    assert net.daemon.port("a")["connected"]
