# SPDX-License-Identifier: Apache-2.0
"""Traffic between two ends, and what the daemon counted of it.

An end is a guest or a network namespace: whatever has submit(command, timeout) -> something with json().
"""

import itertools

PORTS = itertools.count(20000)
MB = 1000 * 1000

SOFTWARE = ("sw_csum", "sw_gso_frames", "sw_segments")


def tcp(sender, receiver, address, n_bytes, seed=7, timeout=180):
    """Sends so many pseudo-random bytes to `address`; both ends hash them. Returns Gbit/s as the receiver saw it."""
    port = next(PORTS)
    receiving = receiver.submit(f"xfer recv {port}", timeout)
    sending = sender.submit(f"xfer send {address} {port} {n_bytes} {seed}", timeout)
    sent, received = sending.json(), receiving.json()
    assert sent["bytes"] == received["bytes"] == n_bytes
    assert sent["sha256"] == received["sha256"]
    return received["bytes"] * 8 / received["seconds"] / 1e9


def udp(sender, receiver, address, count, size, seed=5, timeout=60):
    """Datagrams there and back, each compared with what was sent."""
    port = next(PORTS)
    echo = receiver.submit(f"xfer echo {port}", timeout)
    result = sender.submit(f"xfer probe {address} {port} {count} {size} {seed}", timeout).json()
    echo.wait()
    assert result == {"sent": count, "returned": count, "wrong": 0}


class Counted:
    """What happened at some ports inside a `with`: counted["a"]["rx"]["frames"]."""

    def __init__(self, daemon, *ports):
        self.daemon, self.ports, self.delta = daemon, ports, {}

    def __enter__(self):
        self.before = {p: self.daemon.counters(p) for p in self.ports}
        return self

    def __exit__(self, failed, *_):
        if failed:
            return
        for port, before in self.before.items():
            after = self.daemon.counters(port)
            self.delta[port] = {way: difference(before[way], after[way]) for way in ("rx", "tx")}

    def __getitem__(self, port):
        return self.delta[port]

    def assert_nothing_in_software(self):
        """No checksum computed, nothing segmented, nothing lost, for any of the ports.

        But for frames that found the ring of their guest full for longer than a switch may wait: a machine that is busy
        with other things does not let an emulated guest empty it. Or that came while a front-end changed its rings.
        """
        for port, ways in self.delta.items():
            for way, counters in ways.items():
                work = {key: counters[key] for key in SOFTWARE if counters[key]}
                assert not work, f"port {port}, {way}: {work}"
                lost = {reason: n for reason, n in counters["drops"].items() if n and reason not in ("ring_full", "paused")}
                assert not lost, f"port {port}, {way}: {lost}"


def difference(before, after):
    return {key: difference(before[key], value) if isinstance(value, dict) else value - before[key]
            for key, value in after.items()}
