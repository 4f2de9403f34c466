# SPDX-License-Identifier: Apache-2.0
"""A guest that moves from one QEMU to another, back and forth, while a TCP connection runs to it.

    guest m, here or there ---vhost-user--- port here  \
                           ---vhost-user--- port there  ringwayd, network lan
    guest peer             ---vhost-user--- port peer  /

The pages that the switch wrote into m's receive buffers reach the other side only if it reported them.
"""

import itertools
import os
import time

import pytest

from lab import Nic, eventually
from lab.transfer import MB

MOVES = 20 if os.environ.get("RINGWAY_FULL") else 4
MAC = "52:54:00:00:00:aa"
SIDES = ("here", "there")


class Traveller:
    """One guest in whichever QEMU runs it now."""

    def __init__(self, lab, daemon, options):
        self.lab, self.daemon, self.options = lab, daemon, options
        self.names = itertools.count()
        self.side = 0
        self.guest = self.qemu()

    def qemu(self, *args):
        nic = Nic(self.daemon.socket(SIDES[self.side]), MAC, self.options)
        return self.lab.guest([nic], f"m{next(self.names)}", wait=not args, extra_args=args)

    def move(self):
        """To the other side. What QEMU says of it."""
        source, path = self.guest, self.lab.dir / f"migration{next(self.names)}"
        self.side = 1 - self.side
        target = self.qemu("-incoming", f"unix:{path}")
        eventually(path.exists, what="the target listens")
        source.qmp("migrate", uri=f"unix:{path}")
        info = eventually(lambda: self.finished(source), timeout=120, every=0.1, what="the migration ends")
        assert info["status"] == "completed", f"{info}\n{target.evidence()}"
        # Who waits for a command's end hears of it from the new QEMU.
        target.jobs, target.ids, source.jobs = source.jobs, source.ids, {}
        source.kill()
        self.guest = target
        return info

    @staticmethod
    def finished(guest):
        info = guest.qmp("query-migrate")
        return info if info.get("status") in ("completed", "failed", "cancelled") else None


@pytest.mark.parametrize("towards", ["guest that moves", "its peer"])
@pytest.mark.parametrize("ring", ["split", "packed"])
def test_connection_survives_moves(lab, ring, towards):
    daemon = lab.network([*SIDES, "peer"])
    peer = lab.guest([daemon.socket("peer")], "peer", wait=False)
    m = Traveller(lab, daemon, "packed=on" if ring == "packed" else "")
    peer.wait_boot()
    m.guest.address(0, "10.0.0.1/24")
    peer.address(0, "10.0.0.2/24")
    assert peer.ping("10.0.0.1")
    assert ("ring_packed" in daemon.port("here")["features"]) == (ring == "packed")

    total = 60 * MB
    receiver, sender = (m.guest, peer) if towards == "guest that moves" else (peer, m.guest)
    to = "10.0.0.1" if receiver is m.guest else "10.0.0.2"
    for _ in range(MOVES):
        receiver, sender = (m.guest, peer) if towards == "guest that moves" else (peer, m.guest)
        receiving = receiver.submit("xfer recv 5001", 240)
        sending = sender.submit(f"sleep 0.2; xfer send {to} 5001 {total} 9", 240)
        time.sleep(0.5)
        info = m.move()
        under_load = receiving.answer.empty()
        sent, received = sending.json(), receiving.json()
        assert sent["bytes"] == received["bytes"] == total
        assert sent["sha256"] == received["sha256"]
        print(f"{ring}, towards {towards}: downtime {info['downtime']} ms of {info['total-time']} ms, "
              f"{info['ram']['dirty-sync-count']} rounds, under load to the end: {under_load}, "
              f"{received['bytes'] * 8 / received['seconds'] / 1e9:.2f} Gbit/s")
