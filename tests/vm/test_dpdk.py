# SPDX-License-Identifier: Apache-2.0
"""testpmd loops frames through the daemon over two virtio-user ports, without hugepages.

    testpmd port 0 ---vhost-user v0--- ringwayd ---vhost-user v1--- testpmd port 1
"""

import time

import pytest

from lab.testpmd import Testpmd
from lab.transfer import Counted

PER_DIRECTION = 20000


@pytest.fixture
def daemon(lab):
    return lab.network(["v0", "v1"])


def loop(lab, daemon, devargs):
    testpmd = Testpmd([daemon.socket("v0"), daemon.socket("v1")], lab.dir, devargs)
    lab.callback(testpmd.kill)
    return testpmd


@pytest.mark.parametrize("mrg_rxbuf", [0, 1])
@pytest.mark.parametrize("in_order", [0, 1])
def test_frames_of_both_sizes_go_round(lab, daemon, mrg_rxbuf, in_order):
    testpmd = loop(lab, daemon, f"mrg_rxbuf={mrg_rxbuf},in_order={in_order},packed_vq=0")
    for size in (60, 1514):  # on the wire 64 and 1518, with the checksum that virtio leaves out
        testpmd.say(f"set txpkts {size}")
        before = testpmd.received()
        with Counted(daemon, "v0", "v1") as counted:
            testpmd.say("start tx_first 32")
            time.sleep(1)
            testpmd.say("stop")
        gained = [after - b for after, b in zip(testpmd.received(), before)]
        assert min(gained) > PER_DIRECTION
        for port in ("v0", "v1"):
            for way in ("rx", "tx"):
                c = counted[port][way]
                assert c["frames"] > PER_DIRECTION
                assert c["bytes"] == size * c["frames"]
                assert c["dropped"] == 0
        counted.assert_nothing_in_software()


def test_front_end_is_killed_and_comes_back(lab, daemon):
    for _ in range(2):
        testpmd = loop(lab, daemon, "mrg_rxbuf=1,in_order=0,packed_vq=0")
        testpmd.say("start tx_first 32")
        time.sleep(0.3)
        assert min(testpmd.received()) > 0
        testpmd.kill()
    assert daemon.process.running()
