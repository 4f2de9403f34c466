# SPDX-License-Identifier: Apache-2.0
"""Two hosts on the daemon's taps, and datagrams from one to the other.

    netns --tap-- ringwayd --tap-- netns

host-loop sends small ones in bursts and counts those that arrive, each with its length and its number.
"""

import json
import subprocess

import pytest

from lab import BUILD

ADDRESS = "10.78.0.2"


def hosts(lab, **port):
    """The daemon, and the namespaces of the two hosts."""
    switch, a, b = lab.netns(), lab.netns(), lab.netns()
    ports = [{"name": name, "type": "tap", "ifname": name, **port} for name in ("ta", "tb")]
    for p in ports:
        switch.tap(p["ifname"])
    daemon = lab.network(ports, netns=switch.name)
    for ifname, host, address in (("ta", a, "10.78.0.1"), ("tb", b, ADDRESS)):
        switch.run(f"ip link set {ifname} netns {host.name}")
        host.run(f"ip addr add {address}/24 dev {ifname}; ip link set {ifname} up")
    return daemon, a, b


@pytest.mark.parametrize("coalesce", ["none", "tcp", "tcp+udp"])
def test_datagrams(lab, coalesce):
    """Each arrives as one, in order, whether they cross the switch one by one or many at a time."""
    daemon, a, b = hosts(lab, coalesce=coalesce)
    argv = [BUILD / "host-loop", "-k", "1", "-t", "0.5", "-w", "0", a.name, b.name, ADDRESS]
    result = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout)
    assert result["frames_per_s"][0] > 0
    assert result["out_of_order"] == 0
    rx, tx = daemon.counters("ta")["rx"], daemon.counters("tb")["tx"]
    if coalesce == "tcp+udp":
        assert rx["coalesced"] > 0 and tx["gso_frames"] + tx["sw_gso_frames"] > 0  # Linux takes them whole since 6.2
    else:
        assert rx["coalesced"] == 0 and tx["gso_frames"] == 0
