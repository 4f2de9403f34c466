# SPDX-License-Identifier: Apache-2.0
"""DPDK's virtio-user, without hugepages: one of the two goes and comes back. What it can be told to do is test_matrix.py's.

    testpmd port 0 ---vhost-user v0--- ringwayd ---vhost-user v1--- testpmd port 1
    vhost-pair  ---ringwayd, network east---  testpmd, from one port to the other  ---ringwayd, network west---  vhost-pair

RINGWAY_FULL=1 kills the daemon 50 times, else 5 times.
"""

import json
import os
import random
import re
import signal
import subprocess
import time

import pytest

from lab import BUILD, eventually

KILLS = 50 if os.environ.get("RINGWAY_FULL") else 5
SIDES = ("east", "west")


def test_front_end_is_killed_and_comes_back(lab):
    daemon = lab.network(["v0", "v1"])
    for _ in range(2):
        testpmd = lab.testpmd([(daemon.socket(port), "mrg_rxbuf=1,in_order=0,packed_vq=0") for port in ("v0", "v1")])
        testpmd.say("start tx_first 32")
        eventually(lambda: min(testpmd.received()) > 0, what="frames come in at both ports")
        testpmd.kill()
    assert daemon.process.running()


def open_to_all(path):
    """What testpmd listens on is root's when the tests are, and the daemon is nobody."""
    eventually(path.exists, what=f"{path} is there")
    path.chmod(0o666)


@pytest.fixture(params=["split", "packed"])
def net(request, lab):
    """DPDK attaches again only as the server."""

    class Net:
        pass

    net = Net()
    sockets = [lab.dir / f"{side}-dpdk.sock" for side in SIDES]
    net.daemon = lab.daemon({"networks": [
        {"name": side, "ports": [{"name": f"{side}-dpdk", "type": "vhost-user", "mode": "client", "socket": str(socket)},
                                 {"name": f"{side}-end", "type": "vhost-user"}]} for side, socket in zip(SIDES, sockets)
    ]})
    packed = int(request.param == "packed")
    net.testpmd = lab.testpmd([(socket, f"server=1,mrg_rxbuf=1,in_order=0,packed_vq={packed}") for socket in sockets], wait=False)
    for socket in sockets:  # it makes one when somebody has connected to the one before
        open_to_all(socket)
    net.testpmd.wait()
    net.testpmd.say("start")
    return net


def received(daemon):
    """Frames that came from testpmd, by the side that has fewer."""
    return min(daemon.counters(f"{side}-dpdk")["rx"]["frames"] for side in SIDES)


def test_daemon_is_killed_under_load(net):
    """testpmd has all its buffers back in the end: neither lost in a ring, nor there twice. A front-end that does not ask for the
    record of descriptors in flight (DPDK does not) may see a frame again."""
    argv = [BUILD / "tests" / "vm" / "vhost-pair", "-r", "-w", "64", *(net.daemon.socket(f"{side}-end") for side in SIDES), str(10**8)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as pair:
        try:
            for _ in range(KILLS):
                eventually(lambda: received(net.daemon) > 1000, timeout=20, what="frames flow both ways")
                time.sleep(random.uniform(0, 0.3))
                net.daemon.kill()
                net.daemon.start()
            eventually(lambda: received(net.daemon) > 1000, timeout=20, what="frames flow both ways")
            pair.send_signal(signal.SIGTERM)
            out, err = pair.communicate(timeout=60)
        finally:
            pair.kill()
    assert pair.returncode == 0, out + err
    print(f"{KILLS} kills: {out}")
    assert json.loads(out)["sent"] > KILLS * 2000
    free, of = free_buffers(net.testpmd)
    assert free == of


def free_buffers(testpmd):
    """(how many of its buffers nothing uses, of how many), once its ports are closed."""
    for command in ("stop", "port stop all", "port close all"):
        testpmd.say(command)
    pools = testpmd.say("dump_mempool")
    return (sum(int(n) for n in re.findall(r"(?:total_cache|common_pool)_count=(\d+)", pools)),
            sum(int(n) for n in re.findall(r"populated_size=(\d+)", pools)))
