# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the daemon under load, and a new one on the same sockets: the guests notice a pause and nothing else.

    guest a ---vhost-user--- ringwayd ---vhost-user--- guest b
    10.0.0.1                 kill -9, start             10.0.0.2

RINGWAY_FULL=1 kills 50 times, else 5 times.
"""

import os
import random
import time

import pytest

from lab import Nic, eventually

KILLS = 50 if os.environ.get("RINGWAY_FULL") else 5
# QEMU tries to connect once a second.
PAUSE_S = 4
MAC = {"a": "52:54:00:00:0a:01", "b": "52:54:00:00:0b:01"}


def up(daemon, *ports):
    return all(daemon.port(p)["connected"] for p in ports)


@pytest.fixture(params=["split", "packed"])
def net(request, lab):
    class Net:
        pass

    net = Net()
    net.daemon = lab.network(["a", "b"])
    options = "packed=on" if request.param == "packed" else ""
    net.a, net.b = [lab.guest([Nic(net.daemon.socket(n), MAC[n], options)], n, wait=False) for n in "ab"]
    for guest, address in ((net.a, "10.0.0.1/24"), (net.b, "10.0.0.2/24")):
        guest.wait_boot()
        guest.address(0, address)
    assert net.a.ping("10.0.0.2")
    return net


def fdb(daemon):
    return {entry["mac"]: entry["port"] for entry in daemon.cli("fdb")}


def test_no_connection_breaks(net):
    seconds = KILLS * (PAUSE_S + 1) + 5
    # Both directions, data and acknowledgements alike; it must outlive all the kills.
    net.b.run("iperf3 -s -1 -D -p 5201 && iperf3 -s -1 -D -p 5202")
    time.sleep(1)
    loads = [net.a.submit(f"iperf3 -c 10.0.0.2 -p {5201 + r} -t {seconds} -J {'-R' if r else ''}", seconds + 60)
             for r in (0, 1)]
    time.sleep(2)
    longest = 0
    for _ in range(KILLS):
        time.sleep(random.uniform(0.2, 1.0))
        net.daemon.kill()
        net.daemon.start()
        # Before any guest has said a word: what the killed one had learned.
        assert fdb(net.daemon) == {MAC["a"]: "a", MAC["b"]: "b"}
        killed = time.monotonic()
        eventually(lambda: up(net.daemon, "a", "b"), timeout=10)
        longest = max(longest, time.monotonic() - killed)
        before = net.daemon.counters("b")["tx"]["bytes"]
        eventually(lambda: net.daemon.counters("b")["tx"]["bytes"] > before + 1_000_000, timeout=20, what="frames flow")
    for load in loads:
        result = load.json()
        assert "error" not in result
        assert result["end"]["sum_received"]["bytes"] > KILLS * 1_000_000
    print(f"{KILLS} kills, 0 broken connections, links up again after at most {longest:.1f} s")


def test_guest_that_boots_while_the_daemon_is_away(net):
    """Its rings are set up anew at the same addresses: nothing of the old ones may be believed."""
    net.daemon.kill()
    net.a.reset()
    net.daemon.start()
    eventually(lambda: up(net.daemon, "a", "b"), timeout=20)
    net.a.address(0, "10.0.0.1/24")
    assert net.a.ping("10.0.0.2")
