# SPDX-License-Identifier: Apache-2.0
"""DPDK's virtio-user, without hugepages: what happens when it goes. What it can be told to do is test_matrix.py's.

    testpmd port 0 ---vhost-user v0--- ringwayd ---vhost-user v1--- testpmd port 1
"""

import time


def loop(lab, daemon):
    testpmd = lab.testpmd([(daemon.socket(port), "mrg_rxbuf=1,in_order=0,packed_vq=0") for port in ("v0", "v1")])
    testpmd.say("start tx_first 32")
    return testpmd


def test_front_end_is_killed_and_comes_back(lab):
    daemon = lab.network(["v0", "v1"])
    for _ in range(2):
        testpmd = loop(lab, daemon)
        time.sleep(0.3)
        assert min(testpmd.received()) > 0
        testpmd.kill()
    assert daemon.process.running()
