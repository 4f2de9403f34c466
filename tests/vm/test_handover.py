# SPDX-License-Identifier: Apache-2.0
"""`ringway daemon handover` under load: a new process goes on in the middle of the rings, and no guest notices.

    guest a ---vhost-user--- ringwayd ---vhost-user--- guest b
    10.0.0.1                 handover                  10.0.0.2

QEMU is told not to connect again: a connection that was lost once would be lost for good. RINGWAY_FULL=1 hands over 20 times,
else 3 times.
"""

import json
import os
import random
import time

import pytest

from lab import Nic, eventually

HANDOVERS = 20 if os.environ.get("RINGWAY_FULL") else 3
MAC = {"a": "52:54:00:00:0a:01", "b": "52:54:00:00:0b:01"}


def fdb(daemon):
    return {entry["mac"]: entry["port"] for entry in daemon.cli("fdb")}


def hand_over(daemon):
    """In the middle of things. Returns how long no frame moved, in milliseconds."""
    before = {name: daemon.counters(name) for name in ("a", "b")}
    fds = daemon.open_fds()
    status = daemon.handover()
    for name, counters in before.items():
        for way in ("rx", "tx"):
            after = daemon.counters(name)[way]
            assert all(after[key] >= value for key, value in counters[way].items() if key != "drops"), name
    assert daemon.open_fds() == fds
    assert fdb(daemon) == {MAC["a"]: "a", MAC["b"]: "b"}
    return status["took_over"]["pause_ns"] / 1e6


@pytest.mark.parametrize("ring", ["split", "packed"])
def test_no_connection_breaks(lab, ring):
    daemon = lab.network(["a", "b"])
    options = "packed=on" if ring == "packed" else ""
    a, b = [lab.guest([Nic(daemon.socket(n), MAC[n], options, reconnect=False)], n, wait=False) for n in "ab"]
    for guest, address in ((a, "10.0.0.1/24"), (b, "10.0.0.2/24")):
        guest.wait_boot()
        guest.address(0, address)
    assert a.ping("10.0.0.2")
    # Both directions, data and acknowledgements alike, until told to end.
    b.run("iperf3 -s -1 -D -p 5201 && iperf3 -s -1 -D -p 5202")
    time.sleep(1)
    loads = [a.submit(f"iperf3 -c 10.0.0.2 -p {5201 + r} -t 3600 -J {'-R' if r else ''}", 3600)
             for r in (0, 1)]
    time.sleep(2)
    pauses = []
    for _ in range(HANDOVERS):
        time.sleep(random.uniform(0.2, 1.0))
        pauses.append(hand_over(daemon))
        before = daemon.counters("b")["tx"]["bytes"]
        eventually(lambda: daemon.counters("b")["tx"]["bytes"] > before + 1_000_000, timeout=20, what="frames flow")
    a.run("killall -INT iperf3")
    for load in loads:
        result = json.loads(load.wait(check=False).output)
        assert result["error"].startswith("interrupt"), result["error"]
        assert sum(i["sum"]["bytes"] for i in result["intervals"]) > HANDOVERS * 500_000
    assert daemon.log.count("front-end has connected") == 2
    assert "connection ended" not in daemon.log and "disconnected" not in daemon.log
    assert not any("unexpected msg" in guest.process.log() for guest in (a, b))  # QEMU has been asked nothing that it does not know
    print(f"{ring}: {HANDOVERS} handovers, 0 broken connections, no frame moved for at most {max(pauses):.2f} ms")
